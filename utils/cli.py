"""What the six programs share on the command line: help that shows defaults, errors in one line, exit codes."""

import argparse
import functools
import logging
import math
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any, Protocol

from utils.errors import EXIT_SOME_FAILED, EXIT_WRONG_USE, ItemError, UsageError, one_line
from utils.logging import set_up_logging

EXIT_INTERRUPTED, EXIT_TERMINATED = 130, 143  # 128 + SIGINT and SIGTERM, as shells report them

MAX_INT = 1_000_000_000  # of any number on a command line: beyond are slips of the hand

EXIT_CODES = "exit codes: 0 done, 1 some items failed (named at the end), 2 wrong use"


class Main(Protocol):
    """A script's ``main``: takes the command line, or reads it from the process, and returns the exit code."""

    def __call__(self, argv: Sequence[str] | None = None) -> int: ...


class _Help(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Shows every default, keeps the paragraphs of the description."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default is None or isinstance(action.default, bool):
            return action.help
        return super()._get_help_string(action)


def new_parser(description: str) -> argparse.ArgumentParser:
    """Return a parser whose help shows defaults and the exit codes."""
    return argparse.ArgumentParser(description=description, epilog=EXIT_CODES, formatter_class=_Help)


def add_reader_flags(group: argparse._ArgumentGroup) -> None:
    """Add what every program that reads slides takes."""
    add = group.add_argument
    add("--reader", choices=("openslide", "tiffslide"), default="openslide", help="library that reads slides")
    add(
        "--max_memory_gb",
        type=positive_float,
        default=8.0,
        metavar="GIB",
        help="what a plain image (png, jpg, flat tiff) may take when it is decoded",
    )


def add_task_flags(parser: argparse.ArgumentParser) -> None:
    """Add what says which cohort, labels and features are meant; ``task_flags`` takes them off again."""
    add = parser.add_argument_group(
        "task", "what to predict, and from what: a file in tasks/, a file of your own, or the flags below"
    ).add_argument
    add("--task", metavar="NAME|FILE", help="task in tasks/, such as task_1_tumor_vs_normal, or a task file")
    add("--csv_path", type=path, metavar="CSV", help="dataset CSV (default: the task's)")
    add(
        "--task_type", choices=("classification", "regression", "survival"), help="what is predicted (default: classes)"
    )
    add("--label_col", metavar="COLUMN", help="column of the label (default: label)")
    add("--label_map", metavar="A=0,B=1", help="class of each label (default: labels in alphabetical order)")
    add(
        "--patient_col",
        metavar="COLUMN",
        help="column of the patient; that of the slide: each on its own (default: case_id)",
    )
    add("--slide_col", metavar="COLUMN", help="column of the slide (default: slide_id)")
    add("--ignore", nargs="*", metavar="LABEL", help="labels to leave out; without one, all that are unknown or empty")
    add("--data_root_dir", type=path, metavar="DIR", help="folder that holds the task's feature folder")
    add("--data_dir", type=path, metavar="DIR", help="the feature folder itself")


TASK_FLAGS = (
    "task",
    "csv_path",
    "task_type",
    "label_col",
    "label_map",
    "patient_col",
    "slide_col",
    "ignore",
    "data_dir",
)


def task_flags(args: argparse.Namespace) -> dict[str, Any]:
    """Return, and take out of ``args``, the parts of a task; ``data_root_dir`` stays."""
    return {name: vars(args).pop(name) for name in TASK_FLAGS}


def program(main: Callable[[Sequence[str] | None], int]) -> Main:
    """Wrap a script's ``main(argv)``: set up messages, and turn what can go wrong into one line and an exit code."""

    @functools.wraps(main)
    def wrapped(argv: Sequence[str] | None = None) -> int:
        set_up_logging()
        try:
            with _terminated_like_interrupted():
                return main(argv)
        except UsageError as error:
            logging.getLogger(__name__).error("%s", error)
            return EXIT_WRONG_USE
        except (ItemError, OSError) as error:  # such as a full disk; what was finished before is there
            logging.getLogger(__name__).error("stopped: %s", one_line(error))
            return EXIT_SOME_FAILED
        except KeyboardInterrupt as stop:
            print("interrupted; the files that are finished stay", file=sys.stderr)
            return EXIT_TERMINATED if isinstance(stop, _Terminated) else EXIT_INTERRUPTED

    return wrapped


class _Terminated(KeyboardInterrupt):
    """SIGTERM came: a scheduler ends the job."""


@contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """Let SIGTERM end the program as Ctrl-C does: worker processes end, and what is half written goes."""

    def stop(signal_number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough
        raise _Terminated

    if threading.current_thread() is not threading.main_thread():  # only there signals can be handled
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def path(text: str) -> str:
    """Expand ``~``, which shells leave alone in ``--flag=~/folder``, and leave the rest as typed; for argparse."""
    if not text:
        raise argparse.ArgumentTypeError("is empty")
    return os.path.expanduser(text)  # noqa: PTH111  a Path would drop ./


def positive_int(text: str) -> int:
    """Parse a whole number of at least 1, for argparse."""
    return _whole_number(text, 1)


def non_negative_int(text: str) -> int:
    """Parse a whole number of at least 0, for argparse."""
    return _whole_number(text, 0)


def _whole_number(text: str, least: int) -> int:
    number = int(text) if text.strip().lstrip("+").isdecimal() else -1
    if not least <= number <= MAX_INT:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least} to {MAX_INT}")
    return number


def positive_float(text: str) -> float:
    """Parse a finite number above 0, for argparse."""
    number = _number(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return number


def fraction(text: str) -> float:
    """Parse a number from 0 to 1, for argparse."""
    number = _number(text)
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 to 1")
    return number


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan  # which is in no range
