"""What is encoded belongs to its slide, whatever goes wrong with the one before."""

from dataclasses import replace
from unittest.mock import Mock

import numpy as np
import pytest

from datasets.patches import SlidePatches
from models.encoders.build import build_encoder
from stages.encoding import SlideEncoder
from tests.stages.fabricated import fabricate_picture
from utils.errors import ItemError
from wsi_core.coords_file import PatchCoords
from wsi_core.patch_reading import PatchReading

PATCHES = PatchCoords(
    coords=np.array([[x, y] for x in (0, 32, 64, 96) for y in (0, 32, 64)]), reading=PatchReading(0, 32, 32, 32)
)


@pytest.fixture
def jobs(tmp_path):
    return [SlidePatches(fabricate_picture(tmp_path / f"{seed}.png", seed), PATCHES) for seed in range(3)]


def encode_one(job: SlidePatches, encoder, batch_size: int = 100) -> np.ndarray:
    return SlideEncoder([job], encoder, batch_size, num_workers=0).next_slide()


def encode_all(slides: SlideEncoder, n_slides: int) -> list[np.ndarray | str]:
    """Return the features of every slide, or what was wrong with it."""
    results: list[np.ndarray | str] = []
    for _ in range(n_slides):
        try:
            results.append(slides.next_slide())
        except (ItemError, RuntimeError) as error:
            results.append(str(error))
    return results


def test_features_do_not_depend_on_batches_or_workers(jobs):
    encoder = build_encoder("handcrafted")
    one = encode_one(jobs[0], encoder, batch_size=5)
    assert one.shape == (12, encoder.dim) and one.dtype == np.float32
    for num_workers in (0, 1, 2):
        (again,) = encode_all(SlideEncoder(jobs[:1], encoder, 100, num_workers), 1)
        np.testing.assert_array_equal(again, one)


@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.parametrize("failing_call", [1, 2, 3])
def test_a_slide_that_fails_half_way_leaves_nothing_to_the_next_one(jobs, num_workers, failing_call):
    encoder = build_encoder("handcrafted")
    expected = [encode_one(job, encoder) for job in jobs]
    calls = []

    def out_of_memory_once(batch):
        calls.append(batch)
        if len(calls) == failing_call:
            raise RuntimeError("out of memory")
        return batch

    slides = SlideEncoder(jobs, replace(encoder, encode=out_of_memory_once), 4, num_workers)
    results = encode_all(slides, 3)
    assert results[0] == "out of memory"
    np.testing.assert_array_equal(results[1], expected[1])
    np.testing.assert_array_equal(results[2], expected[2])


def test_a_slide_without_memory_for_its_features_leaves_the_next_one_its_own(jobs, monkeypatch):
    encoder = build_encoder("handcrafted")
    expected = [encode_one(job, encoder) for job in jobs]
    slides = SlideEncoder(jobs, encoder, 4, 0)
    with monkeypatch.context() as patch:
        patch.setattr("stages.encoding.np.empty", Mock(side_effect=MemoryError))
        with pytest.raises(MemoryError):
            slides.next_slide()
    for features in expected[1:]:
        np.testing.assert_array_equal(slides.next_slide(), features)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_an_unreadable_slide_in_the_middle_costs_itself_only(jobs, num_workers):
    encoder = build_encoder("handcrafted")
    jobs[1].path.write_bytes(b"no picture")
    first, middle, last = encode_all(SlideEncoder(jobs, encoder, 5, num_workers), 3)
    assert isinstance(middle, str) and "1.png" in middle
    np.testing.assert_array_equal(first, encode_one(jobs[0], encoder))
    np.testing.assert_array_equal(last, encode_one(jobs[2], encoder))


def test_batches_that_do_not_come_are_no_features(jobs):
    slides = SlideEncoder(jobs[:1], build_encoder("handcrafted"), 4, num_workers=0)
    next(slides._batches)
    slides._batches = iter([next(slides._batches)])
    with pytest.raises(ItemError, match="only 4 of 12 patches"):
        slides.next_slide()
