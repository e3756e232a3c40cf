"""Draw the splits that training and evaluation use, by patient."""

import argparse
import sys
from collections.abc import Sequence

from utils.cli import add_task_flags, new_parser, path, positive_int, program, task_flags

DESCRIPTION = """\
Draw splits of a task's patients into training, validation and test.

Reads dataset_csv/<the task's CSV> in the current folder, else the one beside this program (columns case_id,
slide_id, label). Writes splits/<TASK>_<100 x LABEL_FRAC>/splits_<i>.csv with _bool.csv and _descriptor.csv, and a
report.txt on coverage, classes and leakage. Other modes than montecarlo write to splits/<TASK>_<MODE>_<PERCENT>/.

All slides of a patient are on one side. With --data_root_dir or --data_dir the report also looks for slides with equal
features. --split_mode:
  montecarlo  resamples as in the original, no folds: test sides overlap and not every patient is ever tested
  kfold       a cross-validation: disjoint test sides that cover everyone, each with its part of every class
  site        a cross-validation that keeps all slides of a site on one side
  custom      the patients in --test_ids test in every split
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this program's command line."""
    parser = new_parser(DESCRIPTION)
    add_task_flags(parser)
    add = parser.add_argument
    add("--seed", type=int, default=1, help="seed of the draws; the same seed gives the same splits")
    add("--k", type=positive_int, default=10, help="number of splits")
    add(
        "--label_frac",
        type=float,
        default=1.0,
        help="part of the training patients of each class to keep, 0-1; "
        "0 writes 0.1, 0.25, 0.5, 0.75 and 1.0, each in its folder",
    )
    add(
        "--label_frac_mode",
        choices=("first", "random"),
        default="first",
        help="which of them to keep: the first by id, as the original, or any; smaller parts are within larger ones",
    )
    add("--val_frac", type=float, default=0.1, help="part of each class's patients for validation; 0 for none")
    add(
        "--test_frac",
        type=float,
        default=0.1,
        help="part of each class's patients for test, 0 for none; only montecarlo: folds test one part in K",
    )
    add(
        "--split_mode",
        choices=("montecarlo", "kfold", "site", "custom"),
        default="montecarlo",
        help="how to draw, see above",
    )
    add(
        "--test_ids",
        type=path,
        metavar="FILE",
        help="for custom: a CSV with a column case_id or slide_id, or one id a line; a slide stands for its patient",
    )
    add(
        "--site_col",
        metavar="COLUMN",
        help="column that says where a slide comes from (default: site; without such a column, TCGA barcodes do)",
    )
    return parser


@program
def main(argv: Sequence[str] | None = None) -> int:
    """Run the program and return its exit code."""
    args = build_parser().parse_args(argv)
    from datasets.tasks import TaskFlags
    from stages.splitting import SplittingConfig, create_splits

    return create_splits(
        SplittingConfig(
            task=TaskFlags(**task_flags(args)),
            seed=args.seed,
            k=args.k,
            label_frac=args.label_frac,
            val_frac=args.val_frac,
            test_frac=args.test_frac,
            split_mode=args.split_mode,
            label_frac_mode=args.label_frac_mode,
            test_ids=args.test_ids,
            site_col=args.site_col,
            data_root_dir=args.data_root_dir,
        )
    )


if __name__ == "__main__":
    sys.exit(main())
