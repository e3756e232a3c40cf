"""One seed for every generator."""

import random

import numpy as np
import torch

from utils.seed import MAX_SEED, seed_everything


def drawn() -> tuple[float, float, float]:
    return random.random(), float(np.random.rand()), torch.rand(1).item()


def test_the_same_seed_draws_the_same_from_every_generator():
    seed_everything(7)
    first = drawn()
    seed_everything(7)
    again = drawn()
    seed_everything(8)
    assert first == again and all(one != other for one, other in zip(first, drawn(), strict=True))


def test_the_largest_seed_is_taken():
    seed_everything(MAX_SEED)
