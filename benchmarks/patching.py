"""How fast a slide of 61,440 x 61,440 pixels is patched. Prints tables, asserts nothing.

    python -m benchmarks.patching [FOLDER]

The slide is fabricated in FOLDER (default: a temporary one) and kept there. The first table compares the step from
contours to coordinates, in one process, with OpenCV's ``pointPolygonTest`` point by point over the same candidates in a
pool of four processes; the second is the whole program.
"""

import multiprocessing
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tifffile

from benchmarks.setting import setting
from utils.lookup import PROJECT_ROOT
from wsi_core.contours import Contour
from wsi_core.grid import Grid, patch_coords
from wsi_core.params import SlideParams
from wsi_core.segmentation import segment_slide
from wsi_core.slide import Slide

SIDE_PX = 61_440
TILE_PX = 256
DOWNSAMPLES = (1, 4, 16, 64)
GLASS, TISSUE = (243, 243, 245), (205, 120, 165)
PATCH_PX = 256
STEPS_PX = (256, 64)
N_PROCESSES = 4
N_ROUNDS = 5
# In a process of its own: a child is counted at least the memory of the process that starts it.
MEASURE = """
import resource, subprocess, sys, time
start_s = time.perf_counter()
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print(time.perf_counter() - start_s, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
PROGRAMS = {
    "--help": ["--help"],
    "--seg --patch": ["--seg", "--patch"],
    "--seg --patch --stitch": ["--seg", "--patch", "--stitch"],
    "the same, --step_size 64": ["--seg", "--patch", "--stitch", "--step_size", "64"],
}


def main(argv: Sequence[str]) -> None:
    """Print both tables."""
    print(setting("numpy", "opencv-python-headless"))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(argv[0] if argv else temporary)
        slide_path = folder / "slides" / "big.tif"
        if not slide_path.exists():
            fabricate(slide_path)
        compare_contours(slide_path)
        time_programs(slide_path.parent, Path(temporary))


def compare_contours(slide_path: Path) -> None:
    """Time contours to coordinates in both ways."""
    with Slide(slide_path) as slide:
        contours = segment_slide(slide, SlideParams())
        size = slide.size_level0
    print(f"\n{len(contours)} contours of {sum(len(c.outline) for c in contours)} points, "
          f"{sum(len(c.holes) for c in contours)} holes")  # fmt: skip
    print("step_px  patches  at_once_s  point_by_point_in_a_pool_of_4_s  ratio")
    for step_px in STEPS_PX:
        grid = Grid((PATCH_PX, PATCH_PX), (step_px, step_px), size)
        at_once_s, coords = _best(partial(patch_coords, contours, grid), N_ROUNDS)
        by_point_s, same = _point_by_point(contours, step_px)
        if not np.array_equal(coords, same):
            raise SystemExit("the two ways differ")
        print(f"{step_px:7d}  {len(coords):7d}  {at_once_s:9.4f}  {by_point_s:31.3f}  {by_point_s / at_once_s:5.0f}")


def _best(work: Callable[[], np.ndarray], n_rounds: int) -> tuple[float, np.ndarray]:
    """Return the best time in seconds of some rounds, and the result."""
    times = []
    for _ in range(n_rounds):
        start_s = time.perf_counter()
        result = work()
        times.append(time.perf_counter() - start_s)
    return min(times), result


def _point_by_point(contours: list[Contour], step_px: int) -> tuple[float, np.ndarray]:
    """Test every candidate of every contour in a pool that is started beforehand; ``four_pt``."""
    kept: list[tuple[int, int]] = []
    seconds = 0.0
    for contour in contours:
        left, top, width, height = cv2.boundingRect(contour.outline)
        corners = [(x, y) for x in range(left, left + width, step_px) for y in range(top, top + height, step_px)]
        with multiprocessing.get_context("fork").Pool(N_PROCESSES) as pool:
            work = partial(_kept, contour.outline, contour.holes)
            chunks = [corners[start : start + 1000] for start in range(0, len(corners), 1000)]
            start_s = time.perf_counter()
            kept += [corner for part in pool.map(work, chunks) for corner in part]
            seconds += time.perf_counter() - start_s
    return seconds, np.array(kept).reshape(-1, 2)


def _kept(outline: np.ndarray, holes: list[np.ndarray], corners: list[tuple[int, int]]) -> list[tuple[int, int]]:
    return [corner for corner in corners if _belongs(corner, outline, holes)]


def _belongs(corner: tuple[int, int], outline: np.ndarray, holes: list[np.ndarray]) -> bool:
    x, y = corner[0] + PATCH_PX // 2, corner[1] + PATCH_PX // 2
    shift = PATCH_PX // 4
    points = [(x - shift, y - shift), (x + shift, y + shift), (x + shift, y - shift), (x - shift, y + shift)]
    if not any(cv2.pointPolygonTest(outline, point, False) >= 0 for point in points):
        return False
    return not any(cv2.pointPolygonTest(hole, (x, y), False) > 0 for hole in holes)


def time_programs(slides: Path, results: Path) -> None:
    """Time whole processes; each round starts without results."""
    print("\ncreate_patches_fp.py          best_of_5_s  peak_MiB")
    for number, (name, flags) in enumerate(PROGRAMS.items()):
        rounds = [_run(slides, results / f"{number}_{n}", flags) for n in range(N_ROUNDS)]
        seconds, peak_mib = min(s for s, _ in rounds), max(m for _, m in rounds)
        print(f"{name:29s} {seconds:11.2f}  {peak_mib:8.0f}")


def _run(slides: Path, save_dir: Path, flags: list[str]) -> tuple[float, float]:
    """Return the seconds and the peak of resident memory in MiB of one process."""
    program = [sys.executable, str(PROJECT_ROOT / "create_patches_fp.py"), "--source", str(slides)]
    command = [*program, "--save_dir", str(save_dir), *flags]
    measured = subprocess.run([sys.executable, "-c", MEASURE, *command], check=True, capture_output=True, text=True)
    seconds, peak_kib = measured.stdout.split()
    return float(seconds), float(peak_kib) / 1024


def fabricate(path: Path, texture: np.ndarray | None = None) -> None:
    """Write a pyramid with one large, wavy piece of tissue, smaller ones, and holes.

    Args:
        path: the file.
        texture: what tissue looks like at every level, repeated; uint8 RGB, of whole tiles. None: of one colour.
    """
    coarse = _picture(SIDE_PX // DOWNSAMPLES[-1])
    write_levels(path, lambda side_px: _tiles(coarse, side_px, texture), photometric="rgb")


def write_levels(path: Path, tiles_of: Callable[[int], Iterator[np.ndarray | bytes]], **colours: Any) -> None:
    """Write a pyramid of JPEG tiles.

    Args:
        path: the file, which appears whole.
        tiles_of: makes the tiles of a level from its side in pixels, row by row; bytes are JPEGs already.
        colours: what tifffile has to be told of them.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(".part.tif")
    with tifffile.TiffWriter(part, bigtiff=True) as writer:
        for downsample in DOWNSAMPLES:
            side = SIDE_PX // downsample
            writer.write(
                tiles_of(side),
                shape=(side, side, 3),
                dtype=np.uint8,
                **colours,
                tile=(TILE_PX, TILE_PX),
                compression="jpeg",
                subfiletype=int(downsample > 1),
                resolution=(40_000 / downsample, 40_000 / downsample),
                resolutionunit="CENTIMETER",
                metadata=None,
            )
    part.rename(path)


def _tiles(coarse: np.ndarray, side_px: int, texture: np.ndarray | None) -> Iterator[np.ndarray]:
    """Yield the tiles of a level, row by row; the coarsest has the detail."""
    n_tiles = -(-side_px // TILE_PX)
    scale = side_px / coarse.shape[0]
    for row in range(n_tiles):
        for column in range(n_tiles):
            x, y = int(column * TILE_PX / scale), int(row * TILE_PX / scale)
            size = max(1, round(TILE_PX / scale))
            part = coarse[y : y + size, x : x + size]
            tile = np.full((TILE_PX, TILE_PX, 3), GLASS, np.uint8)
            shown = cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_NEAREST)[:TILE_PX, :TILE_PX]
            tile[: shown.shape[0], : shown.shape[1]] = shown
            if texture is not None:
                top, left = row * TILE_PX % texture.shape[0], column * TILE_PX % texture.shape[1]
                tissue = (tile == TISSUE).all(axis=2)
                tile[tissue] = texture[top : top + TILE_PX, left : left + TILE_PX][tissue]
            yield tile


def _picture(side_px: int) -> np.ndarray:
    """Paint tissue on glass, uint8 RGB."""
    angle = np.linspace(0, 2 * np.pi, 4000, endpoint=False)
    radius = side_px * (0.374 + 0.025 * np.sin(9 * angle) + 0.008 * np.sin(81 * angle))
    outline = np.stack([np.cos(angle), np.sin(angle)], axis=1) * radius[:, None] + side_px / 2
    image = np.full((side_px, side_px, 3), GLASS, np.uint8)
    cv2.fillPoly(image, [outline.astype(np.int32)], TISSUE)
    for x, y, r in ((0.4, 0.4, 0.03), (0.6, 0.35, 0.05), (0.5, 0.6, 0.04), (0.35, 0.62, 0.02), (0.68, 0.6, 0.03)):
        cv2.circle(image, (int(x * side_px), int(y * side_px)), int(r * side_px), GLASS, cv2.FILLED)
    for x, y in ((0.06, 0.06), (0.93, 0.08), (0.07, 0.92), (0.92, 0.93)):
        cv2.circle(image, (int(x * side_px), int(y * side_px)), int(0.05 * side_px), TISSUE, cv2.FILLED)
    return image


if __name__ == "__main__":
    main(sys.argv[1:])
