"""``s_<i>_checkpoint.pt``: trained parameters as a plain dictionary of tensors. Owner of that format.

Files of the original load too: those saved from several GPUs (``.module.``), with a stateful instance loss
(``instance_loss_fn.*``), and those of earlier releases (``attention_net.2.*``; in multi-class MIL one classifier for
each class).
"""

import re
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from models.builder import ModelSettings, build_model, shown_settings
from models.checkpoint_facts import checkpoint_facts_path, read_checkpoint_config
from utils.errors import UsageError, one_line
from utils.torch_file import DamagedFileError, read_torch_file, write_torch_file

State = dict[str, torch.Tensor]


def save_checkpoint(path: Path, model: nn.Module) -> None:
    """Write the model's parameters on the CPU, atomically."""
    state = {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}
    write_torch_file(path, state)


def read_checkpoint(path: Path) -> State:
    """Read parameters and bring their names to today's.

    Raises:
        UsageError: no such file, or no dictionary of tensors.
    """
    if not path.is_file():
        raise UsageError(f"no checkpoint {path}")
    try:
        state = read_torch_file(path)
    except DamagedFileError as error:
        raise UsageError(f"checkpoint {path} is damaged or holds more than tensors: {error}") from error
    if not isinstance(state, dict) or not all(_is_named_tensor(*item) for item in state.items()):
        raise UsageError(f"checkpoint {path} is no dictionary of named tensors")
    try:
        return _todays_names(state)
    except (LookupError, RuntimeError) as error:
        raise UsageError(f"checkpoint {path}: its classifiers do not fit together ({one_line(error)})") from error


def _is_named_tensor(name: object, value: object) -> bool:
    return isinstance(name, str) and isinstance(value, torch.Tensor)


def _todays_names(state: State) -> State:
    renamed = {
        re.sub(r"^(\w+)\.module\.", r"\1.", name.removeprefix("module.")): tensor
        for name, tensor in state.items()
        if not name.removeprefix("module.").startswith("instance_loss_fn")
    }
    if any(name.startswith("attention_net.2.") for name in renamed):
        # before drop-out had a layer of its own, the attention was the third layer
        renamed = {re.sub(r"^attention_net\.2\.", "attention_net.3.", name): t for name, t in renamed.items()}
    if "classifier.2.weight" in renamed and "classifier.3.weight" not in renamed:
        # likewise the classifier of two-class MIL, trained without drop-out
        renamed = {re.sub(r"^classifier\.2\.", "classifier.3.", name): t for name, t in renamed.items()}
    return _stacked_mil(renamed)


def _stacked_mil(state: State) -> State:
    """Join the one-row classifiers of multi-class MIL, which has no attention, into one layer."""
    if "fc.0.weight" not in state or "classifiers.0.weight" not in state:
        return state
    numbers = range(sum(re.fullmatch(r"classifiers\.\d+\.weight", name) is not None for name in state))
    kept = {name: tensor for name, tensor in state.items() if not name.startswith("classifiers.")}
    for part in ("weight", "bias"):
        kept[f"classifiers.{part}"] = torch.cat([state[f"classifiers.{number}.{part}"] for number in numbers])
    return kept


def settings_of(state: State) -> ModelSettings:
    """Infer from the names and shapes what model a state belongs to; what they do not show is the default.

    Raises:
        UsageError: it belongs to none of the models here.
    """
    return ModelSettings(**_shown(state))


def _shown(state: State) -> dict[str, Any]:
    try:
        return shown_settings(state)
    except LookupError as error:
        raise UsageError(f"parameters are missing or of another shape than in the models here ({error})") from error


def load_model(
    path: Path,
    *,
    model_type: str | None = None,
    model_size: str | None = None,
    n_classes: int | None = None,
    embed_dim: int | None = None,
    drop_out: float = 0.25,
    device: torch.device | str = "cpu",
) -> nn.Module:
    """Build the model that a checkpoint belongs to, in evaluation mode.

    What its parameters do not show is taken from the configuration beside it, where there is one.

    Args:
        path: the checkpoint.
        model_type, model_size, n_classes, embed_dim: what the user expects; None takes the checkpoint's.
        drop_out: the rate of training where no configuration says it; without effect on a trained model.
        device: where it computes.

    Raises:
        UsageError: the file cannot be read, or differs from its configuration or from what is expected; names both.
    """
    state = read_checkpoint(path)
    try:
        shown = _shown(state)
    except UsageError as error:
        raise UsageError(f"checkpoint {path}: {error}") from error
    configured = _configured(path)
    _refuse_unlike(path, shown, configured, f"{checkpoint_facts_path(path).name} says")
    expected = {"model_type": model_type, "model_size": model_size, "n_classes": n_classes, "embed_dim": embed_dim}
    _refuse_unlike(path, shown, {name: value for name, value in expected.items() if value is not None}, "not")
    settings = ModelSettings(**{"drop_out": drop_out, **configured, **shown})
    return _with_parameters(path, settings, state).to(device).eval()


def _configured(path: Path) -> dict[str, Any]:
    """Return the settings that the configuration beside a checkpoint states; older ones state the features' length."""
    config = read_checkpoint_config(path)
    if config is None:
        return {}
    stated = {} if config.embed_dim is None else {"embed_dim": config.embed_dim}
    return stated | (asdict(config.model) if config.model else {})


def _refuse_unlike(path: Path, shown: dict[str, Any], said: dict[str, Any], by: str) -> None:
    """Refuse a setting that the parameters show otherwise; what they do not show is not compared."""
    for name, value in shown.items():
        if said.get(name, value) != value:
            raise UsageError(f"checkpoint {path}: {name} is {value}, {by} {said[name]}")


def _with_parameters(path: Path, settings: ModelSettings, state: State) -> nn.Module:
    try:
        _require_shapes(settings, state)
        model = build_model(settings)
        model.load_state_dict(state)
    except (UsageError, ValueError) as error:  # torch's, of a rate that is none
        raise UsageError(f"checkpoint {path}: {one_line(error)}") from error
    except RuntimeError as error:
        raise UsageError(f"checkpoint {path} does not fit {settings.model_type}: {one_line(error)}") from error
    return model


def _require_shapes(settings: ModelSettings, state: State) -> None:
    """Put parameters into a model without memory: a file that shows one huge side would else be given all of it.

    Raises:
        RuntimeError: they do not fit.
    """
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that nothing is kept
        build_model(settings).load_state_dict(state)
