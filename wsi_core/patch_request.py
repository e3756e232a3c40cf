"""The patches a user asks for, in pixels of a level or at a physical resolution, and what that means on one slide."""

import logging
from dataclasses import dataclass, replace

from utils.errors import ItemError
from wsi_core.params import SlideResolution
from wsi_core.patch_reading import PatchReading
from wsi_core.pyramid import RESOLUTION_TOLERANCE, level_to_read, snapped
from wsi_core.resolution import Resolution, shown_properties
from wsi_core.slide import Background, Slide
from wsi_core.tissue_scale import TissueScale

logger = logging.getLogger(__name__)

COARSEST_REFERENCE_MPP = 0.5
STATUS_NO_RESOLUTION = "failed_patch"


@dataclass(frozen=True)
class PatchRequest:
    """How large patches are, how far apart, and how finely they are seen.

    Attributes:
        patch_size_px: side of a patch after resizing.
        step_size_px: distance of neighbouring patches, likewise.
        patch_level: the level patches are read at, without ``target_mpp``.
        custom_downsample: patches are read this much larger and resized down, without ``target_mpp``.
        target_mpp: micrometres per pixel of a patch after resizing, or None to read at ``patch_level``.
        allow_upsample: whether a slide that is coarser than ``target_mpp`` is enlarged.
        background: ``black`` or ``white``, outside the slide and where it is transparent.
    """

    patch_size_px: int = 256
    step_size_px: int = 256
    patch_level: int = 0
    custom_downsample: int = 1
    target_mpp: float | None = None
    allow_upsample: bool = False
    background: Background = "black"

    def for_row(self, row: SlideResolution) -> "PatchRequest":
        """Return it with what a slide's row of a list says: the row comes before the command."""
        if row.patch_level is not None:
            return replace(self, patch_level=row.patch_level, target_mpp=None)
        return self if row.target_mpp is None else replace(self, target_mpp=row.target_mpp)

    def tissue_scale(self, resolution: Resolution | None) -> TissueScale:
        """Return the scale at which tissue is found, the same on slides of any scanner.

        Its reference is ``target_mpp``, but no more than 0.5 µm: patches that are seen less finely are no reason to
        overlook small tissue. Without ``target_mpp``, or where the resolution is not known, it is that of the slide.
        """
        if self.target_mpp is None or resolution is None:
            return TissueScale()
        return TissueScale(min(self.target_mpp, COARSEST_REFERENCE_MPP) / resolution.mpp)

    def on(self, slide: Slide, resolution: Resolution | None) -> "PlannedPatches":
        """Work out what to read on a slide.

        Raises:
            ItemError: the slide lacks the level, states no resolution, or is coarser than asked for.
        """
        if self.target_mpp is None:
            return self._at_level(slide)
        if resolution is None:
            raise ItemError(
                f"{slide.path.name} does not state its resolution (properties seen: "
                f"{shown_properties(slide.properties)}); pass --mpp (for heatmaps patching_arguments.mpp), "
                "or put it into the column mpp of the process list",
                STATUS_NO_RESOLUTION,
            )
        return self._at_mpp(slide, self.target_mpp / resolution.mpp, resolution)

    def _at_level(self, slide: Slide) -> "PlannedPatches":
        level = slide.check_level(self.patch_level, name="--patch_level")
        downsample_x, downsample_y = (snapped(d) for d in slide.level_downsamples[level])
        read_size_px = self.read_size_px
        read_step_px = self.step_size_px * self.custom_downsample
        return PlannedPatches(
            PatchReading(level, read_size_px, self.patch_size_px, round(read_size_px * downsample_x), self.background),
            patch_size_level0=(round(read_size_px * downsample_x), round(read_size_px * downsample_y)),
            step_level0=(read_step_px * downsample_x, read_step_px * downsample_y),
        )

    def _at_mpp(self, slide: Slide, downsample: float, resolution: Resolution) -> "PlannedPatches":
        if downsample * (1 + RESOLUTION_TOLERANCE) < 1 and not self.allow_upsample:
            raise ItemError(
                f"{slide.path.name} has {resolution.mpp:g} µm per pixel ({resolution.source}), coarser than "
                f"target_mpp {self.target_mpp:g}; choose a coarser target or pass --allow_upsample",
                STATUS_NO_RESOLUTION,
            )
        step_level0 = self.step_size_px * downsample
        if step_level0 < 1:
            raise ItemError(
                f"{slide.path.name}: a step of {self.step_size_px} px is {step_level0:.2g} pixels of the slide, less "
                "than one; choose a larger --step_size or a coarser target",
                STATUS_NO_RESOLUTION,
            )
        if resolution.is_nominal:
            logger.warning("%s states only its objective; %g µm per pixel is nominal", slide.path.name, resolution.mpp)
        level = level_to_read(slide, downsample)
        size_level0 = max(1, round(self.patch_size_px * downsample))
        read_size_px = max(1, round(self.patch_size_px * downsample / snapped(slide.level_downsamples[level][0])))
        return PlannedPatches(
            PatchReading(level, read_size_px, self.patch_size_px, size_level0, self.background),
            patch_size_level0=(size_level0, size_level0),
            step_level0=(step_level0, step_level0),
        )

    @property
    def read_size_px(self) -> int:
        """Side of the square read at ``patch_level``, where no ``target_mpp`` decides."""
        return self.patch_size_px * self.custom_downsample

    def as_text(self) -> dict[str, str]:
        """Return what was asked for, to be kept with the coordinates."""
        if self.target_mpp is None:
            resolution = {"patch_level": str(self.patch_level), "custom_downsample": str(self.custom_downsample)}
        else:
            resolution = {"target_mpp": f"{self.target_mpp:g}"}
        return {"step_size": str(self.step_size_px), "background": self.background, **resolution}


@dataclass(frozen=True)
class PlannedPatches:
    """What a request means on one slide.

    Attributes:
        reading: how a patch is read.
        patch_size_level0: width and height of a patch in level-0 pixels.
        step_level0: distance of neighbouring patches along x and y, in level-0 pixels; may be fractional.
    """

    reading: PatchReading
    patch_size_level0: tuple[int, int]
    step_level0: tuple[float, float]
