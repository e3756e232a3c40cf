"""Any model of timm, by its name in timm or from a folder of the hub that says in config.json how to build it."""

import json
import math
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import timm
import torch
from timm.models import PretrainedCfg
from torch import nn

from models.encoders.family import Family
from models.encoders.resize import Interpolation
from models.encoders.spec import EncoderSpec, Rgb
from models.encoders.timm_networks import BATCH_COUNTER, create_timm, run_timm, timm_names
from utils.errors import UsageError, one_line

CONFIG = "config.json"
INTERPOLATIONS: dict[object, Interpolation] = {"": "bicubic", "bilinear": "bilinear", "bicubic": "bicubic"}
# What timm raises at names and arguments that it does not know.
UNBUILDABLE = (RuntimeError, TypeError, ValueError, LookupError, AttributeError, AssertionError)


def on_the_hub(spec: EncoderSpec) -> EncoderSpec:
    """Add where timm publishes the weights of one of its models.

    Raises:
        UsageError: timm has no such model.
    """
    config = _config_of_timm(spec)
    file = config.get("hf_hub_filename") or "model.safetensors"
    return replace(spec, hub_id=config.get("hf_hub_id") or "", hub_file=file, licence=config.get("license") or "")


# Arguments of timm.create_model that do not say what a network is but what to load, and from where.
LOADING = {
    "pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "checkpoint_path", "cache_dir", "scriptable",
    "exportable", "no_jit",
}  # fmt: skip


def _from_timm(spec: EncoderSpec, _weights: Path | None) -> EncoderSpec:
    return _completed(on_the_hub(spec), _config_of_timm(spec))


def _config_of_timm(spec: EncoderSpec) -> dict[str, Any]:
    try:
        config = timm.get_pretrained_cfg(spec.architecture)
    except RuntimeError:  # a model that it has, of weights that it has not
        config = None
    if config is None:
        raise UsageError(
            f"timm {timm.__version__} has no model {spec.architecture!r}: see timm.list_models(pretrained=True)"
        )
    return config.to_dict()


def _from_folder(spec: EncoderSpec, weights: Path | None) -> EncoderSpec:
    """Add what the hub's config.json, beside the weights, says."""
    if weights is None:
        raise UsageError(f"{spec.name}: built from the folder of the hub that holds its weights and {CONFIG}")
    path = weights.parent / CONFIG
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        architecture, options = str(found["architecture"]), dict(found.get("model_args") or {})
        config = dict(found.get("pretrained_cfg") or found)
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise UsageError(f"{spec.name}: {path} does not name a model of timm: {one_line(error)}") from error
    if not timm.is_model(architecture):  # such as hf-hub:..., which would be fetched
        raise UsageError(f"{spec.name}: timm cannot build {architecture[:80]!r}, which {path} names")
    loading = sorted(LOADING & options.keys())
    if loading:
        raise UsageError(f"{spec.name}: {path} says what else to load ({', '.join(loading)}); take that out")
    known = {field.name for field in fields(PretrainedCfg)}
    options["pretrained_cfg"] = PretrainedCfg(**{name: value for name, value in config.items() if name in known})
    return _completed(replace(spec, architecture=architecture, options=tuple(options.items())), config)


def _completed(spec: EncoderSpec, config: dict[str, Any]) -> EncoderSpec:
    """Add a model's input, as timm writes it down or takes it to be, and leave its classifier out."""
    defaults = PretrainedCfg()
    said = {name: value for name, value in config.items() if value not in (None, "", (), [])}
    try:
        input_px = _side(said.get("input_size", defaults.input_size))
        crop_part = _between(said.get("crop_pct", defaults.crop_pct), 0.1, 1.5)
        mean, std = _rgb(said.get("mean", defaults.mean)), _rgb(said.get("std", defaults.std))
        _between(min(std), 1e-6, 1.0)
        interpolation = INTERPOLATIONS[said.get("interpolation", "")]
    except (TypeError, ValueError, LookupError) as error:
        raise UsageError(
            f"{spec.name}: what its configuration says of pictures cannot be used here: {one_line(error)}; they must "
            "be square, of three colours, and resized bilinear or bicubic"
        ) from error
    spec = replace(
        spec,
        options=(*((name, value) for name, value in spec.options if name != "num_classes"), ("num_classes", 0)),
        mean=mean,
        std=std,
        input_size_px=input_px,
        resize_px=int(input_px / crop_part),
        interpolation=interpolation,
    )
    return replace(spec, unused=(*(f"{name}." for name in _classifiers(config)), *_only_in_the_whole(spec)))


def _side(size: Any) -> int:
    """Return the side of an input of (channels, height, width)."""
    channels, height_px, width_px = size
    if channels != 3 or height_px != width_px:
        raise ValueError(f"input of {channels} x {height_px} x {width_px}")
    return int(_between(height_px, 1, 1e5))


def _rgb(values: Any) -> Rgb:
    red, green, blue = (_between(value, -1e3, 1e3) for value in values)
    return red, green, blue


def _between(value: Any, least: float, most: float) -> float:
    number = float(value)
    if not (math.isfinite(number) and least <= number <= most):
        raise ValueError(f"{value} is not from {least:g} to {most:g}")
    return number


def _classifiers(config: dict[str, Any]) -> tuple[str, ...]:
    names = config.get("classifier") or ()
    return (names,) if isinstance(names, str) else tuple(names)


def _only_in_the_whole(spec: EncoderSpec) -> list[str]:
    """Return the names that a model has only with its classifier, such as of a norm in front of it."""
    options = [(name, value) for name, value in spec.options if name != "num_classes"]
    try:
        with torch.device("meta"):
            whole, without = create_timm(replace(spec, options=tuple(options))), create_timm(spec)
    except UNBUILDABLE:  # said when the network is made
        return []
    return sorted(whole.state_dict().keys() - without.state_dict().keys())


def _create(spec: EncoderSpec) -> nn.Module:
    try:
        return create_timm(spec)
    except UNBUILDABLE as error:
        raise UsageError(f"{spec.name}: timm cannot build {spec.architecture}: {one_line(error)}") from error


ANY_TIMM = Family(_create, run_timm, timm_names, BATCH_COUNTER, complete=_from_timm, all_in_weights=True)
ANY_HUB = Family(_create, run_timm, timm_names, BATCH_COUNTER, complete=_from_folder, all_in_weights=True)
