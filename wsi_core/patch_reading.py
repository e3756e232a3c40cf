"""How the pixels of a patch are read: from which level, how many, and to which size they are resized."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from wsi_core.pyramid import level_to_read
from wsi_core.slide import Background, Slide


@dataclass(frozen=True)
class PatchReading:
    """How a patch is read.

    Attributes:
        level: the level read at; None: the coarsest that has all the detail, as coordinates of TRIDENT mean it.
        read_size_px: side of the square read, in pixels of ``level``.
        target_size_px: side of the patch after resizing.
        size_level0: side of the patch in level-0 pixels.
        background: what is outside the slide and where it is transparent, ``black`` or ``white``.
    """

    level: int | None
    read_size_px: int
    target_size_px: int
    size_level0: int
    background: Background = "black"

    @property
    def resize_factor(self) -> float:
        """By how much a patch is made smaller after reading."""
        return self.read_size_px / self.target_size_px

    @property
    def custom_downsample(self) -> int:
        """The same as a whole number, as the original has it; 1 where it is none."""
        times, rest = divmod(self.read_size_px, self.target_size_px)
        return times if times and not rest else 1

    def as_text(self) -> dict[str, str]:
        """Return it as texts, to be kept with what is made from patches."""
        return {
            "patch_size": str(self.read_size_px),
            "patch_level": "" if self.level is None else str(self.level),
            "resized_to": str(self.target_size_px),
            "patch_size_level0": str(self.size_level0),
            "background": self.background,
        }

    def with_texts(self, texts: Mapping[str, str]) -> "PatchReading":
        """Return it with what ``as_text`` kept; what the texts do not say, such as those of older files, stays."""

        def number(name: str, default: int) -> int:
            return int(texts.get(name, default))

        level = texts.get("patch_level", self.as_text()["patch_level"])
        return PatchReading(
            level=int(level) if level else None,
            read_size_px=number("patch_size", self.read_size_px),
            target_size_px=number("resized_to", self.target_size_px),
            size_level0=number("patch_size_level0", self.size_level0),
            background=background_of(texts.get("background", self.background)),
        )

    def contradicted_by(self, texts: Mapping[str, str]) -> list[str]:
        """Return the names of what ``as_text`` kept otherwise; what the texts do not say is no contradiction."""
        return [name for name, value in self.as_text().items() if texts.get(name, value) != value]

    def on(self, slide: Slide) -> "PatchReading":
        """Return it with the level that serves on this slide."""
        if self.level is not None:
            return self
        level = level_to_read(slide, self.size_level0 / self.target_size_px)
        read_size_px = max(1, round(self.size_level0 / slide.level_downsamples[level][0]))
        return replace(self, level=level, read_size_px=read_size_px)


def background_of(text: str) -> Background:
    """Read what ``as_text`` kept."""
    return "white" if text == "white" else "black"


def read_patch(slide: Slide, reading: PatchReading, corner: tuple[int, int]) -> np.ndarray:
    """Read a patch, and resize it where its reading says so.

    Args:
        slide: the slide.
        reading: how.
        corner: level-0 (x, y) of its top-left corner.

    Returns:
        uint8 RGB (S, S, 3), S = ``reading.target_size_px``.

    Raises:
        ItemError: the slide is damaged there.
    """
    reading = reading.on(slide)
    assert reading.level is not None
    image = slide.read(corner, reading.level, (reading.read_size_px, reading.read_size_px))
    if reading.read_size_px == reading.target_size_px:
        return image
    side = reading.target_size_px
    return np.asarray(Image.fromarray(image).resize((side, side)))  # bicubic over all the pixels, as the original
