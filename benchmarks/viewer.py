"""How fast the viewer answers with 50 requests in flight. Prints tables, asserts nothing.

    python -m benchmarks.viewer

A slide of 61,440 x 61,440 pixels (1 GB) and scores of 420,000 patches are fabricated in a temporary folder; the program
is started on them and asked, from another process, for what a browser asks for.
"""

import asyncio
import multiprocessing
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlparse

import numpy as np
import simplejpeg
import yaml
from PIL import Image

from benchmarks.patching import SIDE_PX, TILE_PX, write_levels
from benchmarks.setting import setting
from demo.tissue import paint, plan_slide
from stages.viewer.results import Results
from utils.lookup import PROJECT_ROOT
from wsi_core.attention_file import PatchScores, write_scores
from wsi_core.contours import whole_slide
from wsi_core.heatmap_layers import Layer, SlideLayers, write_layers
from wsi_core.outlines.geojson_file import write_geojson

PICTURE_PX = 4096
PATCH_PX, PATCHES_ALONG, STEP_PX, MARGIN_PX = 256, 648, 64, 9_984
IN_FLIGHT, N_ROUNDS = 50, 3
Answers = tuple[list[float], list[int], float]  # seconds and bytes of each, seconds of all together
SHRINKS, TILES_EACH = range(8), 100  # the tiles that are asked for, by zoom; of the last zooms there are fewer


def main() -> None:
    """Fabricate, start the program, ask, and print the tables."""
    print(setting("flask", "cheroot", "openslide-python", "opencv-python-headless"))
    with tempfile.TemporaryDirectory() as temporary:
        experiment = fabricate(Path(temporary))
        slide = f"/slides/{Results(experiment).keys[0]}"
        command = [sys.executable, "view_slides.py", "--results", str(experiment), "--port", "0", "--no_browser"]
        start_s = time.perf_counter()
        with subprocess.Popen(
            command, cwd=PROJECT_ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as program:
            assert program.stdout is not None
            address = program.stdout.readline().strip()
            print(f"\nfrom the command to the address: {time.perf_counter() - start_s:.2f} s")
            try:
                time_opening(address, slide)
                time_tiles(address, slide)
            finally:
                program.terminate()


def time_opening(address: str, slide: str) -> None:
    """Time, one after the other, what the page of a slide asks for when it is opened for the first time."""
    asked = {
        "page": slide,
        "facts": f"{slide}/facts.json",
        "whole slide, one tile": f"{slide}/tiles/8/0_0.jpg",
        "ranking of 26,244 patches": f"{slide}/layers/0/ranking.json",
        "attention of 419,904 patches, one tile": f"{slide}/layers/0/fine/8/0_0.png?colours=jet&from=0",
        "score of a patch": f"{slide}/layers/0/fine/score.json?x=30000&y=30000",
    }
    print("\nms     opening a slide")
    for name, path in asked.items():
        start_s = time.perf_counter()
        with urllib.request.urlopen(address.rstrip("/") + path) as answer:
            answer.read()
        print(f"{1000 * (time.perf_counter() - start_s):6.1f} {name}")


def time_tiles(address: str, slide: str) -> None:
    """Time tiles of the slide and of attention, new ones and then the same again, which are kept."""
    kinds = {
        "slide": "tiles/{}.jpg",
        "attention": "layers/0/fine/{}.png?colours=jet&from=0",
        "the same, fewer shown": "layers/0/fine/{}.png?colours=jet&from=80",
    }
    print(f"\n{IN_FLIGHT} tiles in flight           median_ms  95%_ms  tiles/s   KiB")
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        for name, kind in kinds.items():
            rounds = [[f"{slide}/{kind.format(tile)}" for tile in some_tiles(seed)] for seed in range(N_ROUNDS)]
            for state in ("new", "kept"):
                show(f"{name:22s} {state:4s}", [pool.apply(ask, (address, paths)) for paths in rounds])


def show(name: str, rounds: list[Answers]) -> None:
    """Print the round in the middle, by its median."""
    seconds, sizes, wall_s = sorted(rounds, key=lambda answers: np.median(answers[0]))[len(rounds) // 2]
    median, high = (1000 * float(np.percentile(seconds, q)) for q in (50, 95))
    print(f"{name} {median:9.0f} {high:7.0f} {len(seconds) / wall_s:8.0f} {np.mean(sizes) / 1024:5.1f}")


def some_tiles(seed: int) -> list[str]:
    """Return addresses of different tiles, in any order, in the middle of the slide where there are patches."""
    random = np.random.default_rng(seed)
    tiles: list[str] = []
    for shrink in SHRINKS:
        first, last = (place // (TILE_PX << shrink) for place in (MARGIN_PX, SIDE_PX - MARGIN_PX))
        along = range(first, last + 1)
        all_tiles = [f"{shrink}/{column}_{row}" for column in along for row in along]
        tiles += list(random.permutation(all_tiles)[:TILES_EACH])
    return list(random.permutation(tiles))


def ask(address: str, paths: Sequence[str]) -> Answers:
    """Ask for all paths over ``IN_FLIGHT`` connections."""
    return asyncio.run(_ask(urlparse(address).hostname or "", urlparse(address).port or 0, list(paths)))


async def _ask(host: str, port: int, paths: list[str]) -> Answers:
    seconds: list[float] = []
    sizes: list[int] = []

    async def work() -> None:
        reader, writer = await asyncio.open_connection(host, port)
        while paths:
            start_s = time.perf_counter()
            writer.write(f"GET {paths.pop()} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            if " 200 " not in head.splitlines()[0]:
                raise SystemExit(head)
            sizes.append(len(await reader.readexactly(int(head.split("content-length: ")[1].split("\r\n")[0]))))
            seconds.append(time.perf_counter() - start_s)
        writer.close()

    start_s = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))
    return seconds, sizes, time.perf_counter() - start_s


def fabricate(root: Path) -> Path:
    """Write the slide and the results of an experiment, and return the experiment's folder."""
    experiment, slide = root / "raw" / "big", root / "slides" / "big.tif"
    folder = experiment / "all" / "big"
    folder.mkdir(parents=True)
    slide.parent.mkdir()
    random = np.random.default_rng(0)
    picture = paint(plan_slide((PICTURE_PX, PICTURE_PX), True, random), (PICTURE_PX, PICTURE_PX), random)
    write_slide(slide, picture)
    small = Image.fromarray(picture).resize((512, 512))
    for name in ("thumbnail.jpg", "overlay.jpg"):
        small.save(folder / name)
    for name, step_px in (("block.h5", 4 * STEP_PX), ("fine.h5", STEP_PX)):
        along = np.arange(MARGIN_PX, MARGIN_PX + PATCHES_ALONG * STEP_PX, step_px)
        coords = np.stack([axis.ravel() for axis in np.meshgrid(along, along)], axis=1)
        write_scores(folder / name, PatchScores(coords, random.random(len(coords)), scale="raw"))
    write_geojson(folder / "contours.geojson", [whole_slide((SIDE_PX, SIDE_PX))])
    write_layers(folder, SlideLayers(
        slide_id="big", slide_file=slide.name, size_level0=(SIDE_PX, SIDE_PX), mpp=0.25, patch_size_level0=PATCH_PX,
        contours="contours.geojson", thumbnail="thumbnail.jpg", overlay="overlay.jpg", predictions=(),
        layers=(Layer(model="m", blockmap="block.h5", fine="fine.h5"),),
    ))  # fmt: skip
    config = {
        "exp_arguments": {"save_exp_code": "big"},
        "data_arguments": {"data_dir": str(slide.parent)},
        "model_arguments": {"ckpt_path": "m.pt"},
    }
    (experiment / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return experiment


def write_slide(path: Path, picture: np.ndarray) -> None:
    """Write a pyramid of JPEG tiles that shows a picture again and again, at every level at its full detail."""
    side = picture.shape[0] // TILE_PX
    encoded = [
        [simplejpeg.encode_jpeg(np.ascontiguousarray(tile), 80, "RGB", "420") for tile in np.split(row, side, axis=1)]
        for row in np.split(picture, side)
    ]
    write_levels(
        path,
        lambda side_px: _repeated(encoded, -(-side_px // TILE_PX)),
        photometric="ycbcr",
        subsampling=(2, 2),
    )


def _repeated(encoded: list[list[bytes]], n_tiles: int) -> Iterator[bytes]:
    """Yield the tiles of a level, row by row."""
    side = len(encoded)
    return (encoded[row % side][column % side] for row in range(n_tiles) for column in range(n_tiles))


if __name__ == "__main__":
    main()
