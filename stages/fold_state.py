"""``s_<i>_resume.pt``: all that an interrupted fold needs to go on as if nothing had been. Owner of that format.

Tensors and plain values only. It goes when the fold is done.
"""

import logging
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from utils.errors import one_line
from utils.torch_file import DamagedFileError, read_torch_file, write_torch_file

logger = logging.getLogger(__name__)

State = dict[str, Any]


@dataclass(frozen=True)
class FoldState:
    """A fold between two epochs.

    Attributes:
        fingerprint: of the settings and bags; a state of others does not serve.
        epoch: the next one.
        model, optimizer: their state dictionaries.
        rng, cuda_rng: states of torch's generators: nothing else draws while training.
        best_loss, epochs_without: of early stopping.
        history: the rows of the epochs done.
    """

    fingerprint: str
    epoch: int
    model: State
    optimizer: State
    rng: torch.Tensor
    cuda_rng: torch.Tensor | None
    best_loss: float
    epochs_without: int
    history: list[dict[str, float]] = field(default_factory=list)


def rng_states(device: torch.device) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return the states of the generators that training draws from: the processor's and the GPU's."""
    return torch.get_rng_state(), torch.cuda.get_rng_state(device) if device.type == "cuda" else None


def set_rng_states(state: FoldState, device: torch.device) -> None:
    """Let the generators go on where they were."""
    torch.set_rng_state(state.rng)
    if device.type == "cuda" and state.cuda_rng is not None:
        torch.cuda.set_rng_state(state.cuda_rng, device)


def write_fold_state(path: Path, state: FoldState) -> None:
    """Write the state of a fold, atomically."""
    write_torch_file(path, asdict(state))


def read_fold_state(path: Path) -> FoldState | None:
    """Read the state of a fold; None where there is none, or a damaged one, with a warning."""
    if not path.exists():
        return None
    try:
        return FoldState(**read_torch_file(path))
    except (DamagedFileError, TypeError) as error:
        logger.warning("%s is damaged, so that fold starts anew: %s", path, one_line(error))
        return None
