import pytest

from utils.threads import in_threads


def test_results_come_in_order_few_ahead(monkeypatch):
    monkeypatch.setattr("utils.threads.usable_processors", lambda: 2)
    begun = []

    def square(number):
        begun.append(number)
        return number**2

    results = in_threads(square, range(100))
    assert next(results) == 0
    assert len(begun) <= 4
    assert list(results) == [n**2 for n in range(1, 100)]


def test_an_error_is_raised_and_no_further_item_begun():
    begun = []

    def fail(number):
        begun.append(number)
        raise ValueError(number)

    with pytest.raises(ValueError, match="0"):
        list(in_threads(fail, range(1000)))
    assert len(begun) < 500
