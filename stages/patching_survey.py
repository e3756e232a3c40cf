"""What a patching run would find, without writing anything: ``create_patches_fp.py --dry_run``."""

import logging
from datetime import timedelta
from functools import partial

import pandas as pd

from stages.engines import opened
from stages.patching import PATCHING, advise, plan_slides
from stages.patching_config import PatchingConfig
from stages.runner import Result, run_each, summarise
from stages.slide_job import SlideJob
from stages.slide_patching import SlidePatching
from utils.errors import ItemError, one_line

logger = logging.getLogger(__name__)

FEATURE_BYTES = 1024 * 4 * 2  # of one patch: 1024 numbers, as h5 and as pt
COLUMNS = (
    "slide",
    "format",
    "size",
    "mpp",
    "mpp_from",
    "levels",
    "read_level",
    "read_size",
    "patches",
    "MB",
    "minutes",
)


def survey_patches(config: PatchingConfig, patches_per_s: float) -> int:
    """Print a row for each slide, and return the exit code.

    Args:
        config: the run that is planned.
        patches_per_s: how fast the next stage is expected to be.

    Raises:
        UsageError: folder, preset or process list is wrong.
    """
    _, jobs = plan_slides(config)
    tasks = {job.name: partial(survey_slide, job, patches_per_s) for job in jobs}
    with opened(config.engine, PATCHING) as engine:
        results = run_each(tasks, failed_status="failed_patch", engine=engine)
    table = pd.DataFrame([{"slide": result.item_id, **result.cells} for result in results], columns=COLUMNS)
    print(table.fillna("-").to_string(index=False))
    n_patches = sum(int(result.cells.get("patches", 0)) for result in results)
    _report_total(n_patches, patches_per_s, filtered=config.quality.as_text() != {})
    exit_code = summarise(results)
    advise(results)
    return exit_code


def survey_slide(job: SlideJob, patches_per_s: float) -> Result:
    """Return what is known of a slide and of the patches that it would have; what fails is told with it.

    Raises:
        ItemError: it cannot be opened.
    """
    if job.fault:
        raise ItemError(job.fault, "failed_open")
    with job.open() as slide:
        width, height = slide.size_level0
        cells = {
            "format": slide.format,
            "size": f"{width}x{height}",
            "levels": ",".join(f"{downsample_x:g}" for downsample_x, _ in slide.level_downsamples),
        }
        work = SlidePatching(slide, job, job.config)
        try:
            status, reason = _survey(work, cells, patches_per_s)
        except ItemError as error:
            return Result(job.name, error.status, one_line(error), failed=True, cells=cells)
    return Result(job.name, status, reason, cells=cells)


def _survey(work: SlidePatching, cells: dict[str, str], patches_per_s: float) -> tuple[str, str]:
    """Fill the cells as far as it goes; return status and reason."""
    if work.resolution is not None:
        cells |= {"mpp": f"{work.resolution.mpp:g}", "mpp_from": work.resolution.source}
    reading = work.planned.reading
    cells |= {"read_level": str(reading.level), "read_size": str(reading.read_size_px)}
    cells |= _costs(0 if not work.contours else len(work.coords), patches_per_s)
    if not work.contours:
        return "no_tissue", work.why_no_tissue
    return ("ok", "") if len(work.coords) else ("no_patches", work.why_no_patches(""))


def _costs(n_patches: int, patches_per_s: float) -> dict[str, str]:
    return {
        "patches": str(n_patches),
        "MB": f"{n_patches * FEATURE_BYTES / 1e6:.1f}",
        "minutes": f"{n_patches / patches_per_s / 60:.1f}",
    }


def _report_total(n_patches: int, patches_per_s: float, *, filtered: bool) -> None:
    before = " before the filters of quality" if filtered else ""
    logger.info(
        "%d patches%s: about %s of features (1024 numbers each), %s at %g patches/s (--patches_per_s)",
        n_patches,
        before,
        _bytes_for_people(n_patches * FEATURE_BYTES),
        timedelta(seconds=round(n_patches / patches_per_s)),
        patches_per_s,
    )


def _bytes_for_people(n_bytes: float) -> str:
    for unit in ("kB", "MB", "GB"):
        n_bytes /= 1000
        if n_bytes < 1000:
            return f"{n_bytes:.3g} {unit}"
    return f"{n_bytes / 1000:.3g} TB"
