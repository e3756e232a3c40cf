"""A small cohort with features and splits in the current folder, and how the programs are called on it."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import create_splits_seq
import eval as eval_program
import main as main_program
from datasets.features_file import Features, h5_path, pt_path, write_features_h5
from datasets.tasks import find_task

TASK = find_task("task_1_tumor_vs_normal")
LABELS = tuple(TASK.label_map or ())
TABLE = Path("dataset_csv") / TASK.csv
FEATURES = Path("data") / TASK.features[0] / "pt_files"
SPLITS = Path("splits") / "task_1_tumor_vs_normal_100"
RUN = Path("results/toy_s1")
EMBED_DIM = 8
IDS = ["0012", "NA", "1e5", "a.b", *(f"s{number}" for number in range(4, 24))]
PATCHES = (1, 5, 15, 20)  # one after the other; three are awkward for instance clustering with B 8


def write_cohort() -> None:
    """Write table, features and three splits; tumor slides have larger features."""
    TABLE.parent.mkdir()
    FEATURES.mkdir(parents=True)
    rows = [(f"p{n}", f"{slide_id}.svs", LABELS[n % 2]) for n, slide_id in enumerate(IDS)]
    pd.DataFrame(rows, columns=["case_id", "slide_id", "label"]).to_csv(TABLE, index=False)
    generator = torch.Generator().manual_seed(0)
    for number, slide_id in enumerate(IDS):
        n_patches = PATCHES[number // 2 % len(PATCHES)]
        torch.save(torch.rand(n_patches, EMBED_DIM, generator=generator) + number % 2, FEATURES / f"{slide_id}.pt")
    create_splits_seq.main(["--task", TASK.name, "--k", "3", "--val_frac", "0.25", "--test_frac", "0.25"])


def write_provenance(slide_ids: Iterable[str], *, keep_pt: bool = True, **made_from: str) -> None:
    """Write the h5 of slides beside their pt, or instead of it, with what it says it was made from."""
    for slide_id in slide_ids:
        pt = pt_path(FEATURES.parent, slide_id)
        features = torch.load(pt, weights_only=True).numpy()
        coords = np.zeros((len(features), 2), int)
        write_features_h5(h5_path(FEATURES.parent, slide_id), Features(features, coords, made_from))
        if not keep_pt:
            pt.unlink()


def train(*flags: str, report: bool = False) -> int:
    """Call main.py as a user would; flags given later win. Without a report, which takes seconds."""
    common = ["--task", TASK.name, "--data_root_dir", "data", "--exp_code", "toy", "--k", "3", "--max_epochs", "2"]
    return main_program.main([*common, *flags, *([] if report else ["--no_report"])])


def train_in(folder: Path) -> None:
    """Write the cohort into a folder and train all folds for five epochs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_cohort()
        assert train("--max_epochs", "5") == 0


def evaluate(*flags: str, report: bool = False) -> int:
    """Call eval.py on the run that ``train`` leaves; without a report, which takes seconds."""
    common = ["--task", TASK.name, "--data_root_dir", "data", "--models_exp_code", RUN.name, "--k", "3"]
    without = [] if report else ["--no_report"]
    return eval_program.main([*common, "--save_exp_code", "toy", *without, *flags])
