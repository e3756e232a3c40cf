"""The only loop over slides: progress, one failure costs one slide, a summary and an exit code at the end."""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tqdm import tqdm

from utils.errors import EXIT_DONE, EXIT_SOME_FAILED, ItemError, UsageError, one_line

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Result:
    """What became of one item: its status word, and the reason where there is something to say."""

    item_id: str
    status: str
    reason: str = ""
    failed: bool = False


def run_each(
    item_ids: Sequence[str],
    work: Callable[[str], Result],
    *,
    unit: str = "slide",
    failed_status: str = "failed",
    on_result: Callable[[Result], None] | None = None,
) -> list[Result]:
    """Call ``work(item_id)`` for every item and go on when one fails.

    Args:
        item_ids: ids, in the order to work in.
        work: does one item and returns its result; raising an ItemError sets the status it carries, any
            other exception ``failed_status``.
        unit: the word beside the progress bar.
        on_result: called after each item, such as to save the process list.
    """
    results = []
    bar = tqdm(item_ids, unit=unit, dynamic_ncols=True)
    for item_id in bar:
        bar.set_postfix_str(item_id)
        result = _run_one(item_id, work, failed_status)
        results.append(result)
        if on_result is not None:
            on_result(result)
    return results


def _run_one(item_id: str, work: Callable[[str], Result], failed_status: str) -> Result:
    try:
        return work(item_id)
    except UsageError:
        raise  # the command is wrong, not this item
    except ItemError as error:
        result = Result(item_id, error.status, one_line(error), failed=True)
    except Exception as error:  # the one broad catch: a bad slide costs only itself
        logger.debug("%s failed", item_id, exc_info=True)
        result = Result(item_id, failed_status, one_line(error), failed=True)
    logger.error("%s: %s: %s", item_id, result.status, result.reason)
    return result


def summarise(results: Sequence[Result], *, unit: str = "slide") -> int:
    """Log how many items ended in which status, name those that failed, and return the exit code."""
    counts = Counter(result.status for result in results)
    logger.info("%d %s%s: %s", len(results), unit, "" if len(results) == 1 else "s",
                ", ".join(f"{n} {status}" for status, n in counts.most_common()) or "nothing to do")  # fmt: skip
    failed = [result for result in results if result.failed]
    for result in failed:
        logger.info("  %s  %s: %s", result.item_id, result.status, result.reason)
    return EXIT_SOME_FAILED if failed else EXIT_DONE
