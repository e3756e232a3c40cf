"""``s_<i>_checkpoint.json``: what the features that a checkpoint was trained on were made from. Owner of that format.

``{"features": {attribute: text, ...}, "embed_dim": D, "version": ...}``, beside the checkpoint. Those of the original
have none.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from utils.atomic import write_text
from utils.errors import UsageError, one_line
from utils.version import VERSION

# What reading a file can raise that is no such JSON.
_NOT_OURS = (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError)


def checkpoint_facts_path(checkpoint: Path) -> Path:
    """Return the file that belongs to a checkpoint."""
    return checkpoint.with_suffix(".json")


def write_checkpoint_facts(checkpoint: Path, features: Mapping[str, str], embed_dim: int) -> None:
    """Write what the features of a checkpoint were made from, and their length, atomically."""
    facts = {"features": dict(features), "embed_dim": embed_dim, "version": VERSION}
    write_text(checkpoint_facts_path(checkpoint), json.dumps(facts, indent=2) + "\n")


def remove_checkpoint_facts(checkpoint: Path) -> None:
    """Remove the file of an earlier training, which says nothing of the checkpoint to come."""
    checkpoint_facts_path(checkpoint).unlink(missing_ok=True)


def features_trained_on(checkpoint: Path) -> dict[str, str]:
    """Return what the features of a checkpoint were made from; empty where no file says so.

    Raises:
        UsageError: there is a file, but it is damaged or something else.
    """
    path = checkpoint_facts_path(checkpoint)
    if not path.exists():
        return {}
    try:
        features = json.loads(path.read_text(encoding="utf-8"))["features"]
        return {name: str(value) for name, value in features.items()}
    except _NOT_OURS as error:
        raise UsageError(
            f"{path} does not say what {checkpoint} was trained on ({one_line(error)}); move it away to go without"
        ) from error
