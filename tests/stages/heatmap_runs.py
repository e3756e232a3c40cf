"""Runs of create_heatmaps.py on one small slide, for tests from the outside."""

import torch
import yaml

import create_heatmaps
import create_patches_fp
import extract_features_fp
from models.builder import ModelSettings, build_model
from models.checkpoint import save_checkpoint
from models.encoders.registry import find_encoder

DIM = find_encoder("handcrafted").dim
PRESET = "sthresh,mthresh,close,a_t,a_h,max_n_holes\n15,3,0,0.5,0.1,8\n"
NAME = "0.5_roi_0_blur_0_rs_1_bc_0_a_0.4_l_0_bi_0_-1.0.png"
RAW = "heatmaps/heatmap_raw_results/exp/good/s1/s1"
MADE = "heatmaps/heatmap_production_results/exp"


def write_checkpoint(path, seed, model_type="clam_sb", n_classes=2):
    torch.manual_seed(seed)
    save_checkpoint(path, build_model(ModelSettings(model_type, DIM, n_classes)))


def run(folder, config, *flags):
    (folder / "c.yaml").write_text(yaml.safe_dump(config))
    return create_heatmaps.main(["--config", "c.yaml", *flags])


def extracted(config, *, patching="", encoding=""):
    """Patches and features of the slide by the programs before this one, for ``features_dir``."""
    create_patches_fp.main(f"--source slides --save_dir out --preset small.csv --patch {patching}".split())
    rest = "--csv_path out/process_list_autogen.csv --feat_dir feats --model_name handcrafted --num_workers 0"
    extract_features_fp.main(f"--data_h5_dir out --data_slide_dir slides {rest} {encoding}".split())
    config["data_arguments"]["features_dir"] = "feats"
