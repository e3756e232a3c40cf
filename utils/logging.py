"""Messages for the user, on stderr and above any progress bar; stdout is for results."""

import logging
import sys

from tqdm import tqdm


class _AboveProgressBars(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
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
