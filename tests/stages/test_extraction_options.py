"""What extraction does beyond one encoder and sound slides."""

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
import timm
import torch

import extract_features_fp
from datasets.features_file import Features, read_features_h5, write_features
from models.encoders.handcrafted import Descriptor
from stages.feature_output import EncoderOutput
from tests.slides import damage_tile, small_slide
from tests.stages.fabricated import fabricate_picture
from tests.stages.test_extraction import PATCHES, extract, files, list_slides, save_resnet
from wsi_core.coords_file import PatchCoords, write_coords
from wsi_core.patch_reading import PatchReading


@pytest.fixture(autouse=True)
def cohort(tmp_path, monkeypatch):
    """Two slides with coordinates."""
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(("a", "b")):
        fabricate_picture(Path("slides", f"{name}.png"), seed)
        write_coords(Path("out/patches", f"{name}.h5"), PATCHES)
    list_slides("a.png", "b.png")


def damaged_slide(n_rows: int = 12) -> None:
    """List a slide of 144 patches, of which the four in its first tile cannot be read."""
    path = small_slide(Path("slides/damaged.tif"), size_px=(1536, 1536))
    with tifffile.TiffFile(path) as tiff:
        assert tiff.pages[0].tilewidth == 256
    damage_tile(path)
    corners = np.array([[x * 128, y * 128] for x in range(n_rows) for y in range(n_rows)])
    write_coords(Path("out/patches/damaged.h5"), PatchCoords(corners, PatchReading(0, 128, 128, 128)))
    list_slides("damaged.tif", "a.png")


def test_several_encoders_get_a_folder_each_and_the_features_that_each_makes_alone():
    weights = save_resnet("w.pt")
    both = ["--target_patch_size", "32", "--encoder_ckpt"]
    assert extract(*both, f"resnet50_trunc={weights}", encoder="handcrafted,resnet50_trunc") == 0
    assert {Path(name).parts[0] for name in files()} == {"handcrafted", "resnet50_trunc"}
    extract("--feat_dir", "alone", "--target_patch_size", "32")
    extract("--feat_dir", "alone2", *both, weights, encoder="resnet50_trunc")
    for folder, name in (("alone", "handcrafted"), ("alone2", "resnet50_trunc")):
        for slide_id in ("a", "b"):
            one, several = (torch.load(Path(d, f"pt_files/{slide_id}.pt")) for d in (folder, Path("feat", name)))
            torch.testing.assert_close(several, one, atol=1e-5, rtol=0)


def test_unreadable_patches_are_left_out_and_named(caplog):
    damaged_slide()
    assert extract("--max_bad_patches", "3%") == 0
    read = read_features_h5(Path("feat/h5_files/damaged.h5"))
    assert {(patch.x, patch.y, patch.level) for patch in read.skipped} == {
        (x, y, 0) for x in (0, 128) for y in (0, 128)
    }
    assert all(f"x={patch.x} y={patch.y}" in patch.reason for patch in read.skipped)
    assert len(read.features) == len(read.coords) == 140 == len(torch.load("feat/pt_files/damaged.pt"))
    assert "damaged: 4 patches skipped" in caplog.text
    before = files()
    assert extract() == 0 and files() == before  # complete, as far as it can be


def test_too_many_unreadable_patches_fail_their_slide(caplog):
    damaged_slide()
    assert extract("--max_bad_patches", "0.01") == 1
    assert set(files()) == {"h5_files/a.h5", "pt_files/a.pt"}
    assert "damaged: failed_read" in caplog.text and "level 0" in caplog.text


@pytest.mark.parametrize("text", ["101%", "-1", "many", "%", "1"])
def test_a_part_that_is_none_is_wrong_use(text):
    with pytest.raises(SystemExit) as stop:
        extract("--max_bad_patches", text)
    assert stop.value.code == 2


@pytest.mark.parametrize(
    ("coords", "said"),
    [
        ([[0.0, np.nan]], "NaN"),
        ([[32, -32]], "negative coordinates, such as x=32 y=-32"),
        ([[0, 0], [160, 0]], "x=160 y=0 lies outside a.png"),
    ],
)
def test_coordinates_that_cannot_be_fail_their_slide_saying_so(caplog, coords, said):
    write_coords(Path("out/patches/a.h5"), replace(PATCHES, coords=np.array(coords)))
    assert extract() == 1
    assert set(files()) == {"h5_files/b.h5", "pt_files/b.pt"} and said in caplog.text


@pytest.mark.parametrize("size", [{"target_patch_size": 0}, {"target_patch_size": 10**6}, {"patch_size": -5}])
def test_a_file_of_coordinates_that_claims_strange_sizes_costs_its_slide_only(caplog, size):
    with h5py.File("out/patches/a.h5", "a") as file:
        file["coords"].attrs.update(size)
    assert extract("--num_workers", "1") == 1
    assert set(files()) == {"h5_files/b.h5", "pt_files/b.pt"} and "a: bad_coords" in caplog.text


def test_an_id_longer_than_a_file_name_is_wrong_use(caplog):
    list_slides("a.png", "b" * 300)
    assert extract() == 2 and "at most 200 bytes" in caplog.text


def test_coordinates_of_another_slide_fail_saying_so(caplog):
    write_coords(Path("out/patches/a.h5"), replace(PATCHES, level_size=(64, 48)))
    assert extract() == 1
    assert "of another slide: their level 0 has 64x48 px, this one 128x96 px" in caplog.text


def test_overwrite_replaces_what_another_encoder_made(caplog):
    extract()
    weights = save_resnet("w.pt")
    flags = ["--encoder_ckpt", weights, "--target_patch_size", "32"]
    assert extract(*flags, encoder="resnet50_trunc") == 2
    assert "handcrafted" in caplog.text and "resnet50_trunc" in caplog.text and "--overwrite" in caplog.text
    assert extract(*flags, "--overwrite", encoder="resnet50_trunc") == 0
    assert {read_features_h5(path).made_from["encoder"] for path in Path("feat/h5_files").iterdir()} == {
        "resnet50_trunc"
    }
    before = files()
    assert extract(*flags, "--overwrite", encoder="resnet50_trunc") == 0 and files() == before


def test_features_of_another_encoder_that_nothing_replaced_are_named(caplog):
    extract()
    write_coords(Path("out/patches/a.h5"), PatchCoords(np.empty((0, 2), int), PATCHES.reading))
    flags = ["--encoder_ckpt", save_resnet("w.pt"), "--target_patch_size", "32", "--overwrite"]
    assert extract(*flags, encoder="resnet50_trunc") == 0
    assert "a: no_patches, but there are features of an earlier run" in caplog.text
    assert "feat still holds features of another encoder, of a: " in caplog.text


@pytest.mark.parametrize("left", ["h5", "pt"])
def test_features_that_do_not_say_their_encoder_are_told_by_their_length(caplog, left):
    made = Features(np.ones((3, 1024), np.float32), np.zeros((3, 2), int))
    write_features(Path("feat"), "other", made)
    Path(f"feat/{'pt' if left == 'h5' else 'h5'}_files/other.{'pt' if left == 'h5' else 'h5'}").unlink()
    before = files()
    assert extract() == 2 and files() == before
    assert "an encoder without a name (1024 numbers) and handcrafted (99)" in caplog.text


def test_a_crop_of_the_whole_picture_is_none():
    weights = save_resnet("w.pt")
    assert extract("--encoder_ckpt", weights, encoder="resnet50_trunc") == 0
    with h5py.File("feat/h5_files/a.h5", "r+") as file:
        file.attrs["crop"] = "224"  # as earlier versions wrote
    before = files()
    assert extract("--encoder_ckpt", weights, "--target_patch_size", "224", encoder="resnet50_trunc") == 0
    assert files() == before


def test_of_a_slide_that_is_not_listed_nothing_is_said_that_does_not_help(caplog):
    extract()
    list_slides("a.png")
    weights = save_resnet("w.pt")
    for flags in ([], ["--overwrite"], ["--no_auto_skip"]):
        caplog.clear()
        assert extract("--encoder_ckpt", weights, *flags, encoder="resnet50_trunc") == 2
        assert "remove those of slides that the table does not name, such as b" in caplog.text


@pytest.mark.parametrize("flags", [[], ["--overwrite"]])
def test_of_two_runs_at_once_with_different_encoders_the_later_one_is_told(caplog, monkeypatch, flags):
    weights = save_resnet("w.pt")
    refuse = EncoderOutput.refuse_other_encoders

    def refuse_and_let_another_run(*args):
        refuse(*args)
        monkeypatch.setattr(EncoderOutput, "refuse_other_encoders", refuse)
        assert extract("--target_patch_size", "32") == 0

    monkeypatch.setattr(EncoderOutput, "refuse_other_encoders", refuse_and_let_another_run)
    code = extract("--encoder_ckpt", weights, "--target_patch_size", "32", *flags, encoder="resnet50_trunc")
    made_by = {read_features_h5(path).made_from["encoder"] for path in Path("feat/h5_files").iterdir()}
    if flags:
        assert code == 0 and made_by == {"resnet50_trunc"}
    else:
        assert code == 1 and made_by == {"handcrafted"}
        assert "a: other_encoder: feat has got its features by another encoder meanwhile: handcrafted" in caplog.text


def test_a_whole_file_of_another_encoder_that_never_got_its_name_does_not_stop_a_run():
    extract()
    for path in Path("feat/h5_files").iterdir():
        path.rename(path.with_name(f".part-1-2-3-{path.name}"))
    assert extract("--encoder_ckpt", save_resnet("w.pt"), "--target_patch_size", "32", encoder="resnet50_trunc") == 0


def test_the_mean_of_a_slide_is_a_bag_of_one_patch():
    extract()  # the means are made later, without encoding again
    assert extract("--slide_pool", "mean") == 0
    features = torch.load("feat/pt_files/a.pt")
    torch.testing.assert_close(torch.load("feat/slide_mean/pt_files/a.pt"), features.mean(dim=0, keepdim=True))
    assert read_features_h5(Path("feat/slide_mean/h5_files/a.h5")).made_from["slide_pool"] == "mean"


def test_slides_staged_on_a_local_disk_give_the_same_and_leave_nothing():
    extract()
    assert extract("--feat_dir", "staged", "--cache_dir", "cache") == 0
    for slide_id in ("a", "b"):
        assert torch.equal(*(torch.load(f"{folder}/pt_files/{slide_id}.pt") for folder in ("feat", "staged")))
    assert not list(Path("cache").iterdir())


def test_stain_normalisation_changes_features_and_is_stated():
    extract()
    fabricate_picture(Path("target.png"), 7)
    stain = ["--stain_norm", "reinhard", "--stain_target", "target.png"]
    assert extract("--feat_dir", "stained", *stain) == 0
    assert not torch.equal(torch.load("feat/pt_files/a.pt"), torch.load("stained/pt_files/a.pt"))
    assert read_features_h5(Path("stained/h5_files/a.h5")).made_from["stain_norm"].startswith("reinhard:")
    assert extract(*stain) == 2  # not into the folder of others


def test_what_features_were_made_with_is_stated():
    assert extract("--encoder_ckpt", save_resnet("w.pt"), "--dtype", "bf16", encoder="resnet50_trunc") == 0
    with h5py.File("feat/h5_files/a.h5") as file:
        made = dict(file.attrs)
    assert (made["encoder"], made["dtype"], made["runtime"], made["pooling"]) == (
        "resnet50_trunc",
        "bf16",
        "torch",
        "gap",
    )
    assert made["normalisation"] == "0.485,0.456,0.406/0.229,0.224,0.225"
    assert {"revision", "weights_sha256", "target_patch_size", "mpp", "patch_mpp", "version"} <= set(made)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--gpus", "99"], "--gpus 99"),
        (["--stain_norm", "macenko"], "--stain_target"),
        (["--stain_norm", "macenko", "--stain_target", "list.csv"], "no image"),
        (["--cache_dir", "list.csv"], "--cache_dir"),
        (["--model_name", "handcrafted,nope"], "nope"),
        (["--model_name", "handcrafted,uni_v1", "--encoder_ckpt", "w.pt"], "uni_v1=FILE"),
        (["--model_name", "handcrafted,"], "the name of an encoder is empty"),
        (["--model_name", "hf-hub:../.."], "hf-hub:OWNER/NAME"),
        (["--model_name", "hf-hub:a b/c d"], "hf-hub:OWNER/NAME"),
        (["--model_name", "uni_v1,uni_v2", "--encoder_ckpt", "uni_v1=a,uni_v1=b"], "uni_v1 is there twice"),
        (["--target_patch_size", "100000"], "1 to 8192 pixels"),
        (["--model_name", "uni_v2"], "MahmoodLab/UNI2-h"),
        (["--model_name", "midnight12k"], "midnight12k-cls-mean"),
    ],
)
def test_wrong_use_is_one_line_and_nothing_is_written(caplog, monkeypatch, flags, said):
    monkeypatch.delenv("UNI_CKPT_PATH", raising=False)
    assert extract(*flags) == 2
    (message,) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert said in message and "\n" not in message
    assert not Path("feat").exists()


def test_the_log_ends_with_the_speed_and_what_limits_it(caplog):
    caplog.set_level("INFO")
    extract()
    assert "of the time waiting for patches" in caplog.text and "24 patches in" in caplog.text


def test_encoders_are_listed_without_other_flags(capsys):
    with pytest.raises(SystemExit) as stop:
        extract_features_fp.main(["--list_encoders"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert all(name in text for name in ("resnet50_trunc", "virchow2-cls", "conch_v15", "MahmoodLab/UNI2-h"))


def test_a_disk_that_is_full_fails_the_slide_that_could_not_be_written(monkeypatch, caplog):
    from stages import feature_output

    write = feature_output.write_features

    def full_at_first(folder, slide_id, features):
        if slide_id == "a":
            raise OSError(28, "No space left on device")
        write(folder, slide_id, features)

    monkeypatch.setattr(feature_output, "write_features", full_at_first)
    assert extract() == 1
    assert "a: failed_write" in caplog.text and set(files()) == {"h5_files/b.h5", "pt_files/b.pt"}


def test_the_mean_of_features_that_are_made_anew_is_never_an_old_one():
    assert extract("--slide_pool", "mean") == 0
    assert extract("--overwrite", "--target_patch_size", "16") == 0
    assert not Path("feat/slide_mean/pt_files/a.pt").exists()
    assert extract("--slide_pool", "mean", "--target_patch_size", "16") == 0
    mean = torch.load("feat/pt_files/a.pt").mean(dim=0, keepdim=True)
    torch.testing.assert_close(torch.load("feat/slide_mean/pt_files/a.pt"), mean)


def test_a_mean_that_could_not_be_written_is_no_older_one(monkeypatch):
    assert extract("--slide_pool", "mean") == 0
    write_coords(Path("out/patches/a.h5"), replace(PATCHES, coords=PATCHES.coords[:3]))
    with monkeypatch.context() as patch:
        patch.setattr(EncoderOutput, "_write_pooled", None)
        assert extract("--slide_pool", "mean") == 1
    assert extract("--slide_pool", "mean") == 0
    mean = torch.load("feat/pt_files/a.pt").mean(dim=0, keepdim=True)
    torch.testing.assert_close(torch.load("feat/slide_mean/pt_files/a.pt"), mean)


def test_a_run_that_is_refused_has_written_no_means():
    extract()
    Path("feat/h5_files/b.h5").rename("feat/h5_files/c.h5")
    with h5py.File("feat/h5_files/c.h5", "r+") as file:
        file.attrs["encoder"] = "another"
    before = files()
    assert extract("--slide_pool", "mean") == 2 and files() == before


@pytest.mark.parametrize("flags", [["--slide_timeout", "9"], ["--slide_memory_gb", "1"]])
def test_limits_without_a_process_that_they_hold_for_are_wrong_use(caplog, flags):
    assert extract(*flags) == 2 and not Path("feat").exists()
    assert f"{flags[0]} limits processes that read slides, of which --num_workers 0 has none" in caplog.text
    assert extract("--slide_timeout", "0") == 0
    assert extract(*flags, "--num_workers", "1", "--no_auto_skip") == 0


def test_what_is_complete_is_not_computed_again_for_one_more_encoder(monkeypatch):
    weights = save_resnet("w.pt")
    assert extract("--feat_dir", "feat/handcrafted", "--target_patch_size", "32") == 0
    monkeypatch.setattr(Descriptor, "__call__", None)
    flags = ["--target_patch_size", "32", "--encoder_ckpt", f"resnet50_trunc={weights}"]
    assert extract(*flags, encoder="handcrafted,resnet50_trunc") == 0


def test_one_more_encoder_leaves_the_features_of_the_others_alone():
    weights = save_resnet("w.pt")
    flags = ["--target_patch_size", "32", "--encoder_ckpt", f"resnet50_trunc={weights}"]
    assert extract("--feat_dir", "feat/handcrafted", "--target_patch_size", "32") == 0
    Path("feat/handcrafted/pt_files/b.pt").unlink()
    before = files()
    assert extract(*flags, encoder="handcrafted,resnet50_trunc") == 0
    after = files()
    assert {name for name in before if before[name] == after[name]} == {
        f"handcrafted/{k}_files/a.{k}" for k in ("h5", "pt")
    }
    assert {name for name in after if "resnet" in name} == {
        f"resnet50_trunc/{kind}_files/{slide_id}.{kind}" for kind in ("h5", "pt") for slide_id in ("a", "b")
    }


def test_weights_may_lie_where_there_is_an_equals_sign_and_go_by_another_name_of_the_encoder():
    Path("lr=3").mkdir()
    weights = save_resnet("lr=3/w.pt")
    assert extract("--encoder_ckpt", weights, encoder="resnet50_trunc") == 0
    assert extract("--encoder_ckpt", f"resnet50_trunc={weights}", encoder="resnet50_trunc") == 0


def test_numbers_that_are_none_fail_the_slide_and_are_not_written(caplog):
    network = timm.create_model("resnet50", features_only=True, out_indices=(3,))
    state = network.state_dict()
    state["conv1.weight"][0] = torch.nan
    torch.save(state, "w.pt")
    assert extract("--encoder_ckpt", "w.pt", encoder="resnet50_trunc") == 1
    assert "a: failed_encode: resnet50_trunc gives NaN" in caplog.text and not list(Path("feat").rglob("*.*"))


def test_a_slide_without_a_readable_patch_fails_however_many_may_be_bad(caplog):
    damaged_slide()
    write_coords(Path("out/patches/damaged.h5"), replace(PATCHES, coords=np.array([[0, 0], [128, 128]])))
    assert extract("--max_bad_patches", "100%") == 1
    assert "2 of 2 patches cannot be read" in caplog.text
