"""What the programs share on the command line: help that shows defaults, errors in one line, exit codes."""

import argparse
import functools
import logging
import math
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

from utils.errors import EXIT_SOME_FAILED, EXIT_WRONG_USE, ItemError, UsageError, one_line
from utils.item_words import note_begin
from utils.limits import DEFAULT_TIMEOUT_S
from utils.logging import set_up_logging
from utils.ray_address import AUTO
from utils.run_log import RunLog, note_flags
from utils.shard import WHOLE, shard

EXIT_INTERRUPTED, EXIT_TERMINATED = 130, 143  # 128 + SIGINT and SIGTERM, as shells report them

MAX_INT = 1_000_000_000  # of any number on a command line: beyond are slips of the hand
MAX_PORT = 65_535

OF_A_SLIDE = "seconds after which a slide is given up as one that hangs its reader"
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


class _Parser(argparse.ArgumentParser):
    """Tells the log of the run what was read."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        read = super().parse_known_args(args, namespace)
        note_flags(vars(read[0]))
        return read


def new_parser(description: str, *, exit_codes: str = EXIT_CODES) -> argparse.ArgumentParser:
    """Return a parser whose help shows defaults and the exit codes."""
    return _Parser(description=description, epilog=exit_codes, formatter_class=_Help)


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


# fmt: off
def add_engine_flags(group: argparse._ArgumentGroup, *, unit: str = "slide") -> None:
    """Add where items are worked on; ``engine_settings`` reads it."""
    add = group.add_argument
    add("--engine", choices=("local", "ray"), default="local", help="worker processes, or a Ray cluster (extra: ray)")
    add("--ray_address", default=AUTO, metavar="ADDR",
        help="of the cluster; auto: the one that runs, else one that is started on this machine")
    add("--task_cpus", type=positive_int, default=1, metavar="N", help=f"processors that Ray keeps for each {unit}")
    add("--task_gpus", type=non_negative_float, default=0.0, metavar="PART",
        help=f"GPUs that Ray keeps for each {unit}, such as 0.25")


def add_slide_flags(
    group: argparse._ArgumentGroup, *, timeout_s: float = DEFAULT_TIMEOUT_S, timeout_is: str = OF_A_SLIDE
) -> None:
    """Add which slides of a list are done, and what each may take; ``engine_settings`` reads the latter."""
    add = group.add_argument
    add("--shard", type=shard, default=WHOLE, metavar="I/N", help="do a part of the list, such as 3/16; other jobs do "
        "the others")
    add("--slide_timeout", type=non_negative_float, default=timeout_s, metavar="S",
        help=f"{timeout_is}; 0: never")
    add("--slide_memory_gb", type=positive_float, metavar="GIB", help="memory that a slide may take (default: any)")
# fmt: on


def engine_settings(args: argparse.Namespace, parser: argparse.ArgumentParser) -> dict[str, Any]:
    """Return what ``EngineSettings`` takes of the flags.

    Args:
        args: the flags.
        parser: the program's; a flag counts as given where it has not the parser's default.

    Raises:
        UsageError: a flag is given that has no effect on the engine; nobody should believe that it has.
    """
    given = {flag for flag, value in vars(args).items() if value != parser.get_default(flag)}
    _refuse_flags_of_other_engines(args.engine, given)
    _refuse_limits_of_no_process(args, given)
    names = {
        "engine": "engine",
        "ray_address": "ray_address",
        "task_cpus": "task_cpus",
        "task_gpus": "task_gpus",
        "slide_timeout": "slide_timeout_s",
        "slide_memory_gb": "slide_memory_gb",
    }
    return {name: getattr(args, flag) for flag, name in names.items() if hasattr(args, flag)}


ON_RAY = ("ray_address", "task_cpus", "task_gpus")
ON_LOCAL = {
    "num_workers": "--task_cpus says what a slide takes",
    "gpus": "--task_gpus says what a slide takes",
    "fold_workers": "--task_cpus says what a fold takes",
}  # and what is said of it on Ray


def _refuse_flags_of_other_engines(engine: str, given: Set[str]) -> None:
    if engine == "ray":
        wrong = [f"--{flag} goes with --engine local; on Ray {ON_LOCAL[flag]}" for flag in ON_LOCAL if flag in given]
    else:
        wrong = [f"--{flag} goes with --engine ray" for flag in ON_RAY if flag in given]
    if wrong:
        raise UsageError(wrong[0])


def _refuse_limits_of_no_process(args: argparse.Namespace, given: Set[str]) -> None:
    if getattr(args, "num_workers", None) != 0:
        return
    for flag in ("slide_timeout", "slide_memory_gb"):
        if flag in given and getattr(args, flag):  # 0 is no limit
            raise UsageError(
                f"--{flag} limits processes that read slides, of which --num_workers 0 has none: take 1 or more"
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


def add_config_flag(parser: argparse.ArgumentParser) -> None:
    """Add a file of defaults; ``parse_with_config`` reads it."""
    parser.add_argument(
        "--config", type=path, metavar="FILE.yaml", help="file of flags, without dashes; flags override it"
    )


def parse_with_config(parser: argparse.ArgumentParser, argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse a command line whose defaults a file may set.

    Raises:
        UsageError: the file cannot be read, or has a key or a value that the program has not; names it.
    """
    first = argparse.ArgumentParser(add_help=False)
    first.add_argument("--config", type=path)
    file = first.parse_known_args(argv)[0].config
    if file is not None:
        _set_defaults(parser, file)
    return parser.parse_args(argv)


def _set_defaults(parser: argparse.ArgumentParser, file: str) -> None:
    known = {action.dest: action for action in parser._actions if action.dest not in ("help", "config")}
    for name, value in _read_flags(file).items():
        if name not in known:
            raise UsageError(f"config {file}: unknown flag {name!r}; known: {', '.join(known)}")
        action = known[name]
        parser.set_defaults(**{name: _parsed(action, value, where=f"config {file}: {name} {value!r}")})
        action.required = action.required and value is None


def _read_flags(file: str) -> dict[str, Any]:
    # only where there is such a file: --help does not wait for it
    from utils.yaml_file import YamlFileError, read_yaml

    try:
        flags = read_yaml(Path(file)) or {}
    except YamlFileError as error:
        raise UsageError(f"config {file} cannot be read: {error}") from error
    if not isinstance(flags, dict):
        raise UsageError(f"config {file}: no keys and values, such as lr: 0.0001")
    return flags


def _parsed(action: argparse.Action, value: Any, *, where: str) -> Any:
    """Return a value of a file as the command line would have made it."""
    if value is None:
        return action.default
    if action.nargs == 0:
        if not isinstance(value, bool):
            raise UsageError(f"{where}: must be true or false")
        return value
    if action.nargs == "*":
        return [str(part) for part in value] if isinstance(value, list) else [str(value)]
    try:
        parsed = action.type(str(value)) if callable(action.type) else str(value)
    except (argparse.ArgumentTypeError, ValueError) as error:
        raise UsageError(f"{where}: {error}") from error
    if action.choices is not None and parsed not in action.choices:
        raise UsageError(f"{where}: must be one of {', '.join(map(str, action.choices))}")
    return parsed


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
    """Wrap a script's ``main(argv)``: set up messages, and turn what can go wrong into one line and an exit code.

    Run as a program, not called with ``argv``, it leaves a log where its stage says; see ``run_log``.
    """

    @functools.wraps(main)
    def wrapped(argv: Sequence[str] | None = None) -> int:
        set_up_logging()
        note_begin()
        if argv is not None:
            return _exit_code(main, argv)
        with RunLog(Path(main.__code__.co_filename).stem) as log:
            return log.ended(_exit_code(main, argv))

    return wrapped


def _exit_code(main: Callable[[Sequence[str] | None], int], argv: Sequence[str] | None) -> int:
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


def network_port(text: str) -> int:
    """Parse the number of a port, for argparse."""
    return _whole_number(text, 0, MAX_PORT)


def _whole_number(text: str, least: int, most: int = MAX_INT) -> int:
    number = int(text) if text.strip().lstrip("+").isdecimal() else -1
    if not least <= number <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least} to {most}")
    return number


def positive_float(text: str) -> float:
    """Parse a finite number above 0, for argparse."""
    number = _number(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return number


def non_negative_float(text: str) -> float:
    """Parse a finite number of at least 0, for argparse."""
    number = _number(text)
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of at least 0")
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
