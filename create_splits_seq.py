"""Draw the splits that training and evaluation use, by patient."""

import argparse
import sys
from collections.abc import Sequence

from utils.cli import add_task_flags, new_parser, positive_int, program, task_flags

DESCRIPTION = """\
Draw splits of a task's patients into training, validation and test.

Reads dataset_csv/<the task's CSV> in the current folder, else the one beside this program (columns case_id,
slide_id, label). Writes splits/<TASK>_<100 x LABEL_FRAC>/splits_<i>.csv with _bool.csv and _descriptor.csv.

The splits are Monte-Carlo resamples, not the folds of a cross-validation: each is drawn anew, so test sides
overlap and not every patient is ever tested. All slides of a patient are on one side.
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
        help="part of the training patients to keep, 0-1: the first by id in each class; "
        "0 writes 0.1, 0.25, 0.5, 0.75 and 1.0, each in its folder",
    )
    add("--val_frac", type=float, default=0.1, help="part of each class's patients for validation; 0 for none")
    add("--test_frac", type=float, default=0.1, help="part of each class's patients for test; 0 for none")
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
        )
    )


if __name__ == "__main__":
    sys.exit(main())
