"""The real slides go through the programs themselves, from slide to heatmap."""

import shutil

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from PIL import Image

import create_heatmaps
import create_patches_fp
import extract_features_fp
from tests.golden.inputs import SLIDES, slide_path

WEIGHTS = "weights/resnet50_trunc_pruned.pt"


@pytest.fixture(scope="module")
def patched(shared, tmp_path_factory):
    """The two real slides with their patches."""
    folder = tmp_path_factory.mktemp("real")
    for name in ("cmu", "tcga_cr"):
        (folder / "slides").mkdir(exist_ok=True)
        shutil.copy(slide_path(shared, name), folder / "slides")
    arguments = ["--source", str(folder / "slides"), "--save_dir", str(folder / "out"), "--preset", "bwh_biopsy"]
    assert create_patches_fp.main([*arguments, "--seg", "--patch", "--stitch"]) == 0
    return folder


def extract(folder, name, *flags):
    arguments = ["--data_h5_dir", str(folder / "out"), "--data_slide_dir", str(folder / "slides")]
    arguments += ["--csv_path", str(folder / "out" / "process_list_autogen.csv"), "--feat_dir", str(folder / name)]
    return extract_features_fp.main([*arguments, *flags])


def ids():
    return [SLIDES[name].rsplit(".", 1)[0] for name in ("cmu", "tcga_cr")]


def test_the_programs_write_the_published_coordinates(shared, patched):
    with np.load(shared / "goldens" / "coords.npz") as golden:
        for name, slide_id in zip(("cmu", "tcga_cr"), ids(), strict=True):
            with h5py.File(patched / "out" / "patches" / f"{slide_id}.h5") as file:
                np.testing.assert_array_equal(file["coords"], golden[f"{name}|biopsy|256|256|0|four_pt|True"])


def test_the_programs_write_the_published_features(shared, patched):
    assert extract(patched, "resnet", "--encoder_ckpt", str(shared / WEIGHTS)) == 0
    golden = np.load(shared / "goldens" / "features_cmu_resnet50_pruned.npz")["features"]
    features = torch.load(patched / "resnet" / "pt_files" / f"{ids()[0]}.pt", weights_only=True).numpy()
    cosines = (features * golden).sum(1) / np.linalg.norm(features, axis=1) / np.linalg.norm(golden, axis=1)
    assert cosines.min() >= 0.9999 and np.abs(features - golden).max() <= 2e-3
    assert torch.load(patched / "resnet" / "pt_files" / f"{ids()[1]}.pt", weights_only=True).shape == (169, 1024)


def test_handcrafted_features_need_no_weights(patched):
    assert extract(patched, "handcrafted", "--model_name", "handcrafted") == 0
    features = torch.load(patched / "handcrafted" / "pt_files" / f"{ids()[1]}.pt", weights_only=True)
    assert features.shape[0] == 169 and torch.isfinite(features).all()


def test_the_published_model_draws_a_heatmap(shared, patched, monkeypatch):
    monkeypatch.chdir(patched)
    config = {
        "exp_arguments": {"n_classes": 2, "save_exp_code": "real"},
        "data_arguments": {
            "data_dir": "slides", "process_list": "list.csv", "preset": "bwh_biopsy",
            "label_dict": {"LUAD": 0, "LSCC": 1},
        },
        "encoder_arguments": {"encoder_ckpt": str(shared / WEIGHTS)},
        "patching_arguments": {"overlap": 0},
        "model_arguments": {"ckpt_path": str(shared / "clam_demo" / "s_0_checkpoint.pt")},
        "heatmap_arguments": {"vis_level": 0},
    }  # fmt: skip
    (patched / "c.yaml").write_text(yaml.safe_dump(config))
    (patched / "list.csv").write_text(f"slide_id,label\n{ids()[0]},LSCC\n")
    assert create_heatmaps.main(["--config", "c.yaml"]) == 0
    row = pd.read_csv("heatmaps/results/list.csv").iloc[0]
    assert row["p_0"] + row["p_1"] == pytest.approx(1)
    (picture,) = (patched / "heatmaps/heatmap_production_results/real/LSCC").glob("*_a_0.4_*.jpg")
    with Image.open(picture) as image:
        assert image.size == (2220, 2967)
