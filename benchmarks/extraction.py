"""How fast slides become features, end to end, against the plain way in the same run. Prints tables, asserts nothing.

    python -m benchmarks.extraction [--slide SLIDE] [--weights FILE] [--patches 400] [--model_name resnet50_trunc]

The plain way: a DataLoader that reads one patch at a time through OpenSlide and resizes it with Pillow, and the network
in torch, float32, contiguous. Both start when their networks are ready, and end with the file of features. On a GPU, if
there is one, else on the processor. Without --slide a slide is fabricated, without --weights the network is untrained.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.setting import setting

N_ROUNDS = 3
PATCH_PX = 256
BATCH = 64


def main(argv: Sequence[str]) -> int:
    """Print what each way makes of the slide in a second."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slide", type=Path)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--patches", type=int, default=400, help="about so many, %(default)s")
    parser.add_argument("--model_name", default="resnet50_trunc")
    parser.add_argument("--num_workers", type=int, help="processes that read slides; without it one per processor")
    parser.add_argument("--reading_only", action="store_true", help="reading and transform, on one core")
    args = parser.parse_args(argv)
    os.environ["TQDM_DISABLE"] = "1"
    with tempfile.TemporaryDirectory() as folder:
        slide = args.slide or _fabricated(Path(folder, "fabricated.tif"))
        if args.reading_only:
            _compare_reading(slide, args.patches)
            return 0
        weights = args.weights or _untrained(args.model_name, Path(folder, "untrained.pt"))
        _compare_extraction(slide, args.patches, Network(args.model_name, weights), args.num_workers, Path(folder))
        command = [sys.executable, "-m", "benchmarks.extraction", "--reading_only", "--slide", str(slide)]
        subprocess.run([*command, "--patches", str(args.patches)], check=True)
    return 0


@dataclass(frozen=True)
class Network:
    """An encoder by name, and its weights."""

    name: str
    weights: Path


def _fabricated(path: Path) -> Path:
    from demo.slides import fabricate_slide

    fabricate_slide(path, seed=1, tumour=True)
    return path


def _untrained(name: str, path: Path) -> Path:
    import torch

    from models.encoders.network import build_network
    from models.encoders.registry import find_encoder

    torch.manual_seed(0)
    torch.save(build_network(find_encoder(name), None).network.body.state_dict(), path)  # type: ignore[operator, union-attr]
    return path


def _jobs(slide_path: Path, n_patches: int):
    """Return patches side by side; a slide that has too few is read several times, as several slides are."""
    from datasets.patches import SlidePatches
    from wsi_core.coords_file import PatchCoords
    from wsi_core.patch_reading import PatchReading
    from wsi_core.slide import Slide

    with Slide(slide_path) as slide:
        width, height = slide.size_level0
    xs, ys = (range(0, size - PATCH_PX, PATCH_PX) for size in (width, height))
    coords = np.array([[x, y] for y in ys for x in xs])[:n_patches]
    job = SlidePatches(slide_path, PatchCoords(coords, PatchReading(0, PATCH_PX, PATCH_PX, PATCH_PX)))
    return [job] * max(1, round(n_patches / len(coords)))


def _plain_batches(jobs):
    """Return a DataLoader of normalised patches, read and resized one at a time."""
    import openslide
    from torch.utils.data import DataLoader, Dataset
    from torchvision import transforms

    from models.encoders.spec import IMAGENET_MEAN, IMAGENET_STD

    slide = openslide.OpenSlide(jobs[0].path)
    corners = [tuple(corner) for job in jobs for corner in job.patches.coords.tolist()]
    steps = [transforms.Resize(224), transforms.ToTensor(), transforms.Normalize(IMAGENET_MEAN, IMAGENET_STD)]
    transform = transforms.Compose(steps)

    class Patches(Dataset):
        def __len__(self) -> int:
            return len(corners)

        def __getitem__(self, number: int):
            return transform(slide.read_region(corners[number], 0, (PATCH_PX, PATCH_PX)).convert("RGB"))

    return DataLoader(Patches(), batch_size=BATCH)


def _compare_extraction(slide: Path, n_patches: int, network: Network, workers: int | None, folder: Path) -> None:
    import torch

    from utils.device import pick_device

    device = pick_device()
    torch.backends.cudnn.allow_tf32 = False  # float32 is float32, in both ways
    runtimes = ("torch", "auto") if device.type == "cpu" else ("torch",)
    jobs = _jobs(slide, n_patches)
    n_patches = sum(len(job.patches) for job in jobs)
    print(setting("torch", "openslide-python"))
    where = f"{torch.get_num_threads()} threads" if device.type == "cpu" else torch.cuda.get_device_name(device)
    print(f"{network.name}, {slide.name}, {n_patches} patches of {PATCH_PX} px, {where}\n")
    print("| way | patches/s | times plain | largest difference | least cosine | waiting for patches |")
    print("|---|---:|---:|---:|---:|---:|")
    plain_s, plain = _best(lambda: _extract_plainly(jobs, network, device, folder))
    print(f"| plain | {n_patches / plain_s:.1f} | 1.0 | | | |", flush=True)
    for dtype, runtime in ((dtype, runtime) for dtype in ("fp32", "bf16") for runtime in runtimes):
        seconds, features, used, waiting = _extract_well(jobs, network, device, dtype, runtime, workers, folder)
        cosine = np.sum(features * plain, 1) / np.linalg.norm(features, axis=1) / np.linalg.norm(plain, axis=1)
        print(
            f"| {dtype}, {used} | {n_patches / seconds:.1f} | {plain_s / seconds:.2f} | "
            f"{np.abs(features - plain).max():.0e} | {cosine.min():.6f} | {waiting:.1%} |",
            flush=True,
        )


def _extract_plainly(jobs, network: Network, device, folder: Path):
    import torch

    from datasets.features_file import Features, write_features
    from models.encoders.network import build_network
    from models.encoders.registry import find_encoder

    plain = build_network(find_encoder(network.name), network.weights).network.to(device)
    batches = _plain_batches(jobs)
    start_s = time.perf_counter()
    with torch.inference_mode():
        features = np.concatenate([plain(batch.to(device)).cpu().numpy() for batch in batches])
    for number, part in enumerate(np.split(features, len(jobs))):
        write_features(folder / "plain", str(number), Features(part, jobs[0].patches.coords))
    return time.perf_counter() - start_s, features


def _extract_well(jobs, network: Network, device, dtype: str, runtime: str, workers: int | None, folder: Path):
    from datasets.features_file import h5_path, read_features_h5
    from models.encoders.build import HowToRun, build_encoder
    from stages.encoding import SlideEncoder
    from stages.feature_output import BackgroundWriter, EncoderOutput

    run = HowToRun(dtype=dtype, runtime=runtime)
    encoder = build_encoder(network.name, checkpoint=str(network.weights), device=device, run=run)
    output = EncoderOutput(encoder, folder / f"{dtype}_{runtime}")

    def extract():
        with SlideEncoder(jobs, [encoder], 256, workers) as slides, BackgroundWriter() as writer:
            start_s = time.perf_counter()
            for number, job in enumerate(jobs):
                encoded = slides.next_slide()
                write = partial(output.write, str(number), job.patches, encoded, encoded.features[0])
                writer.submit(str(number), [write])
            assert not writer.failures()
            return time.perf_counter() - start_s, slides.wait_s

    seconds, wait_s = _best(extract)
    paths = [h5_path(output.folder, str(number)) for number in range(len(jobs))]
    features = np.concatenate([read_features_h5(path).features for path in paths])
    return seconds, features, encoder.runtime, wait_s / seconds


def _best(run):
    return min((run() for _ in range(N_ROUNDS)), key=lambda figures: figures[0])


def _compare_reading(slide: Path, n_patches: int) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    import torch

    torch.set_num_threads(1)
    jobs = _jobs(slide, n_patches)
    n_patches = sum(len(job.patches) for job in jobs)
    print(f"\nreading and transform alone, {slide.name}, {n_patches} patches, one core\n")
    print("| way | patches/s | times plain |\n|---|---:|---:|")
    ways: dict[str, Callable[[], Iterator[object]]] = {
        "plain": lambda: iter(_plain_batches(jobs)),
        "in blocks": lambda: _blocks(jobs, transformed=True),
        "in blocks, reading alone": lambda: _blocks(jobs, transformed=False),
    }
    seconds = {name: min(_drained(make) for _ in range(N_ROUNDS)) for name, make in ways.items()}
    for name, taken_s in seconds.items():
        print(f"| {name} | {n_patches / taken_s:.0f} | {seconds['plain'] / taken_s:.2f} |")


def _blocks(jobs, *, transformed: bool) -> Iterator[object]:
    """Yield patches as the network gets them, or as they are read; like the plain way with the slide opened once."""
    import torch

    from models.encoders.batches import CPU_BATCH
    from models.encoders.spec import IMAGENET_MEAN, IMAGENET_STD
    from models.encoders.transform import Geometry, Normalise, Transform
    from wsi_core.squares import SquareReader

    transform = Transform(Geometry(224, None, "bilinear"), Normalise(IMAGENET_MEAN, IMAGENET_STD, torch.device("cpu")))
    squares = SquareReader(jobs[0].open())
    for job in jobs:
        for numbers in job.blocks(256):
            pixels = torch.from_numpy(squares.read(job.patches.coords[numbers], 0, PATCH_PX))
            for part in pixels.split(CPU_BATCH):
                yield transform(part) if transformed else part
    squares.close()


def _drained(make: Callable[[], Iterator[object]]) -> float:
    start_s = time.perf_counter()
    for _ in make():
        pass
    return time.perf_counter() - start_s


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
