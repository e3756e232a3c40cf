"""Processes that share a folder of results: shards, slides that fail, slides that are made again."""

import time
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest

import create_patches_fp
import extract_features_fp
from datasets.features_file import read_provenance
from stages import feature_output, fold_job
from stages.run_files import read_fold_record
from stages.runner import Result, run_each
from tests.slides import small_slide
from tests.stages.fabricated import fabricate_picture
from tests.stages.runs import RUN, train, write_cohort
from utils.errors import ItemError
from utils.item_locks import ItemLocks
from utils.item_words import ItemWords, note_begin
from utils.lock_folder import LOCKS

PRESET = "sthresh,mthresh,close,a_t,a_h,max_n_holes\n15,3,0,0.01,0.01,8\n"
CLOCK_S = 0.05  # by which times of files differ at least
LONG = "l" * 225 + ".tif"


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def slides():
    """Four slides with tissue, and a file of the same id as one of them."""
    Path("small.csv").write_text(PRESET)
    small_slide(Path("slides/a.tif"), size_px=(512, 384), tissue=[(64, 64, 400, 300)])
    for name in ("b.tif", "c.tif", "d.tif"):
        Path("slides", name).hardlink_to("slides/a.tif")
    fabricate_picture(Path("slides/a.png"), 0)


def patch(*flags, out="out"):
    fixed = ["--source", "slides", "--save_dir", out, "--preset", "small.csv", "--patch", "--slide_timeout", "0"]
    return create_patches_fp.main([*fixed, "--patch_size", "64", "--step_size", "64", *flags])


def extract(*flags, encoder="handcrafted"):
    fixed = "--data_h5_dir out --data_slide_dir slides --csv_path out/process_list_autogen.csv --feat_dir feat"
    return extract_features_fp.main([*fixed.split(), "--model_name", encoder, "--num_workers", "0", *flags])


def rows(out="out"):
    return pd.read_csv(f"{out}/process_list_autogen.csv", dtype=str, keep_default_na=False).set_index("slide_id")


def test_shards_together_leave_what_one_run_leaves(slides):
    whole = patch(out="whole")
    assert [patch("--shard", f"{number}/3") for number in (1, 2, 3)].count(1) == whole == 1
    pd.testing.assert_frame_equal(rows(), rows("whole"))
    assert set(rows()["status"]) == {"processed", "failed_open"}
    names = {path.name for path in Path("whole/patches").iterdir()}
    assert {path.name for path in Path("out/patches").iterdir()} == names == {f"{name}.h5" for name in "abcd"}


def test_the_list_of_a_run_is_taken_again_with_two_files_of_one_id(slides):
    assert patch() == 1
    assert patch("--process_list", "process_list_autogen.csv") == 1
    assert rows().loc["a.png", "status"] == "failed_open" and "rename one" in rows().loc["a.png", "reason"]


@pytest.mark.parametrize("name", [LONG, "back\\slash.tif"])
def test_a_name_that_nothing_can_be_named_after_costs_itself_only(slides, name, caplog):
    Path("slides", name).hardlink_to("slides/a.tif")
    Path("slides/a.png").unlink()
    assert patch() == 1
    assert rows().loc[name, "status"] == "failed_open" and "rename it" in rows().loc[name, "reason"]
    assert set(rows().drop(name)["status"]) == {"processed"}
    assert patch("--process_list", "process_list_autogen.csv") == 1
    caplog.clear()
    caplog.set_level("INFO")
    assert extract() == 1
    assert "5 slides: 4 processed, 1 no_coords" in caplog.text
    assert len(list(Path("feat/h5_files").iterdir())) == 4


def test_shards_replace_what_another_encoder_made(slides):
    patch()
    extract()
    made = read_provenance(Path("feat/h5_files/b.h5"))
    for flag in ("--overwrite", "--no_auto_skip"):
        for number in (1, 2):
            assert extract(flag, "--shard", f"{number}/2", "--target_patch_size", "32") == 0
        assert len({str(read_provenance(path)) for path in Path("feat/h5_files").iterdir()}) == 1
        assert str(read_provenance(Path("feat/h5_files/b.h5"))) != str(made)
        extract("--overwrite")


def test_an_empty_shard_is_said_to_be_one(slides, caplog):
    for name in ("a.png", "b.tif", "c.tif", "d.tif"):
        Path("slides", name).unlink()
    assert patch("--shard", "2/2") == 0
    assert "no slide of this --shard has process 1" in caplog.text


def test_a_folder_without_a_slide_with_tissue_is_none_to_stop_the_next_stage(slides):
    for name in ("a.png", "a.tif", "b.tif", "c.tif", "d.tif"):
        Path("slides", name).unlink()
    small_slide(Path("slides/blank.tif"), size_px=(512, 384), tissue=[])
    assert patch() == 0 and rows().loc["blank.tif", "status"] == "no_tissue"
    assert extract() == 0


def constant(name):
    return "x"


def note_and_fail(name):
    with Path("tried").open("a") as file:
        file.write(name)
    raise ItemError(f"{name} is bad", "failed_open")


def note(name):
    with Path("tried").open("a") as file:
        file.write(name)
    return Result(name, "processed", cells={"n": name})


def both(locks):
    return run_each({"a": partial(note_and_fail, "a"), "b": partial(note, "b")}, locks=locks)


def test_what_processes_at_once_do_is_done_by_one_of_them_also_where_it_fails(caplog):
    with ItemLocks(Path("out"), purpose=constant) as first, ItemLocks(Path("out"), purpose=constant) as second:
        time.sleep(CLOCK_S)
        done, told = both(first), both(second)
    assert Path("tried").read_text() == "ab"
    assert [result.is_by_another for result in (*done, *told)] == [False, False, True, True]
    assert [(one.status, one.reason, one.failed, one.cells) for one in done] == [
        (one.status, one.reason, one.failed, one.cells) for one in told
    ]
    assert not Path("out", LOCKS).exists()


def test_word_counts_for_the_same_purpose_and_from_the_same_time_only():
    with ItemLocks(Path("out"), purpose=constant) as first, ItemLocks(Path("out"), purpose=str.upper) as other:
        time.sleep(CLOCK_S)
        both(first)
        both(other)
        time.sleep(CLOCK_S)
        note_begin()
        with ItemLocks(Path("out"), purpose=str.upper) as later:
            both(later)
    assert Path("tried").read_text() == "ababab"


@pytest.mark.parametrize("left", ["", "[]", '{"purpose": "x", "word": 3}', '{"purpose": "x", "word": "{}"}', "\0"])
def test_a_damaged_word_counts_for_nothing(left):
    with ItemLocks(Path("out"), purpose=constant) as locks:
        Path("out", LOCKS, "a.done").write_text(left)
        both(locks)
    assert Path("tried").read_text() == "ab"


def test_a_name_that_is_no_text_ends_no_run():
    result = Result("a", "no_tissue", "no \udce9.tif")
    with ItemLocks(Path("out"), purpose=constant) as first, ItemLocks(Path("out"), purpose=constant) as second:
        time.sleep(CLOCK_S)
        found = [run_each({"a": lambda: result}, locks=locks) for locks in (first, second)]
    assert all(one.reason == result.reason for (one,) in found)


@pytest.mark.parametrize("flags", [[], ["--slide_timeout", "9", "--num_workers", "1"], ["--batch_size", "3"]])
def test_a_word_of_extraction_is_of_the_same_patches_limits_and_flags(slides, monkeypatch, flags):
    words = []
    monkeypatch.setattr(ItemWords, "leave", lambda self, item_id, word: words.append(self._purpose(item_id)))
    patch()
    extract()
    extract("--no_auto_skip")
    first, again = words[-8:-4], words[-4:]
    extract("--no_auto_skip", *flags)
    assert not set(first) & set(again) and (words[-4:] == again) == (not flags)
    patch("--overwrite", "--step_size", "32")
    extract("--no_auto_skip")
    assert not set(words[-4:]) & set(again)


def test_of_features_that_could_not_be_written_there_is_no_word(slides, monkeypatch):
    words = []
    monkeypatch.setattr(ItemWords, "leave", lambda self, item_id, word: words.append((item_id, word)))
    patch()
    words.clear()
    monkeypatch.setattr(feature_output, "write_features", None)
    assert extract() == 1
    assert words == [] and not Path("feat", LOCKS).exists()


def test_a_fold_that_was_killed_before_its_state_was_removed_leaves_none():
    write_cohort()
    train("--k_end", "1")
    state = RUN / "s_0_resume.pt"
    state.write_bytes(b"left")
    assert train("--k_end", "1", "--resume") == 0
    assert not state.exists()


def test_a_fold_that_another_run_trains_meanwhile_is_kept(monkeypatch, caplog):
    write_cohort()
    caplog.set_level("INFO")
    begun = []

    def with_another_run_beside(job):
        begun.append(job.fold)
        if begun == [0]:
            assert train("--k_start", "1", "--k_end", "2", "--resume") == 0
        return fold_job.run_fold(job)

    monkeypatch.setattr("stages.training.run_fold", with_another_run_beside)
    assert train("--k_end", "2") == 0
    assert begun == [0, 1, 1] and "2 folds: 1 trained, 1 kept" in caplog.text


def test_training_anew_is_refused_while_another_process_trains_a_fold(caplog):
    write_cohort()
    train("--k_end", "2")
    kept = (RUN / "s_0_checkpoint.pt").read_bytes()
    with ItemLocks(RUN) as another_run:
        another_run.take("fold 1 of run x")
        assert train("--k_end", "2") == 2
        assert train("--k_end", "1") == 0  # the other one is not about that fold
    assert "fold 1 in results/toy_s1 is being trained by process" in caplog.text
    assert (RUN / "s_0_checkpoint.pt").read_bytes() == kept  # trained again, to the same end
    assert train("--k_end", "2", "--resume") == 0


@pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed: pip install '.[ray]'")
def test_a_cluster_that_does_not_answer_costs_nothing_of_an_earlier_run(caplog):
    write_cohort()
    train("--k_end", "1")
    assert train("--k_end", "1", "--engine", "ray", "--ray_address", "127.0.0.1:1") == 2
    assert "no Ray cluster answers there" in caplog.text
    assert (RUN / "s_0_checkpoint.pt").is_file() and read_fold_record(RUN, 0) is not None
