import time
from functools import partial

import pytest

from stages.engines import EngineSettings, opened
from stages.runner import Result, run_each, summarise
from utils.errors import EXIT_DONE, EXIT_SOME_FAILED, ItemError, UsageError


def tasks(*names, work=None):
    return {name: partial(work or do, name) for name in names}


def do(name):
    if name == "torn":
        raise ItemError("torn.svs is truncated", "failed_open")
    if name == "odd":
        raise ValueError("surprise\nin two lines")
    return Result(name, "processed")


def test_a_failure_costs_only_its_item_and_is_named(caplog):
    caplog.set_level("INFO")
    results = run_each(tasks("a", "torn", "odd", "b"), failed_status="failed_patch")
    assert [(r.status, r.failed) for r in results] == [
        ("processed", False), ("failed_open", True), ("failed_patch", True), ("processed", False),
    ]  # fmt: skip
    assert results[2].reason == "ValueError: surprise in two lines"
    assert summarise(results) == EXIT_SOME_FAILED
    assert "torn  failed_open: torn.svs is truncated" in caplog.text


def test_every_result_is_reported_as_it_comes():
    seen = []
    run_each(tasks("a", "torn"), on_result=seen.append)
    assert [result.item_id for result in seen] == ["a", "torn"]


def slow_first(name):
    time.sleep(0.5 if name == "a" else 0)
    return Result(name, "processed")


def test_results_are_in_the_order_of_the_tasks_whichever_was_ready_first():
    seen = []
    with opened(EngineSettings(num_workers=2), ()) as engine:
        results = run_each(
            tasks("a", "b", "c", work=slow_first), engine=engine, on_result=lambda r: seen.append(r.item_id)
        )
    assert [result.item_id for result in results] == ["a", "b", "c"] and seen[0] != "a"


def test_all_done_is_exit_code_0():
    assert summarise(run_each(tasks("a"))) == EXIT_DONE
    assert summarise([]) == EXIT_DONE


def test_wrong_use_stops_the_run():
    def wrong(_name):
        raise UsageError("wrong flag")

    with pytest.raises(UsageError):
        run_each(tasks("a", work=wrong))
