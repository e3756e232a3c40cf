import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torch.utils.data import DataLoader

from datasets.patches import PatchBatches, SlidePatches, batch_loader
from utils.lookup import PROJECT_ROOT
from wsi_core.coords_file import PatchCoords
from wsi_core.patch_reading import PatchReading


def fabricate_slide(path: Path, seed: int) -> np.ndarray:
    """Write a picture of 128 x 96 pixels, all different, and return it."""
    image = np.random.default_rng(seed).integers(0, 256, (96, 128, 3), dtype=np.uint8)
    Image.fromarray(image).save(path)
    return image


def with_process_id(image: np.ndarray) -> np.ndarray:
    return np.array([os.getpid(), int(image.sum())])


def unchanged(image: np.ndarray) -> np.ndarray:
    return image


GRID = np.array([[x, y] for x in (0, 32, 64, 96) for y in (0, 32, 64)])  # 12 patches
PATCHES = PatchCoords(coords=GRID, reading=PatchReading(0, 32, 32, 32))


@pytest.fixture
def slides(tmp_path):
    images = [fabricate_slide(tmp_path / f"{seed}.png", seed) for seed in range(3)]
    return images, [SlidePatches(tmp_path / f"{seed}.png", PATCHES) for seed in range(3)]


@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.parametrize("batch_size", [1, 5, 100])
def test_patches_come_in_order_slide_by_slide(slides, batch_size, num_workers):
    images, jobs = slides
    batches = list(batch_loader(PatchBatches(jobs, batch_size, unchanged), num_workers))
    for number, image in enumerate(images):
        mine = [batch for batch in batches if batch.slide_number == number]
        expected = np.stack([image[y : y + 32, x : x + 32] for x, y in GRID])
        np.testing.assert_array_equal(np.concatenate([batch.prepared.numpy() for batch in mine]), expected)
        assert [batch.is_last for batch in mine] == [False] * (len(mine) - 1) + [True]
    assert [batch.slide_number for batch in batches] == sorted(batch.slide_number for batch in batches)


def test_spawned_workers_open_the_slide_themselves(slides):
    images, jobs = slides
    batches = PatchBatches(jobs[:1], 6, with_process_id)
    batches[0]  # the slide is open here now, and must not cross over
    spawned = DataLoader(batches, batch_size=None, num_workers=2, multiprocessing_context="spawn")
    rows = np.concatenate([batch.prepared.numpy() for batch in spawned])
    np.testing.assert_array_equal(rows[:, 1], [images[0][y : y + 32, x : x + 32].sum() for x, y in GRID])
    assert os.getpid() not in rows[:, 0] and len(set(rows[:, 0])) == 2


def test_an_open_slide_is_left_behind_when_pickled(slides):
    _, jobs = slides
    batches = PatchBatches(jobs, 4, unchanged)
    first = batches[0].prepared
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(batches))[0].prepared, first)


def test_custom_downsample_reads_large_and_makes_small(slides):
    images, jobs = slides
    patches = PatchCoords(np.array([[8, 16]]), PatchReading(0, 64, 32, 64))
    (batch,) = batch_loader(PatchBatches([replace(jobs[0], patches=patches)], 4, unchanged), 0)
    expected = Image.fromarray(images[0][16:80, 8:72]).resize((32, 32))
    np.testing.assert_array_equal(batch.prepared[0], np.asarray(expected))


def test_beyond_the_slide_is_black(slides):
    _, jobs = slides
    patches = replace(PATCHES, coords=np.array([[112, 80]]))
    (batch,) = batch_loader(PatchBatches([replace(jobs[0], patches=patches)], 4, unchanged), 0)
    assert batch.prepared[0, 16:].sum() == 0 == batch.prepared[0, :, 16:].sum()
    assert batch.prepared[0, :16, :16].sum() > 0


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_slide_that_cannot_be_read_costs_itself_only(slides, tmp_path, num_workers):
    _, jobs = slides
    (tmp_path / "1.png").write_bytes(b"no picture")
    batches = list(batch_loader(PatchBatches(jobs, 5, unchanged), num_workers))
    assert {batch.slide_number for batch in batches if batch.error} == {1}
    assert all("1.png" in batch.error for batch in batches if batch.slide_number == 1)
    assert sum(len(batch.prepared) for batch in batches) == 2 * len(GRID)


AFTER_OPENCV = """
import sys
from pathlib import Path
import cv2, numpy as np
from datasets.patches import PatchBatches, SlidePatches, batch_loader
from wsi_core.coords_file import PatchCoords
from wsi_core.patch_reading import PatchReading

def with_one_thread(image):
    cv2.setNumThreads(1)
    return image

if __name__ == "__main__":
    cv2.setNumThreads(4)
    cv2.GaussianBlur(np.zeros((3000, 3000), np.float32), (0, 0), 5)
    patches = PatchCoords(np.zeros((2, 2), int), PatchReading(0, 16, 16, 16))
    batches = PatchBatches([SlidePatches(Path(sys.argv[1]), patches)], 1, with_one_thread)
    print([tuple(batch.prepared.shape) for batch in batch_loader(batches, 1)])
"""


def test_workers_do_not_wait_for_threads_of_this_process(tmp_path):
    fabricate_slide(tmp_path / "a.png", 0)
    (tmp_path / "program.py").write_text(AFTER_OPENCV)
    command = [sys.executable, str(tmp_path / "program.py"), str(tmp_path / "a.png")]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT_ROOT)}
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=100)
    assert done.stdout.strip() == "[(1, 16, 16, 3), (1, 16, 16, 3)]"
