"""Leaks that were put in are found, and nothing else."""

import numpy as np
import pandas as pd
import torch

from datasets.feature_hashes import feature_hashes
from datasets.leakage import findings, kept_apart, leakage_report
from datasets.slide_table import SlideTable
from datasets.split_file import SplitIds
from tests.datasets.cohorts import write_h5, write_pt


def table(**columns: list[str]) -> SlideTable:
    slides = pd.DataFrame({"case_id": ["p0", "p0", "p1", "p2"], "slide_id": ["a", "b", "c", "d"], **columns})
    return SlideTable("cohort.csv", slides, ("any",))


APART = SplitIds(["a", "b"], ["c"], ["d"])


def test_nothing_is_found_where_nothing_leaks():
    leak = leakage_report(APART, table(site=["A", "A", "B", "C"]), {"a": "1", "b": "1", "c": "2", "d": "3"})
    assert findings([leak]) == []
    assert kept_apart([leak]) == ["patients", "sites", "slides with the same features"]


def test_a_patient_a_site_and_features_on_two_sides_are_named():
    split = SplitIds(["a"], ["b", "c"], ["d"])
    leak = leakage_report(split, table(site=["A", "A", "", "A"]), {"a": "1", "c": "2", "d": "2"})
    assert leak.patients == {"p0": {"train", "val"}}
    assert leak.sites == {"A": {"train", "val", "test"}}
    assert leak.features == {"c = d": {"val", "test"}}
    assert findings([leak]) == [
        "patients on more than one side, 1: p0 (train, val)",
        "sites on more than one side, 1: A (train, val, test)",
        "slides with the same features on more than one side, 1: c = d (val, test)",
    ]


def test_what_is_not_known_is_neither_found_nor_kept_apart():
    leak = leakage_report(APART, table())
    assert leak.sites is None and leak.features is None
    assert kept_apart([leak]) == ["patients"]


def test_several_splits_are_summed_up_and_long_lists_cut():
    slides = pd.DataFrame({"case_id": [f"p{i // 2}" for i in range(14)], "slide_id": [f"s{i:02d}" for i in range(14)]})
    cohort = SlideTable("cohort.csv", slides, ("any",))
    bad = SplitIds([f"s{i:02d}" for i in range(0, 14, 2)], [], [f"s{i:02d}" for i in range(1, 14, 2)])
    good = SplitIds([f"s{i:02d}" for i in range(14)], [], [])
    (text,) = findings([leakage_report(split, cohort) for split in (good, bad, bad)])
    assert text.startswith("patients on more than one side in 2 of 3 splits, 7: p0 (train, test), ")
    assert text.endswith("p4 (train, test) and 2 more")


def test_equal_features_have_equal_hashes_whatever_file_they_are_in(tmp_path, caplog):
    features = np.arange(12, dtype=np.float32).reshape(4, 3)
    write_pt(tmp_path, "a", torch.from_numpy(features))
    write_h5(tmp_path, "b", features)
    write_pt(tmp_path, "c", torch.from_numpy(features[:3]))
    write_pt(tmp_path, "empty", torch.empty(0, 3))
    hashes = feature_hashes(dict.fromkeys(["a", "b", "c", "empty", "absent"], tmp_path))
    assert set(hashes) == {"a", "b", "c"}
    assert hashes["a"] == hashes["b"] != hashes["c"]
    assert "1 slides are missing or not readable, and not compared: absent" in caplog.text
