"""The slides of a run divided among several GPUs, with a process for each."""

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import get_context

import torch

from stages.extraction_plan import EncodingJob
from stages.extraction_report import Speed
from stages.isolation import do_task, start_worker
from stages.runner import Result
from utils.errors import UsageError, one_line
from utils.processes import end_workers

logger = logging.getLogger(__name__)

Jobs = Mapping[str, EncodingJob]
EncodeShare = Callable[[Jobs, torch.device], tuple[list[Result], Speed]]


def in_shares(jobs: Jobs, devices: Sequence[torch.device], encode: EncodeShare) -> tuple[list[Result], Speed]:
    """Encode slides on several devices at once.

    Args:
        jobs: the slides by id.
        devices: where to compute.
        encode: encodes a share on a device; picklable.

    Returns:
        The results in the order of ``jobs``, and the speed of all together. Where a process dies, or cannot use its
        device, its share has failed.

    Raises:
        UsageError: a process says that the command is wrong; the others are ended.
    """
    shares = [share for share in divided(jobs, len(devices)) if share]
    pools = [ProcessPoolExecutor(1, get_context("spawn"), start_worker) for _ in shares]
    results: dict[str, Result] = {}
    speeds = []
    try:
        running = [
            pool.submit(do_task, partial(encode, share, device))
            for pool, share, device in zip(pools, shares, devices, strict=False)
        ]
        for share, device, future in zip(shares, devices, running, strict=False):
            done, speed = _outcome(future, share, device)
            results.update({result.item_id: result for result in done})
            speeds.append(speed)
    finally:
        if len(speeds) < len(shares):  # a wrong command, or Ctrl-C: nobody waits for the others
            end_workers()
        for pool in pools:
            pool.shutdown(cancel_futures=True)
    return [results[slide_id] for slide_id in jobs], _together(speeds)


def _outcome(future: Future, share: Jobs, device: torch.device) -> tuple[list[Result], Speed]:
    """Wait for a share; what ended it early is the reason of all its slides."""
    error = future.exception()
    if error is None:
        return future.result()
    if isinstance(error, UsageError):
        raise error
    what = "died; most likely memory ran out" if isinstance(error, BrokenProcessPool) else f"failed: {one_line(error)}"
    reason = f"the process on {device} {what}"
    logger.error("%d slides: %s", len(share), reason)
    return [Result(slide_id, "failed", reason, failed=True) for slide_id in share], Speed(0, 0.0, 0.0)


def divided(jobs: Jobs, n_shares: int) -> list[dict[str, EncodingJob]]:
    """Divide slides so that all shares have about the same number of patches; each keeps the order."""
    totals = [0] * n_shares
    share_of: dict[str, int] = {}
    for slide_id in sorted(jobs, key=lambda slide_id: -len(jobs[slide_id].slide.patches)):
        smallest = totals.index(min(totals))
        totals[smallest] += len(jobs[slide_id].slide.patches)
        share_of[slide_id] = smallest
    return [{i: job for i, job in jobs.items() if share_of[i] == number} for number in range(n_shares)]


def _together(speeds: Sequence[Speed]) -> Speed:
    seconds = max((speed.seconds for speed in speeds), default=0.0)
    n_devices = max(1, len(speeds))
    wait_s = sum(speed.wait_s or 0.0 for speed in speeds) / n_devices
    return Speed(sum(speed.n_patches for speed in speeds), seconds, wait_s)
