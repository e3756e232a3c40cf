"""Look at slides with the attention of models on top, in a browser."""

import argparse
import sys
from collections.abc import Sequence

from utils.cli import network_port, new_parser, path, positive_int, program

DESCRIPTION = """\
Look at slides with the attention of models on top, in a browser.

Shows what create_heatmaps.py has left in an experiment's folder of raw results: a list of the slides, and each of them
to zoom into. Prints the address to open, and serves it until Ctrl-C; docs/viewer.md explains the pages.
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this program's command line."""
    parser = new_parser(DESCRIPTION)
    add = parser.add_argument
    add(
        "--results",
        type=path,
        required=True,
        metavar="DIR",
        help="experiment: heatmaps/heatmap_raw_results/EXP, or the folder of several",
    )
    add(
        "--slides",
        type=path,
        action="append",
        metavar="DIR",
        help="where to look for slide files first; may be given several times (default: the configuration's data_dir)",
    )
    add("--host", default="127.0.0.1", help="address to listen at; 127.0.0.1: this machine alone")
    add("--port", type=network_port, help="port to listen at; 0: any that is free (default: 8080, or any that is free)")
    add(
        "--token",
        nargs="?",
        const="",
        metavar="TEXT",
        help="what visitors must know; without TEXT, one is made up (default: made up where other machines can ask)",
    )
    add("--cache_mb", type=positive_int, default=256, metavar="MIB", help="memory for tiles that are finished")
    add("--no_browser", action="store_true", help="print the address and open no browser")
    return parser


@program
def main(argv: Sequence[str] | None = None) -> int:
    """Run the program and return its exit code."""
    args = build_parser().parse_args(argv)
    from pathlib import Path

    from stages.viewer.serve import ViewRequest, view_slides

    return view_slides(
        ViewRequest(
            results=Path(args.results),
            slides=[Path(folder) for folder in args.slides or ()],
            host=args.host,
            port=args.port,
            token=args.token,
            cache_mib=args.cache_mb,
            open_browser=not args.no_browser,
        )
    )


if __name__ == "__main__":
    sys.exit(main())
