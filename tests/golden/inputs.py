"""The real slides and the segmentations that the golden numbers were made with."""

from pathlib import Path

from wsi_core.params import SlideParams

SLIDES = {
    "cmu": "cmu-1-small-region.svs",
    "tcga_cr": "tcga-cr-7395-01a-01-ts1.svs",
    "c3l_03262": "C3L-03262-22_level1.jpg",
}
SEGMENTATIONS = {
    "default": SlideParams(sthresh=8, mthresh=7, close=4, a_t=1, a_h=1, max_n_holes=8),
    "biopsy": SlideParams(sthresh=15, mthresh=11, close=2, a_t=1, a_h=1, max_n_holes=2),
    "otsu": SlideParams(sthresh=8, mthresh=7, close=4, a_t=1, a_h=1, max_n_holes=8, use_otsu=True),
    "holes": SlideParams(sthresh=30, mthresh=7, close=2, a_t=0.02, a_h=0.02, max_n_holes=8),
}


def slide_path(shared: Path, name: str) -> Path:
    """Return the file of a golden slide."""
    return shared / "slides" / SLIDES[name]
