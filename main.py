"""Train attention-based multiple-instance learning on the splits of a task."""

import argparse
import sys
from collections.abc import Sequence

from models.heads.registry import HEADS, SIZES
from utils.cli import (
    add_config_flag,
    add_engine_flags,
    add_task_flags,
    engine_settings,
    fraction,
    new_parser,
    non_negative_float,
    parse_with_config,
    path,
    positive_int,
    program,
    task_flags,
)

DESCRIPTION = """\
Train a model on each split of a task.

Reads DATA_ROOT_DIR/<the task's feature folder>, dataset_csv/ and splits/. Writes RESULTS_DIR/<EXP_CODE>_s<SEED>/: a
checkpoint, test predictions and the split for each fold, and summary.csv. See the curves with tensorboard --logdir=.
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this program's command line."""
    parser = new_parser(DESCRIPTION)
    add_config_flag(parser)
    add_task_flags(parser)
    data = parser.add_argument_group("data").add_argument
    data(
        "--missing",
        choices=("error", "drop"),
        default="error",
        help="slides whose features are missing, empty, NaN or of another width: refuse, or go on without",
    )
    data(
        "--cache_gb",
        type=non_negative_float,
        default=8.0,
        metavar="GIB",
        help="memory for features; the rest stays on disk",
    )
    data(
        "--cache_dtype",
        choices=("fp32", "fp16"),
        default="fp32",
        help="numbers in that memory; fp16 holds twice as many",
    )
    data("--embed_dim", type=positive_int, help="numbers in a feature (default: as the features are)")
    data("--split_dir", type=path, metavar="NAME|DIR", help="splits, in splits/ (default: <TASK>_<100 x LABEL_FRAC>)")
    data("--label_frac", type=fraction, default=1.0, help="part of the training patients that the splits kept, 0-1")
    data("--k", type=positive_int, default=10, help="number of folds")
    data("--k_start", type=int, default=-1, help="first fold; -1: 0")
    data("--k_end", type=int, default=-1, help="fold to stop before; -1: K")

    model = parser.add_argument_group("model").add_argument
    model(
        "--model_type",
        choices=tuple(HEADS),
        default="clam_sb",
        help="; ".join(f"{head.name}: {head.summary}" for head in HEADS.values()),
    )
    model("--model_size", choices=SIZES, default="small", help="width of the model: docs/heads.md says of what")
    model("--drop_out", type=float, default=0.25, help="rate after the embedding; above 0 the attention drops out 0.25")
    model("--no_inst_cluster", action="store_true", help="no instance clustering")
    model("--inst_loss", choices=("svm", "ce"), default="ce", help="loss of instance clustering")
    model("--subtyping", action="store_true", help="the classes exclude each other; task 2 implies it")
    model("--bag_weight", type=float, default=0.7, help="weight of the bag loss against clustering, 0-1")
    model("--B", type=positive_int, default=8, help="patches that clustering takes on either side")

    training = parser.add_argument_group("training").add_argument
    training("--max_epochs", type=positive_int, default=200, help="epochs at most")
    training("--lr", type=float, default=1e-4, help="learning rate")
    training("--reg", type=float, default=1e-5, help="weight decay")
    training("--opt", choices=("adam", "sgd"), default="adam", help="optimiser")
    training(
        "--bag_loss",
        choices=("svm", "ce", "mse", "l1", "hazard", "cox"),
        help="loss of bags (default: ce; of numbers mse, else l1; of survival hazard, else cox)",
    )
    training("--weighted_sample", action="store_true", help="draw slides so that all classes come equally often")
    training(
        "--early_stopping",
        action="store_true",
        help="stop when the validation loss has not improved for 20 epochs, after epoch 50",
    )
    training("--seed", type=int, default=1, help="of everything random; the same seed gives the same curve")
    training(
        "--amp", action="store_true", help="compute in bfloat16 where that is safe; faster, with other last digits"
    )
    training(
        "--deterministic", action="store_true", help="only operations that give the same on a GPU each time; slower"
    )
    training("--fold_workers", type=positive_int, default=1, help="folds trained at the same time")
    training(
        "--resume", action="store_true", help="keep the folds that are done and go on with one that was interrupted"
    )
    training("--testing", action="store_true", help="try the run out on a tenth of the slides")

    add_engine_flags(parser.add_argument_group("where folds are trained"), unit="fold")

    out = parser.add_argument_group("output").add_argument
    out("--exp_code", required=True, metavar="NAME", help="name of the run")
    out("--results_dir", type=path, default="./results", metavar="DIR", help="where runs go")
    out("--no_report", action="store_true", help="write no statistics, pictures and report.html")
    out("--log_data", action="store_true", help="write tensorboard logs")
    return parser


@program
def main(argv: Sequence[str] | None = None) -> int:
    """Run the program and return its exit code."""
    parser = build_parser()
    args = parse_with_config(parser, argv)
    flags = {name: value for name, value in vars(args).items() if name != "config" and value is not None}
    from datasets.tasks import TaskFlags
    from models.builder import ModelSettings
    from stages.engines import EngineSettings
    from stages.fold import TrainingSettings
    from stages.training import TrainingConfig, train

    # what a file says of the engine has no effect, and is no mistake, where the command line names another one
    is_another = args.engine != parser.get_default("engine")
    settings = engine_settings(args, parser if is_another else build_parser())
    engine = EngineSettings(num_workers=args.fold_workers, slide_timeout_s=0, **settings)
    model = ModelSettings(
        model_type=args.model_type,
        model_size=args.model_size,
        drop_out=args.drop_out,
        k_sample=args.B,
        inst_loss=args.inst_loss,
    )
    training = TrainingSettings(
        model=model,
        max_epochs=args.max_epochs,
        lr=args.lr,
        reg=args.reg,
        opt=args.opt,
        bag_weight=args.bag_weight,
        clustering=not args.no_inst_cluster,
        weighted_sample=args.weighted_sample,
        early_stopping=args.early_stopping,
        testing=args.testing,
        seed=args.seed,
        amp=args.amp,
        deterministic=args.deterministic,
    )
    return train(
        TrainingConfig(
            task=TaskFlags(**task_flags(args)),
            data_root_dir=args.data_root_dir,
            exp_code=args.exp_code,
            training=training,
            results_dir=args.results_dir,
            split_dir=args.split_dir,
            label_frac=args.label_frac,
            k=args.k,
            k_start=args.k_start,
            k_end=args.k_end,
            embed_dim=args.embed_dim,
            subtyping=args.subtyping,
            log_data=args.log_data,
            bag_loss=args.bag_loss,
            missing=args.missing,
            cache_gb=args.cache_gb,
            cache_dtype=args.cache_dtype,
            engine=engine,
            resume=args.resume,
            report=not args.no_report,
            flags=flags,
        )
    )


if __name__ == "__main__":
    sys.exit(main())
