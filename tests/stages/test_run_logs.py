"""Each of the six programs leaves a log where it writes its results."""

import sys
from pathlib import Path

import pytest
import yaml

import create_heatmaps
import create_patches_fp
import create_splits_seq
import eval as eval_program
import extract_features_fp
import main as main_program
from tests.stages.runs import FEATURES, SPLITS, TASK, write_cohort
from utils.cli import Main


@pytest.fixture
def run(monkeypatch):
    """Run a program as a shell does, where ``main([...])`` is a call from Python."""

    def run(main: Main, command: str) -> int:
        monkeypatch.setattr(sys, "argv", ["program.py", *command.split()])
        return main()

    return run


def the_log_in(folder: str | Path) -> dict:
    """Return what the only log in a folder says was run; it must have ended well."""
    (path,) = Path(folder, "logs").iterdir()
    header, _, messages = path.read_text().partition("\n---\n")
    about = yaml.safe_load(header)
    assert path.name.startswith(f"{about['program']}_20") and "torch" in about["versions"]
    assert "exit code 0 after" in messages.splitlines()[-1]
    return about


def test_patching_extraction_and_heatmaps(config, run):
    assert run(create_patches_fp.main, "--source slides --save_dir out --preset small.csv --patch") == 0
    rest = "--csv_path out/process_list_autogen.csv --feat_dir feats --model_name handcrafted --num_workers 0"
    assert run(extract_features_fp.main, f"--data_h5_dir out --data_slide_dir slides {rest}") == 0
    config["data_arguments"]["features_dir"] = "feats"
    Path("c.yaml").write_text(yaml.safe_dump(config))
    assert run(create_heatmaps.main, "--config c.yaml") == 0
    patching, extraction = the_log_in("out"), the_log_in("feats")
    assert patching["flags"]["step_size"] is None and patching["settings"]["request"]["step_size_px"] == 256
    assert (extraction["program"], extraction["settings"]["batch_size"]) == ("extract_features_fp", 256)
    drawn = the_log_in("heatmaps/heatmap_production_results/exp")
    assert (
        drawn["flags"]["config"] == "c.yaml" and drawn["settings"]["encoder_arguments"]["model_name"] == "handcrafted"
    )


def test_a_dry_run_writes_nothing_no_log_either(config, run):
    assert run(create_patches_fp.main, "--source slides --save_dir out --dry_run --patch") == 0
    assert not Path("out").exists()


def test_splits_training_evaluation_and_prediction(tmp_path, monkeypatch, run):
    monkeypatch.chdir(tmp_path)
    write_cohort()
    assert run(create_splits_seq.main, f"--task {TASK.name} --k 1 --label_frac 0") == 0
    assert the_log_in(SPLITS)["settings"]["site_col"] == "site"
    assert the_log_in(f"splits/{TASK.name}_25")["settings"]["label_frac"] == 0.25

    folds = f"--task {TASK.name} --data_root_dir data --k 1"
    assert run(main_program.main, f"{folds} --exp_code logged --max_epochs 1 --no_report") == 0
    trained = the_log_in("results/logged_s1")
    assert trained["flags"]["lr"] == 1e-4 and trained["settings"]["training"]["model"]["embed_dim"] == 8

    assert run(eval_program.main, "--models_exp_code logged_s1 --no_report") == 0
    assert the_log_in("eval_results/EVAL_logged_s1")["settings"]["k"] == 1
    assert run(eval_program.main, f"--models_exp_code logged_s1 --predict --data_dir {FEATURES.parent}") == 0
    assert the_log_in("eval_results/PREDICT_logged_s1")["program"] == "eval"
