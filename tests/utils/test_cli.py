"""What every program makes of what goes wrong: one line and an exit code."""

import argparse
import errno
import os
import signal

import pytest

from utils.cli import path, program
from utils.errors import ItemError, UsageError


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (UsageError("no folder x"), 2, "no folder x"),
        (ItemError("bag x is torn"), 1, "stopped: bag x is torn"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "x"), 1, "stopped: OSError: [Errno 28] No space left on"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_an_error_is_one_line_and_an_exit_code(caplog, error, code, line):
    def main(argv):
        raise error

    assert program(main)([]) == code
    assert line in caplog.text and "Traceback" not in caplog.text


def test_a_program_that_a_scheduler_ends_cleans_up_as_after_ctrl_c(capsys):
    cleaned = []

    def main(argv):
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            cleaned.append(True)

    before = signal.getsignal(signal.SIGTERM)
    assert program(main)([]) == 143
    assert cleaned and "interrupted" in capsys.readouterr().err and signal.getsignal(signal.SIGTERM) == before


def test_a_path_has_its_home_expanded_and_is_otherwise_as_typed(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    assert (path("~/out"), path("./out/"), path("a~b")) == ("/home/ada/out", "./out/", "a~b")
    with pytest.raises(argparse.ArgumentTypeError, match="is empty"):
        path("")
