"""create_patches_fp.py from the outside: files, statuses and exit codes."""

import h5py
import numpy as np
import pandas as pd
import pytest
from PIL import Image

import create_patches_fp
from tests.slides import small_slide, truncate
from wsi_core.coords_file import read_coords

PRESET = "sthresh,mthresh,close,a_t,a_h,max_n_holes\n15,3,0,0.5,0.1,8\n"


@pytest.fixture
def cohort(tmp_path, monkeypatch):
    """A folder of one good slide, and a preset that suits small slides, in the current folder."""
    monkeypatch.chdir(tmp_path)
    small_slide(tmp_path / "slides" / "good.tif")
    (tmp_path / "small.csv").write_text(PRESET)
    return tmp_path


def run(*flags, preset="small.csv"):
    arguments = ["--source", "slides", "--save_dir", "out", *(["--preset", preset] if preset else []), *flags]
    return create_patches_fp.main(arguments)


def rows(folder):
    table = pd.read_csv(folder / "out" / "process_list_autogen.csv", dtype=str, keep_default_na=False)
    return table.set_index("slide_id")


def test_masks_patches_and_stitches_are_made(cohort):
    assert run("--seg", "--patch", "--stitch") == 0
    row = rows(cohort).loc["good.tif"]
    assert (row["status"], row["process"], row["n_contours"]) == ("processed", "0", "1")
    patches = read_coords(cohort / "out" / "patches" / "good.h5")
    assert len(patches) == int(row["n_patches"]) > 0
    assert (patches.reading.read_size_px, patches.reading.level, patches.save_path) == (256, 0, "out/patches")
    assert patches.mpp == pytest.approx((0.5, 0.5), rel=1e-3)
    for folder in ("masks", "stitches"):
        with Image.open(cohort / "out" / folder / "good.png") as picture:
            assert picture.size == (512, 384)


def test_the_mask_shows_tissue_in_green_and_holes_in_blue(cohort):
    run("--seg")
    mask = np.asarray(Image.open(cohort / "out" / "masks" / "good.png"))
    assert (mask == (0, 255, 0)).all(axis=2).any() and (mask == (0, 0, 255)).all(axis=2).any()
    assert not (cohort / "out" / "patches").exists()


def test_the_stitch_is_black_where_no_patch_is_kept(cohort):
    run("--patch", "--stitch")
    stitch = np.asarray(Image.open(cohort / "out" / "stitches" / "good.png"))
    assert (stitch[:40, :40] == 0).all()  # glass
    assert (stitch[192:224, 192:224] == 0).all()  # the middle of the hole
    assert (stitch[100:130, 100:130] > 0).all()  # tissue


def test_a_bad_slide_costs_only_itself(cohort):
    (cohort / "slides" / "text.svs").write_text("no slide")
    truncate(small_slide(cohort / "slides" / "torn.tif"), keep=0.02)
    assert run("--patch") == 1
    table = rows(cohort)
    assert table.loc["good.tif", "status"] == "processed"
    for name in ("text.svs", "torn.tif"):
        assert table.loc[name, "status"].startswith("failed_") and table.loc[name, "reason"]
        assert table.loc[name, "process"] == "1"


def test_a_link_that_leads_nowhere_is_told(cohort):
    (cohort / "slides" / "linked.svs").symlink_to(cohort / "moved.svs")
    assert run("--patch") == 1
    row = rows(cohort).loc["linked.svs"]
    assert row["status"] == "failed_open" and "linked.svs" in row["reason"]


def test_blank_glass_is_no_failure_and_advice_is_given(cohort, caplog):
    small_slide(cohort / "slides" / "blank.tif", tissue=[])
    assert run("--patch") == 0
    assert rows(cohort).loc["blank.tif", "status"] == "no_tissue"
    assert "1 of 2 slides no_tissue: blank.tif. nothing is more saturated than sthresh 15" in caplog.text


def test_the_largest_piece_is_told_where_all_are_too_small(cohort, caplog):
    small_slide(cohort / "slides" / "specks.tif", tissue=[(100, 100, 228, 196), (600, 600, 632, 632)])
    assert run("--patch") == 0
    assert "no tissue is larger than a_t 0.5, the largest piece has 0.053: lower a_t" in caplog.text
    assert run("--dry_run") == 0 and caplog.text.count("the largest piece has 0.053") == 2


def test_tissue_without_patches_has_a_status_of_its_own(cohort):
    (cohort / "small.csv").write_text(
        PRESET.replace("max_n_holes\n", "max_n_holes,use_padding\n").replace("0.1,8", "0.1,8,False")
    )
    assert run("--patch", "--patch_size", "4096") == 0
    assert rows(cohort).loc["good.tif", "status"] == "no_patches"


def test_the_edited_list_decides_what_is_done_and_how(cohort):
    small_slide(cohort / "slides" / "two.tif", tissue=[(0, 0, 800, 1500), (1100, 0, 2000, 1500)])
    run("--seg")
    table = pd.read_csv(cohort / "out" / "process_list_autogen.csv", dtype=str, keep_default_na=False)
    table.loc[table["slide_id"] == "two.tif", ["process", "keep_ids"]] = ["1", "0"]
    table.to_csv(cohort / "out" / "process_list_edited.csv", index=False)
    assert run("--process_list", "process_list_edited.csv", "--patch") == 0
    assert not (cohort / "out" / "patches" / "good.h5").exists()  # process is 0
    assert rows(cohort).loc["two.tif", "n_contours"] == "1"
    one_side = read_coords(cohort / "out" / "patches" / "two.h5").coords
    assert one_side[:, 0].min() >= 1000 or one_side[:, 0].max() <= 800


def test_slides_with_coordinates_are_skipped_unless_asked(cohort):
    run("--patch")
    path = cohort / "out" / "patches" / "good.h5"
    first = path.stat().st_mtime_ns
    assert run("--patch") == 0
    assert rows(cohort).loc["good.tif", "status"] == "already_exist" and path.stat().st_mtime_ns == first
    assert run("--patch", "--no_auto_skip") == 0
    assert rows(cohort).loc["good.tif", "status"] == "processed" and path.stat().st_mtime_ns > first


def edit(folder, **cells):
    """Do with the list what the README says: copy it, change cells of the one slide, set process to 1."""
    table = pd.read_csv(folder / "out" / "process_list_autogen.csv", dtype=str, keep_default_na=False)
    for column, text in {"process": "1", **cells}.items():
        table[column] = text
    table.to_csv(folder / "out" / "process_list_edited.csv", index=False)


def test_the_readme_loop_changes_what_was_edited(cohort, caplog):
    run("--seg", "--patch", "--stitch")
    first = rows(cohort).loc["good.tif"]
    mask, coords = cohort / "out" / "masks" / "good.png", cohort / "out" / "patches" / "good.h5"
    before = mask.read_bytes(), coords.read_bytes()
    edit(cohort, max_n_holes="0")
    assert run("--process_list", "process_list_edited.csv", "--seg") == 0
    assert mask.read_bytes() != before[0] and coords.read_bytes() == before[1]  # tried out
    assert "coordinates kept from max_n_holes 8 (now 0)" in rows(cohort).loc["good.tif", "reason"]
    again = ["--process_list", "process_list_edited.csv", "--patch", "--stitch"]
    assert run(*again) == 0
    kept = rows(cohort).loc["good.tif"]
    assert kept["status"] == "already_exist" and "--no_auto_skip" in kept["reason"] and "--no_auto_skip" in caplog.text
    assert run(*again, "--no_auto_skip") == 0
    last = rows(cohort).loc["good.tif"]
    assert last["reason"] == "" and int(last["n_patches"]) > int(first["n_patches"])


def test_a_mask_alone_is_always_drawn_as_asked(cohort):
    run("--seg", "--patch")
    mask = cohort / "out" / "masks" / "good.png"
    first = mask.read_bytes()
    for cells, same in (({"max_n_holes": "0"}, False), ({}, True), ({"line_thickness": "9"}, False)):
        edit(cohort, **{"max_n_holes": "8", **cells})
        run("--process_list", "process_list_edited.csv", "--seg")
        assert (mask.read_bytes() == first) is same


def test_a_trial_that_finds_nothing_does_not_deny_the_coordinates(cohort):
    run("--patch")
    edit(cohort, a_t="100")
    assert run("--process_list", "process_list_edited.csv", "--seg") == 0
    row = rows(cohort).loc["good.tif"]
    assert (row["status"], int(row["n_patches"]) > 0) == ("already_exist", True)
    assert "no tissue is larger" in row["reason"] and "coordinates kept from a_t 0.5 (now 100)" in row["reason"]


def test_a_stitch_never_outlives_its_coordinates(cohort):
    stitch = cohort / "out" / "stitches" / "good.png"
    run("--patch", "--stitch")
    run("--patch", "--no_auto_skip", "--step_size", "512")
    assert not stitch.exists()
    run("--patch", "--stitch", "--step_size", "512")
    assert stitch.is_file()
    (cohort / "small.csv").write_text(PRESET.replace("0.5", "100"))
    run("--patch", "--no_auto_skip")
    assert not stitch.exists() and rows(cohort).loc["good.tif", "n_patches"] == "0"


def test_a_skipped_slide_gets_the_pictures_that_are_missing(cohort):
    run("--patch")
    counts = rows(cohort).loc["good.tif", ["n_contours", "n_patches"]].tolist()
    coords = cohort / "out" / "patches" / "good.h5"
    made = coords.stat().st_mtime_ns
    assert run("--seg", "--patch", "--stitch") == 0
    assert (cohort / "out" / "masks" / "good.png").is_file() and (cohort / "out" / "stitches" / "good.png").is_file()
    assert coords.stat().st_mtime_ns == made and rows(cohort).loc["good.tif", "reason"] == ""
    assert run("--seg", "--patch", "--stitch") == 0
    row = rows(cohort).loc["good.tif"]
    assert row["status"] == "already_exist" and row[["n_contours", "n_patches"]].tolist() == counts


@pytest.mark.parametrize("flags", [["--step_size", "128"], ["--patch_size", "128", "--custom_downsample", "2"]])
def test_coordinates_made_otherwise_are_kept_and_that_is_said(cohort, flags):
    run("--patch")
    assert run("--patch", *flags) == 0
    row = rows(cohort).loc["good.tif"]
    assert row["status"] == "already_exist" and row["reason"].startswith("coordinates kept from ")


def test_ids_that_leave_nothing_are_named(cohort):
    run("--seg")
    edit(cohort, exclude_ids="0")
    assert run("--process_list", "process_list_edited.csv", "--patch") == 0
    assert "keep_ids and exclude_ids leave none of the 1 contours" in rows(cohort).loc["good.tif", "reason"]


def test_the_mask_is_drawn_also_where_an_id_to_keep_is_missing(cohort):
    run("--patch")
    edit(cohort, keep_ids="7")
    assert run("--process_list", "process_list_edited.csv", "--seg") == 1
    row = rows(cohort).loc["good.tif"]
    assert row["status"] == "failed_seg" and "numbered from 0 as drawn on its mask" in row["reason"]
    assert (cohort / "out" / "masks" / "good.png").is_file()


def test_save_path_is_what_was_typed(cohort):
    create_patches_fp.main(["--source", "slides", "--save_dir", "./out", "--preset", "small.csv", "--patch"])
    assert read_coords(cohort / "out" / "patches" / "good.h5").save_path == "./out/patches"


def test_a_half_written_file_is_made_again(cohort):
    run("--patch")
    truncate(cohort / "out" / "patches" / "good.h5")
    assert run("--patch") == 0
    assert rows(cohort).loc["good.tif", "status"] == "processed"
    assert len(read_coords(cohort / "out" / "patches" / "good.h5")) > 0


def test_coordinates_that_are_no_longer_true_are_removed(cohort):
    run("--patch")
    (cohort / "small.csv").write_text(PRESET.replace("0.5", "100"))
    run("--patch", "--no_auto_skip")
    assert not (cohort / "out" / "patches" / "good.h5").exists()


def test_step_size_is_patch_size_unless_given(cohort):
    run("--patch", "--patch_size", "128")
    wide = read_coords(cohort / "out" / "patches" / "good.h5").coords
    assert set(np.diff(np.unique(wide[:, 0]))) == {128}
    run("--patch", "--patch_size", "128", "--step_size", "64", "--no_auto_skip")
    assert set(np.diff(np.unique(read_coords(cohort / "out" / "patches" / "good.h5").coords[:, 0]))) == {64}


def test_custom_downsample_reads_larger_and_says_so(cohort):
    run("--patch", "--patch_size", "128", "--custom_downsample", "2")
    patches = read_coords(cohort / "out" / "patches" / "good.h5")
    assert (patches.reading.read_size_px, patches.reading.target_size_px, patches.patch_size_level0) == (256, 128, 256)
    with h5py.File(cohort / "out" / "patches" / "good.h5") as file:
        assert file["coords"].attrs["patch_size"] == 256


def test_patch_level_counts_in_its_own_pixels(cohort):
    run("--patch", "--patch_size", "64", "--patch_level", "1")
    patches = read_coords(cohort / "out" / "patches" / "good.h5")
    assert patches.patch_size_level0 == 256 and patches.downsample_xy == (4.0, 4.0)
    assert set(np.diff(np.unique(patches.coords[:, 0]))) == {256}


def test_a_missing_level_is_that_slides_failure(cohort):
    assert run("--patch", "--patch_level", "5") == 1
    row = rows(cohort).loc["good.tif"]
    assert row["status"] == "failed_patch" and "no level 5" in row["reason"] and "0: 2048x1536" in row["reason"]


def test_two_files_with_one_id_are_told_apart(cohort):
    Image.new("RGB", (64, 64)).save(cohort / "slides" / "good.png")
    assert run("--patch") == 1
    assert "same slide id as good.tif" in rows(cohort).loc["good.png", "reason"]


def test_ids_keep_their_dots_and_zeros(cohort):
    for name in ("0012.tif", "a.b-c.DX1.tif", "NA.tif"):
        small_slide(cohort / "slides" / name)
    assert run("--patch") == 0
    assert set(rows(cohort).index) == {"0012.tif", "NA.tif", "a.b-c.DX1.tif", "good.tif"}
    assert (cohort / "out" / "patches" / "a.b-c.DX1.h5").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--source", "nowhere", "--save_dir", "out"], "--source: no folder 'nowhere'"),
        (["--source", "empty", "--save_dir", "out"], "no slides in empty"),
        (["--source", "slides", "--save_dir", "out", "--preset", "tcgaa"], "no preset 'tcgaa.csv'"),
        (["--source", "slides", "--save_dir", "out", "--process_list", "l.csv"], "process list l.csv: no such file"),
        (["--source", "slides", "--save_dir", "small.csv/out"], "small.csv is no folder"),
    ],
)
def test_wrong_use_is_one_line_and_writes_nothing(cohort, caplog, arguments, message):
    (cohort / "empty").mkdir()
    assert create_patches_fp.main([*arguments, "--patch"]) == 2
    assert message in caplog.text and "\n" not in caplog.records[-1].getMessage()
    assert not (cohort / "out").exists()


def test_patching_without_seg_and_with_nothing_to_do(cohort, caplog):
    assert run() == 0
    assert "add --seg, --patch or --stitch" in caplog.text
    assert rows(cohort).loc["good.tif", "status"] == "tbp"


def test_a_pyramid_rounded_up_gives_whole_steps(cohort):
    small_slide(cohort / "slides" / "up.tif", size_px=(2001, 1501), sizes_px=((2001, 1501), (501, 376)))
    run("--patch", "--patch_size", "64", "--patch_level", "1")
    coords = read_coords(cohort / "out" / "patches" / "up.h5").coords
    assert set(np.diff(np.unique(coords[:, 0]))) == {256}
