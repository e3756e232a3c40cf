"""The YAML of ``create_heatmaps.py``: every key with its type and default, once.

What each key does for the user is explained in ``heatmaps/configs/config_template.yaml``.
"""

import itertools
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import matplotlib
import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    model_validator,
)

from models.heads.registry import HEADS
from utils.atomic import write_text
from utils.errors import UsageError
from utils.names import check_id
from utils.wording import first_few, shortened
from utils.yaml_file import YamlFileError, read_yaml
from wsi_core.heatmap import RoiPatches
from wsi_core.params import Mpp
from wsi_core.patch_request import PatchRequest
from wsi_core.patch_sampling import SampleMode
from wsi_core.slide import DEFAULT_MAX_MEMORY_GB, DEFAULT_READER, Background, ReaderName, Slide

Convert = Literal["percentile", "minmax", "raw"]
CLASS_CHOICES = ("predicted", "label", "all")
# whole numbers stay whole: file names show the value as it stands in the configuration
Number = int | float
PathText = Annotated[str, AfterValidator(os.path.expanduser)]
Fraction = Annotated[Number, Field(ge=0, le=1)]
Positive = Annotated[int, Field(ge=1)]


def _known_colour_map(name: str) -> str:
    if name not in matplotlib.colormaps:
        raise ValueError(f"no colour map {name!r}; known are jet, viridis, coolwarm and the others of matplotlib")
    return name


def _known_head(name: str) -> str:
    if name not in HEADS:
        raise ValueError(f"no such model; known are {', '.join(HEADS)}")
    return name


def _drop_out_rate(value: Any) -> Any:
    """Configurations of earlier releases say true or false; true meant a rate of 0.25."""
    return 0.25 if value is True else value


def _name_as_text(value: Any) -> Any:
    return str(value) if isinstance(value, (int, float)) else value


def _classes(value: Any) -> Any:
    """Take a word, or names of classes; one name is a list of one."""
    names = [_name_as_text(name) for name in (value if isinstance(value, (list, tuple)) else [value])]
    if not names or not all(isinstance(name, str) and name for name in names):
        raise ValueError(f"must be {', '.join(CLASS_CHOICES)} or a list of classes")
    return value if value in CLASS_CHOICES else names


def _checkpoints(value: Any) -> Any:
    """Take a path, a list of paths, or several of either by name."""
    if isinstance(value, dict) and value:
        _refuse_names_of_other_files(list(map(str, value)))
        return {_part_of_name(name): _paths(paths) for name, paths in value.items()}
    return _paths(value)


def _refuse_names_of_other_files(names: list[str]) -> None:
    for name, other in itertools.permutations(names, 2):
        if other.startswith((f"{name}_spread", f"{name}_class_")):
            raise ValueError(f"pictures of {name!r} may be called like those of {other!r}: give it another name")


def _paths(value: Any) -> Any:
    paths = value if isinstance(value, (list, tuple)) else [value]
    if not paths or not all(isinstance(path, str) and path for path in paths):
        raise ValueError("must be a checkpoint, a list of them as the folds of an ensemble, or several models by name")
    expanded = [os.path.expanduser(path) for path in paths]  # noqa: PTH111  as typed: a Path would drop ./
    return expanded[0] if isinstance(value, str) else expanded


def _part_of_name(name: Any) -> str:
    text = str(name)
    try:
        return check_id(text, where="name")
    except UsageError as error:
        raise ValueError(f"{text!r} is no name for files") from error


PartOfName = Annotated[str, BeforeValidator(_name_as_text), AfterValidator(_part_of_name)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class ExpArguments(_Section):
    """Names and places of the results."""

    n_classes: Annotated[int, Field(ge=2)] | None = None
    save_exp_code: PartOfName
    raw_save_dir: PathText = "heatmaps/heatmap_raw_results"
    production_save_dir: PathText = "heatmaps/heatmap_production_results"
    batch_size: Positive = 256


class DataArguments(_Section):
    """Which slides, and where they lie."""

    data_dir: PathText | dict[str, PathText]
    data_dir_key: str = "source"
    process_list: PathText | None = None
    preset: PathText | None = None
    slide_ext: str = ".svs"
    label_dict: dict[PartOfName, int] | None = None
    features_dir: PathText | None = None
    patches_dir: PathText | None = None
    reader: ReaderName = DEFAULT_READER
    max_memory_gb: Annotated[float, Field(gt=0)] = DEFAULT_MAX_MEMORY_GB


class PatchingArguments(_Section):
    """The grid of patches: side in pixels of ``patch_level`` or of ``target_mpp``, overlap as a part of the side.

    ``mpp`` is what the slides have, instead of what they state themselves.
    """

    patch_size: Positive = 256
    overlap: Annotated[Number, Field(ge=0, lt=1)] = 0.5
    patch_level: Annotated[int, Field(ge=0)] = 0
    custom_downsample: Positive = 1
    target_mpp: Mpp | None = None
    mpp: Mpp | None = None
    allow_upsample: bool = False
    background: Background = "black"

    @model_validator(mode="after")
    def _one_way(self) -> "PatchingArguments":
        if self.target_mpp is not None and (self.patch_level or self.custom_downsample > 1):
            raise ValueError("target_mpp chooses the level for each slide: leave patch_level and custom_downsample out")
        return self

    @property
    def request(self) -> PatchRequest:
        """The patches of the grid without overlap."""
        return PatchRequest(
            patch_size_px=self.patch_size,
            step_size_px=self.patch_size,
            patch_level=self.patch_level,
            custom_downsample=self.custom_downsample,
            target_mpp=self.target_mpp,
            allow_upsample=self.allow_upsample,
            background=self.background,
        )


class EncoderArguments(_Section):
    """The patch encoder; the same as in feature extraction."""

    model_name: str = "resnet50_trunc"
    target_img_size: int | None = None
    encoder_ckpt: PathText | None = None
    trust_remote_code: bool = False


class ModelArguments(_Section):
    """The trained model; None is as the checkpoint says.

    Several checkpoints, or a pattern with ``*``, are the folds of one ensemble; several models have names.
    """

    ckpt_path: Annotated[Any, PlainValidator(_checkpoints)]
    model_type: Annotated[str, AfterValidator(_known_head)] | None = None
    initiate_fn: str | None = None  # of the original; there is one way to build a model here
    model_size: Literal["small", "big"] | None = None
    drop_out: Annotated[Fraction, BeforeValidator(_drop_out_rate)] = 0.25
    embed_dim: Positive | None = None

    @property
    def checkpoints(self) -> dict[str, list[str]]:
        """Name → paths and patterns of the folds of each model; the only one has no name."""
        named = self.ckpt_path if isinstance(self.ckpt_path, dict) else {"": self.ckpt_path}
        return {name: [paths] if isinstance(paths, str) else paths for name, paths in named.items()}


class HeatmapArguments(_Section):
    """The picture; ``classes`` is one of ``CLASS_CHOICES`` or a list of names."""

    vis_level: Annotated[int, Field(ge=-1)] = -1
    alpha: Fraction = 0.4
    blank_canvas: bool = False
    save_orig: bool = True
    save_ext: Literal["jpg", "png", "tiff"] = "jpg"
    classes: Annotated[Any, PlainValidator(_classes)] = "predicted"
    convert: Convert = "percentile"
    use_ref_scores: bool = True
    blur: bool = False
    use_center_shift: bool = True
    use_roi: bool = False
    roi_patches: RoiPatches = "inside"
    calc_heatmap: bool = True
    binarize: bool = False
    binary_thresh: Annotated[Number, Field(le=1)] = -1
    custom_downsample: Positive = 1
    cmap: Annotated[str, AfterValidator(_known_colour_map)] = "jet"
    legend: bool = False

    @property
    def keeps_percentiles(self) -> bool:
        """Whether scores of the fine map are kept as percentiles among the patches without overlap."""
        return self.convert == "percentile" and self.use_ref_scores


class Sample(_Section):
    """One set of patches to save as pictures."""

    name: PartOfName
    sample: bool = True
    seed: int = 1
    k: Positive = 15
    mode: SampleMode = "topk"
    score_start: Annotated[float, Field(ge=0, le=100)] = 0
    score_end: Annotated[float, Field(ge=0, le=100)] = 100


class SampleArguments(_Section):
    """The sets of patches to save as pictures."""

    samples: tuple[Sample, ...] = ()


class ExportArguments(_Section):
    """What is written beside the pictures."""

    attention_csv: bool = True
    qupath_geojson: bool = True
    report: bool = True


class HeatmapConfig(_Section):
    """A whole configuration."""

    exp_arguments: ExpArguments
    data_arguments: DataArguments
    patching_arguments: PatchingArguments = PatchingArguments()
    encoder_arguments: EncoderArguments = EncoderArguments()
    model_arguments: ModelArguments
    heatmap_arguments: HeatmapArguments = HeatmapArguments()
    sample_arguments: SampleArguments = SampleArguments()
    export_arguments: ExportArguments = ExportArguments()

    @property
    def class_names(self) -> dict[int, str]:
        """The name of each class number, in their order; empty where the configuration names none."""
        numbers = self.data_arguments.label_dict or {}
        return {number: name for name, number in sorted(numbers.items(), key=lambda item: item[1])}

    def class_number(self, label: str) -> int | None:
        """Return which class a label of the list means; it may be a name, one of several, ``a|b``, or a number."""
        for number, name in self.class_names.items():
            if label in (name, *name.split("|")):
                return number
        return int(label) if label.isdecimal() and int(label) in self.class_names else None

    def with_classes(self, names: Sequence[str]) -> "HeatmapConfig":
        """Return the configuration with these classes, numbered in their order."""
        numbers = {name: number for number, name in enumerate(names)}
        exp = self.exp_arguments.model_copy(update={"n_classes": len(names)})
        data = self.data_arguments.model_copy(update={"label_dict": numbers})
        return self.model_copy(update={"exp_arguments": exp, "data_arguments": data})

    def open_slide(self, path: Path) -> Slide:
        """Open a slide as the configuration says.

        Raises:
            ItemError: it cannot be read.
        """
        data = self.data_arguments
        background = self.patching_arguments.background
        return Slide(path, reader=data.reader, max_memory_gb=data.max_memory_gb, background=background)

    def with_flags(self, save_exp_code: str | None, overlap: float | None) -> "HeatmapConfig":
        """Return the configuration with what the command line overrides."""
        values = self.model_dump()
        if save_exp_code is not None:
            values["exp_arguments"]["save_exp_code"] = save_exp_code
        if overlap is not None:
            values["patching_arguments"]["overlap"] = overlap
        return _validated(values, where="command line")


def read_config(path: Path) -> HeatmapConfig:
    """Read a configuration.

    Raises:
        UsageError: it is empty or no YAML, or a key is unknown, missing or has a wrong value; names them all.
    """
    try:
        values = read_yaml(path)
    except YamlFileError as error:
        raise UsageError(f"config {path} cannot be read: {error}") from error
    if values is None:
        raise UsageError(f"config {path} is empty; copy heatmaps/configs/config_template.yaml")
    return _validated(values, where=f"config {path}")


def write_config(path: Path, config: HeatmapConfig) -> None:
    """Write the configuration as it is used, atomically."""
    write_text(path, yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False))


def _validated(values: Any, *, where: str) -> HeatmapConfig:
    try:
        config = HeatmapConfig.model_validate(values)
    except ValidationError as error:
        raise UsageError(f"{where}: " + first_few([_explain(issue) for issue in error.errors()])) from error
    if config.data_arguments.label_dict is not None:
        _require_numbered(config.data_arguments.label_dict, config.exp_arguments.n_classes, where)
    return config


def _require_numbered(label_dict: dict[str, int], n_classes: int | None, where: str) -> None:
    """Refuse classes that are not numbered from 0 on, each once."""
    numbers, expected = sorted(label_dict.values()), n_classes or len(label_dict)
    if numbers != list(range(expected)):
        raise UsageError(
            f"{where}: label_dict numbers its classes {numbers}, expected 0 to {expected - 1} for {expected} classes"
        )


def _explain(issue: Any) -> str:
    *place, name = (str(part) for part in issue["loc"]) if issue["loc"] else ("file",)
    if place and re.fullmatch(r"int|float|[a-z-]+\[.*\]", name) and issue["type"] not in ("extra_forbidden", "missing"):
        *place, name = place  # pydantic's word for one of several types that a value may have
    key = ".".join((*place, name))
    if issue["type"] == "extra_forbidden":
        return f"unknown key {key}; known: {', '.join(_known_keys(place))}"
    if issue["type"] == "missing":
        kind = "key" if place else "section"
        return f"{kind} {key} is missing; known: {', '.join(_known_keys(place))}"
    return f"{key} = {shortened(issue['input'])}: {issue['msg']}"


def _known_keys(place: Sequence[str]) -> list[str]:
    """Return the keys of a section, of the n-th sample those of a sample, of the file its sections."""
    if not place:
        return list(HeatmapConfig.model_fields)
    if len(place) > 1:
        return list(Sample.model_fields)
    section = HeatmapConfig.model_fields[place[0]].annotation
    assert section is not None
    return list(section.model_fields)
