"""Slides are divided among devices, a process each; what goes wrong with one device costs its share."""

import os
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from datasets.patches import SlidePatches
from stages.extraction_plan import EncodingJob
from stages.extraction_report import Speed
from stages.gpu_shares import divided, in_shares
from stages.runner import Result
from utils.errors import UsageError
from wsi_core.coords_file import PatchCoords
from wsi_core.patch_reading import PatchReading

DEVICES = [torch.device("cpu"), torch.device("meta")]  # any two: nothing is computed on them


def job(n_patches: int) -> EncodingJob:
    patches = PatchCoords(np.zeros((n_patches, 2), np.int64), PatchReading(0, 32, 32, 32))
    return EncodingJob(SlidePatches(Path("a.svs"), patches), (0,))


JOBS = {
    slide_id: job(n_patches) for slide_id, n_patches in (("a", 90), ("b", 50), ("c", 50))
}  # shares: a, then b and c


def encode(jobs, device):
    return [Result(slide_id, "processed", str(device)) for slide_id in jobs], Speed(len(jobs), 2.0, 0.5)


def fail_on_cpu(jobs, device):
    if device.type == "cpu":
        raise RuntimeError("no memory left")
    return encode(jobs, device)


def die_on_cpu(jobs, device):
    if device.type == "cpu":
        os._exit(1)
    return encode(jobs, device)


def refuse_on_cpu(jobs, device):
    if device.type == "cpu":
        raise UsageError("the encoder does not fit")
    time.sleep(60)


def test_shares_have_about_the_same_number_of_patches():
    jobs = {str(n): job(size) for n, size in enumerate((900, 100, 500, 400, 90, 10))}
    shares = divided(jobs, 2)
    assert sorted(i for share in shares for i in share) == sorted(jobs)
    assert [sum(len(job.slide.patches) for job in share.values()) for share in shares] == [1000, 1000]
    assert all(list(share) == sorted(share) for share in shares)


def test_results_come_in_the_order_of_the_slides_with_the_speed_of_all():
    results, speed = in_shares(JOBS, DEVICES, encode)
    assert [(r.item_id, r.reason) for r in results] == [("a", "cpu"), ("b", "meta"), ("c", "meta")]
    assert (speed.n_patches, speed.seconds, speed.wait_s) == (3, 2.0, 0.5)


@pytest.mark.parametrize(("encode", "reason"), [(fail_on_cpu, "RuntimeError: no memory left"), (die_on_cpu, "died")])
def test_a_device_that_cannot_be_used_costs_its_share(encode, reason):
    results, _ = in_shares(JOBS, DEVICES, encode)
    assert [result.failed for result in results] == [True, False, False] and reason in results[0].reason


def test_a_wrong_command_ends_all_shares_at_once():
    start_s = time.monotonic()
    with pytest.raises(UsageError, match="does not fit"):
        in_shares(JOBS, DEVICES, refuse_on_cpu)
    assert time.monotonic() - start_s < 45
