"""One seed for everything that draws at random."""

import random

import numpy as np
import torch

MAX_SEED = 2**32 - 1  # numpy's legacy generator takes no larger one


def seed_everything(seed: int) -> None:
    """Seed Python, numpy's legacy generator and torch on every device, and ask cuDNN for the same result each time."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
