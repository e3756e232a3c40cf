"""Whole-slide images: levels, physical resolution, reading. The only module that knows OpenSlide.

Positions and sizes are (x, y) and (width, height). A position is in pixels of level 0, the finest level,
unless its name says otherwise.
"""

import warnings
from pathlib import Path
from types import TracebackType

import numpy as np
import openslide
from PIL import Image, UnidentifiedImageError

from utils.errors import ItemError

STATUS_UNREADABLE = "failed_open"


class Slide:
    """A slide file open for reading.

    Where OpenSlide does not know the format, a plain image (jpg, png, ...) is read as a slide with one level.
    Use it as a context manager. It is opened again, not copied, in another process.

    Raises:
        ItemError: the file is missing or no slide (status ``failed_open``).
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._handle = _open(self.path)
        self._level_image: tuple[int, np.ndarray] | None = None
        self.level_dimensions: tuple[tuple[int, int], ...] = tuple(self._handle.level_dimensions)

    def __enter__(self) -> "Slide":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[type["Slide"], tuple[Path]]:
        return Slide, (self.path,)

    def close(self) -> None:
        """Release the file."""
        self._handle.close()

    @property
    def size_level0(self) -> tuple[int, int]:
        """Width and height in level-0 pixels."""
        return self.level_dimensions[0]

    @property
    def level_downsamples(self) -> tuple[tuple[float, float], ...]:
        """Level-0 pixels per pixel of each level, along x and y: width0 / width and height0 / height."""
        width0, height0 = self.size_level0
        return tuple((width0 / width, height0 / height) for width, height in self.level_dimensions)

    @property
    def mpp(self) -> tuple[float, float] | None:
        """Micrometres per level-0 pixel along x and y, or None where the file does not say."""
        try:
            mpp_x = float(self._handle.properties[openslide.PROPERTY_NAME_MPP_X])
            mpp_y = float(self._handle.properties[openslide.PROPERTY_NAME_MPP_Y])
        except (KeyError, ValueError):
            return None
        return (mpp_x, mpp_y) if mpp_x > 0 and mpp_y > 0 else None

    def best_level(self, downsample: float) -> int:
        """Return the coarsest level whose downsample, the mean of both axes, is at most ``downsample``."""
        return self._handle.get_best_level_for_downsample(downsample)

    def row_level0(self, level: int, row: int) -> int:
        """Return the level-0 y at which a row of a level is read: OpenSlide divides by the mean of both downsamples."""
        return round(row * self._handle.level_downsamples[level])

    def check_level(self, level: int, *, name: str) -> int:
        """Return ``level`` if the slide has it, else raise an ItemError that lists the levels."""
        if 0 <= level < len(self.level_dimensions):
            return level
        known = ", ".join(f"{i}: {w}x{h}" for i, (w, h) in enumerate(self.level_dimensions))
        raise ItemError(f"{self.path.name} has no level {level} for {name}; its levels are {known}", STATUS_UNREADABLE)

    def read(self, location_level0: tuple[int, int], level: int, size_px: tuple[int, int]) -> np.ndarray:
        """Read a region as RGB, black outside the slide and where it is transparent.

        Args:
            location_level0: (x, y) of the top-left corner, in level-0 pixels.
            level: the level to read at.
            size_px: (width, height) in pixels of that level.

        Returns:
            uint8 array (height, width, 3).

        Raises:
            ItemError: the file is damaged there; names the place.
        """
        x, y = (int(v) for v in location_level0)
        try:
            region = self._handle.read_region((x, y), level, size_px)
            return np.asarray(region.convert("RGB"))
        except (openslide.OpenSlideError, OSError, ValueError, Image.DecompressionBombError) as error:
            raise ItemError(
                f"{self.path.name}: cannot read {size_px[0]}x{size_px[1]} px at x={x} y={y}, level {level}: {error}",
                STATUS_UNREADABLE,
            ) from error

    def read_level(self, level: int) -> np.ndarray:
        """Read a whole level as RGB uint8 (height, width, 3), not to be written to.

        The last one is kept: segmentation, mask and stitch mostly look at the same.
        """
        if self._level_image is None or self._level_image[0] != level:
            self._level_image = None  # gone before the next one is read
            self._level_image = level, self.read((0, 0), level, self.level_dimensions[level])
        image = self._level_image[1].view()
        image.flags.writeable = False
        return image


def _open(path: Path) -> openslide.AbstractSlide:
    if not path.is_file():
        raise ItemError(f"{path}: no such file", STATUS_UNREADABLE)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns about a damaged file before it refuses it
            return openslide.open_slide(path)
    except UnidentifiedImageError as error:
        raise ItemError(f"{path.name} is no slide or image that can be read", STATUS_UNREADABLE) from error
    except (openslide.OpenSlideError, OSError, Image.DecompressionBombError) as error:
        raise ItemError(f"{path.name} cannot be opened: {error}", STATUS_UNREADABLE) from error
