"""Levels of a slide's pyramid: what their sizes mean, and which one to read."""

from wsi_core.slide import Slide

SNAP_TOLERANCE = 0.01  # a downsample this close to a whole number, relatively, is taken as that number
# A level this much too coarse, relatively, still serves: scanners meet their nominal resolution no better.
RESOLUTION_TOLERANCE = 0.01


def snapped(downsample: float) -> float:
    """Return the nearest whole number where ``downsample`` is within 1 % of it, else ``downsample`` itself.

    Pyramids are made by rounding sizes up or down, so 2.0005 and 3.9994 mean 2 and 4.
    """
    nearest = round(downsample)
    return float(nearest) if nearest and abs(downsample - nearest) <= SNAP_TOLERANCE * nearest else downsample


def level_to_read(slide: Slide, downsample: float) -> int:
    """Return the coarsest level that is no more than 1 % coarser than ``downsample``; the finest where none is.

    Levels that are smaller along one axis than along the other do not serve: patches are squares.
    """
    fine_enough = [
        level
        for level, (downsample_x, downsample_y) in enumerate(slide.level_downsamples)
        if snapped(downsample_x) <= downsample * (1 + RESOLUTION_TOLERANCE)
        and abs(downsample_x - downsample_y) <= SNAP_TOLERANCE * downsample_x
    ]
    return max(fine_enough, key=lambda level: slide.level_downsamples[level][0], default=0)
