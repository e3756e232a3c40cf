"""How fast heatmaps of slides of 61,440 x 61,440 pixels are painted, in how much memory. Asserts nothing.

    python -m benchmarks.heatmaps [FOLDER]

The slides, one of plain colours and one of tissue with nuclei and fibres, are fabricated in FOLDER (default: a
temporary one) and kept there; that takes some minutes. Every figure is of a process of its own. A ratio is to the time
that OpenSlide takes, in the same round and on one processor, to read the level in squares and to convert them to RGB.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import openslide

from benchmarks.patching import PATCH_PX, SIDE_PX, fabricate
from benchmarks.setting import setting
from demo.tissue import MAP_SCALE, Plan, paint
from utils.lookup import PROJECT_ROOT
from utils.pictures import save_picture
from wsi_core.contours import Contour
from wsi_core.grid import Grid, patch_coords
from wsi_core.heatmap import HeatmapPainter, HeatmapStyle, draw_heatmap
from wsi_core.heatmap_tiff import write_heatmap_tiff
from wsi_core.params import SlideParams
from wsi_core.percentiles import percentiles_among
from wsi_core.rectangle import rectangles
from wsi_core.score_map import ScoreMap
from wsi_core.segmentation import segment_slide
from wsi_core.slide import Slide

LEVEL = 1  # 15,360 x 15,360 pixels
READ_PX = 1024  # the fastest of squares and strips of several sizes
FEW, MANY = 256, 64  # steps of the patches
STYLES = {
    "alpha 0.4": HeatmapStyle(alpha=0.4),
    "blank canvas": HeatmapStyle(alpha=0.4, blank_canvas=True),
    "blur": HeatmapStyle(alpha=0.4, blur=True),
}
N_ROUNDS = 3
TEXTURE_PX = 2048
TILE_PX = 256
N_TILES = 200


def main(argv: Sequence[str]) -> None:
    """Print all tables."""
    if argv and argv[0] in WORKS:
        print(json.dumps(WORKS[argv[0]](*argv[1:])))
        return
    print(setting("numpy", "opencv-python-headless", "openslide-bin", "simplejpeg"))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(argv[0] if argv else temporary)
        plain, tissue = folder / "slides" / "big.tif", folder / "textured" / "big.tif"
        if not plain.exists():
            fabricate(plain)
        if not tissue.exists():
            fabricate(tissue, _texture())
        for name, path in (("one colour", plain), ("tissue", tissue)):
            _compare(name, path)
        _time_files(tissue, Path(temporary))
    _time_scores()


def _compare(name: str, path: Path) -> None:
    """Time the painting of the level, in turn with OpenSlide."""
    rounds: dict[tuple[int, str], list[dict]] = {(step, style): [] for step in (FEW, MANY) for style in STYLES}
    read = []
    for _ in range(N_ROUNDS):
        read.append(_measure("read", path))
        for (step, style), results in rounds.items():
            results.append(_measure("paint", path, step, style))
    print(f"\n{name}: OpenSlide reads the level in {_median(read, 's'):.2f} s ({_median(read, 'cpu_s'):.2f} s of work)")
    print("patches  style         s      work_s  ratio (least to most)  peak_MiB")
    for (_, style), results in rounds.items():
        ratios = sorted(mine["s"] / theirs["s"] for mine, theirs in zip(results, read, strict=True))
        spread = f"{statistics.median(ratios):5.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        peak_mib = max(result["peak_mib"] for result in results)
        seconds, work_s = _median(results, "s"), _median(results, "cpu_s")
        print(f"{results[0]['patches']:7d}  {style:12s}  {seconds:5.2f}  {work_s:6.2f}  {spread:21s}  {peak_mib:8.0f}")


def _time_files(path: Path, folder: Path) -> None:
    """Time the painting together with the file that it goes to."""
    print("\nfile, tissue, 'alpha 0.4'                        s  peak_MiB      MB")
    for level, step, ending in (
        (LEVEL, MANY, "jpg"),
        (LEVEL, MANY, "png"),
        (LEVEL, MANY, "ome.tif"),
        (0, FEW, "ome.tif"),
    ):
        result = _measure("write", path, step, "alpha 0.4", level, folder / f"heatmap.{ending}")
        what = f"{result['patches']} patches, level {level}, {ending}"
        print(f"{what:42s} {result['s']:8.1f}  {result['peak_mib']:8.0f}  {result['mb']:6.0f}")


def _time_scores() -> None:
    """Time what is done with scores alone."""
    rng = np.random.default_rng(0)
    scores, reference = rng.random(420_000, np.float32), rng.random(26_000, np.float32)
    corners = np.stack(np.meshgrid(np.arange(0, SIDE_PX, 94), np.arange(0, SIDE_PX, 94)), axis=-1).reshape(-1, 2)
    percentiles_s = [_seconds(lambda: percentiles_among(scores, reference)) for _ in range(N_ROUNDS)]
    print(f"\n420,000 percentiles among 26,000: {statistics.median(percentiles_s):.3f} s")
    score_map = ScoreMap(corners, rng.random(len(corners)), PATCH_PX)
    print(f"windows of {TILE_PX} x {TILE_PX} pixels out of {len(corners):,} patches, ms each: downsample, median")
    for downsample in (1, 4, 3.9994, 16, 64):
        places = rng.integers(0, max(1, int(SIDE_PX / downsample) - TILE_PX), (N_TILES, 2)).tolist()
        times_s = [
            _seconds(partial(score_map.window, (x, y), (TILE_PX, TILE_PX), (downsample, downsample))) for x, y in places
        ]
        print(f"{downsample:7g}  {1e3 * statistics.median(times_s):6.2f}")


def _read(slide: str) -> dict:
    """Read the level as OpenSlide does, on one processor."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with openslide.OpenSlide(slide) as opened:
        size, downsample = opened.level_dimensions[LEVEL], round(opened.level_downsamples[LEVEL])

        def read() -> None:
            for part in rectangles(size, READ_PX):
                opened.read_region((part.x * downsample, part.y * downsample), LEVEL, part.size_px).convert("RGB")

        return _measured(read)


def _paint(slide: str, step: str, style: str) -> dict:
    with Slide(slide) as opened:
        contours, coords, scores = _patches(opened, int(step))
        how = _style(style, int(step))
        work = partial(draw_heatmap, opened, contours, coords, scores, PATCH_PX, LEVEL, how)
        return _measured(work) | {"patches": len(coords)}


def _write(slide: str, step: str, style: str, level: str, file: str) -> dict:
    path = Path(file)
    with Slide(slide) as opened:
        contours, coords, scores = _patches(opened, int(step))
        how = _style(style, int(step))

        def write() -> None:
            with HeatmapPainter(opened, contours, coords, scores, PATCH_PX, int(level), how) as painter:
                if path.suffix == ".tif":
                    write_heatmap_tiff(path, painter)
                else:
                    save_picture(path, painter.whole())

        return _measured(write) | {"patches": len(coords), "mb": path.stat().st_size / 1e6}


def _patches(slide: Slide, step_px: int) -> tuple[list[Contour], np.ndarray, np.ndarray]:
    """Return tissue, patches and a score for each."""
    contours = segment_slide(slide, SlideParams())
    coords = patch_coords(contours, Grid((PATCH_PX, PATCH_PX), (step_px, step_px), slide.size_level0))
    return contours, coords, np.random.default_rng(0).random(len(coords))


def _style(name: str, step_px: int) -> HeatmapStyle:
    return replace(STYLES[name], overlap=1 - step_px / PATCH_PX)


def _measured(work: Callable[[], object]) -> dict:
    start_s, start_cpu_s = time.perf_counter(), time.process_time()
    result = work()
    spent = {"s": time.perf_counter() - start_s, "cpu_s": time.process_time() - start_cpu_s}
    del result
    return spent | {"peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def _measure(work: str, *arguments: object) -> dict:
    """Do a work in a process of its own, and return what it measured."""
    command = [sys.executable, "-m", "benchmarks.heatmaps", work, *map(str, arguments)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=PROJECT_ROOT)
    measured: dict = json.loads(done.stdout)
    return measured


def _seconds(work: Callable[[], object]) -> float:
    start_s = time.perf_counter()
    work()
    return time.perf_counter() - start_s


def _median(results: list[dict], key: str) -> float:
    return statistics.median(result[key] for result in results)


def _texture() -> np.ndarray:
    """Paint tissue without glass, half of it tumour; uint8 RGB."""
    plan = np.ones((TEXTURE_PX // MAP_SCALE,) * 2, bool)
    tumour = plan.copy()
    tumour[: len(tumour) // 2] = False
    return paint(Plan(plan, tumour), (TEXTURE_PX, TEXTURE_PX), np.random.default_rng(0))


WORKS: dict[str, Callable[..., dict]] = {"read": _read, "paint": _paint, "write": _write}


if __name__ == "__main__":
    main(sys.argv[1:])
