"""Slides and a trained model in, heatmaps out: what ``create_heatmaps.py`` does."""

import logging
from dataclasses import dataclass
from functools import partial

from stages.attention import AttentionModel
from stages.heatmap_config import HeatmapConfig, read_config, write_config
from stages.heatmap_paths import config_copy, results_table
from stages.outcomes.classification import Classification
from stages.runner import Result, run_each, summarise
from stages.slide_heatmap import draw_slide
from utils.device import pick_device
from utils.errors import UsageError
from utils.lookup import find_input, require_folder, require_writable
from wsi_core.heatmap_list import HeatmapRow, read_rows, rows_of_folder, write_results
from wsi_core.params import HEATMAP_PARAMS
from wsi_core.preset_file import find_preset, read_preset
from wsi_core.slide_folder import SlideFolder

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class HeatmapRequest:
    """One run of the stage.

    Attributes:
        config: name or path of the YAML.
        save_exp_code: overrides the experiment's name.
        overlap: overrides the overlap of the fine map, 0 to below 1.
    """

    config: str
    save_exp_code: str | None = None
    overlap: float | None = None


def create_heatmaps(request: HeatmapRequest) -> int:
    """Run the stage and return the exit code.

    Raises:
        UsageError: the configuration, the list, a folder or the checkpoint is wrong; nothing has been written then.
    """
    config = read_config(find_input(request.config, beside="heatmaps/configs", kind="heatmap config"))
    config = config.with_flags(request.save_exp_code, request.overlap)
    model = AttentionModel(config, pick_device())
    if isinstance(model.outcome, Classification):
        config = config.with_classes(model.outcome.class_names)
    folders = _slide_folders(config)
    rows = {row.name: row for row in _rows(config, folders)}
    preset = config.data_arguments.preset
    defaults = read_preset(find_preset(preset)) if preset else HEATMAP_PARAMS
    params = {name: row.params(defaults) for name, row in rows.items()}
    if config.heatmap_arguments.calc_heatmap or config.data_arguments.features_dir is None:
        _ = model.encoder  # what is wrong with it shows before anything is written
    exp = config.exp_arguments
    for name, folder in (("raw_save_dir", exp.raw_save_dir), ("production_save_dir", exp.production_save_dir)):
        require_writable(folder, flag=f"exp_arguments.{name}")
    write_config(config_copy(config), config)

    predictions: dict[str, dict[str, str]] = {}

    def draw(name: str) -> Result:
        path = _folder_of(rows[name], config, folders).find(name, config.data_arguments.slide_ext)
        result, predictions[name] = draw_slide(path, rows[name], params[name], config, model)
        if result.reason and not result.failed:
            logger.warning("%s: %s: %s", name, result.status, result.reason)
        return result

    table = results_table(config)
    results = run_each(
        {name: partial(draw, name) for name in rows},
        on_result=lambda _: write_results(table, list(rows.values()), predictions),
    )
    logger.info("predictions: %s", table)
    return summarise(results)


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
        _known_label(row, config)
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


def _known_label(row: HeatmapRow, config: HeatmapConfig) -> None:
    """Refuse the label of no class; a class may have several texts, ``a|b``."""
    classes = config.class_names
    known = {text for number, name in classes.items() for text in (str(number), name, *name.split("|"))}
    label = row.cells.get("label", "")
    if label and classes and label not in known:
        raise UsageError(f"slide {row.name}: unknown label {label!r}; label_dict knows {', '.join(classes.values())}")
