"""Where the program listens, and whether it opens a browser."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from flask import Flask

from stages.viewer import serve


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that another program listens at."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


@pytest.fixture
def listening() -> Iterator[Callable[[str, int | None], int]]:
    """Listen at an address until the test ends, and return the port."""
    with ExitStack() as stack:

        def listen(host: str, port: int | None) -> int:
            server = serve._listen(Flask("x"), host, port)
            stack.callback(server.stop)
            return server.bind_addr[1]

        yield listen


def test_where_the_usual_port_is_taken_any_other_is_used(taken, listening, monkeypatch):
    monkeypatch.setattr(serve, "USUAL_PORT", taken)
    assert listening("127.0.0.1", None) not in (0, taken)


def test_a_name_of_several_addresses_has_a_port_to_print(listening):
    assert listening("localhost", 0) > 0


@pytest.mark.parametrize(
    ("machine", "variables", "opens"),
    [
        ("linux", {"DISPLAY": ":0"}, True),
        ("linux", {"WAYLAND_DISPLAY": "wayland-0"}, True),
        ("linux", {}, False),
        ("linux", {"DISPLAY": ":10", "SSH_CONNECTION": "a b"}, False),
        ("darwin", {}, True),
    ],
)
def test_a_browser_is_opened_only_where_it_is_seen(monkeypatch, machine, variables, opens):
    monkeypatch.setattr(serve.sys, "platform", machine)
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SSH_CONNECTION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert serve.has_screen() == opens
