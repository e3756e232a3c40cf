"""Plain images as slides with one level: png, jpg, bmp, flat tiff. Decoded as a whole, once, when first read."""

from functools import cached_property
from pathlib import Path
from shlex import quote

from PIL import Image, UnidentifiedImageError

from utils.pictures import without_pixel_limit
from wsi_core.readers.reader import NotThisReaderError, ReadError, Size, on_canvas, part_inside
from wsi_core.readers.tiff_check import CUT_OFF, TIFF_BEGINNINGS

FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "JPEG2000", "WEBP", "PPM")
# Pillow's modes that hold 8 bits or less for each channel, and the bytes that it takes for a pixel of them.
BYTES_PER_PIXEL = {"1": 1, "L": 1, "P": 1, "LA": 4, "PA": 4, "RGB": 4, "RGBA": 4, "RGBX": 4, "CMYK": 4, "YCbCr": 4}
# What decoders need besides, for a pixel, while they work; measured on noise with Pillow 12.
DECODER_BYTES_PER_PIXEL = {"JPEG2000": 16, "WEBP": 13}
MAX_SCANS = 100  # of a progressive JPEG; programs write about ten, and each goes over all pixels
BEGIN_OF_SCAN = b"\xff\xda"
PROGRESSIVE_JPEG_BYTES_PER_PIXEL = 6  # coefficients of three channels at full size
GIB = 1024**3
TIFF_X_RESOLUTION, TIFF_Y_RESOLUTION, TIFF_RESOLUTION_UNIT, TIFF_DESCRIPTION = 282, 283, 296, 270
TIFF_ROWS_PER_STRIP = 278
TIFF_UNITS = {2: "inch", 3: "centimeter"}
# What Pillow and its decoders raise at damaged files.
_FAILURES = (OSError, ValueError, SyntaxError, EOFError, LookupError, TypeError, OverflowError)


class ImageReader:
    """A plain image; see ``SlideReader``.

    Args:
        path: the file.
        max_memory_gb: what the decoded image may take, in GiB.

    Raises:
        NotThisReaderError: it is none of the formats.
        ReadError: it is damaged, has more than 8 bits a channel, or would take more memory.
    """

    def __init__(self, path: Path, max_memory_gb: float) -> None:
        self._image = _open(path)
        self.format = (self._image.format or "image").lower()
        self.level_dimensions = (self._image.size,)
        self.level_downsamples = (1.0,)
        self.properties = _tiff_properties(self._image)
        self._failure: ReadError | None = None
        try:
            self._require_whole_file()
            self._require_8_bits()
            self._require_memory(path, max_memory_gb)
            self._require_few_scans(path)
        except ReadError:
            self.close()
            raise

    def read_region(self, location_level0: Size, level: int, size_px: Size) -> Image.Image:
        """Return a region as RGB, or as RGBA where the image is transparent or a part of it is outside."""
        box = part_inside(location_level0, size_px, self._image.size)
        if box[2] <= box[0] or box[3] <= box[1]:
            return Image.new("RGBA", size_px)
        x, y = location_level0
        inside = self._pixels.crop(box)
        if inside.mode == "RGBA":  # a colour may be kept where nothing of it is seen
            inside.paste((0, 0, 0, 0), mask=inside.getchannel("A").point(lambda alpha: 255 * (alpha == 0)))
        return on_canvas(inside, (box[0] - x, box[1] - y), size_px)

    def close(self) -> None:
        """Release the file."""
        self._image.close()

    @cached_property
    def _pixels(self) -> Image.Image:
        """The decoded image as RGB or RGBA."""
        if self._failure is not None:  # Pillow would now give what it has, and black for the rest
            raise self._failure
        try:
            with without_pixel_limit():
                self._image.load()
                mode = _final_mode(self._image)
                return self._image if self._image.mode == mode else self._image.convert(mode)  # convert always copies
        except _FAILURES as error:
            self._failure = ReadError(" ".join(str(error).split()) or type(error).__name__)
            raise self._failure from error

    def _require_whole_file(self) -> None:
        """Refuse a TIFF whose list of images leads nowhere: a slide that was cut off, whose first one Pillow sees."""
        try:
            with without_pixel_limit():
                _ = getattr(self._image, "n_frames", 1)
        except _FAILURES as error:
            raise ReadError(CUT_OFF) from error

    def _require_8_bits(self) -> None:
        if self._image.mode not in BYTES_PER_PIXEL:
            raise ReadError(f"its pixels are of mode {self._image.mode}; convert it to 8-bit RGB")

    def _require_memory(self, path: Path, max_memory_gb: float) -> None:
        needed_gib = memory_gib(self._image)
        if needed_gib > max_memory_gb:
            width, height = self._image.size
            source, pyramid = (quote(str(p)) for p in (path, path.with_name(f"{path.stem}_pyramid.tiff")))
            raise ReadError(
                f"a plain image of {width}x{height} px takes {needed_gib:.2g} GiB of memory, more than --max_memory_gb "
                f"{max_memory_gb:g}; convert it: vips tiffsave {source} {pyramid} --tile --pyramid --compression jpeg "
                "--Q 90 --bigtiff"
            )

    def _require_few_scans(self, path: Path) -> None:
        """Refuse a progressive JPEG whose scans, which may be of no length, would take hours."""
        if self._image.info.get("progressive"):
            n_scans = path.read_bytes().count(BEGIN_OF_SCAN)
            if n_scans > MAX_SCANS:
                raise ReadError(f"it is a progressive JPEG of {n_scans} scans, which take hours; save it anew")


def memory_gib(image: Image.Image) -> float:
    """Return what an image takes when it is decoded and made RGB or RGBA, in GiB; nothing is decoded for it."""
    converted = 0 if image.mode == _final_mode(image) else BYTES_PER_PIXEL["RGB"]
    besides = max(converted, _decoder_bytes_per_pixel(image))
    return image.width * image.height * (BYTES_PER_PIXEL[image.mode] + besides) / GIB


def _final_mode(image: Image.Image) -> str:
    transparent = "A" in image.getbands() or "transparency" in image.info
    return "RGBA" if transparent else "RGB"


def _decoder_bytes_per_pixel(image: Image.Image) -> float:
    """Return what decoding takes besides the pixels, for each of them."""
    if image.info.get("progressive"):
        return PROGRESSIVE_JPEG_BYTES_PER_PIXEL
    if image.format == "TIFF":  # one strip at a time
        rows = getattr(image, "tag_v2", {}).get(TIFF_ROWS_PER_STRIP, image.height)
        return BYTES_PER_PIXEL[image.mode] * min(1, rows / image.height)
    return DECODER_BYTES_PER_PIXEL.get(image.format or "", 0)


def is_image(path: Path) -> bool:
    """Tell whether a file begins as an image does."""
    try:
        _open(path).close()
    except ReadError:
        return False
    return True


def _open(path: Path) -> Image.Image:
    """Read the header of an image."""
    try:
        with without_pixel_limit():
            return Image.open(path, formats=FORMATS)
    except UnidentifiedImageError as error:
        raise NotThisReaderError(f"{path.name} {_what_is_wrong(path)}") from error
    except _FAILURES as error:
        raise ReadError(" ".join(str(error).split()) or type(error).__name__) from error


def _what_is_wrong(path: Path) -> str:
    """Say why a file is of no known format."""
    with path.open("rb") as file:
        beginning = file.read(4)
    if not beginning:
        return "is empty; copy it again"
    if beginning in TIFF_BEGINNINGS:
        return "is a TIFF that is damaged or was not copied whole; copy it again"
    return "is no slide or image that can be read; convert it to a pyramidal TIFF, or copy it again if it is damaged"


def _tiff_properties(image: Image.Image) -> dict[str, str]:
    """Return the tags of a TIFF that have to do with resolution, under OpenSlide's names."""
    tags = getattr(image, "tag_v2", {})
    unit = TIFF_UNITS.get(tags.get(TIFF_RESOLUTION_UNIT, 2))
    properties = {
        "tiff.XResolution": tags.get(TIFF_X_RESOLUTION),
        "tiff.YResolution": tags.get(TIFF_Y_RESOLUTION),
        "tiff.ResolutionUnit": unit if TIFF_X_RESOLUTION in tags else None,
        "tiff.ImageDescription": tags.get(TIFF_DESCRIPTION),
    }
    return {name: _text(value) for name, value in properties.items() if value is not None}


def _text(value: object) -> str:
    return value if isinstance(value, str) else repr(float(value))  # type: ignore[arg-type]  # a fraction
