"""create_heatmaps.py from the outside: files, names, what is kept and what is made anew."""

import os

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from PIL import Image

import create_patches_fp
import extract_features_fp
from datasets.features_file import read_features_h5, read_provenance
from models.checkpoint import load_model
from models.checkpoint_facts import write_checkpoint_facts
from models.encoders.build import build_encoder
from models.heads.registry import HEADS
from models.inference import attention_of_class, bag_prediction
from stages import bag_source
from stages.bag_source import BagSource
from stages.epoch import Objective, run_pass
from stages.fine_bags import place_in_bag
from stages.heatmap_config import HeatmapConfig, read_config
from stages.slide_heatmap import attention_center_shift
from tests.slides import small_slide, truncate
from tests.stages.heatmap_runs import DIM, MADE, NAME, RAW, extracted, run, write_checkpoint
from utils.errors import UsageError
from wsi_core.attention_file import read_scores
from wsi_core.coords_file import PatchCoords, read_coords
from wsi_core.patch_reading import PatchReading

CPU = torch.device("cpu")


def modified(path):
    return path.stat().st_mtime_ns


def test_all_files_bear_their_names(config, tmp_path):
    config["sample_arguments"] = {"samples": [{"name": "top", "k": 2}, {"name": "off", "sample": False}]}
    assert run(tmp_path, config) == 0
    for ending in (".h5", ".pt", "_blockmap.h5", "_blockmap.png", "_mask.png", "_0.5_roi_False.h5"):
        assert (tmp_path / f"{RAW}{ending}").is_file(), ending
    assert (tmp_path / "heatmaps/heatmap_raw_results/exp/config.yaml").is_file()
    with Image.open(tmp_path / MADE / "good" / f"s1_{NAME}") as picture:
        assert picture.size == (2048, 1536)
    assert (tmp_path / MADE / "good" / "s1_orig_0.png").is_file()
    row = pd.read_csv(tmp_path / "heatmaps/results/list.csv").iloc[0]
    predicted = config["data_arguments"]["label_dict"][row["Pred_0"]]
    samples = sorted(
        p.name for p in (tmp_path / MADE / "sampled_patches" / f"label_good_pred_{predicted}" / "top").iterdir()
    )
    assert samples[0].startswith("0_s1_x_") and samples[0].endswith("_a_100.000.png") and len(samples) == 2


def test_features_of_which_one_file_could_not_be_written_are_made_again(config, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(bag_source, "write_features_pt", None)
        assert run(tmp_path, config) == 1
    assert run(tmp_path, config) == 0
    assert (tmp_path / f"{RAW}.pt").is_file()


def test_predictions_go_from_the_most_probable_class_down(config, tmp_path):
    run(tmp_path, config)
    row = pd.read_csv(tmp_path / "heatmaps/results/list.csv").iloc[0]
    assert list(row.index) == ["slide_id", "label", "bag_size", "Pred_0", "p_0", "Pred_1", "p_1"]
    assert row["p_0"] >= row["p_1"] and row["p_0"] + row["p_1"] == pytest.approx(1)
    assert row["bag_size"] == len(read_scores(tmp_path / f"{RAW}_blockmap.h5").coords)


def test_what_is_kept_is_used_only_for_what_it_was_made_from(config, tmp_path):
    run(tmp_path, config)
    features, fine = tmp_path / f"{RAW}.h5", tmp_path / f"{RAW}_0.5_roi_False.h5"
    made = modified(features), modified(fine)
    config["heatmap_arguments"]["cmap"] = "viridis"
    run(tmp_path, config)
    assert (modified(features), modified(fine)) == made  # other colours cost nothing
    first = read_scores(tmp_path / f"{RAW}_blockmap.h5").scores
    write_checkpoint(tmp_path / "model.pt", seed=1)
    run(tmp_path, config)
    assert modified(features) == made[0] and modified(fine) > made[1]  # another model: other scores
    assert not np.allclose(read_scores(tmp_path / f"{RAW}_blockmap.h5").scores, first)
    made = modified(features), modified(fine)
    config["encoder_arguments"]["target_img_size"] = 64
    run(tmp_path, config)
    assert modified(features) > made[0] and modified(fine) > made[1]  # another encoder: other features
    made = modified(features), modified(fine)
    small_slide(tmp_path / "slides" / "s1.tif", tissue=[(300, 300, 1600, 1300)])
    run(tmp_path, config)
    assert modified(features) > made[0]  # another slide: other features


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda config: write_checkpoint("model.pt", seed=1), "checkpoint"),
        (lambda config: config["heatmap_arguments"].update(use_ref_scores=False), "use_ref_scores"),
        (lambda config: config["patching_arguments"].update(patch_size=128), "patches"),
    ],
)
def test_without_calculation_scores_of_something_else_are_refused(config, tmp_path, caplog, change, word):
    run(tmp_path, config)
    config["heatmap_arguments"] |= {"calc_heatmap": False, "cmap": "viridis"}
    assert run(tmp_path, config) == 0  # nothing has changed but the colours
    change(config)
    assert run(tmp_path, config) == 1
    assert word in caplog.text and "set calc_heatmap: true" in caplog.text


def test_a_picture_from_kept_scores_is_the_first_one_again(config, tmp_path):
    run(tmp_path, config)
    first = (tmp_path / MADE / "good" / f"s1_{NAME}").read_bytes()
    run(tmp_path, config)
    assert (tmp_path / MADE / "good" / f"s1_{NAME}").read_bytes() == first


def test_a_slide_is_drawn_once_in_a_run(config, tmp_path, caplog):
    (tmp_path / "list.csv").write_text("slide_id,label\ns1,good\ns1.tif,good\n")
    assert run(tmp_path, config) == 2
    assert "slide s1 is there more than once" in caplog.text


def test_names_tell_the_level_that_was_chosen_and_the_label_as_listed(config, tmp_path):
    config["sample_arguments"] = {"samples": [{"name": "top", "k": 1}]}
    config["heatmap_arguments"] |= {"vis_level": -1, "alpha": 1}
    (tmp_path / "list.csv").write_text("slide_id,label\ns1,1\n")
    assert run(tmp_path, config) == 0
    made = tmp_path / MADE
    assert (made / "good" / "s1_orig_1.png").is_file()
    assert (made / "good" / f"s1_{NAME.replace('a_0.4_l_0', 'a_1.0_l_-1')}").is_file()
    assert next((made / "sampled_patches").iterdir()).name.startswith("label_1_pred_")


def test_a_label_that_is_a_number_is_first_of_all_a_name(config, tmp_path):
    config["data_arguments"]["label_dict"] = {1: 0, 2: 1}
    (tmp_path / "list.csv").write_text("slide_id,label\ns1,1\n")
    assert run(tmp_path, config) == 0
    assert (tmp_path / MADE / "1" / f"s1_{NAME}").is_file()


def test_stored_features_of_other_patches_are_refused(config, tmp_path, caplog):
    extracted(config, patching="--patch_size 128")
    assert run(tmp_path, config) == 1
    assert "was made with patch_size 128, the configuration says 256" in caplog.text


def test_stored_features_of_another_input_size_are_refused(config, tmp_path, caplog):
    extracted(config, encoding="--target_patch_size 64")
    assert run(tmp_path, config) == 1
    assert "was made with target_patch_size 64, the configuration says -1" in caplog.text


@pytest.mark.parametrize(
    ("trained_on", "message"),
    [
        ({"encoder": "uni_v1", "weights_sha256": "ab"}, "uni_v1 (weights_sha256 ab) and handcrafted"),
        ({"encoder": "handcrafted", "target_patch_size": "64"}, "(target_patch_size 64) and handcrafted"),
    ],
)
def test_another_encoder_than_that_of_training_is_refused_naming_both(config, tmp_path, caplog, trained_on, message):
    write_checkpoint_facts(tmp_path / "model.pt", trained_on, DIM)
    assert run(tmp_path, config) == 2
    assert message in caplog.records[-1].getMessage()
    assert not (tmp_path / "heatmaps").exists()


def test_a_configured_encoder_that_is_not_needed_must_fit_the_training_too(config, tmp_path, caplog):
    extracted(config)
    config["heatmap_arguments"]["calc_heatmap"] = False
    write_checkpoint_facts(tmp_path / "model.pt", {"encoder": "uni_v1"}, DIM)
    assert run(tmp_path, config) == 2
    assert "uni_v1 and handcrafted" in caplog.records[-1].getMessage()


def test_stored_features_of_another_encoder_than_that_of_training_cost_their_slide_only(config, tmp_path, caplog):
    small_slide(tmp_path / "slides" / "s2.tif")
    (tmp_path / "list.csv").write_text("slide_id,label\ns1,good\ns2,bad\n")
    extracted(config)
    config["heatmap_arguments"]["calc_heatmap"] = False  # so that the weights of the encoder are not known
    facts = read_provenance(tmp_path / "feats/h5_files/s2.h5")
    write_checkpoint_facts(tmp_path / "model.pt", facts, DIM)
    with h5py.File(tmp_path / "feats/h5_files/s1.h5", "r+") as file:
        file.attrs["weights_sha256"] = "ab12"
    assert run(tmp_path, config) == 1
    said = [record.getMessage() for record in caplog.records if "trained on other features" in record.getMessage()]
    assert said and all("s1.h5" in text and "handcrafted (weights_sha256 ab12)" in text for text in said)
    table = pd.read_csv(tmp_path / "heatmaps/results/list.csv").set_index("slide_id")
    assert table["p_0"].notna().to_dict() == {"s1": False, "s2": True}


def test_a_model_and_features_that_go_together_are_drawn(config, tmp_path):
    extracted(config)
    made_from = read_provenance(tmp_path / "feats/h5_files/s1.h5")
    write_checkpoint_facts(tmp_path / "model.pt", {**made_from, "dtype": "other"}, DIM)
    assert run(tmp_path, config) == 0


def test_a_copied_slide_serves_kept_scores(config, tmp_path, caplog):
    run(tmp_path, config)
    os.utime(tmp_path / "slides" / "s1.tif")
    config["heatmap_arguments"]["calc_heatmap"] = False
    assert run(tmp_path, config) == 0
    assert "was made before" in caplog.text


def test_files_that_differ_by_the_extension_alone_are_told(config, tmp_path, caplog):
    small_slide(tmp_path / "slides" / "s1.TIF")
    config["data_arguments"]["process_list"] = None
    assert run(tmp_path, config) == 2
    assert "slide s1 is there more than once" in caplog.text


def test_with_features_dir_the_probability_is_that_of_the_bag(config, tmp_path):
    extracted(config)
    assert run(tmp_path, config) == 0
    bag = torch.load(tmp_path / "feats/pt_files/s1.pt", weights_only=True)
    expected = bag_prediction(load_model(tmp_path / "model.pt"), bag).probabilities
    row = pd.read_csv(tmp_path / "heatmaps/results/list.csv").iloc[0]
    assert row["p_0"] == pytest.approx(expected.max(), abs=1e-6)
    coords = read_coords(tmp_path / "out/patches/s1.h5").coords
    np.testing.assert_array_equal(read_scores(tmp_path / f"{RAW}_blockmap.h5").coords, coords)


@pytest.mark.parametrize(("target_mpp", "code"), [(1, 0), (2, 1)])
def test_features_of_trident_s_coordinates_serve_at_their_resolution(config, tmp_path, caplog, target_mpp, code):
    """They leave the level to the reader, so what counts is the size of a patch on the slide and after resizing."""
    extracted(config)
    for kind in ("h5_files/s1.h5", "pt_files/s1.pt"):
        (tmp_path / "feats" / kind).unlink()
    ours = tmp_path / "out/patches/s1.h5"
    with h5py.File(ours.with_name("s1_patches.h5"), "w") as file:
        dataset = file.create_dataset("coords", data=read_coords(ours).coords)
        dataset.attrs.update(patch_size=128, patch_size_level0=256, level0_magnification=20, target_magnification=10)
    ours.unlink()
    rest = "--csv_path out/process_list_autogen.csv --feat_dir feats --model_name handcrafted --num_workers 0"
    assert extract_features_fp.main(f"--data_h5_dir out --data_slide_dir slides {rest}".split()) == 0
    config["patching_arguments"] |= {"patch_size": 128, "target_mpp": target_mpp}
    assert run(tmp_path, config) == code
    assert ("was made with patch_size_level0 256, the configuration says 512" in caplog.text) == bool(code)


ATTENTIVE = [name for name in HEADS if name != "mean_pool"]


def test_the_probability_of_every_head_is_that_of_evaluation(config, tmp_path):
    run(tmp_path, config)  # which keeps the features
    config["heatmap_arguments"]["calc_heatmap"] = False
    bag = torch.load(tmp_path / f"{RAW}.pt", weights_only=True)
    for model_type in ATTENTIVE:
        write_checkpoint(tmp_path / "model.pt", 0, model_type)
        run(tmp_path, config)
        row = pd.read_csv(tmp_path / "heatmaps/results/list.csv").iloc[0]
        shown = [row[f"p_{rank}"] for rank in range(2)]
        objective = Objective(torch.nn.CrossEntropyLoss())
        model, target = load_model(tmp_path / "model.pt"), torch.tensor([0])
        evaluated = run_pass(model, [(bag, target)], 2, CPU, objective).probabilities[0]
        assert shown == pytest.approx(sorted(evaluated, reverse=True), abs=1e-6), model_type


def test_scores_that_depend_on_the_bag_are_those_of_the_bag_with_some_patches_moved(config, tmp_path):
    config["heatmap_arguments"]["use_ref_scores"] = False
    for model_type in ("dsmil", "transmil"):  # a branch for each class; one that heeds the order
        write_checkpoint(tmp_path / "model.pt", 0, model_type)
        assert run(tmp_path, config) == 0
        fine, block = read_scores(tmp_path / f"{RAW}_0.5_roi_False.h5"), read_scores(tmp_path / f"{RAW}_blockmap.h5")
        placed = place_in_bag(fine.coords, block.coords)
        same, moved = placed.numbers == 0, placed.rounds()[0]
        assert same.any() and np.array_equal(fine.scores[same], block.scores[placed.places[same]])

        patches = PatchCoords(fine.coords[moved], PatchReading(0, 256, 256, 256))
        source = BagSource(read_config(tmp_path / "c.yaml"), [], CPU)
        features = source.bag(tmp_path / "slides/s1.tif", patches, tmp_path / "moved.h5").features
        model, bag = load_model(tmp_path / "model.pt"), read_features_h5(tmp_path / f"{RAW}.h5").features
        predicted = bag_prediction(model, torch.from_numpy(bag)).predicted
        bag[placed.places[moved]] = features
        expected = attention_of_class(bag_prediction(model, torch.from_numpy(bag)).attention, predicted)
        np.testing.assert_allclose(fine.scores[moved], expected[placed.places[moved]], atol=1e-5, err_msg=model_type)


def test_a_model_without_attention_is_refused_before_anything_is_written(config, tmp_path, caplog):
    write_checkpoint(tmp_path / "model.pt", 0, "mean_pool")
    assert run(tmp_path, config) == 2
    assert "mean_pool, which has no attention" in caplog.records[-1].getMessage()
    assert not (tmp_path / "heatmaps").exists()


def test_classes_need_not_be_said_where_the_checkpoint_says_them(config, tmp_path, caplog):
    del config["exp_arguments"]["n_classes"], config["data_arguments"]["label_dict"]
    task = {"type": "classification", "class_names": ["bad", "good|fine"]}
    write_checkpoint_facts(tmp_path / "model.pt", {}, DIM, task=task)
    assert run(tmp_path, config) == 0
    assert (tmp_path / MADE / "good" / f"s1_{NAME}").is_file()
    assert set(pd.read_csv(tmp_path / "heatmaps/results/list.csv").iloc[0][["Pred_0", "Pred_1"]]) == {
        "bad",
        "good|fine",
    }
    used = yaml.safe_load((tmp_path / "heatmaps/heatmap_raw_results/exp/config.yaml").read_text())
    assert (
        used["data_arguments"]["label_dict"] == {"bad": 0, "good|fine": 1} and used["exp_arguments"]["n_classes"] == 2
    )


def test_a_label_that_is_no_class_makes_a_slide_unlabelled(config, tmp_path, caplog):
    (tmp_path / "list.csv").write_text("slide_id,label\ns1,ugly\n")
    assert run(tmp_path, config) == 0
    assert "no class is called 'ugly'; label_dict knows bad, good" in caplog.text
    assert (tmp_path / MADE / "unlabelled" / f"s1_{NAME}").is_file()


def test_sampled_patches_of_a_label_that_is_no_class_stay_in_their_folder(config, tmp_path):
    config["sample_arguments"] = {"samples": [{"name": "top", "k": 1}]}
    (tmp_path / "list.csv").write_text("slide_id,label\ns1,../../../../../x\n")
    assert run(tmp_path, config) == 0
    (sampled,) = tmp_path.rglob("0_s1_x_*.png")
    assert sampled.relative_to(tmp_path / MADE / "sampled_patches").parts[0].startswith("label_unlabelled_pred_")


def test_a_label_is_a_name_and_never_a_path(config, tmp_path, caplog):
    del config["exp_arguments"]["n_classes"], config["data_arguments"]["label_dict"]
    write_checkpoint(tmp_path / "model.pt", 0, "abmil", n_classes=1)
    write_checkpoint_facts(tmp_path / "model.pt", {}, DIM, task={"type": "regression", "centre": 0.0, "scale": 1.0})
    (tmp_path / "list.csv").write_text("slide_id,label\ns1,../../x\n")
    assert run(tmp_path, config) == 2
    assert "'../../x' is no name" in caplog.records[-1].getMessage()


def test_of_a_number_the_attention_is_drawn_and_the_number_listed(config, tmp_path):
    del config["exp_arguments"]["n_classes"], config["data_arguments"]["label_dict"]
    config["sample_arguments"] = {"samples": [{"name": "top", "k": 1}]}
    write_checkpoint(tmp_path / "model.pt", 0, "abmil", n_classes=1)
    task = {"type": "regression", "centre": 10.0, "scale": 2.0}
    write_checkpoint_facts(tmp_path / "model.pt", {}, DIM, task=task)
    (tmp_path / "list.csv").write_text("slide_id,label\ns1,7.5\n")
    assert run(tmp_path, config) == 0
    assert (tmp_path / MADE / "7.5" / f"s1_{NAME}").is_file()
    assert (tmp_path / MADE / "sampled_patches" / "label_7.5" / "top").is_dir()
    row = pd.read_csv(tmp_path / "heatmaps/results/list.csv").iloc[0]
    bag = torch.load(next(tmp_path.rglob("s1.pt")), weights_only=True)
    assert row["Y_hat"] == pytest.approx(10 + 2 * load_model(tmp_path / "model.pt")(bag).logits.item(), abs=1e-5)


@pytest.mark.parametrize("model_type", ["clam_mb", "mil"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_every_model_can_be_shown(config, tmp_path, model_type, n_classes):
    write_checkpoint(tmp_path / "model.pt", 0, model_type, n_classes)
    config["model_arguments"]["model_type"] = model_type
    config["exp_arguments"]["n_classes"] = n_classes
    config["data_arguments"]["label_dict"] = {name: i for i, name in enumerate(("good", "bad", "ugly")[:n_classes])}
    assert run(tmp_path, config) == 0
    assert (tmp_path / MADE / "good" / f"s1_{NAME}").is_file()


def test_a_region_is_painted_alone(config, tmp_path):
    (tmp_path / "list.csv").write_text("slide_id,label,x1,x2,y1,y2\ns1,good,256,1280,256,768\n")
    config["heatmap_arguments"]["use_roi"] = True
    assert run(tmp_path, config) == 0
    with Image.open(tmp_path / MADE / "good" / f"s1_{NAME.replace('roi_0', 'roi_1')}") as picture:
        assert picture.size == (1024, 512)
    corners = read_scores(tmp_path / f"{RAW}_0.5_roi_True.h5").coords
    assert corners.min(axis=0).tolist() == [256, 256] and (corners < [1280, 768]).all()


def test_of_a_region_that_reaches_beyond_the_slide_what_lies_in_it_is_painted(config, tmp_path):
    (tmp_path / "list.csv").write_text("slide_id,label,x1,x2,y1,y2\ns1,good,-50,100000000,256,768\n")
    config["heatmap_arguments"]["use_roi"] = True
    assert run(tmp_path, config) == 0
    with Image.open(tmp_path / MADE / "good" / f"s1_{NAME.replace('roi_0', 'roi_1')}") as picture:
        assert picture.size == (2048, 512)


@pytest.mark.parametrize(
    ("region", "message"),
    [
        ("600,500,0,9", "empty region"),
        ("a,b,c,d", "needs numbers"),
        (",,,", "needs numbers"),
        ("3000,4000,0,9", "outside the slide of 2048x1536 px"),
        ("-9,-1,0,9", "outside the slide"),
        ("0,inf,0,9", "needs numbers"),
    ],
)
def test_a_region_that_is_none_is_told(config, tmp_path, caplog, region, message):
    (tmp_path / "list.csv").write_text(f"slide_id,label,x1,x2,y1,y2\ns1,good,{region}\n")
    config["heatmap_arguments"]["use_roi"] = True
    assert run(tmp_path, config) == 1
    assert "bad_roi" in caplog.text and message in caplog.text


def test_scores_that_are_not_there_and_not_to_be_computed_are_told(config, tmp_path, caplog):
    config["heatmap_arguments"]["calc_heatmap"] = False
    assert run(tmp_path, config) == 1
    assert "no_heatmap" in caplog.text and "_0.5_roi_False.h5 is missing" in caplog.text
    assert pd.read_csv(tmp_path / "heatmaps/results/list.csv")["p_0"].item() > 0  # the prediction is known all the same


def test_the_report_shows_a_slide_without_scores_once_and_says_why(config, tmp_path):
    config["heatmap_arguments"]["calc_heatmap"] = False
    assert run(tmp_path, config) == 1
    page = (tmp_path / MADE / "report.html").read_text()
    assert page.count("_0.5_roi_False.h5 is missing") == 1 and "without a heatmap" not in page


def test_raw_scores_are_kept_without_reference_scores(config, tmp_path):
    config["heatmap_arguments"]["use_ref_scores"] = False
    assert run(tmp_path, config) == 0
    fine, block = read_scores(tmp_path / f"{RAW}_0.5_roi_False.h5"), read_scores(tmp_path / f"{RAW}_blockmap.h5")
    at = {tuple(c): s for c, s in zip(fine.coords, fine.scores, strict=True)}
    shared = [(at[tuple(c)], s) for c, s in zip(block.coords, block.scores, strict=True) if tuple(c) in at]
    assert shared and np.allclose(*zip(*shared, strict=True), atol=1e-5)


def test_a_bad_slide_costs_only_itself(config, tmp_path):
    truncate(small_slide(tmp_path / "slides" / "torn.tif"), 0.02)
    small_slide(tmp_path / "slides" / "blank.tif", tissue=[])
    (tmp_path / "list.csv").write_text("slide_id,label\ntorn,good\ngone,good\nblank,bad\ns1,good\n")
    assert run(tmp_path, config) == 1
    assert (tmp_path / MADE / "good" / f"s1_{NAME}").is_file()
    table = pd.read_csv(tmp_path / "heatmaps/results/list.csv", dtype=str, keep_default_na=False).set_index("slide_id")
    assert table.loc["s1", "Pred_0"] and not table.loc["torn", "Pred_0"]


def test_without_a_list_all_slides_are_drawn(config, tmp_path):
    config["data_arguments"]["process_list"] = None
    small_slide(tmp_path / "slides" / "s2.tif")
    assert run(tmp_path, config, "--save_exp_code", "mine", "--overlap", "0") == 0
    made = tmp_path / "heatmaps/heatmap_production_results/mine/unlabelled"
    assert len(list(made.glob("s?_0.0_roi_0*.png"))) == 2
    assert len(pd.read_csv(tmp_path / "heatmaps/results/mine.csv")) == 2


def test_slides_of_several_folders_are_found_by_key(config, tmp_path):
    small_slide(tmp_path / "more" / "s2.tif")
    config["data_arguments"]["data_dir"] = {"a": "slides", "b": "more"}
    (tmp_path / "list.csv").write_text("slide_id,label,source\ns1,good,a\ns2,bad,b\n")
    assert run(tmp_path, config) == 0
    (tmp_path / "list.csv").write_text("slide_id,label,source\ns1,good,c\n")
    assert run(tmp_path, config) == 2


@pytest.mark.parametrize(
    ("section", "key", "value", "message"),
    [
        ("heatmap_arguments", "alhpa", 0.5, "unknown key heatmap_arguments.alhpa; known: vis_level, alpha, "),
        ("sample_arguments", "samples", [{"name": "a", "n": 3}], "samples.0.n; known: name, sample, seed, k, "),
        ("heatmap_arguments", "alpha", 1.5, "heatmap_arguments.alpha = 1.5"),
        ("heatmap_arguments", "alpha", "x", "heatmap_arguments.alpha = 'x': Input should be a valid number"),
        ("data_arguments", "data_dir", 5, "data_arguments.data_dir = 5: Input should be a valid string"),
        ("heatmap_arguments", "cmap", "rainbows", "no colour map 'rainbows'"),
        ("patching_arguments", "overlap", 1.0, "patching_arguments.overlap = 1.0"),
        ("exp_arguments", "n_classes", 3, "label_dict numbers its classes [0, 1]"),
        ("exp_arguments", "save_exp_code", "../x", "exp_arguments.save_exp_code"),
        ("exp_arguments", "save_exp_code", "..", "'..' is no name for files"),
        ("data_arguments", "label_dict", {"..": 0, "good": 1}, "'..' is no name for files"),
        ("sample_arguments", "samples", [{"name": ".."}], "'..' is no name for files"),
        ("data_arguments", "process_list", "no.csv", "no heatmap process list 'no.csv'"),
        ("data_arguments", "data_dir", "nowhere", "no folder 'nowhere'"),
        ("heatmap_arguments", "classes", ["bad", "ugly"], "classes: unknown 'ugly'; known are bad, good"),
        ("heatmap_arguments", "convert", "softmax", "heatmap_arguments.convert = 'softmax'"),
        ("model_arguments", "ckpt_path", "fold_*.pt", "no file fits fold_*.pt"),
        ("model_arguments", "ckpt_path", [], "model_arguments.ckpt_path = []: Value error, must be a checkpoint, "),
        ("model_arguments", "ckpt_path", {"../x": "model.pt"}, "'../x' is no name for files"),
        (
            "model_arguments",
            "ckpt_path",
            {"a": "model.pt", "a_spread": "model.pt"},
            "'a' may be called like those of 'a_",
        ),
        ("model_arguments", "ckpt_path", {"a": {"b": "c"}, "d": 5}, "must be a checkpoint, a list of them"),
        ("heatmap_arguments", "classes", {"a": 1}, "must be predicted, label, all or a list of classes"),
        ("model_arguments", "ckpt_path", "no.pt", "no checkpoint no.pt"),
        ("model_arguments", "model_type", "clam_mb", "model_type is clam_sb, not clam_mb"),
        ("model_arguments", "model_type", "clam", "model_arguments.model_type = 'clam'"),
        ("model_arguments", "embed_dim", 7, f"embed_dim is {DIM}, not 7"),
        ("encoder_arguments", "model_name", "uni_v7", "unknown encoder 'uni_v7'"),
    ],
)
def test_a_wrong_configuration_is_one_line_and_writes_nothing(config, tmp_path, caplog, section, key, value, message):
    config.setdefault(section, {})[key] = value
    assert run(tmp_path, config) == 2
    assert message in caplog.records[-1].getMessage() and "\n" not in caplog.records[-1].getMessage()
    assert not (tmp_path / "heatmaps").exists()


def test_a_missing_section_is_named_with_those_there_are(config, tmp_path, caplog):
    del config["model_arguments"]
    config["heatmap"] = {}
    assert run(tmp_path, config) == 2
    said = caplog.records[-1].getMessage()
    assert "section model_arguments is missing; known: exp_arguments, data_arguments, " in said
    assert "unknown key heatmap; known: exp_arguments" in said


def test_an_empty_configuration_is_said_to_be(tmp_path):
    path = tmp_path / "empty.yaml"
    path.write_text("# nothing\n")
    with pytest.raises(UsageError, match=r"empty.yaml is empty; copy heatmaps/configs/config_template.yaml$"):
        read_config(path)


def test_the_template_is_a_valid_configuration_with_every_key():
    from utils.lookup import PROJECT_ROOT

    path = PROJECT_ROOT / "heatmaps" / "configs" / "config_template.yaml"
    read_config(path)
    written = yaml.safe_load(path.read_text())
    for name, field in HeatmapConfig.model_fields.items():
        assert set(written[name]) == set(field.annotation.model_fields), name


@pytest.mark.parametrize("trusted", [False, True])
def test_code_of_the_hub_is_trusted_by_the_configuration(config, tmp_path, monkeypatch, trusted):
    runs = []

    def build(name, *, run, **others):
        runs.append(run)
        return build_encoder("handcrafted")

    monkeypatch.setattr(bag_source, "build_encoder", build)
    config["encoder_arguments"]["trust_remote_code"] = trusted
    assert run(tmp_path, config) == 0
    assert {run.trust_remote_code for run in runs} == {trusted}


def test_the_tested_points_move_out_with_the_overlap():
    assert [attention_center_shift(o) for o in (0, 0.24, 0.25, 0.9, 0.95)] == [0.375, 0.375, 0.5, 0.5, 0.625]


def test_a_heatmap_at_a_physical_resolution_uses_the_patches_of_the_earlier_stages(config, tmp_path):
    patching = ["--source", "slides", "--save_dir", "out", "--preset", "small.csv", "--target_mpp", "1"]
    create_patches_fp.main([*patching, "--patch_size", "128", "--patch"])
    extraction = ["--data_h5_dir", "out", "--data_slide_dir", "slides", "--csv_path", "out/process_list_autogen.csv"]
    extract_features_fp.main([*extraction, "--feat_dir", "features", "--model_name", "handcrafted"])
    config["data_arguments"]["features_dir"] = "features"
    config["patching_arguments"] = {"patch_size": 128, "overlap": 0.5, "target_mpp": 1}
    assert run(tmp_path, config) == 0
    coarse = read_scores(tmp_path / f"{RAW}_blockmap.h5").coords
    np.testing.assert_array_equal(coarse, read_coords(tmp_path / "out" / "patches" / "s1.h5").coords)
    fine = read_scores(tmp_path / f"{RAW}_0.5_roi_False.h5").coords
    assert set(np.diff(np.unique(fine[:, 0]))) == {128}  # 256 level-0 pixels, by half
    config["patching_arguments"]["target_mpp"] = 0.5
    assert run(tmp_path, config) == 1  # the features are those of another resolution


@pytest.mark.parametrize("other", [{"patch_level": 1}, {"custom_downsample": 2}])
def test_a_target_resolution_chooses_the_level_itself(config, tmp_path, caplog, other):
    config["patching_arguments"] |= {"target_mpp": 1, **other}
    assert run(tmp_path, config) == 2
    assert "target_mpp chooses the level" in caplog.text
