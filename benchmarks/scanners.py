"""How alike the patch counts of the same tissue are on several scanners with ``--target_mpp``. Prints a table.

    python -m benchmarks.scanners

Smooth pieces of tissue are fabricated as scanners of several resolutions and pyramids would store them, in a temporary
folder, and patched at 0.5 µm with three segmentations and two patch sizes. Counts are compared with those of the
first scanner; nothing is asserted.
"""

import contextlib
import os
import tempfile
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

import create_patches_fp
from benchmarks.setting import setting
from demo.slides import write_pyramid

TARGET_MPP = 0.5
# micrometres per pixel, and downsamples of the levels
SCANNERS = {
    "0.5 levels 1 4 16": (0.5, (1, 4, 16)),
    "0.5 levels 1 4": (0.5, (1, 4)),
    "0.5 level 1": (0.5, (1,)),
    "0.46 levels 1 4 16": (0.46, (1, 4, 16)),
    "0.263 levels 1 4 16": (0.263, (1, 4, 16)),
    "0.25 levels 1 4 16 64": (0.25, (1, 4, 16, 64)),
    "0.25 levels 1 2 4 8 16 32": (0.25, (1, 2, 4, 8, 16, 32)),
    "0.2325 levels 1 4 16": (0.2325, (1, 4, 16)),
}
SEGMENTATIONS = {
    "low": {"sthresh": 8, "mthresh": 7, "close": 4},
    "high": {"sthresh": 15, "mthresh": 11, "close": 2},
    "otsu": {"use_otsu": True, "mthresh": 7, "close": 4},
}
AREAS = {"a_t": 0.5, "a_h": 0.2}
PATCH_SIZES_PX = (64, 128)
SEEDS = range(4)
SIZE_UM = (2048, 1536)
GLASS, TISSUE = (243, 243, 244), (200, 120, 170)
TEXTURE = 20  # standard deviation, of 255


def main() -> None:
    """Fabricate, patch, and print the table."""
    print(setting("numpy", "opencv-python-headless", "openslide-python"))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for seed in SEEDS:
            fabricate(folder / "slides", seed)
        runs = [count_patches(folder, name, size) for name in SEGMENTATIONS for size in PATCH_SIZES_PX]
        counts = pd.concat(runs, axis=1)
    print(compare(counts).to_string())


def fabricate(folder: Path, seed: int) -> None:
    """Write the slide ``<scanner> <seed>.tif`` of each scanner."""
    random = np.random.default_rng(seed)
    width, height = SIZE_UM
    field = cv2.GaussianBlur(random.standard_normal((height, width)), (0, 0), width * (0.02 + 0.01 * seed))
    texture = cv2.GaussianBlur(random.standard_normal((height, width, 3)), (0, 0), 2)
    field, texture = field / field.std(), texture / texture.std() * TEXTURE
    field[:, [0, -1]] = field[[0, -1]] = -9  # glass all around
    for name, (mpp, downsamples) in SCANNERS.items():
        size = round(width / mpp), round(height / mpp)
        image = scan(field, texture.astype(np.float32), size)
        levels = tuple((size[0] // downsample, size[1] // downsample) for downsample in downsamples)
        write_pyramid(folder / f"{name} {seed}.tif", image, mpp=mpp, sizes_px=levels)


def scan(field: np.ndarray, texture: np.ndarray, size_px: tuple[int, int]) -> np.ndarray:
    """Return level 0, uint8 RGB (H, W, 3), of what lies on the glass: tissue where the field is above 0."""
    is_tissue = cv2.resize(field, size_px, interpolation=cv2.INTER_LINEAR) > 0
    stained = cv2.resize(texture, size_px, interpolation=cv2.INTER_LINEAR) + np.array(TISSUE, np.float32)
    return np.where(is_tissue[..., None], stained.clip(0, 255), np.array(GLASS, np.float32)).astype(np.uint8)


def count_patches(folder: Path, segmentation: str, patch_size_px: int) -> pd.Series:
    """Return the number of patches by slide."""
    preset, out = folder / "preset.csv", folder / f"{segmentation}_{patch_size_px}"
    pd.DataFrame([AREAS | SEGMENTATIONS[segmentation]]).to_csv(preset, index=False)
    flags = ["--source", str(folder / "slides"), "--save_dir", str(out), "--preset", str(preset), "--patch"]
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stderr(nowhere):
        create_patches_fp.main([*flags, "--target_mpp", str(TARGET_MPP), "--patch_size", str(patch_size_px)])
    return pd.read_csv(out / "process_list_autogen.csv", index_col="slide_id")["n_patches"].rename(out.name)


def compare(counts: pd.DataFrame) -> pd.DataFrame:
    """Return, by scanner, how its counts differ from those of the first one, in per cent."""
    by_scanner = {name: counts.loc[[f"{name} {seed}.tif" for seed in SEEDS]].to_numpy() for name in SCANNERS}
    reference = next(iter(by_scanner.values()))
    rows = {name: 100 * (found / reference - 1) for name, found in by_scanner.items()}
    return pd.DataFrame(
        {
            name: {
                "patches": int(by_scanner[name].sum()),
                "within_2%": f"{(abs(differences) <= 2).sum()} of {differences.size}",
                "mean_%": f"{differences.mean():+.2f}",
                "worst_%": f"{differences.flat[abs(differences).argmax()]:+.1f}",
            }
            for name, differences in rows.items()
        }
    ).T


if __name__ == "__main__":
    main()
