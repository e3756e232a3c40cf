"""Small cohorts and feature folders for the tests of ``datasets``."""

from pathlib import Path

import h5py
import numpy as np
import torch

LABELS = {"normal": 0, "tumor": 1}


def write_cohort(path: Path, rows: str = "") -> Path:
    """Write a dataset CSV of ``case slide label`` lines; without any, ten patients with two slides each."""
    lines = rows.split("\n") if rows else [f"p{i // 2} s{i:02d} {'normal' if i < 12 else 'tumor'}" for i in range(20)]
    path.write_text("case_id,slide_id,label\n" + "".join(line.replace(" ", ",") + "\n" for line in lines))
    return path


def write_pt(folder: Path, slide_id: str, features: torch.Tensor) -> None:
    """Write a bag as extraction does."""
    (folder / "pt_files").mkdir(parents=True, exist_ok=True)
    torch.save(features, folder / "pt_files" / f"{slide_id}.pt")


def write_h5(folder: Path, slide_id: str, features: np.ndarray) -> None:
    """Write a bag with coordinates as extraction does."""
    (folder / "h5_files").mkdir(parents=True, exist_ok=True)
    with h5py.File(folder / "h5_files" / f"{slide_id}.h5", "w") as file:
        file["features"] = features
        file["coords"] = np.arange(2 * len(features)).reshape(-1, 2)
