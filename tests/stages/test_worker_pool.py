import os
import signal
import time
from functools import partial

from stages.runner import Result, run_each
from stages.worker_pool import Crash, in_processes
from utils.atomic import atomic_path


def double(number):
    return 2 * number


def die(number):
    os.kill(os.getpid(), signal.SIGKILL)


def test_results_come_with_their_ids():
    tasks = {str(number): partial(double, number) for number in range(7)}
    assert dict(in_processes(tasks, 2)) == {str(number): 2 * number for number in range(7)}


def test_a_task_that_kills_its_process_costs_only_itself():
    tasks = {str(number): partial(die if number in (1, 5) else double, number) for number in range(8)}
    outcomes = dict(in_processes(tasks, 2))
    assert len(outcomes) == 8
    assert {name for name, outcome in outcomes.items() if isinstance(outcome, Crash)} == {"1", "5"}
    assert outcomes["7"] == 14


def write_slowly(folder, name):
    with atomic_path(folder / name) as part:
        part.write_text("half")
        time.sleep(60)


def test_workers_end_with_the_one_who_waits_and_leave_nothing_half_written(tmp_path):
    tasks = {"quick": partial(double, 1)} | {name: partial(write_slowly, tmp_path, name) for name in "abcdef"}
    outcomes = in_processes(tasks, 3)
    assert next(outcomes) == ("quick", 2)
    while len(list(tmp_path.iterdir())) < 2:
        time.sleep(0.05)
    start_s = time.monotonic()
    outcomes.close()  # as Ctrl-C does
    assert time.monotonic() - start_s < 10 and not list(tmp_path.iterdir())


def done(name):
    return Result(name, "processed", cells={"n_patches": "3"})


def test_the_runner_tells_which_slide_killed_its_process(caplog):
    tasks = {"a": partial(done, "a"), "deadly": partial(die, 0), "b": partial(done, "b")}
    seen = []
    results = run_each(tasks, failed_status="failed_patch", num_workers=2, on_result=seen.append)
    by_id = {result.item_id: result for result in results}
    assert len(seen) == 3 and by_id["a"].cells == {"n_patches": "3"} and not by_id["b"].failed
    assert by_id["deadly"].status == "failed_patch" and "memory ran out" in by_id["deadly"].reason
