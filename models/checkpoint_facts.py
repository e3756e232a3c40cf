"""``s_<i>_checkpoint.json``: what a checkpoint is and what it was trained on. Owner of that format.

``{"format": 2, "model": {setting: value, ...}, "task": {...}, "features": {attribute: text, ...}, "embed_dim": D,
"version": ...}``, beside the checkpoint. Format 1 said neither its number, nor the model, nor the task. Checkpoints of
the original have no such file.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from models.settings import ModelSettings
from utils.atomic import write_text
from utils.errors import UsageError, one_line
from utils.version import VERSION


class CheckpointConfig(BaseModel):
    """The configuration of a checkpoint.

    Attributes:
        format: of the file; 1 where it says none.
        model: what the model was made from; None in format 1.
        task: what was learned: name, type, labels, ...; None where nobody said.
        features: what the features were made from.
        embed_dim: length of a feature.
        version: of the programs that wrote it.
    """

    # nothing forbids more keys: a later version may add some
    model_config = ConfigDict(frozen=True, strict=True, protected_namespaces=())

    format: Literal[1, 2] = 1
    model: ModelSettings | None = None
    task: dict[str, Any] | None = None
    features: dict[str, str]
    embed_dim: int | None = None
    version: str = ""

    @field_validator("features", mode="before")
    @classmethod
    def _values_as_text(cls, features: Any) -> Any:
        return {name: str(value) for name, value in features.items()} if isinstance(features, dict) else features


def checkpoint_facts_path(checkpoint: Path) -> Path:
    """Return the file that belongs to a checkpoint."""
    return checkpoint.with_suffix(".json")


def write_checkpoint_facts(
    checkpoint: Path,
    features: Mapping[str, str],
    embed_dim: int,
    *,
    model: ModelSettings | None = None,
    task: Mapping[str, Any] | None = None,
) -> None:
    """Write the configuration of a checkpoint, atomically.

    Args:
        checkpoint: the file it goes beside.
        features: what the features were made from.
        embed_dim: length of a feature.
        model: what the model was made from.
        task: what was learned; values that JSON has.
    """
    config = CheckpointConfig(
        format=2,
        model=model,
        task=None if task is None else dict(task),
        features=dict(features),
        embed_dim=embed_dim,
        version=VERSION,
    )
    write_text(checkpoint_facts_path(checkpoint), config.model_dump_json(indent=2) + "\n")


def remove_checkpoint_facts(checkpoint: Path) -> None:
    """Remove the file of an earlier training, which says nothing of the checkpoint to come."""
    checkpoint_facts_path(checkpoint).unlink(missing_ok=True)


def read_checkpoint_config(checkpoint: Path) -> CheckpointConfig | None:
    """Return the configuration of a checkpoint; None where there is no file.

    Raises:
        UsageError: there is a file, but it is damaged or something else.
    """
    path = checkpoint_facts_path(checkpoint)
    if not path.exists():
        return None
    try:
        return CheckpointConfig.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise UsageError(
            f"{path} does not say what {checkpoint} was trained on ({_reason(error)}); move it away to go without"
        ) from error


def features_trained_on(checkpoint: Path) -> dict[str, str]:
    """Return what the features of a checkpoint were made from; empty where no file says so.

    Raises:
        UsageError: there is a file, but it is damaged or something else.
    """
    config = read_checkpoint_config(checkpoint)
    return {} if config is None else config.features


def _reason(error: OSError | ValidationError) -> str:
    """Describe the first thing wrong, and where in the file it stands."""
    if isinstance(error, OSError):
        return one_line(error)
    first = error.errors(include_url=False)[0]
    return " ".join([".".join(map(str, first["loc"])) or "file", "-", *first["msg"].split()])
