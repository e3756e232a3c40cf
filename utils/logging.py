"""Messages for the user, on stderr and above any progress bar; stdout is for results."""

import logging
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from logging.handlers import QueueHandler
from queue import SimpleQueue


class _AboveProgressBars(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        from tqdm import tqdm  # doctor.py begins without any package

        tqdm.write(self.format(record), file=sys.stderr)


def set_up_logging(level: int = logging.INFO) -> None:
    """Send the project's messages to stderr; calling it again changes nothing."""
    root = logging.getLogger()
    if not any(isinstance(handler, _AboveProgressBars) for handler in root.handlers):
        handler = _AboveProgressBars()
        handler.setFormatter(_PlainUnlessSerious())
        root.addHandler(handler)
    root.setLevel(level)


class _PlainUnlessSerious(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return text if record.levelno < logging.WARNING else f"{record.levelname.lower()}: {text}"


@contextmanager
def collected_messages() -> Iterator[list[logging.LogRecord]]:
    """Collect messages instead of showing them, for another process that will ``pass_on`` them."""
    root, collecting = logging.getLogger(), _Collecting()
    before, root.handlers = root.handlers, [collecting]
    try:
        yield collecting.kept
    finally:
        root.handlers = before


def pass_on(records: Iterable[logging.LogRecord]) -> None:
    """Show messages of another process as if they came from this one."""
    for record in records:
        logging.getLogger(record.name).handle(record)


class _Collecting(QueueHandler):
    """Keeps messages in a list, made fit to be sent as those of a queue are."""

    def __init__(self) -> None:
        super().__init__(SimpleQueue())
        self.kept: list[logging.LogRecord] = []

    def enqueue(self, record: logging.LogRecord) -> None:
        self.kept.append(record)
