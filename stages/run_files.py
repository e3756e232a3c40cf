"""``results/<exp_code>_s<seed>/``: what training leaves behind and evaluation reads. Owner of these files."""

import json
import pickle
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stages.epoch import PassFigures
from utils.atomic import atomic_path, write_text
from utils.errors import UsageError
from utils.tables import write_table


def run_folder(results_dir: str | Path, exp_code: str, seed: int) -> Path:
    """Return the folder of a run."""
    return Path(results_dir) / f"{exp_code}_s{seed}"


def checkpoint_path(folder: Path, fold: int) -> Path:
    """Return the file of a fold's trained parameters."""
    return folder / f"s_{fold}_checkpoint.pt"


def log_folder(folder: Path, fold: int) -> Path:
    """Return the folder of a fold's tensorboard logs."""
    return folder / str(fold)


def write_settings(path: Path, settings: dict[str, Any]) -> None:
    """Write the settings of a run as JSON, atomically."""
    plain = {name: asdict(value) if is_dataclass(value) else value for name, value in settings.items()}  # type: ignore[arg-type]
    write_text(path, json.dumps(plain, indent=2, default=str) + "\n")


def write_fold_results(folder: Path, fold: int, slide_ids: list[str], figures: PassFigures) -> None:
    """Write ``split_<i>_results.pkl``: ``{slide_id: {slide_id, prob (1, C), label}}`` of the test set, atomically.

    The format is that of the original, for scripts that read it; nothing here does.
    """
    results = {
        slide_id: {"slide_id": np.array(slide_id), "prob": figures.probabilities[row : row + 1], "label": int(label)}
        for row, (slide_id, label) in enumerate(zip(slide_ids, figures.labels, strict=True))
    }
    with atomic_path(folder / f"split_{fold}_results.pkl") as part:
        part.write_bytes(pickle.dumps(results))


def write_summary(folder: Path, rows: list[dict[str, float]], folds: range, k: int) -> tuple[Path, pd.DataFrame]:
    """Write a row for each fold, atomically, and return file and table.

    The file is ``summary.csv``, or ``summary_partial_<start>_<stop>.csv`` where ``folds`` are not all of ``k``.
    """
    name = "summary.csv" if folds == range(k) else f"summary_partial_{folds.start}_{folds.stop}.csv"
    table = pd.DataFrame(rows)
    write_table(table, folder / name, index=True)
    return folder / name, table


def write_predictions(path: Path, slide_ids: list[str], figures: PassFigures) -> None:
    """Write ``fold_<i>.csv``: ``slide_id, Y, Y_hat, p_0, ...``, atomically."""
    columns: dict[str, Any] = {"slide_id": slide_ids, "Y": figures.labels, "Y_hat": figures.predicted}
    columns |= {f"p_{number}": figures.probabilities[:, number] for number in range(figures.n_classes)}
    write_table(pd.DataFrame(columns), path)


def fold_range(k: int, k_start: int, k_end: int) -> range:
    """Return the folds from ``k_start`` up to but without ``k_end``; -1 means the first and the last.

    Raises:
        UsageError: there is none.
    """
    folds = range(0 if k_start == -1 else k_start, k if k_end == -1 else k_end)
    if not folds or folds.start < 0:
        raise UsageError(f"no fold from --k_start {folds.start} to --k_end {folds.stop}")
    return folds


def table_text(table: pd.DataFrame) -> str:
    """Return a summary as text, with mean and standard deviation over the folds below it."""
    figures = [column for column in table.columns if column != "folds"]
    rows = [table.assign(folds=table["folds"].astype(str))]
    if len(table) > 1:
        for label, values in (("mean", table[figures].mean()), ("std", table[figures].std())):
            rows.append(pd.DataFrame([{"folds": label, **values.to_dict()}]))
    return pd.concat(rows).to_string(index=False, float_format="%.4f", na_rep="undefined")
