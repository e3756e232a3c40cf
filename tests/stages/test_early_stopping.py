"""When training stops, and whose parameters are kept."""

import math

import pytest

from stages.early_stopping import EarlyStopping


def epochs_run(losses) -> int:
    stopping = EarlyStopping()
    for epoch, loss in enumerate(losses):
        stopping.is_best(loss)
        if stopping.should_stop(epoch):
            return epoch + 1
    return len(losses)


def test_a_tie_is_an_improvement_and_nan_never_is():
    stopping = EarlyStopping()
    assert [stopping.is_best(loss) for loss in (math.nan, 2, 2, 3, math.nan, 1)] == [
        False,
        True,
        True,
        False,
        False,
        True,
    ]


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ([1.0] + [2.0] * 199, 52),  # patience ran out long ago, but epoch 51 is the first that may stop
        ([1.0] * 41 + [2.0] * 159, 61),  # 20 epochs without improvement
        ([1.0] * 200, 200),
        ([1.0] * 40 + [math.nan] * 160, 60),
    ],
)
def test_it_stops_after_20_epochs_without_improvement_and_after_epoch_50(losses, expected):
    assert epochs_run(losses) == expected
