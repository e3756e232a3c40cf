"""create_heatmaps.py with more than one class, fold or model, and what it writes beside the pictures."""

import json

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import create_patches_fp
from datasets.features_file import read_features_h5
from models.checkpoint import load_model
from models.checkpoint_facts import write_checkpoint_facts
from models.inference import bag_prediction
from stages.encoding import SlideEncoder
from tests.stages.heatmap_runs import DIM, MADE, NAME, RAW, extracted, run, write_checkpoint
from wsi_core.attention_file import read_scores
from wsi_core.attention_table import read_attention_table
from wsi_core.heatmap_layers import read_layers
from wsi_core.percentiles import percentiles_among, to_percentiles


def answers(tmp_path, *checkpoints):
    """What each checkpoint says of the slide's bag, which a run has kept."""
    bag = torch.from_numpy(read_features_h5(tmp_path / f"{RAW}.h5").features)
    return [bag_prediction(load_model(tmp_path / name), bag) for name in checkpoints]


def test_every_class_of_a_model_with_branches_has_its_own_picture(config, tmp_path):
    write_checkpoint(tmp_path / "model.pt", 0, "clam_mb")
    config["heatmap_arguments"]["classes"] = "all"
    assert run(tmp_path, config) == 0
    (said,) = answers(tmp_path, "model.pt")
    for number, name in enumerate(("bad", "good")):
        scores = read_scores(tmp_path / f"{RAW}_blockmap_class_{name}.h5").scores
        np.testing.assert_allclose(scores, said.attention[number], atol=1e-5)
        assert (tmp_path / MADE / "good" / f"s1_{NAME.replace('.png', f'_class_{name}.png')}").is_file()
    layers = read_layers(tmp_path / f"{RAW}_layers.json")
    assert layers.layers[0].class_name == layers.predictions[0].predicted
    assert {layer.class_name for layer in layers.layers} == {"bad", "good"}


@pytest.mark.parametrize(
    ("classes", "label", "shown"),
    [("label", "good", ["good"]), ("label", "", [None]), (["bad"], "good", ["bad"]), ("bad", "", ["bad"])],
)
def test_the_class_that_is_asked_for_is_shown(config, tmp_path, classes, label, shown):
    write_checkpoint(tmp_path / "model.pt", 0, "clam_mb")
    (tmp_path / "list.csv").write_text(f"slide_id,label\ns1,{label}\n")
    config["heatmap_arguments"] |= {"classes": classes, "save_orig": False}
    assert run(tmp_path, config) == 0
    pictures = list((tmp_path / MADE / (label or "unlabelled")).glob("s1_0.5*.png"))
    endings = ["" if name is None else f"_class_{name}" for name in shown]
    assert sorted(path.name for path in pictures) == [f"s1_{NAME.replace('.png', f'{end}.png')}" for end in endings]


def test_an_ensemble_shows_the_mean_of_its_folds_and_how_far_they_differ(config, tmp_path):
    for fold in (0, 2, 10):
        write_checkpoint(tmp_path / f"s_{fold}_checkpoint.pt", fold)
    config["model_arguments"]["ckpt_path"] = "s_*_checkpoint.pt"
    assert run(tmp_path, config) == 0
    folds = answers(tmp_path, *(f"s_{fold}_checkpoint.pt" for fold in (0, 2, 10)))
    probabilities = np.mean([fold.probabilities for fold in folds], axis=0)
    row = pd.read_csv(tmp_path / "heatmaps/results/list.csv").iloc[0]
    assert row["p_0"] == pytest.approx(probabilities.max(), abs=1e-6)
    assert row["p_0_std"] == pytest.approx(np.std([fold.probabilities[0] for fold in folds]), abs=1e-6)
    fine, block = read_scores(tmp_path / f"{RAW}_0.5_roi_False.h5"), read_scores(tmp_path / f"{RAW}_blockmap.h5")
    place = {tuple(corner): number for number, corner in enumerate(fine.coords)}
    shared = [(place[tuple(corner)], number) for number, corner in enumerate(block.coords) if tuple(corner) in place]
    at, of = np.array(shared).T
    ranked = np.array([percentiles_among(fold.attention[0], fold.attention[0])[of] for fold in folds])
    np.testing.assert_allclose(fine.scores[at], ranked.mean(axis=0), atol=1e-3)
    np.testing.assert_allclose(fine.spread[at], ranked.std(axis=0), atol=1e-3)
    assert (tmp_path / MADE / "good" / f"s1_{NAME.replace('.png', '_spread.png')}").is_file()


def test_an_ensemble_without_reference_scores_shows_the_mean_of_percentiles(config, tmp_path):
    for fold in (0, 1):
        write_checkpoint(tmp_path / f"s_{fold}.pt", fold)
    config["patching_arguments"]["overlap"] = 0
    config["heatmap_arguments"]["use_ref_scores"] = False
    for ckpt_path in (["s_0.pt", "s_1.pt"], ["s_0.pt"]):  # a list of one is no ensemble: it keeps raw scores
        config["model_arguments"]["ckpt_path"] = ckpt_path
        assert run(tmp_path, config) == 0
        fine, said = read_scores(tmp_path / f"{RAW}_0_roi_False.h5"), answers(tmp_path, *ckpt_path)
        raw = np.stack([fold.attention[0] for fold in said])
        expected = np.mean([to_percentiles(fold) for fold in raw], axis=0) if len(raw) > 1 else raw[0]
        np.testing.assert_allclose(fine.scores, expected, atol=1e-3 if len(raw) > 1 else 1e-6)


def test_the_small_picture_of_an_ensemble_s_region_has_the_scale_of_the_heatmap(config, tmp_path):
    for fold in (0, 1):
        write_checkpoint(tmp_path / f"s_{fold}.pt", fold)
    config["model_arguments"]["ckpt_path"] = "s_*.pt"
    (tmp_path / "list.csv").write_text("slide_id,label,x1,x2,y1,y2\ns1,good,256,1280,256,768\n")
    style = {"convert": "minmax", "alpha": 1.0, "blank_canvas": True, "cmap": "gray"}
    config["heatmap_arguments"] |= {"use_roi": True, **style}
    assert run(tmp_path, config) == 0
    with Image.open(tmp_path / f"{RAW}_overlay.jpg") as picture:
        assert np.asarray(picture).min() < 50  # percentiles on the scale of raw scores would all be white


def test_no_patch_is_painted_where_all_raw_scores_are_below_the_threshold(config, tmp_path):
    style = {"convert": "raw", "binarize": True, "binary_thresh": 1, "blank_canvas": True, "save_orig": False}
    config["heatmap_arguments"] |= style
    assert run(tmp_path, config) == 0
    assert read_scores(tmp_path / f"{RAW}_0.5_roi_False.h5").scores.max() < 1
    (path,) = (tmp_path / MADE / "good").glob("s1_0.5_*_raw.png")
    with Image.open(path) as picture:
        assert np.asarray(picture).min() == 255


def test_raw_scores_are_made_anew_where_the_stored_features_have_changed(config, tmp_path):
    extracted(config)
    config["patching_arguments"]["overlap"] = 0
    config["heatmap_arguments"]["convert"] = "raw"
    assert run(tmp_path, config) == 0
    with h5py.File(tmp_path / "feats/h5_files/s1.h5", "r+") as file:
        file["features"][:] = file["features"][:][::-1]
    assert run(tmp_path, config) == 0
    fine, block = read_scores(tmp_path / f"{RAW}_0_roi_False.h5"), read_scores(tmp_path / f"{RAW}_blockmap.h5")
    at = {tuple(corner): score for corner, score in zip(fine.coords, fine.scores, strict=True)}
    shared = [(at[tuple(c)], s) for c, s in zip(block.coords, block.scores, strict=True) if tuple(c) in at]
    assert shared and np.allclose(*zip(*shared, strict=True), atol=1e-6)


def test_several_models_are_shown_by_name_and_each_patch_is_encoded_once(config, tmp_path, monkeypatch):
    write_checkpoint(tmp_path / "mb.pt", 1, "clam_mb")
    config["model_arguments"]["ckpt_path"] = {"sb": "model.pt", "mb": ["mb.pt"]}
    encoded, next_in_blocks = [], SlideEncoder.next_slide_in_blocks

    def counting(self, bad=None):
        encoded.append(len(self._slides[self._next_slide].patches))
        return next_in_blocks(self, bad)

    monkeypatch.setattr(SlideEncoder, "next_slide_in_blocks", counting)
    assert run(tmp_path, config) == 0
    row = pd.read_csv(tmp_path / "heatmaps/results/list.csv").iloc[0]
    for name, said in zip(("sb", "mb"), answers(tmp_path, "model.pt", "mb.pt"), strict=True):
        assert row[f"{name}_p_0"] == pytest.approx(said.probabilities.max(), abs=1e-6)
        assert (tmp_path / MADE / "good" / f"s1_{NAME.replace('.png', f'_{name}.png')}").is_file()
    fine, block = (
        {tuple(corner) for corner in read_scores(tmp_path / f"{RAW}_{kind}_sb.h5").coords}
        for kind in ("0.5_roi_False", "blockmap")
    )
    assert sum(encoded) == len(fine | block)


def test_models_that_number_their_classes_otherwise_show_the_class_of_the_label(config, tmp_path):
    del config["exp_arguments"]["n_classes"], config["data_arguments"]["label_dict"]
    for name, classes in (("a", ["bad", "good"]), ("b", ["good", "bad"])):
        write_checkpoint(tmp_path / f"{name}.pt", 0, "clam_mb")
        write_checkpoint_facts(
            tmp_path / f"{name}.pt", {}, DIM, task={"type": "classification", "class_names": classes}
        )
    config["model_arguments"]["ckpt_path"] = {"a": "a.pt", "b": "b.pt"}
    config["heatmap_arguments"]["classes"] = "label"
    assert run(tmp_path, config) == 0
    shown = read_layers(tmp_path / f"{RAW}_layers.json").layers
    assert [(layer.model, layer.class_name) for layer in shown] == [("a", "good"), ("b", "good")]


def test_folds_that_are_no_ensemble_are_refused(config, tmp_path, caplog):
    write_checkpoint(tmp_path / "mb.pt", 1, "clam_mb")
    config["model_arguments"]["ckpt_path"] = ["model.pt", "mb.pt"]
    assert run(tmp_path, config) == 2
    assert "differ in model_type: model.pt clam_sb, mb.pt clam_mb" in caplog.records[-1].getMessage()


def test_tissue_and_patches_are_those_of_patching(config, tmp_path):
    extracted(config, patching="--seg")
    (tmp_path / "small.csv").write_text("sthresh,mthresh,close,a_t,a_h,max_n_holes\n15,3,0,1000,0.1,8\n")
    assert run(tmp_path, config) == 0
    assert not (tmp_path / f"{RAW}_blockmap.h5").exists()  # with this preset there is no tissue
    config["data_arguments"]["patches_dir"] = "out"
    assert run(tmp_path, config) == 0
    assert (tmp_path / f"{RAW}_blockmap.h5").exists()


@pytest.mark.parametrize("other", ["--step_size 200", "--step_size 128 --patch_size 512"])
def test_tissue_of_other_patches_is_not_taken(config, tmp_path, caplog, other):
    extracted(config)
    again = f"--source slides --save_dir out --preset small.csv --patch --seg --no_auto_skip {other}"
    create_patches_fp.main(again.split())
    config["data_arguments"]["patches_dir"] = "out"
    assert run(tmp_path, config) == 0
    assert "has other patches than its features" in caplog.text


def test_patches_that_the_border_of_a_region_cuts_are_shown_where_asked_for(config, tmp_path):
    (tmp_path / "list.csv").write_text("slide_id,label,x1,x2,y1,y2\ns1,good,500,1280,256,768\n")
    config["heatmap_arguments"] |= {"use_roi": True, "roi_patches": "touching"}
    assert run(tmp_path, config) == 0
    corners = read_scores(tmp_path / f"{RAW}_0.5_roi_True.h5").coords
    assert corners[:, 0].min() < 500 and (corners + 256 > [500, 256]).all() and (corners < [1280, 768]).all()


@pytest.mark.parametrize("convert", ["minmax", "raw"])
def test_other_scales_show_the_same_order(config, tmp_path, convert):
    config["heatmap_arguments"] |= {"convert": convert, "cmap": "gray", "alpha": 1.0, "blank_canvas": True}
    config["patching_arguments"]["overlap"] = 0
    assert run(tmp_path, config) == 0
    fine = read_scores(tmp_path / f"{RAW}_0_roi_False.h5")
    assert fine.scale == "raw"
    (path,) = (tmp_path / MADE / "good").glob(f"s1_0.0_*_{convert}.png")
    with Image.open(path) as picture:
        grey = np.asarray(picture)[..., 0].astype(float)
    shown = np.array([grey[y + 128, x + 128] for x, y in fine.coords])
    low, high = fine.scores.min(), fine.scores.max()
    assert np.abs(shown - 255 * (fine.scores - low) / (high - low)).max() <= 2


def test_scores_are_exported_for_tables_and_for_qupath(config, tmp_path):
    config["sample_arguments"] = {"samples": [{"name": "top", "k": 2}, {"name": "low", "k": 3, "mode": "reverse_topk"}]}
    assert run(tmp_path, config) == 0
    table = read_attention_table(tmp_path / MADE / "good" / "s1_attention.csv")
    block = read_scores(tmp_path / f"{RAW}_blockmap.h5")
    np.testing.assert_array_equal(table[["x", "y"]], block.coords)
    np.testing.assert_array_equal(table["raw"], block.scores)
    assert table["softmax"].sum() == pytest.approx(1) and table["percentile"].max() == 100
    shapes = json.loads((tmp_path / MADE / "good" / "s1_attention.geojson").read_text())["features"]
    measured = [shape["properties"]["measurements"]["Attention percentile"] for shape in shapes]
    np.testing.assert_allclose(measured, table["percentile"], rtol=1e-6)
    with Image.open(tmp_path / MADE / "good" / "s1_patches.png") as sheet:
        assert sheet.width > 400
    page = (tmp_path / MADE / "report.html").read_text()
    assert "s1" in page and "data:image/" in page


def test_a_slide_that_fails_now_is_not_shown_as_an_earlier_run_left_it(config, tmp_path):
    assert run(tmp_path, config) == 0
    assert (tmp_path / f"{RAW}_layers.json").exists()
    (tmp_path / "slides" / "s1.tif").write_text("no slide")
    assert run(tmp_path, config) == 1
    assert not (tmp_path / f"{RAW}_layers.json").exists()
