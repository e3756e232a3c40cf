"""One seed for everything that draws at random."""

import os
import random

import numpy as np
import torch

MAX_SEED = 2**32 - 1  # numpy's legacy generator takes no larger one


def seed_everything(seed: int, *, deterministic: bool = False) -> None:
    """Seed Python, numpy's legacy generator and torch on every device, and ask cuDNN for the same result each time.

    Args:
        seed: from 0 to MAX_SEED.
        deterministic: refuse operations whose result depends on the order of a GPU's threads.
    """
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what cuBLAS needs to be so
    torch.use_deterministic_algorithms(deterministic)
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
