import h5py
import numpy as np
import pytest

from utils.errors import ItemError
from wsi_core.coords_file import PatchCoords, read_coords, write_coords

PATCHES = PatchCoords(
    coords=np.array([[0, 512], [256, 70_000]]),
    patch_size_px=512,
    patch_level=1,
    downsample_xy=(4.0, 4.0),
    level_size=(900, 700),
    name="0012",
    save_path="out/patches",
    custom_downsample=2,
    patch_size_level0=2048,
    mpp=(0.263, 0.263),
    made_with={"sthresh": "8"},
)


def test_round_trip(tmp_path):
    write_coords(tmp_path / "a.h5", PATCHES)
    read = read_coords(tmp_path / "a.h5")
    np.testing.assert_array_equal(read.coords, PATCHES.coords)
    assert read.coords.dtype == np.int64
    for name in ("patch_size_px", "patch_level", "downsample_xy", "name", "custom_downsample", "mpp", "made_with"):
        assert getattr(read, name) == getattr(PATCHES, name)
    assert read.target_patch_size_px == 256


def test_the_attributes_are_those_of_the_original(tmp_path):
    write_coords(tmp_path / "a.h5", PATCHES)
    with h5py.File(tmp_path / "a.h5") as file:
        names = {"patch_size", "patch_level", "downsample", "downsampled_level_dim", "level_dim", "name", "save_path"}
        assert names <= set(file["coords"].attrs)


def test_a_file_of_the_original_is_read(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        dataset = file.create_dataset("coords", data=np.array([[1, 2]], np.int32))
        dataset.attrs.update(patch_size=256, patch_level=1, downsample=(4.0, 4.0), level_dim=(10, 10), name="a")
    read = read_coords(tmp_path / "a.h5")
    assert (read.patch_size_level0, read.custom_downsample, read.mpp) == (1024, 1, None)


def test_missing_and_truncated_files_are_told_apart(tmp_path):
    with pytest.raises(ItemError) as missing:
        read_coords(tmp_path / "a.h5")
    write_coords(tmp_path / "a.h5", PATCHES)
    (tmp_path / "a.h5").write_bytes((tmp_path / "a.h5").read_bytes()[:1000])
    with pytest.raises(ItemError, match=r"a\.h5 is no complete file") as truncated:
        read_coords(tmp_path / "a.h5")
    assert (missing.value.status, truncated.value.status) == ("no_coords", "bad_coords")
