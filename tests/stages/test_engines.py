"""Where items are worked on: a task that goes wrong costs only itself, whatever it does to its process."""

import os
import signal
import threading
import time
from functools import partial

import numpy as np
import pytest

from stages.engines import EngineSettings, opened
from stages.isolation import Crash
from stages.runner import Result, run_each
from utils.atomic import atomic_path
from utils.item_locks import ItemLocks
from utils.lock_folder import LOCKS


def double(number):
    return 2 * number


def die(number):
    os.kill(os.getpid(), signal.SIGKILL)


def hang(number):
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    time.sleep(600)


def take_memory(gib):
    return len(np.ones(int(gib * 2**27)))


def local(num_workers=2, **limits):
    return opened(EngineSettings(num_workers=num_workers, **limits), ())


def outcomes_of(tasks, **settings):
    with local(**settings) as engine:
        return dict(engine.run(tasks.items()))


@pytest.mark.parametrize("settings", [{}, {"num_workers": 1}, {"num_workers": 1, "slide_timeout_s": 0}])
def test_results_come_with_their_ids(settings):
    tasks = {str(number): partial(double, number) for number in range(7)}
    assert outcomes_of(tasks, **settings) == {str(number): 2 * number for number in range(7)}


@pytest.mark.parametrize("num_workers", [1, 2])
def test_a_task_that_kills_its_process_costs_only_itself(num_workers):
    tasks = {str(number): partial(die if number in (1, 5) else double, number) for number in range(8)}
    outcomes = outcomes_of(tasks, num_workers=num_workers)
    assert len(outcomes) == 8
    assert {name for name, outcome in outcomes.items() if isinstance(outcome, Crash)} == {"1", "5"}
    assert outcomes["7"] == 14


def test_a_task_that_hangs_is_ended_and_the_others_go_on():
    tasks = {str(number): partial(hang if number == 1 else double, number) for number in range(6)}
    start_s = time.monotonic()
    outcomes = outcomes_of(tasks, slide_timeout_s=3.0)
    assert "--slide_timeout" in outcomes.pop("1").reason and time.monotonic() - start_s < 30
    assert outcomes == {str(number): 2 * number for number in (0, 2, 3, 4, 5)}


def test_a_task_that_wants_too_much_memory_costs_only_itself():
    tasks = {"large": partial(take_memory, 4.0), "small": partial(take_memory, 0.01)}
    with local(num_workers=1, slide_memory_gb=1.0) as engine:
        large, small = run_each({name: partial(sized, name, task) for name, task in tasks.items()}, engine=engine)
    assert large.failed and "--slide_memory_gb" in large.reason and not small.failed


def sized(name, task):
    return Result(name, "processed", str(task()))


def write_slowly(folder, name):
    with atomic_path(folder / name) as part:
        part.write_text("half")
        time.sleep(60)


def test_workers_end_with_the_one_who_waits_and_leave_nothing_half_written(tmp_path):
    tasks = {"quick": partial(double, 1)} | {name: partial(write_slowly, tmp_path, name) for name in "abcdef"}
    start_s = 0.0
    with pytest.raises(KeyboardInterrupt), local(num_workers=3) as engine:
        for outcome in engine.run(tasks.items()):
            assert outcome == ("quick", 2)
            while len(list(tmp_path.iterdir())) < 2:
                time.sleep(0.05)
            start_s = time.monotonic()
            raise KeyboardInterrupt
    assert time.monotonic() - start_s < 10 and not list(tmp_path.iterdir())


def done(name):
    return Result(name, "processed", cells={"n_patches": "3"})


def test_the_runner_tells_which_slide_killed_its_process(caplog):
    tasks = {"a": partial(done, "a"), "deadly": partial(die, 0), "b": partial(done, "b")}
    seen = []
    with local() as engine:
        results = run_each(tasks, failed_status="failed_patch", engine=engine, on_result=seen.append)
    by_id = {result.item_id: result for result in results}
    assert len(seen) == 3 and by_id["a"].cells == {"n_patches": "3"} and not by_id["b"].failed
    assert by_id["deadly"].status == "failed_patch" and "memory ran out" in by_id["deadly"].reason


def note(folder, name):
    with (folder / "done").open("a") as file:
        file.write(f"{name}\n")
    return Result(name, "processed")


def test_what_another_process_has_under_way_is_waited_for(tmp_path, monkeypatch, caplog):
    caplog.set_level("INFO")
    monkeypatch.setattr("utils.item_locks.LOOK_AGAIN_S", 0.05)
    other = ItemLocks(tmp_path)
    other.take("b")
    tasks = {name: partial(note, tmp_path, name) for name in "abc"}
    with ItemLocks(tmp_path) as locks:
        # the other one is done with it a while after all else is done
        later = threading.Timer(0.2, other.give_back, ["b"])
        run_each(tasks, locks=locks, on_result=lambda result: result.item_id == "c" and later.start())
    assert (tmp_path / "done").read_text().split() == ["a", "c", "b"] and "waiting for other processes" in caplog.text
    assert not (tmp_path / LOCKS).exists()
