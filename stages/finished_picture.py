"""How a finished picture of a slide is made: at which level, in which format, how many times smaller.

A picture that would take too much memory is painted at a coarser level, one too large for JPEG is written as TIFF.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from stages.heatmap_config import HeatmapArguments
from utils.pictures import JPEG_MAX_SIDE_PX, save_picture
from wsi_core.grid import Region
from wsi_core.heatmap import HeatmapPainter, picture_size
from wsi_core.heatmap_legend import Legend, draw_legend, with_legend
from wsi_core.heatmap_memory import finest_level_within, heatmap_memory_gib, reduction_within
from wsi_core.heatmap_tiff import write_heatmap_tiff
from wsi_core.slide import Slide

logger = logging.getLogger(__name__)

LEGEND_WIDTH_PX = 800  # of one by itself


@dataclass(frozen=True)
class FinishedPicture:
    """The format of a picture.

    Attributes:
        level: of the slide, that it is painted at.
        reduction: how many times smaller than that level it is.
        extension: ``jpg``, ``png`` or ``tiff``.
    """

    level: int
    reduction: int
    extension: str

    @classmethod
    def planned(
        cls, slide: Slide, level: int, show: HeatmapArguments, max_memory_gb: float, region: Region | None = None
    ) -> "FinishedPicture":
        """Return the format that is asked for, or what comes next to it, with a word.

        Args:
            slide: the slide.
            level: that is asked for.
            show: the format that is asked for.
            max_memory_gb: what it may take, in GiB.
            region: the part that is shown; None: all.
        """
        name = slide.path.name
        if show.save_ext == "tiff":
            return cls(level, 1, "tiff")
        chosen = finest_level_within(slide, level, max_memory_gb, "array", region)
        reduction = 1
        if chosen is None:
            chosen = len(slide.level_dimensions) - 1
            reduction = reduction_within(slide, chosen, max_memory_gb, region)
        if (chosen, reduction) != (level, 1):
            smaller = f", {reduction} times smaller" if reduction > 1 else ""
            logger.warning(
                "%s: a picture of level %d takes %.1f GiB of memory, max_memory_gb is %g: painted at level %d%s; "
                "save_ext: tiff has no such limit",
                name, level, heatmap_memory_gib(slide, level, "array", region), max_memory_gb, chosen, smaller,
            )  # fmt: skip
        side_px = max(picture_size(slide, chosen, region)) // (reduction * show.custom_downsample)
        if show.save_ext == "jpg" and side_px > JPEG_MAX_SIDE_PX:
            logger.warning("%s: a side of %d pixels is too long for JPEG: written as tiff", name, side_px)
            return cls(chosen, 1, "tiff")
        return cls(chosen, reduction, show.save_ext)


def save_painted(
    path: Path,
    painter: HeatmapPainter,
    made: FinishedPicture,
    *,
    custom_downsample: int = 1,
    legend: Legend | None = None,
    mpp_level0_xy: tuple[float, float] | None = None,
) -> None:
    """Paint a picture into a file; a TIFF, or a JPEG that has no room for it, has its legend beside it.

    Args:
        path: the file, with the extension of ``made``.
        painter: the picture.
        made: its format.
        custom_downsample: how many times smaller the file is; of no effect on a TIFF, which has all sizes.
        legend: what stands below it.
        mpp_level0_xy: micrometres per level-0 pixel, if known.

    Raises:
        ItemError: the slide is damaged.
    """
    if made.extension == "tiff":
        write_heatmap_tiff(path, painter, name=path.stem, mpp_level0_xy=mpp_level0_xy)
        _save_beside(path, legend)
        return
    picture = _made_smaller(painter.whole(made.reduction), custom_downsample)
    if legend is not None:
        both = with_legend(picture, legend.lines, legend.cmap, legend.low_label, legend.high_label, legend.title)
        if made.extension == "jpg" and max(both.shape[:2]) > JPEG_MAX_SIDE_PX:
            _save_beside(path, legend)
        else:
            picture = both
    save_picture(path, picture)


def _save_beside(path: Path, legend: Legend | None) -> None:
    if legend is not None:
        beside = path.with_name(f"{path.name.removesuffix(path.suffix)}_legend.png")
        save_picture(beside, draw_legend(legend, LEGEND_WIDTH_PX))


def _made_smaller(picture: np.ndarray, factor: int) -> np.ndarray:
    if factor == 1:
        return picture
    size = (max(1, picture.shape[1] // factor), max(1, picture.shape[0] // factor))
    return np.asarray(Image.fromarray(picture).resize(size))
