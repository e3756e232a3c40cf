"""A bag that does not fit is refused before it is tried."""

import pytest
import torch

from models.builder import ModelSettings, build_model
from models.heads.registry import HEADS
from stages.bag_memory import require_memory
from utils.device import free_bytes
from utils.errors import ItemError

CPU = torch.device("cpu")


@pytest.mark.skipif(free_bytes(CPU) is None, reason="this system does not say how much memory is free")
def test_a_bag_that_does_not_fit_is_refused_with_its_size():
    model = build_model(ModelSettings("transformer", 8))
    require_memory(model, HEADS["transformer"], 1000, CPU)
    with pytest.raises(ItemError, match=r"takes about .* GiB of memory for a bag of 1000000000 patches, .* are free"):
        require_memory(model, HEADS["transformer"], 10**9, CPU)
