"""Patches arrive slide by slide, with their numbers, whoever reads them and however."""

import multiprocessing
import os
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets import block_reader, reader_pool
from datasets.patches import SlidePatches
from datasets.reader_pool import SHARED_MEMORY, ReaderPool
from datasets.sources import Sources
from tests.slides import damage_tile, small_slide
from utils.errors import ItemError, UsageError
from utils.lookup import PROJECT_ROOT
from wsi_core.coords_file import PatchCoords
from wsi_core.patch_reading import PatchReading
from wsi_core.readers.jpeg_tiles import JpegTiles
from wsi_core.squares import SquareReader

GRID = np.array([[x, y] for x in (0, 32, 64, 96) for y in (0, 32, 64)])  # 12 patches
PATCHES = PatchCoords(coords=GRID, reading=PatchReading(0, 32, 32, 32))
DEADLY = 255  # a patch of this value ends the process that prepares it


def fabricate_slide(path: Path, seed: int) -> np.ndarray:
    """Write a picture of 128 x 96 pixels, all different, and return it."""
    image = np.random.default_rng(seed).integers(0, 250, (96, 128, 3), dtype=np.uint8)
    Image.fromarray(image).save(path)
    return image


def process_id_and_sum(image: np.ndarray) -> np.ndarray:
    return np.array([os.getpid(), int(image.sum())])


def die_of_white(image: np.ndarray) -> np.ndarray:
    if image.min() == DEADLY:
        os._exit(1)
    return np.array([0])


def raise_at_white(error: type[Exception], image: np.ndarray) -> np.ndarray:
    if image.min() == DEADLY:
        raise error("white")
    return np.array([0])


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def slides(tmp_path):
    images = [fabricate_slide(tmp_path / f"{seed}.png", seed) for seed in range(3)]
    return images, [SlidePatches(tmp_path / f"{seed}.png", PATCHES) for seed in range(3)]


def read_all(jobs, prepares=(), *, batch_size=5, num_workers=0, context=None):
    """Return the pixels of each slide by the number of the patch, in the order of arrival, and all that was told."""
    pixels: list[dict[int, np.ndarray]] = [{} for _ in jobs]
    told = []
    with ReaderPool(jobs, prepares, batch_size=batch_size, num_workers=num_workers, context=context) as pool:
        for block in pool:
            pixels[block.slide_number].update(
                zip(block.info.numbers.tolist(), block.pixels.numpy().copy(), strict=True)
            )
            told.append((block.slide_number, block.info))
    return pixels, told


@pytest.mark.parametrize("num_workers", [0, 1, 2])
@pytest.mark.parametrize("batch_size", [1, 5, 100])
def test_every_patch_comes_once_with_its_number_slide_by_slide(slides, batch_size, num_workers):
    images, jobs = slides
    pixels, told = read_all(jobs, batch_size=batch_size, num_workers=num_workers)
    for image, mine in zip(images, pixels, strict=True):
        assert sorted(mine) == list(range(12))
        for number, (x, y) in enumerate(GRID):
            np.testing.assert_array_equal(mine[number], image[y : y + 32, x : x + 32])
    numbers = [number for number, _ in told]
    assert numbers == sorted(numbers)
    assert sum(info.n_read for _, info in told) == 36


@pytest.mark.parametrize("n_ahead", [0, 1, 2])
def test_slides_are_asked_for_until_enough_are_wanted_after_the_one_that_is_read(slides, n_ahead):
    jobs = [slides[1][number % 3] for number in range(7)]
    sources, asked = Sources([job.path for job in jobs]), []
    sources.n_ahead = n_ahead

    def take(number):
        asked.append(number)
        return number not in (1, 2, 4)

    with ReaderPool(jobs, batch_size=5, num_workers=0, sources=sources, take=take) as pool:
        blocks = iter(pool)
        next(blocks)
        assert asked == [[0], [0, 1, 2, 3], [0, 1, 2, 3, 4, 5]][n_ahead]
        assert {block.slide_number for block in blocks} == {0, 3, 5, 6}
    assert asked == list(range(7))


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_processes_may_be_started_in_any_way(slides, method):
    images, jobs = slides
    context = multiprocessing.get_context(method)
    pixels, told = read_all(jobs, [process_id_and_sum], num_workers=2, context=context)
    np.testing.assert_array_equal(pixels[2][5], images[2][64:96, 32:64])
    rows = np.concatenate([info.prepared[0] for _, info in told])
    assert os.getpid() not in rows[:, 0] and len(set(rows[:, 0])) == 2
    assert rows[:, 1].sum() == sum(int(image.astype(int).sum()) for image in images)


def shared_memory_of_this_process():
    """Return what torch has named after this process, as files or as open handles of files without a name."""
    names = {str(path) for path in SHARED_MEMORY.glob("torch_*")}
    names |= {os.path.realpath(path) for path in Path("/proc/self/fd").glob("*")}
    return {name for name in names if f"torch_{os.getpid()}_" in name}


def test_the_processes_end_and_leave_no_shared_memory(slides):
    before = shared_memory_of_this_process()
    read_all(slides[1], num_workers=2)
    assert not multiprocessing.active_children()
    assert shared_memory_of_this_process() <= before


def test_custom_downsample_reads_large_and_makes_small(slides):
    images, jobs = slides
    patches = PatchCoords(np.array([[8, 16]]), PatchReading(0, 64, 32, 64))
    pixels, _ = read_all([replace(jobs[0], patches=patches)])
    expected = Image.fromarray(images[0][16:80, 8:72]).resize((32, 32))
    np.testing.assert_array_equal(pixels[0][0], np.asarray(expected))


def test_squares_that_are_made_smaller_are_held_a_few_at_a_time(slides, monkeypatch):
    images, jobs = slides
    monkeypatch.setattr(block_reader, "READ_BYTES", 2 * 3 * 64**2)
    held = []
    read_in_parts = SquareReader.read_in_parts

    def noting(*args):
        for squares in read_in_parts(*args):
            held.append(squares)
            yield squares

    monkeypatch.setattr(SquareReader, "read_in_parts", noting)
    corners = np.array([[x, y] for x in (0, 8, 64) for y in (0, 16, 32)])
    pixels, _ = read_all([replace(jobs[0], patches=PatchCoords(corners, PatchReading(0, 64, 32, 64)))], batch_size=100)
    assert max(len(squares) for squares in held) == 2 and sum(len(squares) for squares in held) == len(corners)
    for number, (x, y) in enumerate(corners):
        expected = Image.fromarray(images[0][y : y + 64, x : x + 64]).resize((32, 32))
        np.testing.assert_array_equal(pixels[0][number], np.asarray(expected))


def test_squares_read_a_few_at_a_time_decode_each_tile_once(tmp_path, monkeypatch):
    slide = small_slide(tmp_path / "s.tif")
    corners = np.array([[x, y] for x in range(40, 1600, 300) for y in range(40, 1100, 300)])
    job = SlidePatches(slide, PatchCoords(corners, PatchReading(0, 300, 32, 300)))
    decoded: list[object] = []
    decode = JpegTiles._decode
    monkeypatch.setattr(JpegTiles, "_decode", lambda self, *args: decoded.append(args[1]) or decode(self, *args))
    expected, _ = read_all([job], batch_size=100)
    n_tiles = len(decoded)
    assert n_tiles == len(set(decoded))
    for n_at_once in (1, 5):
        decoded.clear()
        monkeypatch.setattr(block_reader, "READ_BYTES", n_at_once * 3 * 300**2)
        pixels, _ = read_all([job], batch_size=100)
        assert len(decoded) == n_tiles
        np.testing.assert_array_equal(
            *([mine[0][number] for number in range(len(corners))] for mine in (pixels, expected))
        )


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_slide_of_large_patches_makes_the_blocks_of_others_no_smaller(slides, monkeypatch, num_workers):
    monkeypatch.setattr(reader_pool, "BLOCK_BYTES", 12 * 3 * 32**2)
    _, jobs = slides
    large = replace(jobs[1], patches=PatchCoords(GRID, PatchReading(0, 64, 64, 64)))
    _, told = read_all([jobs[0], large, jobs[2]], batch_size=10, num_workers=num_workers)
    sizes = [[info.n_read for number, info in told if number == slide] for slide in range(3)]
    assert sizes == [[10, 2], [3, 3, 3, 3], [10, 2]]


def test_beyond_the_slide_is_black(slides):
    _, jobs = slides
    pixels, _ = read_all([replace(jobs[0], patches=replace(PATCHES, coords=np.array([[112, 80]])))])
    patch = pixels[0][0]
    assert patch[16:].sum() == 0 == patch[:, 16:].sum() and patch[:16, :16].sum() > 0


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_slide_that_cannot_be_read_costs_itself_only(slides, tmp_path, num_workers):
    _, jobs = slides
    (tmp_path / "1.png").write_bytes(b"no picture")
    pixels, told = read_all(jobs, num_workers=num_workers)
    assert {number for number, info in told if info.error} == {1}
    assert all("1.png" in info.error for number, info in told if number == 1)
    assert [len(mine) for mine in pixels] == [12, 0, 12]


def test_a_process_that_dies_costs_its_slide_only(slides, tmp_path):
    _, jobs = slides
    Image.new("RGB", (128, 96), "white").save(tmp_path / "1.png")
    pixels, told = read_all(jobs, [die_of_white], num_workers=2)
    assert {number for number, info in told if info.error} == {1}
    assert [len(mine) for mine in pixels] == [12, 0, 12]


def test_unreadable_patches_are_named_and_the_others_read(tmp_path):
    slide = small_slide(tmp_path / "s.tif", size_px=(512, 512))
    damage_tile(slide)
    corners = np.array([[256, 256], [0, 0], [256, 0], [0, 256], [10, 10]])
    patches = PatchCoords(corners, PatchReading(0, 256, 256, 256))
    pixels, told = read_all([SlidePatches(slide, patches, max_bad_part=0.4)])
    bad = [patch for _, info in told for patch in info.bad]
    assert {patch.number for patch in bad} == {1, 4} and set(pixels[0]) == {0, 2, 3}
    assert {patch.level for patch in bad} == {0} and all("x=" in patch.reason for patch in bad)
    assert pixels[0][0].any() and pixels[0][3].any()
    _, told = read_all([SlidePatches(slide, patches, max_bad_part=0.2)])
    assert any(info.error for _, info in told)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"slide_size": (999, 96)}, "their slide has 999x96 px, this one 128x96"),
        ({"level_size": (64, 48)}, "their level 0 has 64x48 px"),
        ({"coords": np.array([[0, 0], [128, 0]])}, "x=128 y=0 lies outside 0.png"),
        ({"reading": PatchReading(3, 32, 32, 32)}, "no level 3"),
    ],
    ids=["slide", "level", "outside", "no level"],
)
def test_coordinates_of_another_slide_are_refused(slides, change, said):
    job = replace(slides[1][0], patches=replace(PATCHES, **change))
    with pytest.raises(ItemError, match=said):
        job.open()


def test_blocks_hold_neighbours_so_that_tiles_are_shared():
    grid = np.array([[x, y] for y in range(0, 6400, 100) for x in range(0, 6400, 100)])
    job = SlidePatches(Path("s.svs"), PatchCoords(grid, PatchReading(0, 100, 100, 100)))
    blocks = list(job.blocks(64))
    assert sorted(np.concatenate(blocks).tolist()) == list(range(len(grid)))
    for numbers in blocks:
        spans = np.ptp(grid[numbers], axis=0)
        assert spans.max() <= 1600  # of 6400


AFTER_OPENCV = """
import sys
from pathlib import Path
import cv2, numpy as np
from datasets import block_reader, reader_pool
from datasets.patches import SlidePatches
from datasets.reader_pool import ReaderPool
from wsi_core.coords_file import PatchCoords
from wsi_core.patch_reading import PatchReading
from wsi_core.squares import SquareReader

def with_one_thread(image):
    cv2.setNumThreads(1)
    return image

if __name__ == "__main__":
    cv2.setNumThreads(4)
    cv2.GaussianBlur(np.zeros((3000, 3000), np.float32), (0, 0), 5)
    patches = PatchCoords(np.zeros((2, 2), int), PatchReading(0, 16, 16, 16))
    with ReaderPool([SlidePatches(Path(sys.argv[1]), patches)], [with_one_thread], batch_size=1, num_workers=1) as pool:
        print([tuple(block.info.prepared[0].shape) for block in pool])
"""


def test_workers_do_not_wait_for_threads_of_this_process(tmp_path):
    fabricate_slide(tmp_path / "a.png", 0)
    (tmp_path / "program.py").write_text(AFTER_OPENCV)
    command = [sys.executable, str(tmp_path / "program.py"), str(tmp_path / "a.png")]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT_ROOT)}
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=100)
    assert done.stdout.strip() == "[(1, 16, 16, 3), (1, 16, 16, 3)]"


@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.parametrize("error", [OverflowError, IndexError, MemoryError, AttributeError])
def test_whatever_a_library_raises_costs_its_slide_only(slides, tmp_path, num_workers, error):
    _, jobs = slides
    Image.new("RGB", (128, 96), "white").save(tmp_path / "1.png")
    pixels, told = read_all(jobs, [partial(raise_at_white, error)], num_workers=num_workers)
    assert {(number, info.error) for number, info in told if info.error} == {(1, f"{error.__name__}: white")}
    assert [len(mine) for mine in pixels] == [12, 0, 12]


def test_processes_end_with_a_program_that_is_killed(slides):
    program = f"""
import multiprocessing, time
from datasets.reader_pool import ReaderPool
from tests.datasets.test_reader_pool import PATCHES, SlidePatches, Path
if __name__ == "__main__":
    with ReaderPool([SlidePatches(Path({str(slides[1][0].path)!r}), PATCHES)], batch_size=5, num_workers=2) as pool:
        next(iter(pool))
        print(*(child.pid for child in multiprocessing.active_children()), flush=True)
        time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", program], cwd=PROJECT_ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    readers = [int(pid) for pid in process.stdout.readline().split()]
    assert readers and all(map(is_alive, readers))
    process.kill()
    process.wait()
    deadline_s = time.monotonic() + 20
    while any(map(is_alive, readers)) and time.monotonic() < deadline_s:
        time.sleep(0.1)
    assert not any(map(is_alive, readers))


def test_little_shared_memory_makes_blocks_small_and_says_so(slides, monkeypatch, caplog):
    usage = type("Usage", (), {"free": 6 * 2 * 4 * 32 * 32 * 3})  # of six blocks with four patches each, half is used
    monkeypatch.setattr(reader_pool.shutil, "disk_usage", lambda folder: usage)
    monkeypatch.setattr(reader_pool, "SHARED_MEMORY", Path("/"))
    pixels, told = read_all(slides[1], batch_size=12, num_workers=2)
    assert max(info.n_read for _, info in told) == 4 and [len(mine) for mine in pixels] == [12, 12, 12]
    assert "only 4 patches are read at once" in caplog.text
    usage.free = 100
    with pytest.raises(UsageError, match="--shm-size"):
        read_all(slides[1], num_workers=2)
