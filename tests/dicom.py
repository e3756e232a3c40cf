"""A DICOM whole-slide image as scanners export it: a file for each level, all of one series."""

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import JPEGBaseline8Bit, VLWholeSlideMicroscopyImageStorage, generate_uid

TILE_PX = 256


def write_dicom_slide(folder: Path, image: np.ndarray, downsamples: tuple[int, ...] = (1, 4), mpp: float = 0.5) -> None:
    """Write ``level_<n>.dcm`` for each level of uint8 RGB (H, W, 3)."""
    folder.mkdir(parents=True, exist_ok=True)
    series, study, frame_of_reference = generate_uid(), generate_uid(), generate_uid()
    for level, downsample in enumerate(downsamples):
        size = image.shape[1] // downsample, image.shape[0] // downsample
        pixels = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BOX))
        file = _instance(folder / f"level_{level}.dcm", pixels, mpp * downsample)
        file.SeriesInstanceUID, file.StudyInstanceUID, file.FrameOfReferenceUID = series, study, frame_of_reference
        file.InstanceNumber = level + 1
        file.ImageType = [
            "ORIGINAL" if level == 0 else "DERIVED",
            "PRIMARY",
            "VOLUME",
            "NONE" if level == 0 else "RESAMPLED",
        ]
        file.save_as(folder / f"level_{level}.dcm", enforce_file_format=True)


def _instance(path: Path, pixels: np.ndarray, mpp: float) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = VLWholeSlideMicroscopyImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = JPEGBaseline8Bit
    file = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    file.SOPClassUID, file.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    file.Modality, file.PatientID, file.PatientName = "SM", "P", "P"
    height, width = pixels.shape[:2]
    tiles = _jpeg_tiles(pixels)
    file.Rows = file.Columns = TILE_PX
    file.TotalPixelMatrixColumns, file.TotalPixelMatrixRows = width, height
    file.TotalPixelMatrixFocalPlanes = 1
    file.NumberOfFrames = len(tiles)
    file.NumberOfOpticalPaths = 1
    file.DimensionOrganizationType = "TILED_FULL"
    file.SamplesPerPixel, file.PhotometricInterpretation, file.PlanarConfiguration = 3, "YBR_FULL_422", 0
    file.BitsAllocated = file.BitsStored = 8
    file.HighBit, file.PixelRepresentation = 7, 0
    file.ImagedVolumeWidth, file.ImagedVolumeHeight = width * mpp / 1000, height * mpp / 1000
    measures = Dataset()
    measures.PixelSpacing, measures.SliceThickness = [mpp / 1000, mpp / 1000], 0.001
    shared = Dataset()
    shared.PixelMeasuresSequence = Sequence([measures])
    file.SharedFunctionalGroupsSequence = Sequence([shared])
    optical_path = Dataset()
    optical_path.OpticalPathIdentifier, optical_path.ObjectiveLensPower = "0", 20
    file.OpticalPathSequence = Sequence([optical_path])
    file.PixelData = encapsulate(tiles)
    file["PixelData"].is_undefined_length = True
    return file


def _jpeg_tiles(pixels: np.ndarray) -> list[bytes]:
    """Return the tiles row by row, filled up with white."""
    height, width = pixels.shape[:2]
    padded = np.full((-(-height // TILE_PX) * TILE_PX, -(-width // TILE_PX) * TILE_PX, 3), 255, np.uint8)
    padded[:height, :width] = pixels
    tiles = []
    for y in range(0, padded.shape[0], TILE_PX):
        for x in range(0, padded.shape[1], TILE_PX):
            buffer = BytesIO()
            Image.fromarray(padded[y : y + TILE_PX, x : x + TILE_PX]).save(
                buffer, "JPEG", quality=90, subsampling="4:2:2"
            )
            tiles.append(buffer.getvalue())
    return tiles
