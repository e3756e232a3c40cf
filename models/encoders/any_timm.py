"""Any model of timm, by its name in timm or from a folder of the hub that says in config.json how to build it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import timm
from torch import nn

from models.encoders.family import Family
from models.encoders.spec import IMAGENET_MEAN, IMAGENET_STD, EncoderSpec, Rgb
from models.encoders.timm_networks import BATCH_COUNTER, create_timm, run_timm, timm_names
from utils.errors import UsageError, one_line

CONFIG = "config.json"
DEFAULT_INPUT_PX = 224
INTERPOLATIONS = ("bilinear", "bicubic")
# What timm raises at names and arguments that it does not know.
_UNBUILDABLE = (RuntimeError, TypeError, ValueError, LookupError, AttributeError)


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
    config = timm.get_pretrained_cfg(spec.architecture)
    if config is None:
        raise UsageError(f"timm {timm.__version__} has no model {spec.architecture!r}: see timm.list_models()")
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
    return _completed(replace(spec, architecture=architecture, options=tuple(options.items())), config)


def _completed(spec: EncoderSpec, config: dict[str, Any]) -> EncoderSpec:
    """Add a model's input, as timm writes it down, and leave its classifier out."""
    input_px = int((config.get("input_size") or (3, DEFAULT_INPUT_PX))[-1])
    interpolation = config.get("interpolation")
    return replace(
        spec,
        options=(*((name, value) for name, value in spec.options if name != "num_classes"), ("num_classes", 0)),
        mean=_rgb(config.get("mean"), IMAGENET_MEAN),
        std=_rgb(config.get("std"), IMAGENET_STD),
        input_size_px=input_px,
        resize_px=int(input_px / (config.get("crop_pct") or 1.0)),
        interpolation=interpolation if interpolation in INTERPOLATIONS else "bicubic",
        unused=tuple(f"{name}." for name in _classifiers(config)),
    )


def _rgb(values: Any, default: Rgb) -> Rgb:
    return tuple(float(value) for value in values) if values else default  # type: ignore[return-value]


def _classifiers(config: dict[str, Any]) -> tuple[str, ...]:
    names = config.get("classifier") or ()
    return (names,) if isinstance(names, str) else tuple(names)


def _create(spec: EncoderSpec) -> nn.Module:
    try:
        return create_timm(spec)
    except _UNBUILDABLE as error:
        raise UsageError(f"{spec.name}: timm cannot build {spec.architecture}: {one_line(error)}") from error


ANY_TIMM = Family(_create, run_timm, timm_names, BATCH_COUNTER, complete=_from_timm, all_in_weights=True)
ANY_HUB = Family(_create, run_timm, timm_names, BATCH_COUNTER, complete=_from_folder, all_in_weights=True)
