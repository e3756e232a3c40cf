"""Slides in, tissue masks and patch coordinates out: what ``create_patches_fp.py`` does.

Reads slides, a preset and a process list; writes ``masks/``, ``patches/``, ``stitches/`` and
``process_list_autogen.csv``, which is saved after every slide.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

from stages.patching_config import PatchingConfig
from stages.runner import Result, run_each, summarise
from stages.slide_patching import patch_slide
from utils.errors import ItemError
from utils.lookup import require_folder, require_writable
from utils.names import slide_id_of
from wsi_core.params import SlideParams
from wsi_core.preset_file import find_preset, read_preset
from wsi_core.process_list import EMPTY_STATUSES, FILE_NAME, ProcessList
from wsi_core.slide_folder import list_slides

logger = logging.getLogger(__name__)


def create_patches(config: PatchingConfig) -> int:
    """Run the stage and return the exit code.

    Raises:
        UsageError: folder, preset or process list is wrong; nothing has been written then.
    """
    slides = load_process_list(config)
    require_writable(config.save_dir, flag="--save_dir")
    _report_steps(config)
    list_path = Path(config.save_dir) / FILE_NAME
    slides.write(list_path)

    first_named: dict[str, str] = {}
    for name in slides.names:
        first_named.setdefault(slide_id_of(name), name)

    def work(name: str) -> Result:
        first = first_named[slide_id_of(name)]
        if first != name:  # two files that differ by the extension alone would write the same outputs
            raise ItemError(f"same slide id as {first}; rename one of the two", "failed_open")
        return patch_slide(name, slides, config)

    def record(result: Result) -> None:
        process = "1" if result.failed else "0"
        slides.update(result.item_id, status=result.status, reason=result.reason, process=process)
        slides.write(list_path)

    names = slides.names_to_process if config.seg or config.patch or config.stitch else []
    results = run_each(names, work, failed_status="failed_patch", on_result=record)
    exit_code = summarise(results)
    _advise(results)
    logger.info("process list: %s", list_path)
    return exit_code


def load_process_list(config: PatchingConfig) -> ProcessList:
    """Return the slides to work on with their parameters: the given list, or all of the folder."""
    source = require_folder(config.source, flag="--source")
    defaults = read_preset(find_preset(config.preset)) if config.preset else SlideParams()
    if config.process_list is None:
        return ProcessList.of_slides(list_slides(source), defaults)
    in_save_dir = Path(config.save_dir) / config.process_list
    return ProcessList.read(in_save_dir if in_save_dir.exists() else Path(config.process_list), defaults)


def _report_steps(config: PatchingConfig) -> None:
    if not (config.seg or config.patch or config.stitch):
        logger.warning("nothing to make: add --seg, --patch or --stitch; only the process list is written")
    overlap = 1 - config.step_size_px / config.patch_size_px
    if config.patch and overlap:
        what = f"overlap by {overlap:.0%}" if overlap > 0 else f"leave gaps of {-overlap:.0%} of their side"
        logger.info("patches %s (patch_size %d, step_size %d)", what, config.patch_size_px, config.step_size_px)


def _advise(results: Sequence[Result]) -> None:
    """Name the slides that came out empty and what to change for them."""
    for status in EMPTY_STATUSES:
        empty = [result for result in results if result.status == status]
        if empty:
            names = ", ".join(result.item_id for result in empty)
            logger.warning("%d of %d slides %s: %s. %s", len(empty), len(results), status, names, empty[0].reason)
