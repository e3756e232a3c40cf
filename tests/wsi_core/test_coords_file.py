from dataclasses import fields

import h5py
import numpy as np
import pytest

from utils.errors import ItemError
from wsi_core.coords_file import PatchCoords, coords_path, read_coords, read_images, write_coords
from wsi_core.patch_reading import PatchReading

PATCHES = PatchCoords(
    coords=np.array([[0, 512], [256, 70_000]]),
    reading=PatchReading(level=1, read_size_px=512, target_size_px=256, size_level0=2048, background="white"),
    downsample_xy=(4.0, 4.0),
    level_size=(900, 700),
    name="0012",
    save_path="out/patches",
    slide_size=(3600, 2800),
    overlap_px=64,
    mpp=(0.263, 0.263),
    mpp_source="metadata",
    made_with={"sthresh": "8"},
)


def test_round_trip(tmp_path):
    write_coords(tmp_path / "a.h5", PATCHES)
    read = read_coords(tmp_path / "a.h5")
    np.testing.assert_array_equal(read.coords, PATCHES.coords)
    assert read.coords.dtype == np.int64
    for field in fields(PatchCoords):
        assert field.name == "coords" or getattr(read, field.name) == getattr(PATCHES, field.name)


def test_the_attributes_are_those_of_the_original_and_of_trident(tmp_path):
    write_coords(tmp_path / "a.h5", PATCHES)
    with h5py.File(tmp_path / "a.h5") as file:
        attributes = dict(file["coords"].attrs)
    originals = {"patch_size", "patch_level", "downsample", "downsampled_level_dim", "level_dim", "name", "save_path"}
    assert originals <= set(attributes)
    tridents = {"patch_size_level0": 2048, "overlap": 64, "level0_width": 3600, "level0_height": 2800}
    assert {name: attributes[name] for name in tridents} == tridents
    assert attributes["level0_magnification"] == pytest.approx(10 / 0.263)
    assert attributes["target_magnification"] == pytest.approx(10 / 0.263 / 8)
    assert (attributes["resize_factor"], attributes["custom_downsample"]) == (2, 2)


def test_a_file_of_the_original_is_read(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        dataset = file.create_dataset("coords", data=np.array([[1, 2]], np.int32))
        dataset.attrs.update(patch_size=256, patch_level=1, downsample=(4.0, 4.0), level_dim=(10, 10), name="a")
    read = read_coords(tmp_path / "a.h5")
    assert (read.reading, read.mpp) == (PatchReading(1, 256, 256, 1024), None)


def test_a_file_of_trident_is_read_and_leaves_the_level_to_the_slide(tmp_path):
    with h5py.File(tmp_path / "a_patches.h5", "w") as file:
        dataset = file.create_dataset("coords", data=np.array([[1, 2]]))
        dataset.attrs.update(patch_size=256, patch_size_level0=512, level0_magnification=40, target_magnification=20)
        dataset.attrs.update(overlap=0, name="a", savetodir="x", level0_width=5000, level0_height=4000)
    read = read_coords(coords_path(tmp_path, "a"))
    assert (read.reading, read.slide_size) == (PatchReading(None, 0, 256, 512), (5000, 4000))


def test_a_file_of_trident_without_patches_is_no_damage(tmp_path):
    with h5py.File(tmp_path / "a_patches.h5", "w") as file:
        file.create_dataset("coords", data=np.array([])).attrs.update(patch_size=256, patch_size_level0=512)
    assert read_coords(tmp_path / "a_patches.h5").coords.shape == (0, 2)


@pytest.mark.parametrize(
    "odd",
    [
        {"made_with": "[1]"}, {"made_with": "null"}, {"made_with": "{"}, {"made_with": "[" * 30_000},
        {"custom_downsample": 0}, {"mpp": 0.5}, {"mpp": (0.0, 0.5)}, {"mpp": (np.nan, 0.5)}, {"patch_size": 0},
        {"patch_size": -256}, {"patch_size": 200_000}, {"target_patch_size": 0}, {"target_patch_size": 10**6},
        {"patch_size_level0": 0}, {"patch_size_level0": -7}, {"patch_size": "large"},
    ],
)  # fmt: skip
def test_odd_attributes_are_damage(tmp_path, odd):
    write_coords(tmp_path / "a.h5", PATCHES)
    with h5py.File(tmp_path / "a.h5", "a") as file:
        del file["coords"].attrs["target_patch_size"]
        file["coords"].attrs.update(odd)
    with pytest.raises(ItemError, match=r"a\.h5 is no complete file of coordinates .*make it again"):
        read_coords(tmp_path / "a.h5")


@pytest.mark.parametrize(
    "coords",
    [
        np.array([[1e300, 0]]), np.array([[2**64 - 1, 0]], np.uint64), np.array([[1j, 0]]), np.array([[True, False]]),
        np.array([[2**31, 0]]), np.array([[np.inf, 0]]), np.array([[1, 2, 3]]), np.array([b"a"]), np.zeros((2, 2, 2)),
    ],
    ids=str,
)  # fmt: skip
def test_coordinates_that_cannot_be_are_damage(tmp_path, coords):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("coords", data=coords).attrs.update(patch_size=256, patch_level=0)
    with pytest.raises(ItemError, match=r"a\.h5 is no complete file of coordinates .*make it again"):
        read_coords(tmp_path / "a.h5")


def test_a_file_that_claims_a_trillion_patches_is_refused_before_memory_is_taken(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("coords", (10**12, 2), np.int64, chunks=(1000, 2)).attrs.update(patch_size=9, patch_level=0)
    with pytest.raises(ItemError, match="1000000000000 coordinates"):
        read_coords(tmp_path / "a.h5")


@pytest.mark.parametrize(
    "images",
    [np.zeros((3, 256, 256, 3), np.uint8), np.zeros((2, 256, 256, 1), np.uint8), np.zeros((2, 256, 256, 3))],
    ids=["one more", "grey", "floats"],
)
def test_images_that_are_not_of_these_patches_are_damage(tmp_path, images):
    write_coords(tmp_path / "a.h5", PATCHES)
    with h5py.File(tmp_path / "a.h5", "a") as file:
        file["imgs"] = images
    with pytest.raises(ItemError, match=r"imgs is .* not uint8"):
        read_coords(tmp_path / "a.h5")


def test_images_are_stored_beside_their_coordinates(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (2, 256, 256, 3), dtype=np.uint8)
    write_coords(tmp_path / "a.h5", PATCHES, iter(images))
    assert read_coords(tmp_path / "a.h5").has_images
    np.testing.assert_array_equal(read_images(tmp_path / "a.h5", 0, 2), images)


def test_missing_and_truncated_files_are_told_apart(tmp_path):
    with pytest.raises(ItemError) as missing:
        read_coords(tmp_path / "a.h5")
    write_coords(tmp_path / "a.h5", PATCHES)
    (tmp_path / "a.h5").write_bytes((tmp_path / "a.h5").read_bytes()[:1000])
    with pytest.raises(ItemError, match=r"a\.h5 is no complete file") as truncated:
        read_coords(tmp_path / "a.h5")
    assert (missing.value.status, truncated.value.status) == ("no_coords", "bad_coords")
