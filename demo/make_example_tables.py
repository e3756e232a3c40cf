"""Make the example cohorts in ``dataset_csv/``: invented patients, slides and labels, the same on every run.

Run from the programs' folder: ``python -m demo.make_example_tables [--out dataset_csv]``.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from datasets.slide_table import write_slide_table
from datasets.tasks import find_task

SEED = 2024
MORE_SLIDES = (0.65, 0.25, 0.10)  # how often a patient has one, two or three slides


def tumor_vs_normal_table(n_patients: int = 120) -> pd.DataFrame:
    """Return patients with one to three slides; beside a tumour slide there may be normal ones."""
    rng = np.random.RandomState(SEED)
    rows = []
    for patient in range(n_patients):
        has_tumor = rng.random_sample() < 0.5
        for slide in range(_n_slides(rng)):
            tumor = has_tumor and (slide == 0 or rng.random_sample() < 0.5)
            rows.append((f"TN-{patient:03d}", slide, "tumor_tissue" if tumor else "normal_tissue"))
    return _table(rows)


def tumor_subtyping_table(n_patients: int = 150) -> pd.DataFrame:
    """Return patients with one to three slides, all of the patient's subtype; subtype 3 is the rare one."""
    rng = np.random.RandomState(SEED)
    rows = []
    for patient in range(n_patients):
        subtype = 1 + rng.choice(3, p=(0.45, 0.35, 0.20))
        rows += [(f"TS-{patient:03d}", slide, f"subtype_{subtype}") for slide in range(_n_slides(rng))]
    return _table(rows)


TABLES = {"task_1_tumor_vs_normal": tumor_vs_normal_table, "task_2_tumor_subtyping": tumor_subtyping_table}


def write_tables(folder: Path) -> None:
    """Write the cohort of every task into ``folder``."""
    for task_name, make_table in TABLES.items():
        write_slide_table(folder / find_task(task_name).csv, make_table())


def _n_slides(rng: np.random.RandomState) -> int:
    return 1 + rng.choice(len(MORE_SLIDES), p=MORE_SLIDES)


def _table(rows: list[tuple[str, int, str]]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "case_id": [case_id for case_id, _, _ in rows],
            "slide_id": [f"{case_id}-{'ABC'[slide]}" for case_id, slide, _ in rows],
            "label": [label for _, _, label in rows],
        }
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Write the tables."""
    parser = argparse.ArgumentParser(description="Make the example cohorts.")
    parser.add_argument("--out", type=Path, default=Path("dataset_csv"), help="folder for the CSVs (%(default)s)")
    write_tables(parser.parse_args(argv).out)


if __name__ == "__main__":
    main()
