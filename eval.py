"""Evaluate a trained run on labelled slides."""

import argparse
import sys
from collections.abc import Sequence

from models.heads.registry import HEADS, SIZES
from utils.cli import add_task_flags, new_parser, path, positive_int, program, task_flags

DESCRIPTION = """\
Predict slides with the checkpoints of a run of main.py and say how good the predictions are.

Writes eval_results/EVAL_<SAVE_EXP_CODE>/: fold_<i>.csv with the class and the probabilities of each slide,
summary.csv, or summary_partial_<first>_<stop>.csv where not all K folds are evaluated, statistics.csv and
report.html. Task, features and splits are those of training where no flag says otherwise.

--predict takes slides without labels and writes eval_results/PREDICT_<SAVE_EXP_CODE>/: slides.csv and patients.csv,
what all folds say together, and the same of each fold.
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this program's command line."""
    parser = new_parser(DESCRIPTION)
    add_task_flags(parser)
    add = parser.add_argument
    add("--models_exp_code", required=True, metavar="NAME", help="folder of the run, <EXP_CODE>_s<SEED>")
    add(
        "--predict",
        action="store_true",
        help="predict slides without labels: all in --data_dir, or those of --csv_path",
    )
    add("--compare", type=path, metavar="RUN", help="folder of another run or evaluation: are the two different?")
    add("--save_exp_code", metavar="NAME", help="name of the results (default: MODELS_EXP_CODE)")
    add("--results_dir", type=path, default="./results", metavar="DIR", help="where runs are")
    add("--splits_dir", type=path, metavar="NAME|DIR", help="splits, in splits/ (default: the run's own)")
    add("--split", choices=("train", "val", "test", "all"), default="test", help="which slides")
    add(
        "--model_type",
        choices=tuple(HEADS),
        help="what the checkpoints must be (default: what they are)",
    )
    add("--model_size", choices=SIZES, help="what the checkpoints must be (default: what they are)")
    add("--embed_dim", type=positive_int, help="numbers in a feature (default: as the checkpoints are)")
    add("--drop_out", type=float, default=0.25, help="the rate of training; no effect on a trained model")
    add("--k", type=positive_int, help="number of folds (default: as trained, else 10)")
    add("--missing", choices=("error", "drop"), help="slides whose features cannot be used (default: as in training)")
    add("--k_start", type=int, default=-1, help="first fold; -1: 0")
    add("--k_end", type=int, default=-1, help="fold to stop before; -1: K")
    add("--fold", type=int, default=-1, help="the one fold to evaluate; -1: all")
    add("--no_report", action="store_true", help="write no statistics, pictures and report.html")
    add("--micro_average", action="store_true", help="AUC over (slide, class) pairs, with more than two classes")
    return parser


@program
def main(argv: Sequence[str] | None = None) -> int:
    """Run the program and return its exit code."""
    args = build_parser().parse_args(argv)
    from datasets.tasks import TaskFlags
    from stages.evaluation import EvaluationConfig, evaluate
    from stages.prediction import predict

    task = TaskFlags(**task_flags(args))
    run = predict if vars(args).pop("predict") else evaluate
    report = not vars(args).pop("no_report")
    return run(EvaluationConfig(task=task, report=report, **vars(args)))


if __name__ == "__main__":
    sys.exit(main())
