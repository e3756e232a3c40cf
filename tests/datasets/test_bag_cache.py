"""Bags are read once; what does not fit into memory comes from the files, with the same numbers."""

from pathlib import Path

import numpy as np
import pytest
import torch

from datasets import bag_cache
from datasets.bag_cache import DEFAULT_CACHE_GB, GIB, read_bags
from datasets.bags import BagSurvey, read_bag, survey_bags
from main import build_parser
from tests.datasets.cohorts import write_h5, write_pt
from utils.errors import UsageError

WIDTH = 4
SIZES = {"a": 3, "b": 50, "c": 7, "d": 1}


@pytest.fixture
def survey(tmp_path) -> BagSurvey:
    generator = torch.Generator().manual_seed(0)
    for slide_id, n_patches in SIZES.items():
        features = torch.rand(n_patches, WIDTH, generator=generator)
        if slide_id == "c":
            write_h5(tmp_path, slide_id, features.numpy())
        else:
            write_pt(tmp_path, slide_id, features)
    return survey_bags(dict.fromkeys(SIZES, tmp_path))


@pytest.mark.parametrize("n_rows", [0, 3, 11, 60, 61, 1000])
def test_the_numbers_do_not_depend_on_the_memory(tmp_path, survey, n_rows):
    cache = read_bags(survey, cache_gb=n_rows * WIDTH * 4 / GIB)
    assert sum(n for _, n in cache.rows.values()) <= n_rows
    assert set(cache.rows) | set(cache.paths) == set(SIZES) and not set(cache.rows) & set(cache.paths)
    for slide_id in SIZES:
        assert torch.equal(cache[slide_id], read_bag(tmp_path, slide_id))


def test_memory_is_filled_as_far_as_bags_fit(survey):
    assert set(read_bags(survey, cache_gb=11 * WIDTH * 4 / GIB).rows) == {"a", "c", "d"}


def test_half_precision_takes_half_the_memory(survey):
    whole, half = read_bags(survey), read_bags(survey, dtype="fp16")
    assert half.kept.nbytes * 2 == whole.kept.nbytes
    torch.testing.assert_close(half["b"].float(), whole["b"], atol=1e-3, rtol=0)


@pytest.mark.parametrize("cache_gb", [0, 1])
def test_numbers_that_are_none_and_files_cut_short_are_found_while_reading(tmp_path, survey, cache_gb):
    write_pt(tmp_path, "a", torch.full((3, WIDTH), float("nan")))
    write_h5(tmp_path, "c", np.full((7, WIDTH), np.inf, np.float32))
    cut = Path(tmp_path, "pt_files", "b.pt")
    cut.write_bytes(cut.read_bytes()[:100])
    cache = read_bags(survey, cache_gb=cache_gb)
    assert {problem: set(slides) for problem, slides in survey.problems.items()} == {
        "NaN or infinite numbers": {"a", "c"},
        "not readable": {"b"},
    }
    assert set(cache.rows) | set(cache.paths) == {"d"}


def test_numbers_beyond_half_precision_are_named(tmp_path):
    write_pt(tmp_path, "a", torch.full((2, WIDTH), 1e5))
    survey = survey_bags({"a": tmp_path})
    read_bags(survey, dtype="fp16")
    assert survey.rejected == ["a"] and "too large for --cache_dtype fp16" in survey.describe()


def test_the_program_states_the_default():
    assert build_parser().get_default("cache_gb") == DEFAULT_CACHE_GB


def test_features_that_processes_cannot_share_are_refused_with_advice(survey, monkeypatch):
    monkeypatch.setattr(bag_cache, "PART_OF_SHARED_MEMORY", 0)
    with pytest.raises(UsageError, match=r"--fold_workers: .* do not fit into /dev/shm.*--shm-size"):
        read_bags(survey, shared=True)


def test_other_processes_see_the_same_memory(survey):
    cache = read_bags(survey, shared=True)
    assert cache.kept.is_shared() and torch.equal(cache["a"], cache.kept[:3])
