"""The command lines that users know: every flag, its default, and help without delay."""

import argparse
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from utils.shard import Shard

ROOT = Path(__file__).resolve().parent.parent
REQUIRED = object()
TASK = {
    "task": None, "csv_path": None, "task_type": None, "label_col": None, "label_map": None, "patient_col": None,
    "slide_col": None, "ignore": None, "data_root_dir": None, "data_dir": None,
}  # fmt: skip

ENGINE = {"engine": "local", "ray_address": "auto", "task_cpus": 1, "task_gpus": 0.0}
WORK = {**ENGINE, "shard": Shard(1, 1), "slide_timeout": 7200.0, "slide_memory_gb": None}

# script -> flag -> default; None: worked out from the data or another flag
FLAGS = {
    "create_patches_fp": {
        **WORK,
        "source": REQUIRED, "save_dir": REQUIRED, "patch_size": 256, "step_size": None, "patch_level": None,
        "custom_downsample": None, "overlap": None, "target_mpp": None, "target_mag": None, "mpp": None,
        "allow_upsample": False, "recursive": False, "reader": "openslide", "max_memory_gb": 8.0, "background": "black",
        "mask_dir": None, "no_seg": False, "roi": None, "grid": "contour", "min_tissue": None, "white_thresh": None,
        "black_thresh": None, "blur_thresh": None, "pen_thresh": None, "save_patches": False, "contact_sheet": False,
        "dry_run": False, "num_workers": 1, "patches_per_s": 12.0,
        "preset": None, "process_list": None, "seg": False, "patch": False, "stitch": False,
        "no_auto_skip": False,
    },
    "extract_features_fp": {
        **WORK,
        "data_h5_dir": REQUIRED, "data_slide_dir": None, "csv_path": REQUIRED, "feat_dir": REQUIRED,
        "batch_size": 256, "slide_ext": ".svs", "model_name": "resnet50_trunc", "target_patch_size": None,
        "no_auto_skip": False, "encoder_ckpt": None, "reader": "openslide", "max_memory_gb": 8.0, "overwrite": False,
        "num_workers": None, "max_bad_patches": "1%", "cache_dir": None, "gpus": (), "dtype": "auto", "runtime": "auto",
        "compile": False, "trust_remote_code": False, "stain_norm": None, "stain_target": None, "slide_pool": None,
    },
    "create_splits_seq": {
        **TASK, "seed": 1, "k": 10, "label_frac": 1.0, "val_frac": 0.1, "test_frac": 0.1,
        "label_frac_mode": "first", "split_mode": "montecarlo", "test_ids": None, "site_col": None,
    },
    "main": {
        **TASK, **ENGINE, "embed_dim": None, "max_epochs": 200, "lr": 1e-4, "label_frac": 1.0, "reg": 1e-5,
        "seed": 1, "k": 10, "k_start": -1, "k_end": -1, "results_dir": "./results", "split_dir": None,
        "log_data": False, "testing": False, "early_stopping": False, "opt": "adam", "drop_out": 0.25,
        "bag_loss": None, "config": None, "missing": "error", "cache_gb": 8.0, "cache_dtype": "fp32", "amp": False,
        "deterministic": False, "fold_workers": 1, "resume": False,
        "no_report": False,
        "model_type": "clam_sb", "exp_code": REQUIRED, "weighted_sample": False,
        "model_size": "small", "no_inst_cluster": False, "inst_loss": "ce", "subtyping": False,
        "bag_weight": 0.7, "B": 8,
    },
    "eval": {
        **TASK, "predict": False, "compare": None, "no_report": False,
        "results_dir": "./results", "save_exp_code": None, "models_exp_code": REQUIRED,
        "splits_dir": None, "model_size": None, "model_type": None, "k": None, "missing": None,
        "k_start": -1, "k_end": -1, "fold": -1,
        "micro_average": False, "split": "test", "drop_out": 0.25, "embed_dim": None,
    },
    "create_heatmaps": {
        **WORK, "slide_timeout": 0, "num_workers": 1, "config": REQUIRED, "save_exp_code": None, "overlap": None,
        "overwrite": False,
    },
    "view_slides": {
        "results": REQUIRED, "slides": None, "host": "127.0.0.1", "port": None, "token": None, "cache_mb": 256,
        "no_browser": False,
    },
    "build_preset": {
        "preset_name": REQUIRED, "seg_level": -1, "sthresh": 8, "mthresh": 7, "use_otsu": False, "close": 4,
        "a_t": 100, "a_h": 16, "max_n_holes": 10, "vis_level": -1, "line_thickness": 250, "white_thresh": 5,
        "black_thresh": 50, "no_padding": False, "contour_fn": "four_pt", "overwrite": False,
    },
    "doctor": {"folder": None, "encoders": None, "ray_address": None, "timeout": 60.0},
}  # fmt: skip
HEADS = {
    "clam_sb", "clam_mb", "mil", "abmil", "dsmil", "transmil", "transformer", "mean_pool", "max_pool",
}  # fmt: skip
CHOICES = {
    ("create_patches_fp", "reader"): {"openslide", "tiffslide"},
    ("create_patches_fp", "background"): {"black", "white"},
    ("create_patches_fp", "grid"): {"contour", "global"},
    ("extract_features_fp", "reader"): {"openslide", "tiffslide"},
    ("extract_features_fp", "dtype"): {"auto", "fp32", "bf16", "fp16"},
    ("extract_features_fp", "runtime"): {"auto", "torch", "onnxruntime", "openvino"},
    ("extract_features_fp", "stain_norm"): {"macenko", "reinhard"},
    ("extract_features_fp", "slide_pool"): {"mean"},
    ("create_splits_seq", "split_mode"): {"montecarlo", "kfold", "site", "custom"},
    ("create_splits_seq", "label_frac_mode"): {"first", "random"},
    ("main", "opt"): {"adam", "sgd"},
    ("main", "bag_loss"): {"svm", "ce", "mse", "l1", "hazard", "cox"},
    ("main", "missing"): {"error", "drop"},
    ("main", "cache_dtype"): {"fp32", "fp16"},
    ("main", "inst_loss"): {"svm", "ce"},
    ("main", "model_type"): HEADS,
    ("main", "model_size"): {"small", "big"},
    ("eval", "model_type"): HEADS,
    ("eval", "model_size"): {"small", "big"},
    ("eval", "missing"): {"error", "drop"},
    ("eval", "split"): {"train", "val", "test", "all"},
    ("build_preset", "contour_fn"): {"four_pt", "center", "basic", "four_pt_hard"},
}
SLOW = ("torch", "torchvision", "timm", "pandas", "cv2", "h5py", "matplotlib", "numpy", "flask")


def options(script: str) -> dict[str, argparse.Action]:
    """Return the options of a script by their names, without dashes."""
    return {action.dest: action for action in importlib.import_module(script).build_parser()._actions}


def help_entries(text: str) -> dict[str, str]:
    """Return what a help text says on each option, on one line."""
    entries = re.split(r"\n  --|\n\n", text)
    return {entry.split()[0].rstrip(","): " ".join(entry.split()) for entry in entries}


def is_shown(default: object) -> bool:
    """Say whether help must state a default: not of a switch, nor where something else decides."""
    return default is not REQUIRED and default not in (None, ()) and not isinstance(default, bool)


@pytest.mark.parametrize("script", FLAGS)
def test_every_flag_is_known_with_its_default(script):
    actions = options(script)
    for flag, default in FLAGS[script].items():
        assert f"--{flag}" in actions[flag].option_strings
        assert actions[flag].required == (default is REQUIRED), flag
        assert default is REQUIRED or actions[flag].default == default, flag
        assert actions[flag].help, flag


@pytest.mark.parametrize(("script", "flag"), CHOICES)
def test_a_choice_offers_what_users_know(script, flag):
    assert set(options(script)[flag].choices or ()) == CHOICES[script, flag]


@pytest.mark.parametrize("script", FLAGS)
def test_help_states_the_defaults(script):
    shown = help_entries(importlib.import_module(script).build_parser().format_help())
    for flag, default in FLAGS[script].items():
        assert not is_shown(default) or f"(default: {default})" in shown[flag], flag


def test_the_older_spelling_of_the_heatmap_flag_works():
    parser = importlib.import_module("create_heatmaps").build_parser()
    assert parser.parse_args(["--config_file", "a.yaml"]).config == "a.yaml"


@pytest.mark.parametrize("script", FLAGS)
def test_help_answers_before_anything_slow_is_imported(script):
    code = f"""
import runpy, sys
sys.argv = ["{script}.py", "--help"]
try:
    runpy.run_path("{script}.py", run_name="__main__")
except SystemExit as stop:
    slow = [name for name in {SLOW} if name in sys.modules]
    sys.exit(f"imports {{slow}}" if slow else stop.code)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"usage: {script}.py") and "\nexit codes: 0 " in done.stdout
