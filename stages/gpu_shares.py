"""The slides of a run divided among several GPUs, with a process for each."""

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

import torch

from datasets.patches import SlidePatches
from stages.extraction_report import Speed
from stages.runner import Result
from utils.logging import set_up_logging

logger = logging.getLogger(__name__)

Jobs = Mapping[str, SlidePatches]
EncodeShare = Callable[[Jobs, torch.device], tuple[list[Result], Speed]]


def in_shares(jobs: Jobs, devices: Sequence[torch.device], encode: EncodeShare) -> tuple[list[Result], Speed]:
    """Encode slides on several devices at once.

    Args:
        jobs: the slides by id.
        devices: where to compute.
        encode: encodes a share on a device; picklable.

    Returns:
        The results in the order of ``jobs``, and the speed of all together. Where a process dies its share has failed.
    """
    shares = [share for share in divided(jobs, len(devices)) if share]
    pools = [ProcessPoolExecutor(1, get_context("spawn"), set_up_logging) for _ in shares]
    running = [pool.submit(encode, share, device) for pool, share, device in zip(pools, shares, devices, strict=False)]
    results: dict[str, Result] = {}
    speeds = []
    for share, device, future in zip(shares, devices, running, strict=False):
        try:
            done, speed = future.result()
        except BrokenProcessPool:
            reason = f"the process on {device} died; most likely memory ran out"
            done, speed = [Result(slide_id, "failed", reason, failed=True) for slide_id in share], Speed(0, 0.0, 0.0)
        results.update({result.item_id: result for result in done})
        speeds.append(speed)
    for pool in pools:
        pool.shutdown()
    return [results[slide_id] for slide_id in jobs], _together(speeds)


def divided(jobs: Jobs, n_shares: int) -> list[dict[str, SlidePatches]]:
    """Divide slides so that all shares have about the same number of patches; each keeps the order."""
    totals = [0] * n_shares
    share_of: dict[str, int] = {}
    for slide_id in sorted(jobs, key=lambda slide_id: -len(jobs[slide_id].patches)):
        smallest = totals.index(min(totals))
        totals[smallest] += len(jobs[slide_id].patches)
        share_of[slide_id] = smallest
    return [{i: job for i, job in jobs.items() if share_of[i] == number} for number in range(n_shares)]


def _together(speeds: Sequence[Speed]) -> Speed:
    seconds = max((speed.seconds for speed in speeds), default=0.0)
    n_devices = max(1, len(speeds))
    return Speed(sum(speed.n_patches for speed in speeds), seconds, sum(speed.wait_s for speed in speeds) / n_devices)
