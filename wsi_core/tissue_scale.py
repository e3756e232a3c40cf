"""The scale at which tissue is looked for: a level as it is, or one physical scale on the slides of all scanners."""

from dataclasses import dataclass

from wsi_core.overview import Overview, Overviews
from wsi_core.segmentation import AREA_UNIT_LEVEL0, resolve_level
from wsi_core.slide import Slide

# Side of a segmented pixel in reference pixels: 7.5 µm at 0.5 µm, about what level 2 of a 20x slide has. It shares no
# factor with usual sizes of patches, so that the points tested seldom lie on an outline, where rounding would decide.
PIXEL_REFERENCE_PX = 15
# Sides of the pixels read for it, likewise: none finer than the reference, none so coarse that tissue gets a wide rim.
FINEST_READ_PX, COARSEST_READ_PX = 1, 4


@dataclass(frozen=True)
class TissueScale:
    """How finely tissue is looked at, and in which areas it is counted.

    Attributes:
        reference_downsample: level-0 pixels per pixel of the reference resolution, see ``PatchRequest.tissue_scale``;
            None for levels as they are and areas in level-0 pixels, as the original has it.
    """

    reference_downsample: float | None = None

    @property
    def area_unit_level0(self) -> float:
        """What ``a_t`` and ``a_h`` count, in level-0 pixels."""
        return AREA_UNIT_LEVEL0 * (self.reference_downsample or 1.0) ** 2

    def level_on(self, slide: Slide, level: int, coarsest_downsample: float) -> int:
        """Return the level that is taken as it is, or -1 where the scale decides and none was asked for.

        Args:
            slide: the slide.
            level: the one asked for, or -1.
            coarsest_downsample: leads to the level where -1 is asked for and the scale is that of the slide.

        Raises:
            ItemError: the slide has no such level.
        """
        if level < 0 and self.reference_downsample is not None:
            return -1
        return resolve_level(slide, level, coarsest_downsample, name="seg_level")

    def overview(self, overviews: Overviews, level: int) -> Overview:
        """Return the picture in which tissue is looked for; ``level`` is of ``level_on``."""
        if level >= 0 or self.reference_downsample is None:
            return overviews.at(level)
        return overviews.averaged(
            PIXEL_REFERENCE_PX * self.reference_downsample,
            finest_level0=FINEST_READ_PX * self.reference_downsample,
            coarsest_level0=COARSEST_READ_PX * self.reference_downsample,
        )
