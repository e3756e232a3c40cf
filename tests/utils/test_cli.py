"""What every program makes of what goes wrong: one line and an exit code."""

import argparse
import errno
import importlib
import os
import signal

import pytest

from utils.cli import engine_settings, path, program
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


WITH_ENGINE = {
    "create_patches_fp": "--source s --save_dir o",
    "extract_features_fp": "--data_h5_dir o --csv_path c --feat_dir f",
    "main": "--exp_code x",
    "create_heatmaps": "--config x.yaml",
}


@pytest.mark.parametrize("script", WITH_ENGINE)
@pytest.mark.parametrize("flag", ["--ray_address auto:1", "--task_cpus 2", "--task_gpus 0.5"])
def test_flags_of_a_cluster_are_refused_without_one(caplog, script, flag):
    command = f"{WITH_ENGINE[script]} {flag}"
    assert importlib.import_module(script).main(command.split()) == 2
    assert f"{flag.split()[0]} goes with --engine ray" in caplog.text


@pytest.mark.parametrize(
    ("script", "flag", "instead"),
    [
        ("create_patches_fp", "--num_workers 2", "--task_cpus says what a slide takes"),
        ("extract_features_fp", "--num_workers 0", "--task_cpus says what a slide takes"),
        ("extract_features_fp", "--gpus 0", "--task_gpus says what a slide takes"),
        ("main", "--fold_workers 2", "--task_cpus says what a fold takes"),
        ("create_heatmaps", "--num_workers 2", "--task_cpus says what a slide takes"),
    ],
)
def test_flags_of_this_machine_are_refused_on_a_cluster(caplog, script, flag, instead):
    command = f"{WITH_ENGINE[script]} --engine ray {flag}"
    assert importlib.import_module(script).main(command.split()) == 2
    assert f"{flag.split()[0]} goes with --engine local; on Ray {instead}" in caplog.text


def test_a_file_of_flags_is_held_to_the_same(caplog, tmp_path):
    file = tmp_path / "flags.yaml"
    file.write_text("task_gpus: 0.5\n")
    assert importlib.import_module("main").main(["--exp_code", "x", "--config", str(file)]) == 2
    assert "--task_gpus goes with --engine ray" in caplog.text


def test_each_engine_takes_its_own_flags():
    parser = importlib.import_module("create_patches_fp").build_parser()
    required = WITH_ENGINE["create_patches_fp"].split()
    on_ray = parser.parse_args([*required, "--engine", "ray", "--task_cpus", "2", "--task_gpus", "0.5"])
    assert engine_settings(on_ray, parser)["task_gpus"] == 0.5
    assert engine_settings(parser.parse_args([*required, "--num_workers", "2"]), parser)["engine"] == "local"


def test_a_path_has_its_home_expanded_and_is_otherwise_as_typed(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    assert (path("~/out"), path("./out/"), path("a~b")) == ("/home/ada/out", "./out/", "a~b")
    with pytest.raises(argparse.ArgumentTypeError, match="is empty"):
        path("")
