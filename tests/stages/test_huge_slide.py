"""A slide of 1.6 gigapixels without a coarse level: bounded memory. Takes a minute: `make soak`."""

import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
import tifffile

from tests.slides import GLASS, PINK
from utils.lookup import PROJECT_ROOT

SIDE_PX, TILE_PX = 40_000, 256
# In a process of its own: a child is counted at least the memory of the process that starts it.
MEASURE = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def tiles() -> Iterator[np.ndarray]:
    """Yield glass with noisy tissue in the middle."""
    rng = np.random.default_rng(0)
    glass = np.full((TILE_PX, TILE_PX, 3), GLASS, np.uint8)
    tissue = np.clip(np.array(PINK) + rng.integers(-30, 30, (TILE_PX, TILE_PX, 3)), 0, 255).astype(np.uint8)
    n_tiles = -(-SIDE_PX // TILE_PX)
    for row in range(n_tiles):
        for column in range(n_tiles):
            inside = all(n_tiles // 4 <= place < 3 * n_tiles // 4 for place in (row, column))
            yield tissue if inside else glass


@pytest.mark.soak
@pytest.mark.parametrize("flags", [[], ["--mpp", "0.263", "--target_mpp", "0.5", "--patch_size", "135"]])
def test_a_huge_slide_of_one_level_takes_less_than_a_gib(tmp_path, flags):
    """Patches of 135 px at 0.5 µm have the size of a tile as well."""
    (tmp_path / "slides").mkdir()
    shape = {"shape": (SIDE_PX, SIDE_PX, 3), "dtype": np.uint8, "tile": (TILE_PX, TILE_PX)}
    tifffile.imwrite(tmp_path / "slides" / "flat.tif", tiles(), photometric="rgb", compression="jpeg", **shape)
    program = [sys.executable, str(PROJECT_ROOT / "create_patches_fp.py"), "--source", str(tmp_path / "slides")]
    command = [*program, "--save_dir", str(tmp_path / "out"), "--seg", "--patch", "--stitch", *flags]
    done = subprocess.run([sys.executable, "-c", MEASURE, *command], check=True, capture_output=True, text=True)
    assert int(done.stdout) * 1024 < 1 << 30
    row = pd.read_csv(tmp_path / "out" / "process_list_autogen.csv").iloc[0]
    n_tissue_tiles = (3 * 157 // 4 - 157 // 4) ** 2
    assert row["status"] == "processed" and abs(row["n_patches"] - n_tissue_tiles) < 0.05 * n_tissue_tiles
    print(f"peak {int(done.stdout) / 1024:.0f} MiB")
