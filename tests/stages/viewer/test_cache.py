"""What is kept is bounded, and made once however many ask for it."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from stages.viewer.cache import Cache


def make_nothing() -> bytes:
    raise AssertionError("it was there")


def test_what_was_asked_for_the_longest_ago_makes_room():
    cache = Cache[bytes](10, len)
    for name in "abc":
        cache.get(name, lambda: b"4444")
    assert cache.get("b", make_nothing) == cache.get("c", make_nothing) == b"4444"
    assert cache.get("a", lambda: b"anew") == b"anew"
    assert cache.get("c", make_nothing) == b"4444"


def test_the_newest_is_kept_even_where_it_alone_is_too_much():
    cache = Cache[bytes](1, len)
    cache.get("a", lambda: b"large")
    assert cache.get("a", make_nothing) == b"large"


def test_threads_that_ask_at_once_wait_for_one_to_make_it():
    cache, made, together = Cache[bytes](10, len), [], threading.Barrier(8)

    def make() -> bytes:
        made.append(1)
        return b"x"

    def ask(_: int) -> bytes:
        together.wait()
        return cache.get("a", make)

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask, range(8))) == {b"x"}
    assert len(made) == 1


def test_what_could_not_be_made_is_tried_again():
    cache = Cache[bytes](10, len)
    with pytest.raises(AssertionError):
        cache.get("a", make_nothing)
    assert cache.get("a", lambda: b"x") == b"x"
