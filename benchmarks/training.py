"""How long training takes for a bag, against the plain loop in the same run. Prints a table, asserts nothing.

    python -m benchmarks.training [--bags 300] [--patches 400] [--rounds 5]

CLAM-SB with default settings learns once from every bag. The plain loop reads each bag from its file, steps with Adam
as torch builds it, and asks for loss and error after every step. The other ways are the project's own: features are
read once beforehand, and nothing is asked for before the pass ends. Each way has a process of its own, as it would in
use; they take turns, and medians are printed. All start from the same parameters and draw alike, so that in float32
they end with the same mean loss.
"""

import argparse
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import nn

from benchmarks.setting import setting
from datasets.bag_cache import BagCache, read_bags
from datasets.bags import survey_bags
from datasets.features_file import pt_path, write_features_pt
from models.builder import ModelSettings, build_model
from stages.epoch import Bag, Objective, run_pass
from stages.fold import TrainingSettings, build_optimizer
from utils.device import has_bfloat16
from utils.freed_memory import keep_freed_memory
from utils.seed import seed_everything

WIDTH = 1024
CPU = torch.device("cpu")
SETTINGS = TrainingSettings(ModelSettings(embed_dim=WIDTH))


@dataclass(frozen=True)
class Pass:
    """What one way took to go through all bags once."""

    ms_a_bag: float
    waiting: float
    loss: float


@dataclass(frozen=True)
class Cohort:
    """Bags in files and in memory, and how long it took to read them."""

    paths: list[Path]
    labels: list[torch.Tensor]
    cache: BagCache
    read_s: float

    def __iter__(self) -> Iterator[Bag]:
        for path, label in zip(self.paths, self.labels, strict=True):
            yield self.cache[path.stem], label


def main(argv: Sequence[str]) -> int:
    """Print a row for each way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bags", type=int, default=300)
    parser.add_argument("--patches", type=int, default=400, help="of a bag")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args(argv)
    print(setting("torch"))
    print(f"{args.bags} bags of {args.patches} x {WIDTH}, {torch.get_num_threads()} threads")
    with tempfile.TemporaryDirectory() as folder:
        _fabricate(Path(folder), args.bags, args.patches)
        passes = _taking_turns(Path(folder), args.rounds)
    plain_ms = statistics.median(done.ms_a_bag for done in passes["plain"])
    print("| way | ms a bag | fastest | times plain | waiting for data | mean loss |\n|---|---:|---:|---:|---:|---:|")
    for name, done in passes.items():
        ms, waiting = (
            statistics.median(column) for column in zip(*((p.ms_a_bag, p.waiting) for p in done), strict=True)
        )
        fastest = min(p.ms_a_bag for p in done)
        print(f"| {name} | {ms:.1f} | {fastest:.1f} | {plain_ms / ms:.2f} | {waiting:.1%} | {done[0].loss:.4f} |")
    return 0


def _fabricate(folder: Path, n_bags: int, n_patches: int) -> None:
    generator = torch.Generator().manual_seed(0)
    for number in range(n_bags):
        features = torch.randn(n_patches, WIDTH, generator=generator)
        write_features_pt(pt_path(folder, f"slide_{number:03d}"), features.numpy())


def _taking_turns(folder: Path, n_rounds: int) -> dict[str, list[Pass]]:
    ways: dict[str, Callable[[], Pass]] = {"plain": _plain_pass, "float32": _pass}
    if has_bfloat16(CPU):
        ways["--amp, bfloat16"] = partial(_pass, amp=True)
    else:
        print("no row for --amp: this processor has no bfloat16 arithmetic, and --amp computes in float32\n")
    passes: dict[str, list[Pass]] = {name: [] for name in ways}
    spawn = multiprocessing.get_context("spawn")
    with ExitStack() as stack:
        processes = {
            name: stack.enter_context(ProcessPoolExecutor(1, spawn, initializer=_read, initargs=(folder,)))
            for name in ways
        }
        read_ms = processes["float32"].submit(_read_ms_a_bag).result()
        print(f"read into memory once: {read_ms:.1f} ms a bag\n")
        for _ in range(n_rounds):
            for name, run in ways.items():
                passes[name].append(processes[name].submit(run).result())
    return passes


_cohort: Cohort  # the bags of this process


def _read(folder: Path) -> None:
    """Read the bags into this process."""
    global _cohort
    paths = sorted(folder.rglob("*.pt"))
    start_s = time.perf_counter()
    cache = read_bags(survey_bags({path.stem: folder for path in paths}))
    read_s = time.perf_counter() - start_s
    _cohort = Cohort(paths, [torch.tensor([number % 2]) for number in range(len(paths))], cache, read_s)


def _read_ms_a_bag() -> float:
    return _cohort.read_s / len(_cohort.paths) * 1e3


def _pass(*, amp: bool = False) -> Pass:
    keep_freed_memory()  # as every fold of main.py does
    seed_everything(SETTINGS.seed)
    model = build_model(SETTINGS.model)
    optimizer = build_optimizer(model, SETTINGS)
    objective = Objective.of("clam_sb", nn.CrossEntropyLoss(), SETTINGS.bag_weight, SETTINGS.clustering)
    bags = _Timed(_cohort)
    start_s = time.perf_counter()
    figures = run_pass(model, bags, SETTINGS.model.n_classes, CPU, objective, optimizer, amp=amp)
    loss = figures.loss
    taken_s = time.perf_counter() - start_s
    return Pass(taken_s / len(_cohort.paths) * 1e3, bags.wait_s / taken_s, loss)


class _Timed:
    """Passes bags on and adds up how long they were waited for."""

    def __init__(self, bags: Cohort) -> None:
        self.wait_s = 0.0
        self._bags = bags

    def __iter__(self) -> Iterator[Bag]:
        bags = iter(self._bags)
        while True:
            start_s = time.perf_counter()
            bag = next(bags, None)
            self.wait_s += time.perf_counter() - start_s
            if bag is None:
                return
            yield bag


def _plain_pass() -> Pass:
    seed_everything(SETTINGS.seed)
    model = _PlainClam()
    optimizer = torch.optim.Adam(model.parameters(), lr=SETTINGS.lr, weight_decay=SETTINGS.reg)
    bag_loss_of = nn.CrossEntropyLoss()
    total_loss = error = wait_s = 0.0
    start_s = time.perf_counter()
    for path, label in zip(_cohort.paths, _cohort.labels, strict=True):
        opened_s = time.perf_counter()
        features = torch.load(path, weights_only=True)
        wait_s += time.perf_counter() - opened_s
        logits, instance_loss = model(features, label)
        bag_loss = bag_loss_of(logits, label)
        total_loss += bag_loss.item()
        error += (logits.argmax(dim=1) != label).float().mean().item()
        loss = SETTINGS.bag_weight * bag_loss + (1 - SETTINGS.bag_weight) * instance_loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    taken_s = time.perf_counter() - start_s
    return Pass(taken_s / len(_cohort.paths) * 1e3, wait_s / taken_s, total_loss / len(_cohort.paths))


class _PlainClam(nn.Module):
    """CLAM-SB in torch's own layers."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Sequential(nn.Linear(WIDTH, 512), nn.ReLU(), nn.Dropout(0.25))
        self.tanh = nn.Sequential(nn.Linear(512, 256), nn.Tanh(), nn.Dropout(0.25))
        self.gate = nn.Sequential(nn.Linear(512, 256), nn.Sigmoid(), nn.Dropout(0.25))
        self.score = nn.Linear(256, 1)
        self.classifier = nn.Linear(512, 2)
        self.instance_classifiers = nn.ModuleList([nn.Linear(512, 2) for _ in range(2)])
        self.instance_loss_of = nn.CrossEntropyLoss()

    def forward(self, features: torch.Tensor, label: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits (1, 2) and the instance loss of a bag (N, WIDTH)."""
        embedded = self.embedding(features)
        weights = (self.score(self.tanh(embedded) * self.gate(embedded))).T.softmax(dim=1)  # (1, N)
        top, bottom = weights[0].topk(8).indices, (-weights[0]).topk(8).indices
        evidence = self.instance_classifiers[int(label)](embedded[torch.cat([top, bottom])])
        targets = torch.tensor([1] * 8 + [0] * 8)
        return self.classifier(weights @ embedded), self.instance_loss_of(evidence, targets)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
