"""What one run of ``create_patches_fp.py`` is asked for, and where its files go."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class PatchingConfig:
    """One run of the stage.

    Attributes:
        source: folder of slides.
        save_dir: where results go, as the user typed it.
        patch_size_px: side of a patch after ``custom_downsample``, in pixels of ``patch_level``.
        step_size_px: distance of neighbouring patches, likewise.
        patch_level: the level patches are read at.
        custom_downsample: patches are read this much larger and resized down.
        preset: name or path of a preset, or None for the defaults.
        process_list: name of a list in ``save_dir`` or a path, or None for every slide in ``source``.
        seg, patch, stitch: what to make.
        auto_skip: leave slides alone that have coordinates already.
    """

    source: str
    save_dir: str
    patch_size_px: int = 256
    step_size_px: int = 256
    patch_level: int = 0
    custom_downsample: int = 1
    preset: str | None = None
    process_list: str | None = None
    seg: bool = False
    patch: bool = False
    stitch: bool = False
    auto_skip: bool = True

    @property
    def read_size_px(self) -> int:
        """Side of the square read for a patch, in pixels of ``patch_level``."""
        return self.patch_size_px * self.custom_downsample

    @property
    def read_step_px(self) -> int:
        """Distance of neighbouring patches, in pixels of ``patch_level``."""
        return self.step_size_px * self.custom_downsample

    def mask_path(self, slide_id: str) -> Path:
        """Return where the picture of the segmentation goes."""
        return Path(self.save_dir) / "masks" / f"{slide_id}.png"

    def coords_path(self, slide_id: str) -> Path:
        """Return where the coordinates go."""
        return Path(self.save_dir) / "patches" / f"{slide_id}.h5"

    def stitch_path(self, slide_id: str) -> Path:
        """Return where the picture of the kept patches goes."""
        return Path(self.save_dir) / "stitches" / f"{slide_id}.png"
