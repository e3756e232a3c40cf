"""extract_features_fp.py as a user runs it."""

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import timm
import torch

import extract_features_fp
from datasets.features_file import read_features_h5
from tests.slides import damage_tile, small_slide
from tests.stages.fabricated import fabricate_picture
from wsi_core.coords_file import PatchCoords, write_coords
from wsi_core.patch_reading import PatchReading

PATCHES = PatchCoords(
    coords=np.array([[x, y] for x in (0, 32, 64, 96) for y in (0, 32, 64)]), reading=PatchReading(0, 32, 32, 32)
)


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def cohort():
    """Three slides with coordinates, two of them with ids that look like numbers."""
    for seed, name in enumerate(("a", "0012", "1e5")):
        fabricate_picture(Path("slides", f"{name}.png"), seed)
        write_coords(Path("out/patches", f"{name}.h5"), PATCHES)
    list_slides("a.png", "0012", "1e5.png")


def list_slides(*rows: str, header: str = "slide_id") -> None:
    Path("list.csv").write_text("\n".join([header, *rows]) + "\n")


def extract(*flags: str, encoder: str = "handcrafted") -> int:
    required = "--data_h5_dir out --data_slide_dir slides --csv_path list.csv --feat_dir feat --slide_ext .png"
    return extract_features_fp.main([*required.split(), "--model_name", encoder, "--num_workers", "0", *flags])


def files() -> dict[str, int]:
    """Return when each file of the feature folder was last written."""
    return {str(p.relative_to("feat")): p.stat().st_mtime_ns for p in Path("feat").rglob("*") if p.is_file()}


def save_resnet(path: str) -> str:
    torch.manual_seed(0)
    torch.save(timm.create_model("resnet50", features_only=True, out_indices=(3,)).state_dict(), path)
    return path


def test_every_listed_slide_gets_both_files(cohort):
    assert extract("--batch_size", "5") == 0
    assert set(files()) == {f"{kind}_files/{i}.{kind}" for kind in ("h5", "pt") for i in ("a", "0012", "1e5")}
    read = read_features_h5(Path("feat/h5_files/0012.h5"))
    np.testing.assert_array_equal(read.coords, PATCHES.coords)
    np.testing.assert_array_equal(read.features, torch.load("feat/pt_files/0012.pt", weights_only=True))
    assert (read.made_from["encoder"], read.made_from["patch_size"]) == ("handcrafted", "32")


def test_ids_that_look_like_nothing_or_a_number_stay_text(cohort):
    for seed, name in enumerate(("NA", "007")):
        fabricate_picture(Path("slides", f"{name}.png"), seed)
        write_coords(Path("out/patches", f"{name}.h5"), PATCHES)
    list_slides("NA", "007", "1e5")
    assert extract() == 0
    assert {path.stem for path in Path("feat/pt_files").iterdir()} == {"NA", "007", "1e5"}


def test_worker_processes_give_the_same_features(cohort):
    extract()
    extract("--feat_dir", "feat2", "--num_workers", "2", "--batch_size", "5")
    for path in Path("feat/pt_files").iterdir():
        assert torch.equal(torch.load(path), torch.load(Path("feat2/pt_files", path.name)))


def test_local_weights_and_the_size_asked_for_are_used_and_noted(cohort):
    weights = save_resnet("w.pt")
    list_slides("a")
    assert extract("--encoder_ckpt", weights, "--target_patch_size", "64", encoder="resnet50_trunc") == 0
    read = read_features_h5(Path("feat/h5_files/a.h5"))
    assert read.features.shape == (12, 1024)
    assert read.made_from["target_patch_size"] == "64" and len(read.made_from["weights_sha256"]) == 64


def test_complete_features_are_skipped_even_where_the_slide_is_gone(cohort, caplog):
    extract()
    before = files()
    Path("slides/a.png").unlink()
    caplog.clear()
    assert extract() == 0
    assert files() == before and "3 already_exist" in caplog.text


def test_no_auto_skip_makes_all_again(cohort):
    extract()
    before = files()
    assert extract("--no_auto_skip") == 0
    assert all(files()[name] > time for name, time in before.items())


@pytest.mark.parametrize("name", ["h5_files/a.h5", "pt_files/a.pt"])
def test_half_a_file_is_made_again_and_the_others_stay(cohort, name):
    extract()
    whole, before = Path("feat", name).read_bytes(), files()
    Path("feat", name).write_bytes(whole[: len(whole) // 2])
    assert extract() == 0
    assert len(Path("feat", name).read_bytes()) == len(whole)
    assert {n: t for n, t in files().items() if "/a." not in n} == {n: t for n, t in before.items() if "/a." not in n}


def test_new_coordinates_are_encoded_anew(cohort):
    extract()
    write_coords(Path("out/patches/a.h5"), replace(PATCHES, reading=PatchReading(0, 16, 16, 16)))  # the same corners
    assert extract() == 0
    assert read_features_h5(Path("feat/h5_files/a.h5")).made_from["patch_size"] == "16"


@pytest.mark.parametrize("listed", ["a", "1e5"])
def test_one_folder_never_holds_features_of_two_encoders(cohort, caplog, listed):
    list_slides("a")
    extract()
    before = files()
    list_slides(listed)
    assert extract("--encoder_ckpt", save_resnet("w.pt"), encoder="resnet50_trunc") == 2
    assert files() == before
    message = caplog.records[-1].getMessage()
    assert "handcrafted" in message and "resnet50_trunc" in message


def test_another_patch_size_is_another_encoding(cohort, caplog):
    extract()
    assert extract("--target_patch_size", "16") == 2
    assert "target_patch_size" in caplog.text and "--no_auto_skip" in caplog.text


def test_what_went_wrong_is_named_first_and_the_others_are_done(cohort, caplog):
    Path("slides/1e5.png").write_bytes(b"no picture")
    write_coords(Path("out/patches/gone.h5"), PATCHES)
    Path("out/patches/bad.h5").write_bytes(b"no coordinates")
    list_slides("missing.png", "gone", "bad", "1e5.png", "a.png")
    assert extract() == 1
    assert set(files()) == {"h5_files/a.h5", "pt_files/a.pt"}
    text = caplog.text
    for slide_id, status in (("missing", "no_coords"), ("gone", "no_slide"), ("bad", "bad_coords")):
        assert 0 < text.index(f"{slide_id}: {status}") < text.index("1e5: failed")
    assert text.count("missing") >= 2  # before, and in the summary


def test_what_patching_said_of_a_slide_is_why_it_has_no_coordinates(cohort, caplog):
    list_slides("a.png,processed,", "torn.tif,failed_open,torn.tif is empty", header="slide_id,status,reason")
    assert extract() == 1
    assert "torn: no_coords: no coordinates, as patching says failed_open: torn.tif is empty" in caplog.text
    assert set(files()) == {"h5_files/a.h5", "pt_files/a.pt"}


@pytest.mark.parametrize("num_workers", ["0", "2"])
def test_a_slide_that_is_removed_while_others_are_encoded_costs_only_itself(cohort, caplog, monkeypatch, num_workers):
    monkeypatch.setattr("stages.extraction.warn_of_unusual_patches", lambda *_: Path("slides/0012.png").unlink())
    assert extract("--num_workers", num_workers) == 1
    assert "0012: failed_read: slides/0012.png: no such file" in caplog.text
    assert set(files()) == {f"{kind}_files/{i}.{kind}" for kind in ("h5", "pt") for i in ("a", "1e5")}


@pytest.mark.parametrize(("status", "exit_code"), [("no_tissue", 0), ("no_patches", 0), ("processed", 1), ("tbp", 1)])
def test_slides_that_patching_found_empty_are_not_missed(cohort, status, exit_code):
    list_slides("a.png,processed", f"blank.png,{status}", header="slide_id,status")
    assert extract() == exit_code
    assert set(files()) == {"h5_files/a.h5", "pt_files/a.pt"}


def test_the_file_that_the_table_names_is_read(cohort):
    fabricate_picture(Path("slides/a.bmp"), 99)
    list_slides("a.bmp")
    extract("--feat_dir", "of_bmp")
    list_slides("a.png")
    extract()
    of_bmp, of_png = (torch.load(Path(folder, "pt_files/a.pt")) for folder in ("of_bmp", "feat"))
    assert not torch.equal(of_bmp, of_png)


def test_a_read_error_fails_its_slide_and_names_the_place(cohort, caplog):
    path = small_slide(Path("slides/damaged.tif"), size_px=(512, 512))
    damage_tile(path, 3)  # of four on level 0
    corners = np.array([[0, 0], [0, 256], [256, 0], [256, 256]])
    write_coords(Path("out/patches/damaged.h5"), PatchCoords(corners, PatchReading(0, 256, 256, 256)))
    list_slides("damaged.tif", "a.png")
    assert extract("--batch_size", "3") == 1
    assert set(files()) == {"h5_files/a.h5", "pt_files/a.pt"}
    assert "x=256 y=256, level 0" in caplog.text


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--data_h5_dir", "nope"], "nope"),
        (["--data_slide_dir", "nope"], "nope"),
        (["--csv_path", "nope.csv"], "nope.csv"),
        (["--csv_path", "no_column.csv"], "slide_id"),
        (["--csv_path", "twice.csv"], "a.png and a.bmp"),
        (["--csv_path", "path.csv"], "../a"),
        (["--model_name", "nope"], "resnet50_trunc"),
        (["--model_name", "resnet50_trunc", "--encoder_ckpt", "nope.pt"], "nope.pt"),
        (["--model_name", "resnet50_trunc", "--encoder_ckpt", "list.csv"], "list.csv"),
        (["--target_patch_size", "0"], "target patch size 0"),
        (["--num_workers", "-1"], "--num_workers -1"),
    ],
)
def test_wrong_use_is_one_line_and_nothing_is_written(cohort, caplog, flags, expected):
    Path("no_column.csv").write_text("slide\na\n")
    Path("twice.csv").write_text("slide_id\na.png\na.bmp\n")
    Path("path.csv").write_text("slide_id\n../a\n")
    assert extract(*flags) == 2
    (message,) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert expected in message and "\n" not in message
    assert not Path("feat").exists()


def test_coordinates_of_trident_are_read(cohort):
    """Level-0 corners, and sides in level-0 and in resized pixels; the level is left to the slide."""
    Path("out/patches/1e5.h5").unlink()
    with h5py.File("out/patches/1e5_patches.h5", "w") as file:
        dataset = file.create_dataset("coords", data=PATCHES.coords)
        dataset.attrs.update(patch_size=16, patch_size_level0=32, level0_magnification=40, target_magnification=20)
        dataset.attrs.update(overlap=0, name="1e5", savetodir="x", level0_width=128, level0_height=96)
    list_slides("1e5.png")
    assert extract() == 0
    with h5py.File("feat/h5_files/1e5.h5") as file:
        assert len(file["features"]) == len(PATCHES.coords)
        assert (file.attrs["resized_to"], file.attrs["patch_size_level0"]) == ("16", "32")
