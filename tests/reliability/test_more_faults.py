"""Faults beyond the cohort's, one slide at a time: the status, and a reason with a place or a remedy."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

import create_patches_fp
from tests.reliability.fault_cohort import SIZE_PX, one_level, pyramid, tiff
from tests.slides import damage_tile, truncate

IN_TISSUE = 5  # a tile
HUGE = b"\xff\xdc\xff\xdc"  # 65500 x 65500


def beyond_its_end(path: Path) -> None:
    """Let the table of tiles lead beyond the end of the file."""
    with tifffile.TiffFile(pyramid(path), mode="r+") as file:
        for page in file.pages:
            page.tags["TileOffsets"].overwrite([offset + (1 << 30) for offset in page.dataoffsets])


def with_a_coarse_level_damaged(path: Path) -> None:
    data = bytearray(pyramid(path).read_bytes())
    with tifffile.TiffFile(path) as file:
        start, length = file.pages[1].dataoffsets[0], file.pages[1].databytecounts[0]
    data[start : start + length] = bytes(length)
    path.write_bytes(data)


def claiming_a_huge_tile(path: Path) -> None:
    """Let the JPEG of a tile say another size than the directory."""
    with tifffile.TiffFile(one_level(path)) as file:
        start = file.pages[0].dataoffsets[IN_TISSUE]
    data = bytearray(path.read_bytes())
    frame = data.index(b"\xff\xc0", start)
    data[frame + 5 : frame + 9] = HUGE
    path.write_bytes(data)


def noisy(path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (*SIZE_PX[::-1], 3), dtype=np.uint8)
    tifffile.imwrite(path, pixels, photometric="rgb", tile=(256, 256), compression="deflate", metadata=None)


@pytest.mark.parametrize(
    ("make", "status", "reason"),
    [
        (lambda path: truncate(one_level(path), 0.7), "failed_open", "not copied whole; copy it again (Cannot hash"),
        (lambda path: truncate(one_level(path), 0.9), "failed_open", "not copied whole"),
        (beyond_its_end, "failed_open", "not copied whole"),
        (with_a_coarse_level_damaged, "failed_seg", "cannot read 256x192 px at x=0 y=0, level 1"),
        (claiming_a_huge_tile, "failed_seg", "expected 256x256, got 65500x65500"),
        (lambda path: (noisy(path), damage_tile(path, 0)), "failed_seg", "cannot read"),
        (lambda path: (tiff(path, rowsperstrip=64), truncate(path, 0.9)), "failed_seg", "truncated"),
        (lambda path: path.write_bytes(b"II*\0"), "failed_open", "not copied whole"),
        (lambda path: path.write_bytes(b"II*\0\x08\0\0\0" + b"\xff" * 64), "failed_open", "not copied whole"),
        (lambda path: path.write_bytes(bytes(1 << 20)), "failed_open", "no slide or image"),
        (lambda path: path.symlink_to(path.name), "failed_open", "link"),
    ],
)
def test_a_fault_has_a_status_and_a_reason(tmp_path, monkeypatch, make, status, reason):
    monkeypatch.chdir(tmp_path)
    Path("slides").mkdir()
    make(tmp_path / "slides" / "a.tif")
    assert create_patches_fp.main(["--source", "slides", "--save_dir", "out", "--seg", "--patch", "--stitch"]) == 1
    row = pd.read_csv("out/process_list_autogen.csv", dtype=str, keep_default_na=False).iloc[0]
    assert (row["status"], row["process"]) == (status, "1") and reason in row["reason"]
    assert [path.name for path in Path("out").rglob("*") if path.is_file()] == ["process_list_autogen.csv"]
