"""What a run says of its speed, and advises."""

from dataclasses import replace

import numpy as np
import pytest

from stages.extraction_report import Speed, has_larger_batches, report_speed, warn_of_small_batches
from wsi_core.coords_file import PatchCoords
from wsi_core.patch_reading import PatchReading


def patches_of(side_px: int, n_patches: int = 2000) -> PatchCoords:
    return PatchCoords(np.zeros((n_patches, 2), int), PatchReading(0, side_px, side_px, side_px))


@pytest.mark.parametrize("larger_batches", [True, False])
def test_a_larger_batch_is_advised_only_where_it_would_be_had(caplog, larger_batches):
    caplog.set_level("INFO")
    report_speed(Speed(1000, 60.0, 1.0), 8, "cuda", {"bf16"}, larger_batches=larger_batches)
    assert "the encoder is the limit" in caplog.text and ("--batch_size" in caplog.text) == larger_batches


@pytest.mark.parametrize(
    ("sides_px", "n_patches", "batch_size", "expected"),
    [
        ([256], 2000, 256, True),
        ([2048], 2000, 256, False),  # 85 fill a batch
        ([2048], 2000, 84, True),
        ([2048], 2000, 85, False),
        ([256, 2048], 2000, 256, True),
        ([256], 200, 256, False),  # no slide has more
    ],
)
def test_larger_batches_are_had_as_far_as_memory_and_patches_go(sides_px, n_patches, batch_size, expected):
    assert has_larger_batches(batch_size, [patches_of(side_px, n_patches) for side_px in sides_px]) == expected


def test_batches_that_are_not_had_are_said_once_with_what_is(caplog):
    slides = [patches_of(side_px) for side_px in (256, 1024, 2048, 2048)]
    warn_of_small_batches(256, slides)
    assert [record.message for record in caplog.records] == [
        "--batch_size 256: of large patches no more are encoded at once than 1024 MiB hold, 85 of 2048 px"
    ]


def test_batches_that_are_had_are_not_spoken_of(caplog):
    few = replace(patches_of(2048), coords=np.zeros((80, 2), int))
    warn_of_small_batches(256, [patches_of(1024), few, patches_of(4096, 0)])
    assert not caplog.records
