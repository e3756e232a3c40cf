"""Bags are read from either folder, and all that is wrong is named before training."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from datasets.bags import bags_in, read_bag, read_bag_and_coords, survey_bags
from datasets.features_file import Features, write_features
from tests.datasets.cohorts import write_h5, write_pt
from utils.errors import ItemError, UsageError


def check_bags(folder: Path, slide_ids: list[str], embed_dim: int | None = None) -> int:
    """Return the width of the features of slides that must all be sound."""
    survey = survey_bags(dict.fromkeys(slide_ids, folder), embed_dim)
    survey.require_sound(folder)
    return survey.width


def test_a_bag_is_read_as_float32(tmp_path):
    write_pt(tmp_path, "0012", torch.ones(3, 4, dtype=torch.float16))
    bag = read_bag(tmp_path, "0012")
    assert (bag.dtype, tuple(bag.shape)) == (torch.float32, (3, 4))


def test_a_file_that_a_killed_run_left_half_written_is_no_slide(tmp_path):
    for name in ("s1", ".part-1-2-3-s2"):
        write_pt(tmp_path, name, torch.ones(1, 2))
        write_h5(tmp_path, name, np.ones((1, 2)))
    assert bags_in(tmp_path) == ["s1"]


def test_the_h5_file_serves_where_there_is_no_pt_file(tmp_path):
    features = np.random.RandomState(0).rand(5, 4).astype(np.float32)
    write_h5(tmp_path, "a", features)
    np.testing.assert_array_equal(read_bag(tmp_path, "a").numpy(), features)
    bag, coords = read_bag_and_coords(tmp_path, "a")
    np.testing.assert_array_equal(bag.numpy(), features)
    assert coords.shape == (5, 2)


def test_files_in_the_format_before_torch_1_6_are_read(tmp_path):
    (tmp_path / "pt_files").mkdir()
    torch.save(torch.ones(2, 4), tmp_path / "pt_files" / "old.pt", _use_new_zipfile_serialization=False)
    assert check_bags(tmp_path, ["old"]) == 4
    assert read_bag(tmp_path, "old").shape == (2, 4)


def test_the_width_is_inferred_from_files_of_both_kinds(tmp_path):
    write_pt(tmp_path, "a", torch.ones(2, 6))
    write_h5(tmp_path, "b", np.ones((1, 6)))
    assert check_bags(tmp_path, ["a", "b"]) == check_bags(tmp_path, ["a", "b"], embed_dim=6) == 6


def test_everything_wrong_is_named_at_once(tmp_path):
    for name in ("good", "fine"):
        write_pt(tmp_path, name, torch.ones(2, 6))
    write_pt(tmp_path, "narrow", torch.ones(2, 5))
    write_pt(tmp_path, "none", torch.ones(0, 6))
    write_pt(tmp_path, "flat", torch.ones(6))
    (tmp_path / "pt_files" / "torn.pt").write_bytes(b"PK\x03\x04 no more")
    with pytest.raises(UsageError) as error:
        check_bags(tmp_path, ["good", "absent", "narrow", "fine", "none", "flat", "torn", "lost"])
    message = str(error.value)
    for words in (
        "missing, 2: absent, lost",
        "empty, 1: none",
        "not 6 numbers wide, 1: narrow (5)",
        "readable, 2: flat",
    ):
        assert words in message
    assert "torn.pt" in message and "good" not in message and "\n" not in message


def test_a_wrong_embed_dim_is_named_with_both_numbers(tmp_path):
    write_pt(tmp_path, "a", torch.ones(2, 6))
    with pytest.raises(UsageError, match=r"--embed_dim 1024, but the features in .* are 6 numbers wide"):
        check_bags(tmp_path, ["a"], embed_dim=1024)


class Surprise:
    def __reduce__(self):
        return print, ("code from a file was run",)


def test_a_pt_file_cannot_run_code(tmp_path, capsys):
    (tmp_path / "pt_files").mkdir()
    torch.save(Surprise(), tmp_path / "pt_files" / "bad.pt")
    with pytest.raises(ItemError, match=r"bad\.pt"):
        read_bag(tmp_path, "bad")
    assert "code" not in capsys.readouterr().out


def test_a_torn_h5_file_is_named_by_the_check_and_by_reading(tmp_path):
    (tmp_path / "h5_files").mkdir()
    (tmp_path / "h5_files" / "torn.h5").write_bytes(b"\x89HDF\r\n")
    with pytest.raises(UsageError, match=r"not readable, 1: torn .*torn\.h5"):
        check_bags(tmp_path, ["torn"])
    with pytest.raises(ItemError, match=r"torn\.h5: no features to read"):
        read_bag(tmp_path, "torn")


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_numbers_that_would_spoil_a_model_are_refused_by_file(tmp_path, bad):
    features = np.ones((3, 4), np.float32)
    features[1, 2] = bad
    write_features(tmp_path, "s", Features(features, np.zeros((3, 2), np.int64)))
    for read in (read_bag, read_bag_and_coords):
        with pytest.raises(ItemError, match=r"s\.(pt|h5): NaN or infinite numbers"):
            read(tmp_path, "s")


def test_folders_of_trident_are_read(tmp_path):
    features = np.random.RandomState(0).rand(5, 4).astype(np.float32)
    for name, stored in (("a", features), ("b", features[None])):
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file["features"], file["coords"] = stored, np.zeros((5, 2))
        np.testing.assert_array_equal(read_bag(tmp_path, name).numpy(), features)
    assert check_bags(tmp_path, ["a", "b"]) == 4
