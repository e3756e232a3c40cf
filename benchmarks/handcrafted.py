"""How many patches a second the handcrafted descriptor describes on one core. Prints a table, asserts nothing.

    python -m benchmarks.handcrafted [SLIDE]

Patches are cut from SLIDE, or are random where none is given. Reading them is not measured.
"""

import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

N_PATCHES = 60
N_ROUNDS = 3
SIZES_PX = (224, 256, 512)


def main(argv: Sequence[str]) -> int:
    """Print a row for each size of patches: the best and the median of some rounds."""
    _use_one_core()
    from models.encoders.build import build_encoder

    describe = build_encoder("handcrafted").prepare
    assert describe is not None
    print("patch_px  best_patches/s  median_patches/s")
    for size_px in SIZES_PX:
        images = _patches(Path(argv[0]) if argv else None, size_px)
        speeds = sorted(_speed(describe, images) for _ in range(N_ROUNDS))
        print(f"{size_px:8d}  {speeds[-1]:14.0f}  {speeds[N_ROUNDS // 2]:16.0f}")
    return 0


def _use_one_core() -> None:
    for library in ("OMP", "OPENBLAS", "MKL"):
        os.environ[f"{library}_NUM_THREADS"] = "1"  # read once, when a library is imported
    import cv2

    cv2.setNumThreads(1)


def _patches(slide_path: Path | None, size_px: int) -> "list[np.ndarray]":
    import numpy as np

    from wsi_core.slide import Slide

    rng = np.random.default_rng(0)
    if slide_path is None:
        return [rng.integers(0, 256, (size_px, size_px, 3), dtype=np.uint8) for _ in range(N_PATCHES)]
    with Slide(slide_path) as slide:
        width, height = slide.size_level0
        corners = rng.integers(0, (max(1, width - size_px), max(1, height - size_px)), (N_PATCHES, 2))
        return [slide.read((int(x), int(y)), 0, (size_px, size_px)) for x, y in corners]


def _speed(describe: "Callable[[np.ndarray], np.ndarray]", images: "list[np.ndarray]") -> float:
    start_s = time.perf_counter()
    for image in images:
        describe(image)
    return len(images) / (time.perf_counter() - start_s)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
