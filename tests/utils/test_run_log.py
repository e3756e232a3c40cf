"""What a run leaves in its folder, and what it never does."""

import logging
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from utils.cli import new_parser, program
from utils.errors import UsageError
from utils.lookup import PROJECT_ROOT
from utils.run_log import RunLog, start_run_log
from utils.version import VERSION

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Config:
    folder: Path
    step_px: int
    token: str = "abc"


def run(folder: Path, monkeypatch, *argv: str, error: BaseException | None = None) -> int:
    """Run a program as a shell does."""

    @program
    def main(argv=None):
        parser = new_parser("Try.")
        parser.add_argument("--step", type=int, default=256)
        parser.add_argument("--other")
        args = parser.parse_args(argv)
        logger.warning("said before")
        start_run_log(folder, Config(folder, args.step))
        logger.info("said after, by hf_abcdefgh12345")
        if error is not None:
            raise error
        return 1

    monkeypatch.setattr(sys, "argv", ["try.py", *argv])
    return main()


def logs(folder: Path) -> list[str]:
    return [path.read_text() for path in sorted(folder.glob("logs/test_run_log_*.log"))]


def test_it_says_what_ran_what_was_said_and_how_it_ended(tmp_path, monkeypatch):
    assert run(tmp_path, monkeypatch, "--step", "64") == 1
    header, _, lines = logs(tmp_path)[0].partition("\n---\n")
    about = yaml.safe_load(header)
    assert about["flags"] == {"step": 64, "other": None}
    assert about["settings"] == {"folder": str(tmp_path), "step_px": 64, "token": "***"}
    assert about["versions"]["clam-pipeline"] == VERSION and {"python", "torch", "h5py"} <= set(about["versions"])
    assert about["command"] == "python try.py --step 64"
    before, after, end = lines.splitlines()
    assert before.endswith("Z WARNING said before") and after.endswith("Z INFO said after, by ***")
    assert "END exit code 1 after" in end and end.endswith("1 warnings, 0 errors")


def test_it_tells_no_folder_that_the_command_does_not_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(IndexError):
        run(Path("out"), monkeypatch, error=IndexError("a defect of ours"))
    monkeypatch.setattr(sys, "argv", [f"{sys.prefix}/bin/try"])
    with RunLog("test_run_log_b"):
        start_run_log("out", {})
        try:
            yaml.safe_load("[")
        except yaml.YAMLError:
            logger.exception("so")
    for said in logs(Path("out")):
        assert "Traceback" in said and "test_run_log.py" in said
        assert not [place for place in (tmp_path, sys.prefix, sys.base_prefix, PROJECT_ROOT) if str(place) in said]
    assert len(logs(Path("out"))) == 2


def test_every_run_has_a_file_of_its_own(tmp_path, monkeypatch):
    for _ in range(3):
        run(tmp_path, monkeypatch)
    assert len(logs(tmp_path)) == 3


def test_an_error_is_in_it(tmp_path, monkeypatch):
    assert run(tmp_path, monkeypatch, error=UsageError("no folder x")) == 2
    assert "ERROR no folder x" in logs(tmp_path)[0] and "exit code 2" in logs(tmp_path)[0]


def test_so_is_a_defect_of_ours(tmp_path, monkeypatch):
    with pytest.raises(ZeroDivisionError):
        run(tmp_path, monkeypatch, error=ZeroDivisionError("by nothing"))
    assert "ZeroDivisionError: by nothing" in logs(tmp_path)[0] and "exit code none" in logs(tmp_path)[0]
    assert not [handler for handler in logging.getLogger().handlers if isinstance(handler, RunLog)]


def test_a_program_that_is_killed_has_said_all_until_then(tmp_path):
    code = f"""
import os, signal
from utils.run_log import RunLog, start_run_log
import logging
logging.getLogger().setLevel(logging.INFO)
with RunLog("killed"):
    start_run_log({str(tmp_path)!r}, {{}})
    logging.info("slide 1 of 2")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    (log,) = tmp_path.glob("logs/killed_*.log")
    assert log.read_text().endswith("INFO slide 1 of 2\n")


def test_a_folder_that_takes_none_costs_a_warning(tmp_path, monkeypatch, caplog):
    (tmp_path / "logs").write_text("a file")
    assert run(tmp_path, monkeypatch) == 1
    assert "no log of this run in" in caplog.text and (tmp_path / "logs").read_text() == "a file"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is a disk that is full")
def test_a_full_disk_costs_one_warning(monkeypatch, tmp_path, caplog):
    full = Path("/dev/full").open("w", buffering=1)  # noqa: SIM115  the log closes it
    monkeypatch.setattr(RunLog, "_new_file", lambda *_: (tmp_path / "x.log", full))
    assert run(tmp_path, monkeypatch) == 1
    assert caplog.text.count("ends here: OSError: [Errno 28]") == 1


def test_a_call_from_python_leaves_none(tmp_path):
    @program
    def main(argv=None):
        start_run_log(tmp_path, {})
        return 0

    assert main([]) == 0
    assert not list(tmp_path.iterdir())
