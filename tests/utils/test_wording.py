"""Long lists in messages."""

import pytest

from utils.wording import few


@pytest.mark.parametrize(
    ("n", "text"), [(0, ""), (1, "a"), (2, "a, b"), (3, "a, b and 1 more"), (5, "a, b and 3 more")]
)
def test_a_long_list_is_cut_and_counted(n, text):
    assert few(list("abcde"[:n]), most=2) == text
