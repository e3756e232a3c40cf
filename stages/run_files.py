"""``results/<exp_code>_s<seed>/``: what training leaves behind and evaluation reads. Owner of these files."""

import json
import pickle
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from stages.outcomes.outcome import Outcome
from stages.pass_figures import PassFigures
from utils.atomic import atomic_path, write_text
from utils.errors import UsageError
from utils.tables import read_text_table, write_table
from utils.yaml_file import YamlFileError, read_yaml


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


FLAGS_FILE = "config.yaml"


def write_flags(folder: Path, flags: Mapping[str, Any]) -> None:
    """Write the command line of a run, as ``--config`` takes it, atomically."""
    write_text(folder / FLAGS_FILE, yaml.safe_dump(dict(flags), sort_keys=False))


def read_flags(folder: Path) -> dict[str, Any]:
    """Return the command line of a run; empty where the file is missing, such as in a run of the original.

    Raises:
        UsageError: there is a file, but it is damaged.
    """
    path = folder / FLAGS_FILE
    if not path.exists():
        return {}
    try:
        flags = read_yaml(path)
    except YamlFileError as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
    if not isinstance(flags, dict):
        raise UsageError(f"{path}: no keys and values")
    return flags


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


@dataclass(frozen=True)
class FoldRecord:
    """``s_<i>_done.json``: that a fold is done, what it was trained with, and its headline figures.

    Attributes:
        settings: what decides the result, in values that JSON has.
        figures: ``test_auc`` and the like; NaN where undefined.
        stopped: why training ended before its time; empty where it did not.
    """

    settings: dict[str, Any]
    figures: dict[str, float]
    stopped: str = ""


def record_path(folder: Path, fold: int) -> Path:
    """Return the file that says that a fold is done."""
    return folder / f"s_{fold}_done.json"


def state_path(folder: Path, fold: int) -> Path:
    """Return the file of a fold that is not done."""
    return folder / f"s_{fold}_resume.pt"


def files_of_fold(folder: Path, fold: int) -> list[Path]:
    """Return all that a fold leaves, there or not, but for its logs and its split."""
    names = [f"s_{fold}_history.csv", f"s_{fold}_predictions.csv", f"split_{fold}_results.pkl"]
    named = [folder / name for name in names]
    return [checkpoint_path(folder, fold), record_path(folder, fold), state_path(folder, fold), *named]


def folds_in(folder: Path) -> list[int]:
    """Return the folds that a run has checkpoints of."""
    found = (re.fullmatch(r"s_(\d+)_checkpoint\.pt", path.name) for path in folder.glob("s_*_checkpoint.pt"))
    return sorted(int(match[1]) for match in found if match)


def write_fold_record(folder: Path, fold: int, record: FoldRecord) -> None:
    """Write that a fold is done, atomically; the last of its files."""
    write_text(record_path(folder, fold), json.dumps(asdict(record), indent=2) + "\n")


def read_fold_record(folder: Path, fold: int) -> FoldRecord | None:
    """Return what is said of a fold that is done; None where it is not, or its file is damaged."""
    try:
        record = FoldRecord(**json.loads(record_path(folder, fold).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    return record if isinstance(record.settings, dict) and isinstance(record.figures, dict) else None


HISTORY_COLUMNS = ["epoch", "train_loss", "val_loss"]


def write_history(folder: Path, fold: int, history: list[dict[str, float]]) -> None:
    """Write ``s_<i>_history.csv``, a row an epoch, atomically."""
    columns = None if history else HISTORY_COLUMNS  # a fold may stop in its first epoch
    write_table(pd.DataFrame(history, columns=columns), folder / f"s_{fold}_history.csv")


def read_history(folder: Path, fold: int) -> pd.DataFrame:
    """Read the figures of every epoch of a fold."""
    return pd.read_csv(folder / f"s_{fold}_history.csv")


def predictions_table(slides: pd.DataFrame, columns: Mapping[str, Any]) -> pd.DataFrame:
    """Return ``slide_id, case_id`` of slides and what was predicted of them."""
    return pd.DataFrame({name: slides[name].tolist() for name in ("slide_id", "case_id")} | dict(columns))


def write_fold_predictions(folder: Path, fold: int, sides: Mapping[str, pd.DataFrame]) -> None:
    """Write ``s_<i>_predictions.csv``: ``side`` (val or test), ``slide_id, case_id`` and what was predicted."""
    tables = [table.assign(side=side)[["side", *table.columns]] for side, table in sides.items()]
    write_table(pd.concat(tables, ignore_index=True), folder / f"s_{fold}_predictions.csv")


def read_fold_predictions(folder: Path, fold: int) -> dict[str, pd.DataFrame]:
    """Read the predictions of each side of a fold; NaN where a cell is empty, and ids as they are."""
    table = _read_ids_as_text(folder / f"s_{fold}_predictions.csv")
    return {side: table[table["side"] == side].drop(columns="side") for side in ("val", "test")}


EVALUATION_FILE = "predictions.csv"
REPORT = "report.html"
# columns that tell what was predicted
COLUMNS_OF = {"classification": ("Y", "p_0"), "regression": ("Y", "Y_hat"), "survival": ("time", "event", "risk")}


def write_evaluation(folder: Path, tables: Mapping[int, pd.DataFrame]) -> None:
    """Write ``predictions.csv``: ``fold, slide_id, case_id`` and what is known and predicted, atomically."""
    rows = [table.assign(fold=fold)[["fold", *table.columns]] for fold, table in tables.items()]
    write_table(pd.concat(rows, ignore_index=True), folder / EVALUATION_FILE)


def forget_evaluation(folder: Path) -> None:
    """Remove the predictions of an earlier evaluation: one that is stopped must not be taken for its like."""
    (folder / EVALUATION_FILE).unlink(missing_ok=True)


def predictions_of_folder(folder: Path, outcome: Outcome) -> dict[int, pd.DataFrame]:
    """Read the test predictions of every fold of a run, or those of an evaluation.

    Args:
        folder: of the run (``s_<i>_predictions.csv``) or the evaluation (``predictions.csv``, else ``fold_<i>.csv``).
        outcome: what they should be of.

    Raises:
        UsageError: there are none, or they are of another outcome.
    """
    if (folder / EVALUATION_FILE).is_file():
        whole = _read_ids_as_text(folder / EVALUATION_FILE)
        return {int(fold): _required(rows, outcome, folder / EVALUATION_FILE) for fold, rows in whole.groupby("fold")}
    found = {**_by_fold(folder, "fold_*.csv", "fold_"), **_by_fold(folder, "s_*_predictions.csv", "s_")}
    if not found:
        raise UsageError(f"{folder}: neither s_<i>_predictions.csv of a run nor fold_<i>.csv of an evaluation")
    tables = {}
    for fold, path in sorted(found.items()):
        table = _required(_read_ids_as_text(path), outcome, path)
        tables[fold] = table[table["side"] == "test"] if path.name.startswith("s_") else table
    return tables


def _required(table: pd.DataFrame, outcome: Outcome, path: Path) -> pd.DataFrame:
    """Return a table of predictions, or refuse one of another outcome."""
    missing = [column for column in ("slide_id", *COLUMNS_OF[outcome.name]) if column not in table]
    if missing:
        raise UsageError(f"{path}: no column {', '.join(missing)}, so these are no predictions of {outcome.name}")
    n_shares = sum(re.fullmatch(r"p_\d+", name) is not None for name in table)
    if outcome.name == "classification" and n_shares != outcome.n_outputs:
        raise UsageError(f"{path}: predictions of {n_shares} classes, not of {outcome.n_outputs}")
    return table


def _by_fold(folder: Path, pattern: str, prefix: str) -> dict[int, Path]:
    numbers = {path: path.stem.removeprefix(prefix).removesuffix("_predictions") for path in folder.glob(pattern)}
    return {int(number): path for path, number in numbers.items() if number.isdecimal()}


def _read_ids_as_text(path: Path) -> pd.DataFrame:
    """Read a table of predictions.

    Raises:
        UsageError: it is no CSV.
    """
    table = read_text_table(path, kind="predictions")
    numbers = [column for column in table if column not in ("side", "slide_id", "case_id")]
    return table.assign(**{column: pd.to_numeric(table[column], errors="coerce") for column in numbers})


def write_summary(folder: Path, rows: list[dict[str, float]], folds: range, k: int) -> tuple[Path, pd.DataFrame]:
    """Write a row for each fold, atomically, and return file and table.

    The file is ``summary.csv``, or ``summary_partial_<start>_<stop>.csv`` where ``folds`` are not all of ``k``.
    """
    path, table = _summary_path(folder, folds, k), pd.DataFrame(rows)
    write_table(table, path, index=True)
    return path, table


def forget_summary(folder: Path, folds: range, k: int) -> None:
    """Remove what an earlier run says of all folds together."""
    for path in (_summary_path(folder, folds, k), part_folder(folder, folds, k) / REPORT):
        path.unlink(missing_ok=True)


def _summary_path(folder: Path, folds: range, k: int) -> Path:
    return folder / ("summary.csv" if folds == range(k) else f"summary_{_part(folds)}.csv")


def part_folder(folder: Path, folds: range, k: int) -> Path:
    """Return where what is said of all ``folds`` together goes: apart where they are not all of ``k``."""
    return folder if folds == range(k) else folder / _part(folds)


def _part(folds: range) -> str:
    return f"partial_{folds.start}_{folds.stop}"


def write_predictions(path: Path, slide_ids: list[str], columns: Mapping[str, Any]) -> None:
    """Write ``fold_<i>.csv``: ``slide_id`` and what was predicted, such as ``Y, Y_hat, p_0, ...``, atomically."""
    write_table(pd.DataFrame({"slide_id": slide_ids, **columns}), path)


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
