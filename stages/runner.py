"""The only loop over slides: progress, one failure costs one slide, a summary and an exit code at the end."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from tqdm import tqdm

from stages.worker_pool import PATCHING, Crash, in_processes
from utils.errors import EXIT_DONE, EXIT_SOME_FAILED, ItemError, UsageError, one_line

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Result:
    """What became of one item.

    Attributes:
        item_id: the item.
        status: one word.
        reason: where there is something to say.
        failed: whether it counts as a failure.
        cells: what is known of the item, for its row in a table.
    """

    item_id: str
    status: str
    reason: str = ""
    failed: bool = False
    cells: Mapping[str, str] = field(default_factory=dict)


Task = Callable[[], Result]


def run_each(
    tasks: Mapping[str, Task],
    *,
    unit: str = "slide",
    failed_status: str = "failed",
    on_result: Callable[[Result], object] | None = None,
    num_workers: int = 1,
    preload: Sequence[str] = PATCHING,
) -> list[Result]:
    """Do the task of every item and go on when one fails.

    Args:
        tasks: what to do for each item id, in order. Raising an ItemError sets the status it carries, any other
            exception ``failed_status``. With several workers tasks must be picklable, such as a ``partial``.
        unit: the word beside the progress bar.
        failed_status: the status of a failure that has none.
        on_result: called after each item, such as to save the process list.
        num_workers: processes; with 1 everything happens in this one.
        preload: modules that workers need and that are slow to import.

    Returns:
        The results in the order of the tasks, whichever was ready first.
    """
    results = []
    bar = tqdm(total=len(tasks), unit=unit, dynamic_ncols=True, disable=not tasks)
    with bar:
        for result in _results(tasks, failed_status, num_workers, bar, preload):
            results.append(result)
            bar.update()
            if result.failed:
                logger.error("%s: %s: %s", result.item_id, result.status, result.reason)
            if on_result is not None:
                on_result(result)
    place = {item_id: number for number, item_id in enumerate(tasks)}
    return sorted(results, key=lambda result: place[result.item_id])


def _results(
    tasks: Mapping[str, Task], failed_status: str, num_workers: int, bar: tqdm, preload: Sequence[str]
) -> Iterator[Result]:
    isolated = {item_id: partial(_run_one, item_id, task, failed_status) for item_id, task in tasks.items()}
    if num_workers <= 1 or len(tasks) <= 1:
        for item_id, task in isolated.items():
            bar.set_postfix_str(item_id)
            yield task()
        return
    for item_id, outcome in in_processes(isolated, num_workers, preload):
        if isinstance(outcome, Crash):
            yield Result(item_id, failed_status, outcome.reason, failed=True)
        else:
            yield outcome


def _run_one(item_id: str, task: Task, failed_status: str) -> Result:
    try:
        return task()
    except UsageError:
        raise  # the command is wrong, not this item
    except ItemError as error:
        return Result(item_id, error.status, one_line(error), failed=True)
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
