from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from datasets.features_file import (
    Features,
    h5_path,
    is_complete,
    provenance,
    pt_path,
    read_features_h5,
    read_provenance,
    write_features,
    write_features_h5,
)
from utils.errors import ItemError
from wsi_core.coords_file import PatchCoords
from wsi_core.patch_reading import PatchReading

PATCHES = PatchCoords(coords=np.array([[0, 0], [256, 512], [70_000, 1]]), reading=PatchReading(0, 256, 256, 256))
NUMBERS = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
MADE_FROM = provenance({"encoder": "handcrafted"}, PATCHES)


@pytest.fixture
def feat_dir(tmp_path):
    write_features(tmp_path, "0012", Features(NUMBERS, PATCHES.coords, MADE_FROM))
    return tmp_path


def test_round_trip(feat_dir):
    read = read_features_h5(h5_path(feat_dir, "0012"))
    np.testing.assert_array_equal(read.features, NUMBERS)
    np.testing.assert_array_equal(read.coords, PATCHES.coords)
    assert read.made_from == MADE_FROM == read_provenance(h5_path(feat_dir, "0012"))


def test_both_files_hold_what_the_original_wrote(feat_dir):
    with h5py.File(feat_dir / "h5_files" / "0012.h5") as file:
        assert file["features"].dtype == np.float32 and file["features"].shape == (3, 5)
        assert file["coords"].shape == (3, 2) and np.issubdtype(file["coords"].dtype, np.integer)
    tensor = torch.load(feat_dir / "pt_files" / "0012.pt", weights_only=True)
    assert tensor.dtype == torch.float32
    np.testing.assert_array_equal(tensor.numpy(), NUMBERS)


def test_what_is_written_is_complete(feat_dir):
    assert is_complete(feat_dir, "0012", PATCHES, dim=5)


def half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def text(path):
    path.write_bytes(b"slide_id\nno features\n")


DAMAGES = {
    "missing": lambda path: path.unlink(),
    "half": half,
    "text": text,
    "empty": lambda path: path.write_bytes(b""),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("where", [h5_path, pt_path])
def test_a_damaged_file_is_not_complete(feat_dir, where, damage):
    DAMAGES[damage](where(feat_dir, "0012"))
    assert not is_complete(feat_dir, "0012", PATCHES, dim=5)


@pytest.mark.parametrize(
    "other",
    [
        replace(PATCHES, coords=PATCHES.coords + 1),
        replace(PATCHES, coords=PATCHES.coords[:2]),
        replace(PATCHES, reading=PatchReading(0, 512, 512, 512)),
        replace(PATCHES, reading=PatchReading(1, 256, 256, 512)),
        replace(PATCHES, reading=PatchReading(0, 512, 256, 512)),
        replace(PATCHES, reading=PatchReading(0, 256, 256, 256, "white")),
    ],
    ids=["moved", "fewer", "larger", "level", "downsample", "background"],
)
def test_features_of_other_patches_are_not_complete(feat_dir, other):
    assert not is_complete(feat_dir, "0012", other, dim=5)


def test_features_of_another_length_are_not_complete(feat_dir):
    assert not is_complete(feat_dir, "0012", PATCHES, dim=1024)


def test_a_file_that_does_not_say_how_it_was_made_counts_by_its_shapes(feat_dir):
    write_features_h5(h5_path(feat_dir, "0012"), Features(NUMBERS, PATCHES.coords))
    assert read_provenance(h5_path(feat_dir, "0012")) == {}
    assert is_complete(feat_dir, "0012", PATCHES, dim=5)


def test_a_failed_write_leaves_the_old_file_and_nothing_half_done(feat_dir, monkeypatch):
    before = pt_path(feat_dir, "0012").read_bytes()

    def disk_full(path, data):
        with path.open("wb") as file:
            file.write(data[: len(data) // 2])
        raise OSError("no space left")

    monkeypatch.setattr(Path, "write_bytes", disk_full)
    with pytest.raises(OSError, match="no space"):
        write_features(feat_dir, "0012", Features(NUMBERS + 1, PATCHES.coords, MADE_FROM))
    assert pt_path(feat_dir, "0012").read_bytes() == before
    assert sorted(p.name for p in feat_dir.rglob("*") if p.is_file()) == ["0012.h5", "0012.pt"]


def test_features_that_are_half_replaced_are_not_complete(feat_dir, monkeypatch):
    replace_file = Path.replace

    def killed_before_the_pt(path, target):
        if path.suffix == ".pt":
            raise KeyboardInterrupt
        return replace_file(path, target)

    monkeypatch.setattr(Path, "replace", killed_before_the_pt)
    with pytest.raises(KeyboardInterrupt):
        write_features(feat_dir, "0012", Features(NUMBERS + 1, PATCHES.coords, MADE_FROM))
    assert not is_complete(feat_dir, "0012", PATCHES, dim=5)


def test_features_and_coordinates_must_match_in_number(feat_dir):
    path = h5_path(feat_dir, "0012")
    write_features_h5(path, Features(NUMBERS, PATCHES.coords[:2]))
    with pytest.raises(ItemError, match="3 features, but 2 coordinates"):
        read_features_h5(path)
