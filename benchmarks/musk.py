"""How often a classic benchmark of multiple-instance learning is told right. Prints a table, asserts nothing.

    python -m benchmarks.musk [--data FILE.mat] [--heads abmil clam_sb] [--seeds 5] [flags of main.py, such as --lr]

FILE is a PRTools data set as MUSK1, MUSK2, FOX, TIGER and ELEPHANT are handed on: instances, their classes and their
bags. Ten folds are drawn and trained for each seed by the programs themselves, in a temporary folder. Features are
standardised by mean and deviation over all instances of the set, as is usual with these sets; they are fixed
measurements of molecules and images, and no labels go into that. There is no validation: every fold goes through all
epochs, and the last parameters are tested.
"""

import argparse
import contextlib
import io
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.io import loadmat
from scipy.sparse import issparse

import create_splits_seq
import main as training
from benchmarks.setting import setting
from datasets.features_file import pt_path, write_features_pt
from models.heads.registry import HEADS
from utils.lookup import PROJECT_ROOT

MUSK1 = PROJECT_ROOT.parent / "shared" / "mil_benchmarks" / "musk1.mat"
POSITIVE = "positive"
N_FOLDS = 10
# As Ilse et al. 2018 trained on these sets; what is not named here is main.py's default.
SETTINGS = ("--lr", "5e-4", "--reg", "5e-3", "--max_epochs", "100")


def main(argv: Sequence[str]) -> int:
    """Print the accuracy of each head."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=MUSK1, help="%(default)s")
    parser.add_argument("--heads", nargs="+", choices=tuple(HEADS), default=("abmil", "clam_sb"))
    parser.add_argument("--seeds", type=int, default=5)
    args, flags = parser.parse_known_args(argv)
    bags = read_bags(args.data)
    flags = [*SETTINGS, *flags]
    print(setting("torch", "numpy"))
    print(f"{args.data.name}, {len(bags.labels)} bags, {N_FOLDS} folds x {args.seeds} seeds, {' '.join(flags)}\n")
    print("| head | accuracy | deviation of folds | of seeds | least and most of seeds | s |")
    print("|---|---:|---:|---:|---:|---:|")
    for head in args.heads:
        start_s = time.perf_counter()
        accuracies = np.array([fold_accuracies(bags, head, seed + 1, flags) for seed in range(args.seeds)])
        of_seeds = accuracies.mean(axis=1)
        print(
            f"| {head} | {accuracies.mean():.3f} | {accuracies.std():.3f} | {of_seeds.std():.3f} "
            f"| {of_seeds.min():.3f}, {of_seeds.max():.3f} | {time.perf_counter() - start_s:.0f} |",
            flush=True,
        )
    return 0


@dataclass(frozen=True)
class LabelledBags:
    """Features (N_i, D) float32 of each bag, and whether it is positive, (N,)."""

    features: list[np.ndarray]
    labels: np.ndarray


def read_bags(path: Path) -> LabelledBags:
    """Read a PRTools data set; a bag with a positive instance is positive."""
    data_set = loadmat(path)["x"][0, 0]
    stored = data_set["data"]
    instances = standardised(np.asarray(stored.toarray() if issparse(stored) else stored, dtype=float))
    classes = np.array([str(name).strip() for name in data_set["lablist"][0, 0].ravel()])
    is_positive = classes[data_set["nlab"].ravel().astype(int) - 1] == POSITIVE
    bag_names = data_set["ident"][0, 0]["milbag"].reshape(len(instances), -1)[:, 0]
    rows = [np.flatnonzero(bag_names == name) for name in np.unique(bag_names)]
    return LabelledBags([instances[of] for of in rows], np.array([is_positive[of].any() for of in rows]))


def standardised(instances: np.ndarray) -> np.ndarray:
    """Return features (N, D) float32 with mean 0 and deviation 1 over all instances; constant ones become 0."""
    deviation = instances.std(axis=0)
    return ((instances - instances.mean(axis=0)) / np.where(deviation > 0, deviation, 1)).astype(np.float32)


def fold_accuracies(bags: LabelledBags, head: str, seed: int, flags: Sequence[str]) -> list[float]:
    """Draw folds and train on them as a user would; return the test accuracy of each."""
    with tempfile.TemporaryDirectory() as folder, _inside(folder), _quietly():
        task = _write_cohort(bags)
        cross_validation = ["--split_mode", "kfold", "--k", str(N_FOLDS), "--val_frac", "0", "--seed", str(seed)]
        _require_done(create_splits_seq.main([*task, *cross_validation]))
        run = ["--split_dir", "bags_kfold_100", "--k", str(N_FOLDS), "--seed", str(seed), "--exp_code", "musk"]
        _require_done(training.main([*task, *run, "--model_type", head, "--fold_workers", "2", *flags]))
        return pd.read_csv(f"results/musk_s{seed}/summary.csv")["test_acc"].tolist()


def _write_cohort(bags: LabelledBags) -> list[str]:
    """Write dataset CSV and features into the current folder, and return the flags that name them."""
    ids = [f"bag_{number:03d}" for number in range(len(bags.labels))]
    labels = np.where(bags.labels, POSITIVE, "negative")
    pd.DataFrame({"case_id": ids, "slide_id": ids, "label": labels}).to_csv("bags.csv", index=False)
    for slide_id, features in zip(ids, bags.features, strict=True):
        write_features_pt(pt_path("features", slide_id), features)
    return ["--csv_path", "bags.csv", "--label_map", f"negative=0,{POSITIVE}=1", "--data_dir", "features"]


def _require_done(exit_code: int) -> None:
    if exit_code:
        raise SystemExit(exit_code)


@contextlib.contextmanager
def _inside(folder: str) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    with contextlib.redirect_stdout(io.StringIO()):
        yield


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
