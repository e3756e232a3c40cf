"""``patches/<slide>.h5``: where the patches of a slide lie. Owner of that format, version 1.

Dataset ``coords`` (N, 2), level-0 (x, y) of each patch's top-left corner, with attributes that say how they were made:
those of the original, those of TRIDENT, and ours. Files of both are read all the same. Where the images of the patches
were asked for, ``imgs`` (N, S, S, 3) holds them.
"""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np

from utils.errors import ItemError, one_line
from utils.h5_file import UNREADABLE, attributes, is_in, numbers_of, open_h5, read_numbers
from utils.h5_writing import atomic_h5
from utils.version import VERSION
from wsi_core.patch_reading import PatchReading, background_of
from wsi_core.resolution import magnification_of_mpp

STATUS_BAD = "bad_coords"
COORDS, IMAGES = "coords", "imgs"
# Beyond these a file is damaged or a prank: no slide is so large, no patch, and no slide has so many patches.
MAX_POSITION_PX, MAX_READ_PX, MAX_TARGET_PX, MAX_PATCHES = 2**31, 2**16, 2**13, 10**8


@dataclass(frozen=True)
class PatchCoords:
    """The patches of one slide.

    Attributes:
        coords: int64 (N, 2), level-0 (x, y) of the top-left corners.
        reading: how the pixels of a patch are read.
        downsample_xy: level-0 pixels per pixel of the level read at, along x and y.
        level_size: width and height of that level.
        slide_size: width and height of the slide, in level-0 pixels.
        name: slide id.
        save_path: the folder of the file, as the user typed it.
        overlap_px: by how many pixels of the resized patch neighbours overlap; negative: a gap.
        mpp: micrometres per level-0 pixel (x, y), or None where unknown.
        mpp_source: where that is stated.
        made_with: parameters of segmentation and grid, number of contours; empty where the file does not say.
        has_images: whether the file holds the images of the patches.
    """

    coords: np.ndarray
    reading: PatchReading
    downsample_xy: tuple[float, float] = (1.0, 1.0)
    level_size: tuple[int, int] = (0, 0)
    slide_size: tuple[int, int] = (0, 0)
    name: str = ""
    save_path: str = ""
    overlap_px: int = 0
    mpp: tuple[float, float] | None = None
    mpp_source: str = ""
    made_with: dict[str, str] = field(default_factory=dict)
    has_images: bool = False

    @property
    def patch_size_level0(self) -> int:
        """Side of a patch in level-0 pixels."""
        return self.reading.size_level0

    @property
    def mean_mpp(self) -> float | None:
        """Micrometres per level-0 pixel, the mean of both axes, or None where unknown."""
        return None if self.mpp is None else sum(self.mpp) / 2

    @property
    def patch_mpp(self) -> float | None:
        """Micrometres per pixel of the patch after resizing, or None where unknown."""
        mpp = self.mean_mpp
        return None if mpp is None else mpp * self.reading.size_level0 / self.reading.target_size_px

    def __len__(self) -> int:
        return len(self.coords)


def coords_path(folder: Path, slide_id: str) -> Path:
    """Return the file of a slide in a folder of coordinates: ``<slide>.h5``, or ``<slide>_patches.h5`` of TRIDENT."""
    ours, tridents = folder / f"{slide_id}.h5", folder / f"{slide_id}_patches.h5"
    return tridents if tridents.is_file() and not ours.is_file() else ours


def write_coords(path: Path, patches: PatchCoords, images: Iterable[np.ndarray] | None = None) -> None:
    """Write the file, atomically.

    Args:
        path: the file.
        patches: the patches.
        images: uint8 RGB (S, S, 3) of each patch in their order, or None to store no images.
    """
    with atomic_h5(path) as file:
        dataset = file.create_dataset(COORDS, data=patches.coords, chunks=True, maxshape=(None, 2))
        dataset.attrs.update(_attributes(patches))
        if images is not None:
            _write_images(file, len(patches), patches.reading.target_size_px, images)


def _write_images(file: h5py.File, n_patches: int, side_px: int, images: Iterable[np.ndarray]) -> None:
    shape = (side_px, side_px, 3)
    dataset = file.create_dataset(IMAGES, (n_patches, *shape), np.uint8, chunks=(1, *shape), maxshape=(None, *shape))
    for index, image in enumerate(images):
        dataset[index] = image


def _attributes(patches: PatchCoords) -> dict[str, object]:
    reading = patches.reading
    attributes: dict[str, object] = {
        # of the original
        "patch_size": reading.read_size_px,
        "patch_level": reading.level,
        "downsample": patches.downsample_xy,
        "downsampled_level_dim": patches.level_size,
        "level_dim": patches.level_size,
        "name": patches.name,
        "save_path": patches.save_path,
        # of TRIDENT
        "patch_size_level0": reading.size_level0,
        "overlap": patches.overlap_px,
        "level0_width": patches.slide_size[0],
        "level0_height": patches.slide_size[1],
        # ours
        "target_patch_size": reading.target_size_px,
        "resize_factor": reading.resize_factor,
        "custom_downsample": reading.custom_downsample,
        "background": reading.background,
        "made_with": json.dumps(patches.made_with),
        "version": VERSION,
    }
    mpp = patches.mean_mpp
    return attributes if mpp is None else {**attributes, **_resolution_attributes(patches, mpp)}


def _resolution_attributes(patches: PatchCoords, mpp: float) -> dict[str, object]:
    patch_mpp = patches.patch_mpp
    assert patch_mpp is not None
    return {
        "level0_magnification": magnification_of_mpp(mpp),
        "target_magnification": magnification_of_mpp(patch_mpp),
        "mpp": patches.mpp,
        "mpp_source": patches.mpp_source,
        "patch_mpp": patch_mpp,
    }


def read_coords(path: Path) -> PatchCoords:
    """Read the file.

    Raises:
        ItemError: it is missing (status ``no_coords``), truncated or lacks something (``bad_coords``).
    """
    if not path.is_file():
        raise ItemError(f"no coordinates: {path} is missing", "no_coords")
    try:
        with open_h5(path) as file:
            dataset = numbers_of(file, COORDS)
            if dataset.ndim and len(dataset) > MAX_PATCHES:
                raise ValueError(f"{len(dataset)} coordinates")
            said = {**attributes(file), **attributes(dataset)}
            patches = _from_attributes(read_numbers(file, COORDS), said, has_images=is_in(file, IMAGES))
            _refuse_other_images(file, patches)
            return patches
    except UNREADABLE as error:
        message = f"{path} is no complete file of coordinates ({one_line(error)}); make it again"
        raise ItemError(message, STATUS_BAD) from error


def _refuse_other_images(file: h5py.File, patches: PatchCoords) -> None:
    if not patches.has_images:
        return
    side_px = patches.reading.target_size_px
    shape, images = (len(patches), side_px, side_px, 3), numbers_of(file, IMAGES)
    if images.shape != shape or images.dtype != np.uint8:
        raise ValueError(f"imgs is {images.dtype} {images.shape}, not uint8 {shape}")


def read_images(path: Path, start: int, stop: int) -> np.ndarray:
    """Read the images of the patches from number ``start`` to before ``stop``; uint8 RGB (N, S, S, 3).

    Raises:
        ItemError: they are not to be had (``bad_coords``).
    """
    try:
        with open_h5(path) as file:
            return numbers_of(file, IMAGES)[start:stop]
    except UNREADABLE as error:
        message = f"{path}: no images of the patches to read ({one_line(error)}); make it again"
        raise ItemError(message, STATUS_BAD) from error


def _from_attributes(coords: np.ndarray, attributes: dict, *, has_images: bool) -> PatchCoords:
    if coords.shape == (0,):  # TRIDENT's way of saying that there are no patches
        coords = coords.reshape(0, 2)
    if coords.ndim != 2 or coords.shape[1] != 2:
        raise ValueError(f"coords has shape {coords.shape}, not (N, 2)")
    if not np.isfinite(coords).all():
        raise ValueError("NaN or infinity among the coordinates")
    if (coords < 0).any():
        x, y = coords[(coords < 0).any(axis=1)][0].tolist()
        raise ValueError(f"negative coordinates, such as x={x} y={y}")
    if (coords >= MAX_POSITION_PX).any():
        raise ValueError(f"coordinates of {MAX_POSITION_PX} and more")
    downsample_x, downsample_y = np.broadcast_to(attributes.get("downsample", 1.0), 2)
    mpp = attributes.get("mpp")
    return PatchCoords(
        coords=coords.astype(np.int64),
        reading=_reading(attributes, float(downsample_x)),
        downsample_xy=(float(downsample_x), float(downsample_y)),
        level_size=_pair(attributes.get("level_dim", (0, 0))),
        slide_size=_pair([attributes.get("level0_width", 0), attributes.get("level0_height", 0)]),
        name=str(attributes.get("name", "")),
        save_path=str(attributes.get("save_path", "")),
        overlap_px=int(attributes.get("overlap", 0)),
        mpp=None if mpp is None else (_above_0(mpp[0], "mpp"), _above_0(mpp[1], "mpp")),
        mpp_source=str(attributes.get("mpp_source", "")),
        made_with={str(name): str(value) for name, value in json.loads(attributes.get("made_with", "{}")).items()},
        has_images=has_images,
    )


def _reading(attributes: dict, downsample_x: float) -> PatchReading:
    """Tell how a patch is read: ``patch_size`` counts pixels of ``patch_level``, in TRIDENT's files resized ones."""
    patch_size_px = _size(attributes, "patch_size", MAX_READ_PX)
    if "patch_level" not in attributes:
        size_level0 = _size(attributes, "patch_size_level0", MAX_POSITION_PX)
        return PatchReading(None, 0, _size(attributes, "patch_size", MAX_TARGET_PX), size_level0)
    target_px = patch_size_px // int(attributes.get("custom_downsample", 1))
    size_level0 = round(patch_size_px * downsample_x)
    return PatchReading(
        level=int(attributes["patch_level"]),
        read_size_px=patch_size_px,
        target_size_px=_size(attributes, "target_patch_size", MAX_TARGET_PX, default=target_px),
        size_level0=_size(attributes, "patch_size_level0", MAX_POSITION_PX, default=size_level0),
        background=background_of(str(attributes.get("background", "black"))),
    )


def _size(attributes: dict, name: str, largest_px: int, default: int | None = None) -> int:
    value = attributes.get(name, default)
    if value is None:
        raise ValueError(f"attribute {name} is missing")
    size_px = int(value)
    if not 1 <= size_px <= largest_px:
        raise ValueError(f"{name} is {size_px}, not 1 to {largest_px}")
    return size_px


def _above_0(value: object, name: str) -> float:
    number = float(value)  # type: ignore[arg-type]
    if not 0 < number < math.inf:
        raise ValueError(f"{name} is {number}, not above 0")
    return number


def _pair(values: np.ndarray | list) -> tuple[int, int]:
    first, second = (int(v) for v in values)
    return first, second
