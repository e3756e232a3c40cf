"""Networks of Hugging Face's transformers, which also knows the names that its earlier versions gave to parameters."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from math import isqrt
from pathlib import Path
from typing import Any

import torch
from torch import nn

from models.encoders.family import Family
from models.encoders.packages import import_for
from models.encoders.spec import EncoderSpec
from models.encoders.state_dict import State, of_other_kind, read_weights, require_fit
from utils.errors import UsageError

# Arguments that leave out what lies beyond the tokens.
WITHOUT_HEAD: dict[str, dict[str, object]] = {"ViTModel": {"add_pooling_layer": False}}
CONFIG = re.compile("Model.*")  # SomeVisionModelWithProjection is configured by SomeVisionConfig
OUTPUTS = {"embedding": "image_embeds", "pooler": "pooler_output"}
POSITIONS = "embeddings.position_embeddings"
SIZED_BY_WEIGHTS = ("Dinov2Model", "Dinov2WithRegistersModel")  # they interpolate positions to any input


def create_transformers(spec: EncoderSpec) -> nn.Module:
    """Make a network of transformers without weights."""
    kind, config = _classes(spec)
    return kind(config(**dict(spec.options)), **WITHOUT_HEAD.get(spec.architecture, {}))


def _classes(spec: EncoderSpec) -> tuple[Any, Any]:
    """Return the classes of a network and of its configuration."""
    transformers = import_for(spec, "transformers")
    try:
        return getattr(transformers, spec.architecture), getattr(transformers, CONFIG.sub("Config", spec.architecture))
    except AttributeError as error:
        found = f"transformers {transformers.__version__} has no {spec.architecture}"
        raise UsageError(f"{spec.name}: {found}: pip install {spec.needs!r}") from error


def load_transformers(spec: EncoderSpec, weights: Path) -> nn.Module:
    """Make a network of transformers with the weights of a file."""
    (kind, config), state = _classes(spec), read_weights(weights, unused=spec.unused)
    network, found = fill_by_transformers(
        kind,
        config(**dict(spec.options) | _size_of_positions(spec, state)),
        state,
        **WITHOUT_HEAD.get(spec.architecture, {}),
    )
    other_shape = sorted(name for name, *_shapes in found["mismatched_keys"])
    lack = sorted(set(found["missing_keys"]) - set(other_shape))
    require_fit(
        weights,
        lack=lack,
        unknown=sorted(found["unexpected_keys"]),
        other_shape=other_shape,
        other_kind=of_other_kind(state, network.state_dict()),
    )
    return network


def fill_by_transformers(kind: Any, config: Any, state: State, **arguments: object) -> tuple[Any, dict[str, Any]]:
    """Return a network of a class of transformers with a state dict, and what of it did not fit, unrefused.

    Args:
        kind: the class.
        config: how to make it.
        state: may have the names of earlier versions.
        arguments: more for making it.
    """
    with _in_silence():
        return kind.from_pretrained(
            None,
            config=config,
            state_dict=dict(state),
            dtype=torch.float32,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are named with the others
            **arguments,
        )


@contextmanager
def _in_silence() -> Iterator[None]:
    """Keep transformers from printing a table of what does not fit."""
    from transformers.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)


def _size_of_positions(spec: EncoderSpec, state: State) -> dict[str, object]:
    """Return the input size that the positions in a file are for; the network takes others too."""
    positions = state.get(POSITIONS)
    if spec.architecture not in SIZED_BY_WEIGHTS or positions is None or positions.ndim != 3:
        return {}
    side_in_patches = isqrt(positions.shape[1] - 1)
    return {"image_size": side_in_patches * int(str(dict(spec.options)["patch_size"]))}


def _run(network: nn.Module, batch: torch.Tensor, spec: EncoderSpec) -> torch.Tensor:
    return getattr(network(pixel_values=batch), OUTPUTS.get(spec.pooling, "last_hidden_state"))


TRANSFORMERS = Family(create_transformers, _run, load=load_transformers, packages=("transformers",))
