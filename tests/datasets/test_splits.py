"""Monte-Carlo splits by patient, and the checks of a split file."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets.slide_table import read_slide_table
from datasets.split_file import SplitIds
from datasets.splits import check_split, monte_carlo_splits, share_of, slides_of_split
from datasets.units import patients_of, single_slides_of
from tests.datasets.cohorts import LABELS, write_cohort
from utils.errors import UsageError


def cohort(cases: list[int], labels: list[int]) -> pd.DataFrame:
    return pd.DataFrame(
        {"case_id": [f"p{c}" for c in cases], "slide_id": [f"s{i}" for i in range(len(cases))], "label": labels}
    )


def draw(units, n_val, n_test, seed=1, n_splits=3, **options):
    return list(monte_carlo_splits(units, n_val=n_val, n_test=n_test, n_splits=n_splits, seed=seed, **options))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_patient_is_ever_on_two_sides_and_none_is_lost(data):
    cases = data.draw(st.lists(st.integers(0, 12), min_size=1, max_size=40))
    labels = data.draw(st.lists(st.integers(0, 2), min_size=len(cases), max_size=len(cases)))
    slides = cohort(cases, labels)
    patients = patients_of(slides, 3, data.draw(st.sampled_from(["max", "maj"])))
    n_val, n_test = share_of(patients, 0.3), share_of(patients, 0.2)
    for split in draw(patients, n_val, n_test, seed=data.draw(st.integers(0, 9))):
        rows = slides_of_split(split, patients)
        assert sorted(row for side in rows for row in side) == list(range(len(cases)))
        owners = [set(slides["case_id"].iloc[side]) for side in rows]
        assert sum(map(len, owners)) == len(patients)
        for side, counts in (("val", n_val), ("test", n_test)):
            drawn = np.bincount(patients.labels[getattr(split, side)], minlength=3)
            np.testing.assert_array_equal(drawn, counts)


def test_the_draws_follow_the_legacy_generator_class_by_class():
    slides = cohort(list(range(20)), [0] * 12 + [1] * 8)
    rng = np.random.RandomState(5)
    for split in draw(single_slides_of(slides, 2), [2, 1], [3, 2], seed=5):
        val, test = [], []
        for members, n_val, n_test in ((np.arange(12), 2, 3), (np.arange(12, 20), 1, 2)):
            val += list(rng.choice(members, n_val, replace=False))
            test += list(rng.choice([m for m in members if m not in val], n_test, replace=False))
        assert (split.val, split.test) == (val, test)
        assert split.train == [i for i in range(20) if i not in val + test]


def test_a_label_fraction_keeps_the_first_of_every_class_rounded_up():
    patients = patients_of(cohort(list(range(10)), [0, 1] * 5), 2)
    whole, part = (draw(patients, [1, 1], [1, 1], label_frac=fraction) for fraction in (1.0, 0.5))
    for one, half in zip(whole, part, strict=True):
        assert (half.val, half.test) == (one.val, one.test)
        assert half.train == one.train[:2] + one.train[3:5]


def test_the_same_patients_may_test_every_time():
    patients = patients_of(cohort(list(range(10)), [0, 1] * 5), 2)
    for split in draw(patients, [1, 1], [0, 0], fixed_test=[0, 3]):
        assert split.test == [0, 3]
        assert not {0, 3} & {*split.train, *split.val}


def test_sides_may_be_empty_and_classes_absent():
    patients = patients_of(cohort([0, 1, 2], [0, 0, 0]), 2)
    assert share_of(patients, 0.1) == [0, 0]
    assert draw(patients, [0, 0], [0, 0], n_splits=1) == [([0, 1, 2], [], [])]


@pytest.mark.parametrize(
    ("n_val", "options", "message"),
    [
        ([3, 1], {}, "class 0 has 5 patients to draw from: too few for 3 in val and 3 in test"),
        ([1], {}, "1 numbers for val"),
        ([1, 1], {"seed": -1}, "seed -1"),
        ([1, 1], {"label_frac": 0}, "label_frac 0"),
    ],
)
def test_impossible_draws_are_refused(n_val, options, message):
    patients = patients_of(cohort(list(range(10)), [0, 1] * 5), 2)
    with pytest.raises(UsageError, match=message):
        draw(patients, n_val, [3, 3], **options)


@pytest.mark.parametrize(
    ("voting", "labels", "expected"),
    [("max", [0, 0, 2], 2), ("maj", [0, 0, 2], 0), ("maj", [2, 1, 1, 2], 1), ("maj", [2, 0], 0)],
)
def test_slides_vote_for_the_label_of_their_patient(voting, labels, expected):
    assert list(patients_of(cohort([7] * len(labels), labels), 3, voting).labels) == [expected]


def test_an_unknown_voting_is_named():
    with pytest.raises(UsageError, match="unknown patient_voting 'mean'"):
        patients_of(cohort([0], [0]), 1, "mean")


def test_patients_are_sorted_as_text_and_their_slides_as_in_the_table():
    patients = patients_of(cohort([10, 9, 10, 2], [0, 0, 0, 0]), 1)
    assert list(patients.ids) == ["p10", "p2", "p9"]
    assert [list(rows) for rows in patients.slides_of] == [[0, 2], [3], [1]]


@pytest.fixture
def table(tmp_path):
    return read_slide_table(write_cohort(tmp_path / "cohort.csv"), LABELS)


def test_a_good_split_passes(table):
    check_split(SplitIds(["s00", "s01"], ["s02"], ["s18"]), table, "f.csv")


@pytest.mark.parametrize(
    ("split", "words"),
    [
        (SplitIds(["s00", "S02"], ["x"], []), ["f.csv", "2 of 3 ids", "cohort.csv", "s00, s01, s02", "S02, x"]),
        (SplitIds(["s00", "s02"], ["s00"], ["s02"]), ["f.csv", "slide", "s00 (train, val), s02 (train, test)"]),
        (SplitIds(["s00"], ["s02"], ["s01", "s03"]), ["f.csv", "patient", "p0 (train, test), p1 (val, test)"]),
    ],
)
def test_a_split_that_does_not_fit_is_named(table, split, words):
    with pytest.raises(UsageError) as error:
        check_split(split, table, "f.csv")
    for word in words:
        assert word in str(error.value)


def test_slides_left_out_by_a_filter_are_known(tmp_path):
    table = read_slide_table(write_cohort(tmp_path / "cohort.csv"), {"normal": 0}, ignore=["tumor"])
    check_split(SplitIds(["s00"], ["s19"], []), table, "f.csv")
