"""The same tasks on Ray as in worker processes of this machine, to the same outcomes."""

import logging
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import pytest

from stages.engines import EngineSettings, opened
from stages.isolation import Crash
from stages.runner import Result, run_each
from tests.stages.test_engines import die, double, hang, note
from utils.errors import UsageError
from utils.item_locks import ItemLocks
from utils.lock_folder import LOCKS

# not imported here: Ray reads the environment when it is imported, and the engine sets that before
pytestmark = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed: pip install '.[ray]'")


@pytest.fixture(scope="module")
def engine():
    with opened(EngineSettings(engine="ray", slide_timeout_s=2.0), ()) as on_ray:
        yield on_ray


def test_a_task_that_dies_or_hangs_costs_only_itself(engine):
    doings = {1: hang, 2: die}
    tasks = {str(number): partial(doings.get(number, double), number) for number in range(6)}
    outcomes = dict(engine.run(tasks.items()))
    crashes = {name: outcomes.pop(name) for name in ("1", "2")}
    assert all(isinstance(crash, Crash) for crash in crashes.values()) and "--slide_timeout" in crashes["1"].reason
    assert outcomes == {str(number): 2 * number for number in (0, 3, 4, 5)}


def test_locks_messages_and_the_current_folder_are_as_here(engine, tmp_path, caplog):
    with ItemLocks(tmp_path) as locks:
        results = run_each({"a": partial(note, tmp_path, "a"), "b": look_around}, engine=engine, locks=locks)
    assert [result.reason for result in results] == ["", str(Path.cwd())] and "said there" in caplog.text
    assert not (tmp_path / LOCKS).exists()


def look_around():
    logging.getLogger("there").warning("said there")
    return Result("b", "processed", str(Path.cwd()))


def wrong():
    raise UsageError("wrong flag")


def test_a_wrong_command_ends_the_run(engine):
    with pytest.raises(UsageError, match="wrong flag"):
        run_each({"a": wrong}, engine=engine)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere", "ray://127.0.0.1:1", "127.0.0.1:99999"])
def test_an_address_without_a_cluster_is_told_at_once(address):
    with (
        pytest.raises(UsageError, match="--ray_address"),
        opened(EngineSettings(engine="ray", ray_address=address), ()),
    ):
        raise AssertionError("there is a cluster")
