"""Draw where a trained model looks on whole-slide images."""

import argparse
import sys
from collections.abc import Sequence

from utils.cli import add_engine_flags, add_slide_flags, engine_settings, new_parser, path, positive_int, program

DESCRIPTION = """\
Draw heatmaps of attention for slides, as a YAML configuration says.

heatmaps/configs/config_template.yaml explains every key. Pictures go to production_save_dir, features and scores to
raw_save_dir, predictions to heatmaps/results/. Run it again with other colours: what is computed is kept.
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this program's command line."""
    parser = new_parser(DESCRIPTION)
    add = parser.add_argument
    add(
        "--config",
        "--config_file",
        type=path,
        required=True,
        metavar="NAME.yaml",
        help="configuration; a name is looked up in heatmaps/configs/ too",
    )
    add("--save_exp_code", metavar="NAME", help="name of the experiment (default: the configuration's)")
    add("--overlap", type=float, help="overlap of patches, 0 to below 1 of their side (default: the configuration's)")
    add("--overwrite", action="store_true", help="compute features and scores again that an earlier run kept")
    work = parser.add_argument_group("where and how slides are worked on")
    work.add_argument("--num_workers", type=positive_int, default=1, metavar="N", help="processes, each on a slide")
    add_slide_flags(work, timeout_s=0)
    add_engine_flags(work)
    return parser


@program
def main(argv: Sequence[str] | None = None) -> int:
    """Run the program and return its exit code."""
    parser = build_parser()
    args = parser.parse_args(argv)
    from stages.engines import EngineSettings
    from stages.heatmaps import HeatmapRequest, create_heatmaps

    engine = EngineSettings(num_workers=args.num_workers, **engine_settings(args, parser))
    return create_heatmaps(
        HeatmapRequest(args.config, args.save_exp_code, args.overlap, engine, args.shard, args.overwrite)
    )


if __name__ == "__main__":
    sys.exit(main())
