"""Look at this machine and its folders: is everything there that the programs need?"""

import argparse
import sys
from collections.abc import Sequence

if sys.version_info < (3, 10):  # noqa: UP036  before anything is read that an older one cannot read
    sys.exit(f"fail  Python  {sys.version.split()[0]}, and 3.10 to 3.13 is needed -> make PYTHON=python3.12 venv")

from utils.cli import new_parser, path, positive_float, program

DESCRIPTION = """\
Look at this machine and its folders: is everything there that the programs need?

Prints a line for each thing: ok, warn (worth a look) or fail (something will not work), what was found, and after ->
what to do. Fetches nothing, starts no cluster, and leaves the folders as they were.
"""
EXIT_CODES = "exit codes: 0 all will work, 1 something will not work, 2 wrong use"


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this program's command line."""
    parser = new_parser(DESCRIPTION, exit_codes=EXIT_CODES)
    add = parser.add_argument
    add(
        "--folder",
        type=path,
        nargs="+",
        metavar="DIR",
        help="folders for results, such as SAVE_DIR and FEAT_DIR: is there room, and may several processes share them? "
        "(default: the current folder)",
    )
    add("--encoders", type=_names, metavar="A,B", help="encoders whose weights must be here (default: any)")
    add("--ray_address", metavar="ADDR", help="a Ray cluster that must answer: auto or HOST:PORT")
    add("--timeout", type=positive_float, default=60.0, metavar="S", help="seconds that each check may take")
    return parser


def _names(text: str) -> tuple[str, ...]:
    """Parse names with commas between, for argparse."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


@program
def main(argv: Sequence[str] | None = None) -> int:
    """Run the program and return its exit code."""
    args = build_parser().parse_args(argv)
    from stages.doctor import DoctorRequest, examine

    return examine(DoctorRequest(args.folder or ["."], args.encoders or (), args.ray_address, args.timeout))


if __name__ == "__main__":
    sys.exit(main())
