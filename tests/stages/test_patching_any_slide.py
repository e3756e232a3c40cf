"""create_patches_fp.py on slides of any scanner and with tissue by any means, from the outside."""

import json
import pickle
from pathlib import Path

import cv2
import h5py
import numpy as np
import pandas as pd
import pytest
from PIL import Image

import create_patches_fp
import extract_features_fp
from demo.slides import fabricate_slide, write_pyramid
from tests.slides import GLASS, PINK, picture, shrink_slide, small_slide, truncate
from wsi_core.coords_file import read_coords

PRESET = "sthresh,mthresh,close,a_t,a_h,max_n_holes\n15,3,0,0.05,0.02,8\n"


@pytest.fixture
def place(tmp_path, monkeypatch):
    """The current folder, with a preset that suits small slides, and an empty folder of slides."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.csv").write_text(PRESET)
    (tmp_path / "slides").mkdir()
    return tmp_path


@pytest.fixture
def slide(place):
    """One slide of 2048 x 1536 at 0.5 µm per pixel."""
    return small_slide(place / "slides" / "a.tif")


def run(*flags, out="out"):
    return create_patches_fp.main(["--source", "slides", "--save_dir", out, "--preset", "small.csv", *flags])


def rows(out="out"):
    table = pd.read_csv(f"{out}/process_list_autogen.csv", dtype=str, keep_default_na=False)
    return table.set_index("slide_id")


def coords(slide_id="a", out="out"):
    return read_coords(Path(f"{out}/patches/{slide_id}.h5")).coords


def attributes(slide_id="a", out="out"):
    with h5py.File(f"{out}/patches/{slide_id}.h5") as file:
        return dict(file["coords"].attrs)


def relist(**columns):
    """Write an edited list in which one slide has these cells."""
    pd.DataFrame({"slide_id": ["a.tif"], **{name: [cell] for name, cell in columns.items()}}).to_csv("out/edited.csv")


def errors(caplog):
    return [record for record in caplog.records if record.levelname == "ERROR"]


# resolution


def test_a_target_resolution_is_met_and_all_of_it_stated(slide):
    assert run("--patch", "--target_mpp", "1", "--patch_size", "64", "--overlap", "16") == 0
    stated, row = attributes(), rows().loc["a.tif"]
    assert (stated["patch_size"], stated["patch_level"], stated["target_patch_size"]) == (128, 0, 64)
    assert (stated["patch_size_level0"], stated["overlap"], stated["resize_factor"]) == (128, 16, 2)
    assert (stated["level0_width"], stated["level0_height"]) == (2048, 1536)
    assert stated["level0_magnification"] == pytest.approx(20) and stated["target_magnification"] == pytest.approx(10)
    assert (row["base_mpp"], row["read_level"], row["read_size"], row["resize_factor"]) == ("0.5", "0", "128", "2")
    assert set(np.diff(np.unique(coords()[:, 0]))) == {96}


def test_a_magnification_means_10_over_it(slide):
    run("--patch", "--target_mag", "10", "--patch_size", "64", out="mag")
    run("--patch", "--target_mpp", "1", "--patch_size", "64", out="mpp")
    np.testing.assert_array_equal(coords(out="mag"), coords(out="mpp"))


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.soak) for seed in (2, 3, 4))])
def test_the_same_tissue_from_two_scanners_gives_the_same_patches(place, seed):
    """0.25 and 0.5 µm per pixel: the same count within 2 %, over the same tissue, and features that point one way."""
    fabricate_slide(place / "slides" / "fine.tif", seed=seed, tumour=True, size_px=(8192, 6144), mpp=0.25)
    shrink_slide(place / "slides" / "fine.tif", place / "slides" / "coarse.tif", mpp=0.5)
    assert run("--patch", "--target_mpp", "0.5", "--patch_size", "128") == 0
    fine, coarse = coords("fine"), coords("coarse")
    assert abs(len(fine) - len(coarse)) <= 0.02 * len(coarse) and len(coarse) > 100
    matched = [(i, j) for i, corner in enumerate(fine / 2) for j in [nearest(coarse, corner)] if j is not None]
    assert len(matched) >= 0.98 * len(coarse)
    flags = ["--data_h5_dir", "out", "--data_slide_dir", "slides", "--csv_path", "out/process_list_autogen.csv"]
    assert extract_features_fp.main([*flags, "--feat_dir", "features", "--model_name", "handcrafted"]) == 0
    numbers = {"fine": [i for i, _ in matched], "coarse": [j for _, j in matched]}
    one, other = (features(name)[rows_of] for name, rows_of in numbers.items())
    cosine = (one * other).sum(axis=1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)
    assert cosine.mean() >= 0.98


@pytest.mark.parametrize("patch_size", ["128", "256"])
def test_levels_and_compression_of_a_scanner_do_not_change_the_count(place, patch_size):
    """Low thresholds and much compression, which gives tissue a wide saturated rim on coarse levels."""
    image = fragmented_tissue(seed=5, size_px=(8192, 6144))
    half = cv2.resize(image, None, fx=1 / 2, fy=1 / 2, interpolation=cv2.INTER_AREA)
    write_pyramid(place / "slides" / "fine.tif", image, mpp=0.25, sizes_px=downsampled((8192, 6144), 1, 4, 16, 64))
    write_pyramid(place / "slides" / "coarse.tif", half, mpp=0.5, sizes_px=downsampled((4096, 3072), 1, 4))
    (place / "low.csv").write_text("sthresh,mthresh,close,a_t,a_h\n8,7,4,0.5,0.2\n")
    run("--patch", "--preset", "low.csv", "--target_mpp", "0.5", "--patch_size", patch_size)
    assert abs(len(coords("fine")) - len(coords("coarse"))) <= 0.02 * len(coords("coarse"))


def downsampled(size_px, *downsamples):
    return tuple((size_px[0] // downsample, size_px[1] // downsample) for downsample in downsamples)


def fragmented_tissue(seed, size_px):
    """Paint smooth pieces of many sizes; uint8 RGB (H, W, 3)."""
    random = np.random.default_rng(seed)
    width, height = size_px[0] // 8, size_px[1] // 8
    field = cv2.GaussianBlur(random.standard_normal((height, width)), (0, 0), width / 25)
    field[:, [0, -1]] = field[[0, -1]] = field.min()  # glass all around
    is_tissue = cv2.resize(field, size_px, interpolation=cv2.INTER_LINEAR) > field.std() / 4
    return np.where(is_tissue[..., None], np.uint8(PINK), np.uint8(GLASS))


def test_scanners_keep_the_same_pieces_of_tissue(place):
    """Areas count pixels of the target: a piece above the limit on one scanner is above it on the other."""
    tissue = [(200, 200, 1000, 900), (1300, 300, 1620, 620), (1300, 900, 1500, 1100)]
    twice = [tuple(2 * side for side in box) for box in tissue]
    small_slide(place / "slides" / "coarse.tif", tissue=tissue)
    small_slide(place / "slides" / "fine.tif", size_px=(4096, 3072), tissue=twice, mpp=0.25)
    (place / "areas.csv").write_text("sthresh,a_t\n15,0.25\n")
    run("--patch", "--preset", "areas.csv", "--target_mpp", "0.5", "--patch_size", "64")
    assert list(rows()["n_contours"]) == ["2", "2"]
    assert abs(len(coords("fine")) - len(coords("coarse"))) <= 0.02 * len(coords("coarse"))


def test_coarse_patches_are_no_reason_to_lose_small_tissue(slide):
    run("--patch", "--patch_size", "16")
    run("--patch", "--patch_size", "16", "--target_mpp", "4", out="coarse")
    assert list(rows("coarse")["n_contours"]) == list(rows()["n_contours"]) == ["1"]


def test_a_level_that_is_asked_for_is_segmented_as_it_is(slide):
    (slide.parent.parent / "level.csv").write_text(PRESET.replace("sthresh", "seg_level,sthresh").replace("15", "1,15"))
    run("--patch", "--preset", "level.csv")
    run("--patch", "--preset", "level.csv", "--target_mpp", "0.5", out="target")
    np.testing.assert_array_equal(coords(out="target"), coords())
    assert rows("target").loc["a.tif", "seg_level"] == "1"


def test_the_list_of_a_run_at_a_target_makes_the_same_patches_again(slide):
    run("--patch", "--target_mpp", "0.5")
    assert rows().loc["a.tif", "seg_level"] == "-1"
    first = coords()
    rows().assign(process="1").to_csv("out/edited.csv")
    again = ["--process_list", "edited.csv", "--patch", "--target_mpp", "0.5"]
    assert run(*again) == 0
    kept = rows().loc["a.tif"]
    assert (kept["status"], kept["reason"]) == ("already_exist", "")  # nothing seems to have changed since
    run(*again, "--no_auto_skip")
    assert rows().loc["a.tif", "status"] == "processed"
    np.testing.assert_array_equal(coords(), first)


def nearest(corners, corner):
    """Return the number of the patch within 32 px of a corner, or None."""
    distance = np.abs(corners - corner).max(axis=1)
    return int(distance.argmin()) if distance.min() <= 32 else None


def features(slide_id):
    with h5py.File(f"features/h5_files/{slide_id}.h5") as file:
        return file["features"][()]


def test_the_edited_list_says_resolution_for_its_slide(slide):
    run("--patch", "--patch_size", "64")
    relist(mpp="0.25", target_mpp="1")
    assert run("--process_list", "edited.csv", "--patch", "--patch_size", "64", "--no_auto_skip") == 0
    assert (attributes()["patch_size_level0"], attributes()["mpp_source"]) == (256, "mpp column")
    assert rows().loc["a.tif", "target_mpp"] == "1"
    relist(patch_level="1")
    assert run("--process_list", "edited.csv", "--patch", "--patch_size", "64", "--no_auto_skip") == 0
    assert (attributes()["patch_level"], attributes()["patch_size_level0"]) == (1, 256)


def test_a_half_filled_column_leaves_the_rest_to_the_command(place):
    small_slide(place / "slides" / "a.tif")
    small_slide(place / "slides" / "b.tif")
    Path("out").mkdir()
    Path("out/edited.csv").write_text("slide_id,patch_level,keep_ids\na.tif,1.0,0\nb.tif,,\n")
    assert run("--process_list", "edited.csv", "--patch", "--patch_size", "64") == 0
    assert (attributes("a")["patch_level"], attributes("b")["patch_level"]) == (1, 0)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"mpp": "0.5um"}, "slide a.tif: mpp = '0.5um'"),
        ({"mpp": "0"}, "slide a.tif: mpp = '0'"),
        ({"patch_level": "1.5"}, "slide a.tif: patch_level = '1.5'"),
        ({"patch_level": "1", "target_mpp": "0.5"}, "patch_level and target_mpp exclude one another"),
    ],
)
def test_a_wrong_cell_is_named_with_its_row_and_column(slide, caplog, cells, message):
    Path("out").mkdir()
    relist(**cells)
    assert run("--process_list", "edited.csv", "--patch") == 2
    assert message in caplog.text and len(errors(caplog)) == 1


def test_a_slide_without_resolution_fails_alone_and_says_what_to_pass(slide):
    Image.fromarray(picture((1024, 768), [(100, 100, 900, 700)], [])).save("slides/photo.png")
    assert run("--patch", "--target_mpp", "0.5") == 1
    table = rows()
    assert (table.loc["a.tif", "status"], table.loc["photo.png", "status"]) == ("processed", "failed_patch")
    assert "properties seen: none" in table.loc["photo.png", "reason"] and "--mpp" in table.loc["photo.png", "reason"]
    assert run("--patch", "--target_mpp", "0.5", "--mpp", "0.5", "--no_auto_skip") == 0


def test_a_target_finer_than_the_slide_fails_unless_allowed(slide):
    assert run("--patch", "--target_mpp", "0.25") == 1
    assert "--allow_upsample" in rows().loc["a.tif", "reason"]
    assert run("--patch", "--target_mpp", "0.25", "--allow_upsample") == 0
    assert (attributes()["patch_size"], attributes()["target_patch_size"]) == (128, 256)


def test_steps_below_one_pixel_of_the_slide_are_refused(slide):
    assert run("--patch", "--patch_size", "4", "--step_size", "1", "--target_mpp", "0.1", "--allow_upsample") == 1
    assert "a step of 1 px is 0.2 pixels of the slide" in rows().loc["a.tif", "reason"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--target_mpp", "0.5", "--patch_level", "0"], "leave --patch_level out"),
        (["--target_mag", "20", "--custom_downsample", "2"], "leave --custom_downsample out"),
        (["--target_mag", "20", "--target_mpp", "0.5"], "give one of them"),
        (["--step_size", "64", "--overlap", "64"], "give one of them"),
        (["--overlap", "256"], "must be from 0 to below the patch's 256 px"),
        (["--overlap", "1.0"], "must be from 0 to below the patch's 256 px"),
        (["--overlap", "-0.5"], "must be from 0"),
        (["--overlap", "half"], "pixels such as 64, or a part"),
        (["--target_mpp", "5000"], "--target_mpp 5000 µm per pixel: must be from 0.001 to 1000"),
        (["--target_mag", "1e9"], "must be from 0.001 to 1000"),
        (["--mpp", "1e9"], "--mpp 1e+09 µm per pixel"),
        (["--mask_dir", "nowhere"], "--mask_dir: no folder 'nowhere'"),
        (["--mask_dir", "small.csv"], "small.csv is a file, no folder"),
        (["--mask_dir", "slides", "--no_seg"], "give one of them"),
        (["--min_tissue", "0.5", "--white_thresh", "300"], "white_thresh 300: must be from 0 to 255"),
    ],
)
def test_contradictions_are_one_line_and_exit_2(slide, caplog, flags, message):
    assert run("--patch", *flags) == 2
    assert message in caplog.text and len(errors(caplog)) == 1
    assert not Path("out").exists()


def test_coordinates_of_another_resolution_are_kept_and_that_is_said(slide):
    run("--patch", "--target_mpp", "1", "--patch_size", "64")
    run("--patch", "--target_mpp", "0.5", "--patch_size", "64")
    row = rows().loc["a.tif"]
    assert row["status"] == "already_exist" and "target_mpp 1 (now 0.5)" in row["reason"]


def outlines(folder="outlines"):
    Path(folder).mkdir(exist_ok=True)
    ring = [[256, 256], [900, 256], [900, 900], [256, 900], [256, 256]]
    Path(f"{folder}/a.geojson").write_text(json.dumps([{"type": "Polygon", "coordinates": [ring]}]))


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ([], ["--mpp", "0.5"]),
        (["--target_mpp", "1"], ["--target_mpp", "1", "--mpp", "0.5"]),
        (["--no_seg"], ["--no_seg", "--preset", "bwh_biopsy"]),
        (["--mask_dir", "outlines"], ["--mask_dir", "outlines", "--preset", "tcga"]),
    ],
)
def test_what_has_no_effect_is_no_reason(slide, first, then):
    outlines()
    run("--patch", *first)
    run("--patch", *then)
    row = rows().loc["a.tif"]
    assert (row["status"], row["reason"]) == ("already_exist", "")


@pytest.mark.parametrize(
    ("then", "reason"),
    [
        (["--mask_dir", "outlines"], "tissue segmentation (now outlines"),
        (["--roi", "outlines"], "roi none (now outlines"),
        (["--grid", "global"], "grid contour (now slide)"),
        (["--min_tissue", "0.9"], "min_tissue none (now 0.9)"),
        (["--background", "white"], "background black (now white)"),
        (["--patch_size", "128", "--custom_downsample", "2"], "patch_size 256 (now 128), "),
        (["--target_mpp", "1"], "target_mpp none (now 1)"),
    ],
)
@pytest.mark.parametrize("of_the_original", [False, True])
def test_what_changes_coordinates_is_told_also_of_files_of_the_original(slide, then, reason, of_the_original):
    outlines()
    run("--patch")
    if of_the_original:
        with h5py.File("out/patches/a.h5", "a") as file:
            theirs = {
                "patch_size",
                "patch_level",
                "downsample",
                "downsampled_level_dim",
                "level_dim",
                "name",
                "save_path",
            }
            for name in set(file["coords"].attrs) - theirs:
                del file["coords"].attrs[name]
    run("--patch", *then)
    row = rows().loc["a.tif"]
    assert row["status"] == "already_exist" and reason in row["reason"]


def test_a_segmentation_level_that_would_be_chosen_anyway_is_no_reason(slide):
    run("--patch")
    for level, differs in (("1", False), ("-1", False), ("0", True)):
        relist(seg_level=level)
        run("--process_list", "edited.csv", "--patch")
        assert ("seg_level" in rows().loc["a.tif", "reason"]) == differs
    run("--process_list", "edited.csv", "--patch", "--no_auto_skip")
    run("--patch")
    assert "seg_level 0 (now 1)" in rows().loc["a.tif", "reason"]


def test_outlines_that_were_removed_are_written_again(slide):
    run("--seg", "--patch")
    Path("out/contours/a.geojson").unlink()
    run("--seg", "--patch")
    assert Path("out/contours/a.geojson").is_file()


def test_images_that_kept_coordinates_lack_are_told(slide):
    run("--patch")
    run("--patch", "--save_patches")
    assert "no images (now stored)" in rows().loc["a.tif", "reason"]


# slides


def test_a_slide_without_a_coarse_level_is_segmented(place, monkeypatch):
    monkeypatch.setattr("wsi_core.overview.MAX_LEVEL_PIXELS", 1e6)
    small_slide(place / "slides" / "flat.tif", size_px=(3000, 2000), sizes_px=((3000, 2000),))
    assert run("--seg", "--patch", "--stitch", "--slide_timeout", "0") == 0  # in this process, with its limits
    with Image.open("out/masks/flat.png") as mask, Image.open("out/stitches/flat.png") as stitch:
        assert mask.size == stitch.size == (47, 32)


def test_slides_below_the_folder_are_found_by_both_programs(place):
    small_slide(place / "slides" / "batch 1" / "b.2.x.tif")
    Image.fromarray(picture((1024, 768), [(100, 100, 900, 700)], [])).save("slides/photo.PNG")
    assert run("--patch", "--recursive", "--patch_size", "128") == 0
    assert list(rows().index) == ["b.2.x.tif", "photo.PNG"]
    flags = ["--data_h5_dir", "out", "--data_slide_dir", "slides", "--csv_path", "out/process_list_autogen.csv"]
    assert extract_features_fp.main([*flags, "--feat_dir", "features", "--model_name", "handcrafted"]) == 0
    assert Path("features/pt_files/b.2.x.pt").is_file()


def test_an_image_too_large_fails_alone_with_the_command_that_converts_it(slide):
    Image.fromarray(picture((1024, 768), [(100, 100, 900, 700)], [])).save("slides/photo.png")
    assert run("--patch", "--max_memory_gb", "0.001") == 1
    assert "vips tiffsave slides/photo.png" in rows().loc["photo.png", "reason"]
    assert rows().loc["a.tif", "status"] == "processed"


def test_a_damaged_image_leaves_no_picture(place):
    noise = np.random.default_rng(0).integers(0, 256, (1024, 1024, 3), dtype=np.uint8)
    Image.fromarray(noise).save("slides/torn.tif")
    truncate(place / "slides" / "torn.tif")
    assert run("--seg", "--patch", "--stitch") == 1
    assert rows().loc["torn.tif", "status"] == "failed_seg" and not list(Path("out").glob("*/*"))


def test_several_slides_go_through_worker_processes(place):
    for name in ("a", "b", "c"):
        small_slide(place / "slides" / f"{name}.tif")
    (place / "slides" / "torn.svs").write_bytes(b"")
    assert run("--seg", "--patch", "--stitch", out="one") == 1
    assert run("--seg", "--patch", "--stitch", "--num_workers", "2", out="several") == 1
    pd.testing.assert_frame_equal(rows("one"), rows("several"))
    for name in ("a", "b", "c"):
        np.testing.assert_array_equal(coords(name, "one"), coords(name, "several"))


def test_results_among_the_slides_are_no_slides(place):
    small_slide(place / "slides" / "a.tif")
    for _ in range(2):
        assert run("--seg", "--patch", "--stitch", "--recursive", "--contact_sheet", out="slides") == 0
        assert list(rows("slides").index) == ["a.tif"]


def test_the_list_tells_the_same_when_slides_are_skipped(slide):
    run("--patch", "--target_mpp", "1", "--patch_size", "64", "--min_tissue", "1")
    first = rows().loc["a.tif"]
    run("--patch", "--target_mpp", "1", "--patch_size", "64", "--min_tissue", "1")
    again = rows().loc["a.tif"]
    assert again["status"] == "already_exist" and again["reason"] == ""
    columns = ["base_mpp", "read_level", "read_size", "resize_factor", "n_patches", "n_contours", "dropped"]
    assert again[columns].to_dict() == first[columns].to_dict() and (first[columns] != "").all()


def test_coordinates_are_kept_also_where_a_picture_is_made(slide):
    run("--patch")
    assert run("--seg", "--patch", "--stitch") == 0
    assert rows().loc["a.tif", "status"] == "already_exist" and Path("out/masks/a.png").is_file()


def test_a_page_of_masks_alone_leaves_the_list_as_it_is(slide):
    run("--seg", "--patch")
    before = rows()
    assert run("--contact_sheet") == 0
    pd.testing.assert_frame_equal(rows(), before)


def test_what_needs_coordinates_is_told_without_them(slide, caplog):
    run("--seg", "--save_patches")
    assert "no effect without --patch" in caplog.text


def test_a_list_with_nothing_to_do_is_told(slide, caplog):
    run("--patch")
    assert run("--process_list", "process_list_autogen.csv", "--patch") == 0
    assert "no slide of the process list has process 1" in caplog.text


def test_a_column_that_is_nearly_a_parameter_is_told_once(slide, caplog):
    Path("out").mkdir()
    relist(a_tt="1")
    for _ in range(2):
        caplog.clear()
        run("--process_list", "edited.csv", "--seg")
        assert caplog.text.count("column a_tt has no effect") == 1


def test_rows_that_a_shorter_list_leaves_out_are_told(place, caplog):
    for name in ("a", "b"):
        small_slide(place / "slides" / f"{name}.tif")
    run("--patch")
    relist()
    run("--process_list", "edited.csv", "--patch")
    assert "now names 1 slides, 1 of before are left out" in caplog.text


def test_coordinates_that_a_failure_leaves_behind_are_told(slide, caplog):
    run("--patch")
    Path("roi").mkdir()
    assert run("--patch", "--roi", "roi", "--no_auto_skip") == 1
    row = rows().loc["a.tif"]
    assert row["status"] == "failed_seg" and "patches/a.h5 is of an earlier run" in row["reason"]
    flags = ["--data_h5_dir", "out", "--data_slide_dir", "slides", "--csv_path", "out/process_list_autogen.csv"]
    extract_features_fp.main([*flags, "--feat_dir", "features", "--model_name", "handcrafted"])
    assert "patching says failed_seg; its coordinates are of an earlier run" in caplog.text


# tissue by other means


def test_the_segmentation_is_taken_back_as_it_was_written(slide):
    run("--seg", "--patch")
    assert run("--patch", "--mask_dir", "out/contours", out="again") == 0
    np.testing.assert_array_equal(coords(out="again"), coords())


def test_an_edited_segmentation_changes_the_patches_and_is_not_overwritten(slide, caplog):
    run("--seg", "--patch")
    path = Path("out/contours/a.geojson")
    value = json.loads(path.read_text())
    value["features"][0]["geometry"]["coordinates"] = [[[256, 256], [768, 256], [768, 768], [256, 768], [256, 256]]]
    path.write_text(json.dumps(value))
    assert run("--seg", "--patch", "--mask_dir", "out/contours", out="again") == 0
    assert 0 < len(coords(out="again")) < len(coords())
    assert run("--seg") == 0
    assert json.loads(path.read_text()) == value and "was edited and is kept" in caplog.text


def test_a_mask_of_any_size_takes_the_place_of_segmentation(slide):
    mask = np.zeros((384, 512), np.uint8)
    mask[64:192, 64:192] = 1
    Path("masks").mkdir()
    Image.fromarray(mask).save("masks/a.png")
    assert run("--seg", "--patch", "--mask_dir", "masks") == 0
    assert coords().min() == 256 and coords().max() <= 768
    assert not Path("out/contours").exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.png", Image.new("L", (500, 500)), "another shape than the slide"),
        ("a.png", Image.new("RGB", (512, 384), (0, 255, 0)), "colour picture and no mask"),
        ("a.geojson", [[[5000, 5000], [5100, 5000], [5100, 5100], [5000, 5000]]], "outside the slide, 2048x1536 px"),
        ("a.geojson", [[[0, 0], [500, 0], [500, 500]]], "feature 0: a ring is not closed"),
        ("b.geojson", [[[0, 0], [500, 0], [500, 500], [0, 0]]], "no .geojson, .json, .xml, .png or .pkl of a"),
    ],
)
def test_outlines_that_do_not_serve_are_named_per_slide(slide, name, content, message):
    Path("masks").mkdir()
    if name.endswith("png"):
        content.save(f"masks/{name}")
    else:
        Path(f"masks/{name}").write_text(json.dumps([{"type": "Polygon", "coordinates": content}]))
    assert run("--patch", "--mask_dir", "masks") == 1
    assert rows().loc["a.tif", "status"] == "failed_seg" and message in rows().loc["a.tif", "reason"]


def test_an_empty_mask_has_no_tissue(slide):
    Path("masks").mkdir()
    Image.new("L", (512, 384)).save("masks/a.png")
    assert run("--patch", "--mask_dir", "masks") == 0
    assert rows().loc["a.tif", "status"] == "no_tissue" and "--mask_dir" in rows().loc["a.tif", "reason"]


def test_contours_of_the_original_are_read(slide):
    square = np.array([[[256, 256]], [[900, 256]], [[900, 900]], [[256, 900]]], np.int32)
    hole = np.array([[[400, 400]], [[700, 400]], [[700, 700]], [[400, 700]]], np.int32)
    Path("masks").mkdir()
    Path("masks/a.pkl").write_bytes(pickle.dumps({"tissue": [square], "holes": [[hole]]}))
    assert run("--patch", "--patch_size", "64", "--mask_dir", "masks") == 0
    centers = coords() + 32
    assert not ((centers > 400) & (centers < 700)).all(axis=1).any() and coords().min() == 256


def test_regions_restrict_the_patches_to_a_subset(slide):
    run("--patch", "--patch_size", "64")
    corners = "".join(f'<Vertex X="{x}" Y="{y}"/>' for x, y in ((300, 300), (600, 300), (600, 600), (300, 600)))
    region = f'<Region Id="1" Type="1"><Vertices>{corners}</Vertices></Region>'
    Path("roi").mkdir()
    Path("roi/a.xml").write_text(f"<Annotations><Annotation><Regions>{region}</Regions></Annotation></Annotations>")
    assert run("--seg", "--patch", "--patch_size", "64", "--roi", "roi", out="roi_out") == 0
    everywhere, within = coords().tolist(), coords(out="roi_out").tolist()
    assert within and within == [corner for corner in everywhere if corner in within]
    assert np.max(within) + 64 <= 700
    mask = np.asarray(Image.open("roi_out/masks/a.png"))
    assert (mask == (255, 140, 0)).all(axis=2).any()


def test_the_whole_slide_is_patched_without_segmentation(slide):
    assert run("--patch", "--no_seg") == 0
    assert len(coords()) == 8 * 6


# grid, quality, images


def test_one_grid_a_slide_has_no_overlaps(place):
    small_slide(place / "slides" / "a.tif", tissue=[(100, 100, 900, 700), (910, 60, 1700, 700)])
    run("--patch")
    assert run("--patch", "--grid", "global", out="global") == 0
    assert (coords(out="global") % 256 == 0).all()
    assert len(np.unique(coords(out="global"), axis=0)) == len(coords(out="global"))


def test_bad_patches_are_left_out_and_counted(place):
    image = picture((2048, 1024), [(0, 0, 2048, 1024)], [])
    image[:256, :256] = 250  # glass
    image[:256, 256:512] = 3  # a shadow
    image[:256, 512:768] = (20, 160, 60)  # ink
    noise = np.random.default_rng(0).integers(-20, 20, image.shape)
    for sharp in (np.s_[256:], np.s_[:256, 512:768]):
        image[sharp] = np.clip(image[sharp] + noise[sharp], 0, 255)
    write_pyramid(place / "slides" / "a.tif", image, sizes_px=((2048, 1024), (512, 256)))
    limits = ["--white_thresh", "10", "--black_thresh", "30", "--pen_thresh", "0.2", "--blur_thresh", "20"]
    assert run("--patch", "--no_seg", *limits) == 0
    assert len(coords()) == 24
    assert sorted(rows().loc["a.tif", "dropped"].split(", ")) == ["black 1", "blur 5", "pen 1", "white 1"]
    assert rows().loc["a.tif", "n_patches"] == "24"


def test_patches_with_little_tissue_are_left_out(slide):
    run("--patch")
    assert run("--patch", "--min_tissue", "0.9", out="full") == 0
    assert 0 < len(coords(out="full")) < len(coords())
    dropped = len(coords()) - len(coords(out="full"))
    assert rows("full").loc["a.tif", "dropped"] == f"tissue {dropped}"


def test_where_no_patch_is_good_enough_the_limits_are_named(slide):
    assert run("--patch", "--blur_thresh", "1e9") == 0
    row = rows().loc["a.tif"]
    assert row["status"] == "no_patches" and "good enough (blur" in row["reason"]


def test_stored_images_serve_extraction_without_the_slide(slide):
    run("--patch", "--patch_size", "128", "--save_patches", "--target_mpp", "1")
    flags = ["--data_h5_dir", "out", "--csv_path", "out/process_list_autogen.csv", "--model_name", "handcrafted"]
    with_slide = [*flags, "--data_slide_dir", "slides"]
    with h5py.File("out/patches/a.h5") as file:
        assert file["imgs"].shape == (len(coords()), 128, 128, 3)
    slide.unlink()
    assert extract_features_fp.main([*flags, "--feat_dir", "stored"]) == 0
    small_slide(slide)
    run("--patch", "--patch_size", "128", "--target_mpp", "1", "--no_auto_skip")
    assert extract_features_fp.main([*with_slide, "--feat_dir", "read"]) == 0
    one, other = (h5py.File(f"{name}/h5_files/a.h5")["features"][()] for name in ("stored", "read"))
    np.testing.assert_array_equal(one, other)


def test_without_slides_or_images_extraction_says_so(slide):
    run("--patch")
    flags = ["--data_h5_dir", "out", "--csv_path", "out/process_list_autogen.csv", "--model_name", "handcrafted"]
    assert extract_features_fp.main([*flags, "--feat_dir", "features"]) == 1


@pytest.mark.parametrize(("background", "value"), [("white", 255), ("black", 0)])
def test_outside_the_slide_is_filled_as_asked(slide, background, value):
    run("--patch", "--no_seg", "--patch_size", "700", "--save_patches", "--background", background)
    with h5py.File("out/patches/a.h5") as file:
        (corner,) = np.flatnonzero((file["coords"][()] == (1400, 0)).all(axis=1))
        assert (file["imgs"][corner, :, 2048 - 1400 :] == value).all()
        assert file["coords"].attrs["background"] == background


# looking


def test_a_dry_run_tells_and_writes_nothing(slide, capsys):
    Image.fromarray(picture((1024, 768), [(100, 100, 900, 700)], [])).save("slides/photo.png")
    assert run("--dry_run", "--patch", "--target_mpp", "1", "--patch_size", "64") == 1
    table = capsys.readouterr().out
    assert "generic-tiff" in table and "2048x1536" in table and "metadata" in table and "png" in table
    assert not Path("out").exists()
    run("--patch", "--target_mpp", "1", "--patch_size", "64")
    assert f" {len(coords())} " in table


def test_one_page_shows_all_masks(place):
    for name in ("a", "b"):
        small_slide(place / "slides" / f"{name}.tif")
    small_slide(place / "slides" / "blank.tif", tissue=[])
    (place / "slides" / "torn.svs").write_bytes(b"")
    assert run("--seg", "--contact_sheet") == 1
    with Image.open("out/contact_sheet.png") as page:
        assert page.width > 400 and page.height > 200
