"""Leave out patches that are white, black, blurred, inked or hold little tissue, and count them."""

from collections import Counter

import numpy as np
from tqdm import tqdm

from wsi_core.contours import Contour
from wsi_core.patch_reading import read_patch
from wsi_core.patch_request import PlannedPatches
from wsi_core.quality import QualityFilters, reason_to_drop, tissue_fraction
from wsi_core.slide import Slide


def drop_bad_patches(
    slide: Slide, coords: np.ndarray, planned: PlannedPatches, contours: list[Contour], filters: QualityFilters
) -> tuple[np.ndarray, str]:
    """Apply the filters that are on.

    Args:
        slide: the slide.
        coords: level-0 corners (N, 2).
        planned: how patches are read.
        contours: the tissue.
        filters: what to leave out.

    Returns:
        The corners that are left (M, 2), and how many were left out for which reason, such as ``white 12, blur 3``.

    Raises:
        ItemError: a patch cannot be read.
    """
    dropped: Counter[str] = Counter()
    if filters.min_tissue is not None:
        enough = tissue_fraction(coords, planned.patch_size_level0, contours) >= filters.min_tissue
        dropped["tissue"] = int((~enough).sum())
        coords = coords[enough]
    if filters.needs_pixels:
        reasons = [
            reason_to_drop(read_patch(slide, planned.reading, (int(x), int(y))), filters)
            for x, y in tqdm(coords, unit="patch", leave=False, dynamic_ncols=True)
        ]
        dropped.update(reason for reason in reasons if reason)
        coords = coords[np.array([reason == "" for reason in reasons], bool)]
    return coords, ", ".join(f"{name} {count}" for name, count in dropped.items() if count)
