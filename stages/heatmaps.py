"""Slides and a trained model in, heatmaps out: what ``create_heatmaps.py`` does."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from stages.engines import Engine, EngineSettings, opened
from stages.heatmap_config import HeatmapConfig, read_config, write_config
from stages.heatmap_models import AttentionModel
from stages.heatmap_opening import Opening
from stages.heatmap_paths import RESULTS_DIR, UNLABELLED, config_copy, production_folder, results_table
from stages.heatmap_report import HeatmapReport, write_heatmap_report
from stages.outcomes.classification import Classification
from stages.runner import Result, run_each, summarise
from stages.shown_layers import require_known_classes
from stages.slide_heatmap import DrawnSlide, Job, draw
from utils.atomic import remove_leftovers
from utils.device import pick_device
from utils.errors import ItemError, UsageError
from utils.fingerprint import fingerprint
from utils.item_locks import ItemLocks
from utils.item_words import Purpose
from utils.lookup import find_input, require_folder, require_writable
from utils.names import check_id, require_apart
from utils.run_log import start_run_log
from utils.shard import WHOLE, Shard
from wsi_core.heatmap_list import HeatmapRow, read_rows, rows_of_folder, write_results
from wsi_core.params import HEATMAP_PARAMS
from wsi_core.preset_file import find_preset, read_preset
from wsi_core.slide_folder import SlideFolder

logger = logging.getLogger(__name__)

PRELOAD = ("stages.slide_heatmap",)
HERE_ALONE = EngineSettings(slide_timeout_s=0)


@dataclass(frozen=True)
class HeatmapRequest:
    """One run of the stage.

    Attributes:
        config: name or path of the YAML.
        save_exp_code: overrides the experiment's name.
        overlap: overrides the overlap of the fine map, 0 to below 1.
        engine: where slides are drawn.
        shard: the part of the slides that this run draws.
        overwrite: compute again what an earlier run kept.
    """

    config: str
    save_exp_code: str | None = None
    overlap: float | None = None
    engine: EngineSettings = HERE_ALONE
    shard: Shard = WHOLE
    overwrite: bool = False


def create_heatmaps(request: HeatmapRequest) -> int:
    """Run the stage and return the exit code.

    Raises:
        UsageError: the configuration, the list, a folder or the checkpoint is wrong; nothing has been written then.
    """
    config = read_config(find_input(request.config, beside="heatmaps/configs", kind="heatmap config"))
    config = config.with_flags(request.save_exp_code, request.overlap)
    is_here = request.engine == HERE_ALONE
    opening = Opening(config, pick_device() if is_here else torch.device("cpu"))  # processes have their own elsewhere
    config = _checked(config, opening)
    folders = _slide_folders(config)
    rows = {row.name: row for row in _rows(config, folders)}
    preset = config.data_arguments.preset
    defaults = read_preset(find_preset(preset)) if preset else HEATMAP_PARAMS
    ours = request.shard.part_of(rows)
    jobs = {
        name: Job(row, row.params(defaults), config, opening, _path(row, config, folders), request.overwrite)
        for name, row in rows.items()
        if name in ours
    }
    exp = config.exp_arguments
    for name, folder in (("raw_save_dir", exp.raw_save_dir), ("production_save_dir", exp.production_save_dir)):
        require_writable(folder, flag=f"exp_arguments.{name}")
        require_apart((job.paths.slide_id for job in jobs.values()), folder, flag=f"exp_arguments.{name}")
    with opened(request.engine, PRELOAD) as engine:
        write_config(config_copy(config), config)
        start_run_log(production_folder(config), config)
        _warn_of_unlabelled(jobs)
        _remove_leftovers(config)
        with ItemLocks(config_copy(config).parent, purpose=_purpose(jobs, config, request)) as locks:
            drawn, results = _draw_each(jobs, list(rows.values()), engine, locks)
        if not is_here:
            _remove_leftovers(config)  # of worker processes that died, or had to be ended
    logger.info("predictions: %s", results_table(config))
    if config.export_arguments.report:
        _write_report(config, opening.models, drawn, results, request.shard)
    return summarise(results)


def _purpose(jobs: Mapping[str, Job], config: HeatmapConfig, request: HeatmapRequest) -> Purpose:
    """Return what is done to a slide, wherever and together with whichever others that is done."""
    same = fingerprint(
        config=config.model_dump_json(), limits=request.engine.limits_alone, overwrite=request.overwrite
    )  # fmt: skip

    def of(name: str) -> str:
        return fingerprint(config=same, row=[jobs[name].row, jobs[name].params])

    return of


def _remove_leftovers(config: HeatmapConfig) -> None:
    remove_leftovers(RESULTS_DIR)
    remove_leftovers(config_copy(config).parent, production_folder(config), below=True)


def _checked(config: HeatmapConfig, opening: Opening) -> HeatmapConfig:
    """Open models and encoder, so that what is wrong with them shows before anything is written.

    Returns:
        The configuration with the classes that the models know.
    """
    require_known_classes(config, opening.models)
    _ = opening.source
    classes = next((model.outcome for model in opening.models if isinstance(model.outcome, Classification)), None)
    if config.heatmap_arguments.calc_heatmap or config.data_arguments.features_dir is None:
        _ = opening.source.encoder
    return config if classes is None else config.with_classes(classes.class_names)


def _draw_each(
    jobs: Mapping[str, Job], rows: list[HeatmapRow], engine: Engine, locks: ItemLocks
) -> tuple[dict[str, DrawnSlide], list[Result]]:
    """Draw the slides, and keep the table of predictions up to date; its rows of other shards stay as they are."""
    drawn: dict[str, DrawnSlide] = {}
    table = results_table(next(iter(jobs.values())).config) if jobs else None

    def record(result: Result) -> None:
        if isinstance(result.made, DrawnSlide):
            drawn[result.item_id] = result.made
        if result.reason and not result.failed:
            logger.warning("%s: %s: %s", result.item_id, result.status, result.reason)
        assert table is not None
        with locks.holding(table.name):
            write_results(table, rows, {name: one.cells for name, one in drawn.items()}, ours=jobs)

    results = run_each(
        {name: partial(draw, job) for name, job in jobs.items()},
        on_result=record,
        engine=engine,
        locks=locks,
        made_type=DrawnSlide,
    )
    return {name: drawn[name] for name in jobs if name in drawn}, results  # whichever was ready first


def _path(row: HeatmapRow, config: HeatmapConfig, folders: dict[str, SlideFolder]) -> Path | ItemError:
    try:
        return _folder_of(row, config, folders).find(row.name, config.data_arguments.slide_ext)
    except ItemError as error:
        return error


def _write_report(
    config: HeatmapConfig,
    models: Sequence[AttentionModel],
    drawn: Mapping[str, DrawnSlide],
    results: Sequence[Result],
    shard: Shard,
) -> None:
    path = production_folder(config) / (
        "report.html" if shard == WHOLE else f"report_{shard.number}_of_{shard.count}.html"
    )
    shown = {name: one.entry for name, one in drawn.items() if one.entry is not None}
    report = HeatmapReport(
        title=config.exp_arguments.save_exp_code,
        settings=_shown_settings(config, models),
        slides=list(shown.values()),
        failed=[
            (result.item_id, result.status, result.reason)
            for result in results
            if result.reason and result.item_id not in shown
        ],
    )
    write_heatmap_report(path, report)
    logger.info("report: %s", path)


def _shown_settings(config: HeatmapConfig, models: Sequence[AttentionModel]) -> dict[str, str]:
    """Return the settings that a reader of the report wants to see."""
    show, patching = config.heatmap_arguments, config.patching_arguments
    classes = show.classes if isinstance(show.classes, str) else ", ".join(show.classes)
    return {
        "models": "; ".join(model.described for model in models),
        "encoder": config.encoder_arguments.model_name,
        "patch size": f"{patching.patch_size} px",
        "overlap": str(patching.overlap),
        "classes": classes,
        "scores": show.convert,
    }


def _warn_of_unlabelled(jobs: Mapping[str, Job]) -> None:
    """Say once which labels are no class; without any label there is nothing to say."""
    unknown = sorted({job.row.label for job in jobs.values() if job.row.label and not job.paths.class_label})
    if unknown:
        known = next(iter(jobs.values())).config.class_names.values()
        logger.warning(
            "no class is called %s; label_dict knows %s: such slides go to %s",
            ", ".join(map(repr, unknown)), ", ".join(known), UNLABELLED,
        )  # fmt: skip


def _slide_folders(config: HeatmapConfig) -> dict[str, SlideFolder]:
    """Return the folders of slides by their key; a single folder has the key ''."""
    given = config.data_arguments.data_dir
    folders = {"": given} if isinstance(given, str) else given
    return {key: SlideFolder(require_folder(folder, flag="data_arguments.data_dir")) for key, folder in folders.items()}


def _rows(config: HeatmapConfig, folders: dict[str, SlideFolder]) -> list[HeatmapRow]:
    data = config.data_arguments
    if data.process_list is not None:
        path = find_input(data.process_list, beside="heatmaps/process_lists", kind="heatmap process list")
        rows = read_rows(path)
    elif len(folders) == 1:
        rows = rows_of_folder(next(iter(folders.values())), data.slide_ext)
    else:
        raise UsageError("data_arguments.data_dir holds several folders: process_list must say which slide is where")
    for row in rows:
        _folder_of(row, config, folders)
        if row.label and not config.class_names:  # it is the name of a folder
            check_id(row.label, where=f"label of slide {row.name}")
        _ = row.resolution  # what is wrong with it shows before anything is written
    return rows


def _folder_of(row: HeatmapRow, config: HeatmapConfig, folders: dict[str, SlideFolder]) -> SlideFolder:
    if "" in folders:
        return folders[""]
    column = config.data_arguments.data_dir_key
    key = row.cells.get(column, "")
    if key not in folders:
        raise UsageError(
            f"slide {row.name}: column {column} of the process list says {key!r}; data_dir knows {', '.join(folders)}"
        )
    return folders[key]
