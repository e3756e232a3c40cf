"""Slides in, tissue masks and patch coordinates out: what ``create_patches_fp.py`` does.

Reads slides, a preset and a process list; writes ``masks/``, ``contours/``, ``patches/``, ``stitches/`` and
``process_list_autogen.csv``, which is saved after every slide.
"""

import logging
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from stages.engines import Engine, opened
from stages.patching_config import PatchingConfig
from stages.runner import Result, run_each, summarise
from stages.slide_job import SlideJob
from stages.slide_patching import patch_slide
from utils.atomic import remove_leftovers
from utils.errors import ItemError, UsageError
from utils.fingerprint import fingerprint
from utils.item_locks import ItemLocks
from utils.item_words import Purpose
from utils.lookup import require_folder, require_writable
from utils.names import fault_of_name, names_image, require_apart, slide_id_of, warn_of_alike
from utils.pictures import save_picture
from utils.run_log import start_run_log
from utils.shard import WHOLE
from utils.wording import few
from wsi_core.contact_sheet import SheetEntry, draw_contact_sheet
from wsi_core.params import SlideParams
from wsi_core.preset_file import find_preset, read_preset
from wsi_core.process_list import FILE_NAME, ProcessList, names_in
from wsi_core.shared_process_list import SharedProcessList
from wsi_core.slide_folder import SlideFolder

logger = logging.getLogger(__name__)

# What workers need; imported once, by the process that they are forked from.
PATCHING = ("stages.slide_patching",)
SHOWN_NAMES = 10
SHOWN_PARAMS = ("sthresh", "mthresh", "close", "a_t", "a_h")  # on the contact sheet


def create_patches(config: PatchingConfig) -> int:
    """Run the stage and return the exit code.

    Raises:
        UsageError: folder, preset or process list is wrong; nothing has been written then.
    """
    slides, jobs = plan_slides(config)
    save_dir = require_writable(config.save_dir, flag="--save_dir")
    list_path = save_dir / FILE_NAME
    with opened(config.engine, PATCHING) as engine:
        start_run_log(config.save_dir, config)
        _report_steps(config)
        _regard_earlier_list(slides, list_path, config)
        remove_leftovers(*config.folders)
        if config.patch:  # also where no slide has any: the next stage looks for the folder
            config.coords_path("any").parent.mkdir(parents=True, exist_ok=True)
        with ItemLocks(save_dir, purpose=_purpose(jobs, config)) as locks:
            shared = SharedProcessList(slides, list_path, locks, _of_other_shards(slides, config))
            results = _patch_each(jobs, shared, config, engine, locks)
        remove_leftovers(*config.folders)  # of worker processes that died, or had to be ended
    if config.contact_sheet:
        save_picture(config.contact_sheet_path, draw_contact_sheet(_sheet_entries(slides, config)))
        logger.info("contact sheet: %s", config.contact_sheet_path)
    exit_code = summarise(results)
    if config.makes_something and not jobs:
        logger.warning("no slide of %s has process 1", "the process list" if config.shard == WHOLE else "this --shard")
    advise(results)
    if config.patch:
        n_patches = sum(int(result.cells.get("n_patches", 0)) for result in results)
        logger.info("%d patches: %s", n_patches, config.coords_path("any").parent)
    logger.info("process list: %s", list_path)
    return exit_code


def _purpose(jobs: Sequence[SlideJob], config: PatchingConfig) -> Purpose:
    """Return what is done to a slide, wherever and together with whichever others that is done."""
    same = fingerprint(config=replace(config, engine=config.engine.limits_alone, shard=WHOLE))
    by_name = {job.name: job for job in jobs}

    def of(name: str) -> str:
        job = by_name[name]
        return fingerprint(config=same, row=[job.params, job.resolution, job.fault])

    return of


def _patch_each(
    jobs: Sequence[SlideJob], shared: SharedProcessList, config: PatchingConfig, engine: Engine, locks: ItemLocks
) -> list[Result]:
    """Do the slides, and keep the process list up to date."""

    def record(result: Result) -> None:
        process = "1" if result.failed else "0"
        shared.fill_in(
            result.item_id, {**result.cells, "status": result.status, "reason": result.reason, "process": process}
        )

    shared.start()
    tasks = {job.name: partial(patch_slide, job) for job in jobs} if config.makes_something else {}
    results = run_each(tasks, failed_status="failed_patch", on_result=record, engine=engine, locks=locks)
    shared.finish()
    return results


def _of_other_shards(slides: ProcessList, config: PatchingConfig) -> set[str]:
    return set(slides.names) - config.shard.part_of(slides.names)


def plan_slides(config: PatchingConfig) -> tuple[ProcessList, list[SlideJob]]:
    """Return the process list, and the work on each of its slides whose ``process`` is 1, in this part of it.

    Raises:
        UsageError: folder, preset or process list is wrong.
    """
    source = require_folder(config.source, flag="--source")
    given = [Path(path) for path in (config.mask_dir, config.roi) if path is not None]
    if config.mask_dir is not None:
        require_folder(config.mask_dir, flag="--mask_dir")
    if config.roi is not None and not Path(config.roi).exists():
        raise UsageError(f"--roi: no folder or file {config.roi!r}")
    folder = SlideFolder(source, recursive=config.recursive, without=given)
    slides = _process_list(config, folder)
    ids = {slide_id_of(name) for name in slides.names}
    warn_of_alike(ids, where=str(source))
    require_apart(ids, config.save_dir, flag="--save_dir")
    first_named: dict[str, str] = {}
    for name in sorted(slides.names, key=names_image):  # a mask or thumbnail beside a slide is not to take its place
        first_named.setdefault(slide_id_of(name), name)
    ours = config.shard.part_of(slides.names)
    jobs = [
        SlideJob(
            name=name,
            path=_path(name, folder),
            params=slides.params(name),
            config=config,
            resolution=slides.resolution(name),
            fault=fault_of_name(name) or _clash(name, first_named[slide_id_of(name)]),
        )
        for name in slides.names_to_process
        if name in ours
    ]
    return slides, jobs


def _clash(name: str, first_named: str) -> str:
    """Say so where two files differ by the extension alone and would write the same outputs."""
    return "" if first_named == name else f"same slide id as {first_named}; rename one of the two"


def _path(name: str, folder: SlideFolder) -> Path | ItemError:
    try:
        return folder.find(name)
    except ItemError as error:
        return error


def _process_list(config: PatchingConfig, folder: SlideFolder) -> ProcessList:
    defaults = read_preset(find_preset(config.preset)) if config.preset else SlideParams()
    if config.process_list is None:
        return ProcessList.of_slides(folder.names, defaults)
    in_save_dir = Path(config.save_dir) / config.process_list
    return ProcessList.read(in_save_dir if in_save_dir.exists() else Path(config.process_list), defaults)


def _report_steps(config: PatchingConfig) -> None:
    if not config.makes_something:
        logger.warning("nothing to make: add --seg, --patch or --stitch; only the process list is written")
    if not config.patch and (config.save_patches or config.quality.as_text()):
        logger.warning("--save_patches and the filters of patches have no effect without --patch")
    request = config.request
    overlap = 1 - request.step_size_px / request.patch_size_px
    if config.patch and overlap:
        what = f"overlap by {overlap:.0%}" if overlap > 0 else f"leave gaps of {-overlap:.0%} of their side"
        logger.info("patches %s (patch_size %d, step_size %d)", what, request.patch_size_px, request.step_size_px)


def _regard_earlier_list(slides: ProcessList, path: Path, config: PatchingConfig) -> None:
    """Keep what an earlier list says where nothing is made now; say so where rows of it are left out.

    Raises:
        UsageError: rows are to be kept that cannot be read.
    """
    if not path.is_file():
        return
    if config.process_list is None and not config.makes_something:
        slides.take_rows_of(ProcessList.read(path, SlideParams()))
    left_out = names_in(path) - set(slides.names)
    if left_out:
        logger.warning("%s now names %d slides, %d of before are left out", path, len(slides.names), len(left_out))


def advise(results: Sequence[Result]) -> None:
    """Name the slides that came out empty, or kept, and what to change for them: once for all of a kind."""
    kinds = defaultdict(list)
    for result in results:
        if result.reason and not result.failed:
            kinds[result.status, re.sub(r"\d[\d.]*", "", result.reason)].append(result)
    for alike in kinds.values():
        names = [result.item_id for result in alike]
        first = alike[0]
        which = "" if all(result.reason == first.reason for result in alike) else f"{first.item_id}: "
        logger.warning("%d of %d slides %s: %s. %s%s", len(names), len(results), first.status,
                       few(names, SHOWN_NAMES), which, first.reason)  # fmt: skip


def _sheet_entries(slides: ProcessList, config: PatchingConfig) -> list[SheetEntry]:
    """Return what is shown of each slide, first those that somebody has to look at."""
    entries = [_sheet_entry(slides.row(name), config) for name in slides.names]
    return sorted(entries, key=lambda entry: entry.urgency)


def _sheet_entry(cells: Mapping[str, str], config: PatchingConfig) -> SheetEntry:
    slide_id, status = slide_id_of(cells["slide_id"]), cells["status"]
    picture = config.mask_path(slide_id)
    return SheetEntry(
        slide_id=slide_id,
        status=status,
        caption=_caption(cells, config),
        picture=picture if picture.is_file() else None,
        failed=status.startswith("failed"),
        reason=cells["reason"],
    )


def _caption(cells: Mapping[str, str], config: PatchingConfig) -> str:
    """Return the parameters to judge a mask by, and what came of them."""
    counts = [
        f"{cells[column]} {one if cells[column] == '1' else many}"
        for column, one, many in (("n_contours", "contour", "contours"), ("n_patches", "patch", "patches"))
        if cells[column]
    ]
    return f"{_how_tissue_was_found(cells, config)}\n{', '.join(counts)}"


def _how_tissue_was_found(cells: Mapping[str, str], config: PatchingConfig) -> str:
    if config.mask_dir:
        return f"outlines of {config.mask_dir}"
    if config.no_seg:
        return "whole slide"
    settings = [f"{name} {cells[name]}" for name in SHOWN_PARAMS]
    if cells["use_otsu"] == "True":
        settings[0] = "Otsu"
    return " ".join(settings)
