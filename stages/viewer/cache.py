"""What was made once and may be wanted again, up to a bound; several threads that want it wait for one to make it."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Cache(Generic[Value]):
    """Values by key; those that were not asked for the longest make room. Safe to share between threads.

    Args:
        limit: how much is kept; the newest value is kept even where it alone is more.
        cost: of a value, in the unit of ``limit``.
    """

    def __init__(self, limit: int, cost: Callable[[Value], int]) -> None:
        self._limit = limit
        self._cost = cost
        self._total = 0
        self._values: OrderedDict[Hashable, tuple[Value, int]] = OrderedDict()
        self._making: dict[Hashable, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """Return the value of a key, made first where it is not kept; what ``make`` raises is passed on."""
        with self._lock:
            if key in self._values:
                return self._touch(key)
            making = self._making.setdefault(key, threading.Lock())
        with making:
            with self._lock:
                if key in self._values:  # another thread has made it meanwhile
                    return self._touch(key)
            try:
                value = make()
                with self._lock:
                    self._keep(key, value)
            finally:
                with self._lock:
                    self._making.pop(key, None)
        return value

    def _touch(self, key: Hashable) -> Value:
        self._values.move_to_end(key)
        return self._values[key][0]

    def _keep(self, key: Hashable, value: Value) -> None:
        cost = self._cost(value)
        self._values[key] = value, cost
        self._total += cost
        while self._total > self._limit and len(self._values) > 1:
            _, (_, dropped) = self._values.popitem(last=False)
            self._total -= dropped
