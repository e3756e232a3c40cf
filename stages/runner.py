"""The only loop over slides: progress, one failure costs one slide, a summary and an exit code at the end."""

import json
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from pydantic import TypeAdapter
from tqdm import tqdm

from stages.engines import Engine, HereEngine, Outcomes, Tasks
from stages.isolation import Crash
from utils.errors import EXIT_DONE, EXIT_SOME_FAILED, ItemError, UsageError, one_line
from utils.item_locks import ItemLocks

logger = logging.getLogger(__name__)

HERE = HereEngine()


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
        is_by_another: whether another process did it while this one ran.
    """

    item_id: str
    status: str
    reason: str = ""
    failed: bool = False
    cells: Mapping[str, str] = field(default_factory=dict)
    made: Any = None
    is_by_another: bool = False


RESULTS = TypeAdapter(Result)
Task = Callable[[], Result]


def run_each(
    tasks: Mapping[str, Task],
    *,
    unit: str = "slide",
    failed_status: str = "failed",
    on_result: Callable[[Result], object] | None = None,
    engine: Engine = HERE,
    locks: ItemLocks | None = None,
    made_type: type | None = None,
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
            item has been done meanwhile. What another process has left word of is taken over.
        made_type: of ``Result.made``, a dataclass, to be taken over too.

    Returns:
        The results in the order of the tasks, whichever was ready first.
    """
    results = []
    isolated = {item_id: partial(_run_one, item_id, task, failed_status) for item_id, task in tasks.items()}
    bar = tqdm(total=len(tasks), unit=unit, dynamic_ncols=True, disable=not tasks)
    with bar:
        for item_id, outcome in _outcomes(isolated, engine, locks, made_type, bar):
            result = _result_of(item_id, outcome, failed_status)
            results.append(result)
            bar.update()
            if result.failed:
                logger.error("%s: %s: %s", result.item_id, result.status, result.reason)
            if on_result is not None:
                on_result(result)
            if locks is not None:
                if not result.is_by_another:
                    locks.words.leave(item_id, as_word(result))
                locks.give_back(item_id)
    place = {item_id: number for number, item_id in enumerate(tasks)}
    return sorted(results, key=lambda result: place[result.item_id])


def _outcomes(
    tasks: Mapping[str, Task], engine: Engine, locks: ItemLocks | None, made_type: type | None, bar: tqdm
) -> Outcomes:
    """Yield what comes of each task; those that another process has under way come last, when it is done with them."""
    left = dict(tasks)
    while left:
        elsewhere: list[str] = []
        yield from engine.run(_free(left, locks, made_type, elsewhere, bar))
        left = {item_id: left[item_id] for item_id in elsewhere}
        if left and locks is not None:
            locks.wait_for_any(left)


def _free(
    tasks: Mapping[str, Task], locks: ItemLocks | None, made_type: type | None, elsewhere: list[str], bar: tqdm
) -> Tasks:
    """Yield the tasks that no other process has under way, or word in their place; ``elsewhere`` gets the others."""
    for item_id, task in tasks.items():
        if locks is not None and locks.take(item_id) is not None:
            elsewhere.append(item_id)
            continue
        bar.set_postfix_str(item_id)
        told = told_by_another(locks, item_id, made_type)
        yield item_id, task if told is None else partial(_taken_over, told)


def _taken_over(told: Result) -> Result:
    return told


def told_by_another(locks: ItemLocks | None, item_id: str, made_type: type | None = None) -> Result | None:
    """Return what another process has made of an item while this one ran, if it has left word of it."""
    word = None if locks is None else locks.words.of(item_id)
    try:
        if word is None:
            return None
        told = RESULTS.validate_json(word)
        made = None if made_type is None or told.made is None else TypeAdapter(made_type).validate_python(told.made)
    except ValueError:  # by a stranger, or another version
        return None
    return replace(told, made=made, is_by_another=True)


def as_word(result: Result) -> str:
    """Return a result as ``told_by_another`` reads it."""
    return json.dumps(RESULTS.dump_python(result, mode="json"))  # which takes names that are no UTF-8


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
    counts = Counter(f"{result.status}{'_elsewhere' if result.is_by_another else ''}" for result in results)
    logger.info("%d %s%s: %s", len(results), unit, "" if len(results) == 1 else "s",
                ", ".join(f"{n} {status}" for status, n in counts.most_common()) or "nothing to do")  # fmt: skip
    failed = [result for result in results if result.failed]
    for result in failed:
        logger.info("  %s  %s: %s", result.item_id, result.status, result.reason)
    return EXIT_SOME_FAILED if failed else EXIT_DONE
