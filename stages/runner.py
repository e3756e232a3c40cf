"""The only loop over slides: progress, one failure costs one slide, a summary and an exit code at the end."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tqdm import tqdm

from stages.engines import Engine, HereEngine, Outcomes, Tasks
from stages.isolation import Crash
from utils.errors import EXIT_DONE, EXIT_SOME_FAILED, ItemError, UsageError, one_line
from utils.item_locks import Holder, ItemLocks

logger = logging.getLogger(__name__)

HERE = HereEngine()
LOOK_AGAIN_S = 2.0  # whether another process has done what is waited for


@dataclass(frozen=True)
class Result:
    """What became of one item.

    Attributes:
        item_id: the item.
        status: one word.
        reason: where there is something to say.
        failed: whether it counts as a failure.
        cells: what is known of the item, for its row in a table.
        made: what else its stage wants to know of it.
    """

    item_id: str
    status: str
    reason: str = ""
    failed: bool = False
    cells: Mapping[str, str] = field(default_factory=dict)
    made: Any = None


Task = Callable[[], Result]


def run_each(
    tasks: Mapping[str, Task],
    *,
    unit: str = "slide",
    failed_status: str = "failed",
    on_result: Callable[[Result], object] | None = None,
    engine: Engine = HERE,
    locks: ItemLocks | None = None,
) -> list[Result]:
    """Do the task of every item and go on when one fails.

    Args:
        tasks: what to do for each item id, in order. Raising an ItemError sets the status it carries, any other
            exception ``failed_status``. Picklable, such as a ``partial``, but for the engine of this process.
        unit: the word beside the progress bar.
        failed_status: the status of a failure that has none.
        on_result: called after each item, such as to save the process list.
        engine: where tasks are done.
        locks: of the folder of results, where other processes may do the same; a task must see for itself whether an
            item has been done meanwhile.

    Returns:
        The results in the order of the tasks, whichever was ready first.
    """
    results = []
    isolated = {item_id: partial(_run_one, item_id, task, failed_status) for item_id, task in tasks.items()}
    bar = tqdm(total=len(tasks), unit=unit, dynamic_ncols=True, disable=not tasks)
    with bar:
        for item_id, outcome in _outcomes(isolated, engine, locks, bar):
            result = _result_of(item_id, outcome, failed_status)
            results.append(result)
            bar.update()
            if result.failed:
                logger.error("%s: %s: %s", result.item_id, result.status, result.reason)
            if on_result is not None:
                on_result(result)
            if locks is not None:
                locks.give_back(item_id)
    place = {item_id: number for number, item_id in enumerate(tasks)}
    return sorted(results, key=lambda result: place[result.item_id])


def _outcomes(tasks: Mapping[str, Task], engine: Engine, locks: ItemLocks | None, bar: tqdm) -> Outcomes:
    """Yield what comes of each task; those that another process has under way come last, when it is done with them."""
    left, is_told = dict(tasks), False
    while left:
        elsewhere: dict[str, Holder] = {}
        yield from engine.run(_free(left, locks, elsewhere, bar))
        left = {item_id: left[item_id] for item_id in elsewhere}
        if left:
            is_told = is_told or tell_waiting(elsewhere)
            time.sleep(LOOK_AGAIN_S)


def tell_waiting(elsewhere: Mapping[str, Holder]) -> bool:
    """Say which items other processes have under way; True, as it has been said."""
    item_id, holder = next(iter(elsewhere.items()))
    logger.info("waiting for other processes: %d items, such as %s (%s)", len(elsewhere), item_id, holder)
    return True


def _free(tasks: Mapping[str, Task], locks: ItemLocks | None, elsewhere: dict[str, Holder], bar: tqdm) -> Tasks:
    """Yield the tasks that no other process has under way; ``elsewhere`` gets the others."""
    for item_id, task in tasks.items():
        holder = locks.take(item_id) if locks is not None else None
        if holder is not None:
            elsewhere[item_id] = holder
            continue
        bar.set_postfix_str(item_id)
        yield item_id, task


def _result_of(item_id: str, outcome: Result | Crash, failed_status: str) -> Result:
    if isinstance(outcome, Crash):
        return Result(item_id, failed_status, outcome.reason, failed=True)
    return outcome


def _run_one(item_id: str, task: Task, failed_status: str) -> Result:
    try:
        return task()
    except UsageError:
        raise  # the command is wrong, not this item
    except ItemError as error:
        return Result(item_id, error.status, one_line(error), failed=True)
    except MemoryError as error:
        reason = f"memory ran out ({one_line(error)}); allow more with --slide_memory_gb, or take fewer processes"
        return Result(item_id, failed_status, reason, failed=True)
    except Exception as error:  # the one broad catch: a bad slide costs only itself
        logger.debug("%s failed", item_id, exc_info=True)
        return Result(item_id, failed_status, one_line(error), failed=True)


def summarise(results: Sequence[Result], *, unit: str = "slide") -> int:
    """Log how many items ended in which status, name those that failed, and return the exit code."""
    counts = Counter(result.status for result in results)
    logger.info("%d %s%s: %s", len(results), unit, "" if len(results) == 1 else "s",
                ", ".join(f"{n} {status}" for status, n in counts.most_common()) or "nothing to do")  # fmt: skip
    failed = [result for result in results if result.failed]
    for result in failed:
        logger.info("  %s  %s: %s", result.item_id, result.status, result.reason)
    return EXIT_SOME_FAILED if failed else EXIT_DONE
