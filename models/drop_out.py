"""Drop-out as ``nn.Dropout`` does it, with masks that a processor draws in less time.

torch draws a mask one number after the other in one thread. For a bag of 400 patches that takes half the time of all
matrix products, in bfloat16 more than all of them.
"""

import functools
import math

import torch
from torch import nn

# torch keeps a unit where the lowest 53 of 64 random bits, as a fraction, are below the rate of keeping
DOUBLE_BITS = 53
BLOCK = 65_536  # numbers drawn at a time: half a megabyte, which stays in the processor's cache


class DropOut(nn.Dropout):
    """Drop-out with the draws of ``nn.Dropout`` in float32: one seed gives the same masks.

    In bfloat16, where last digits differ anyway, a mask is drawn from an eighth or a quarter of the random bits, and
    the rate is rounded to 1/65536.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return x of any shape, in training with some units zero and the others scaled up."""
        keep = 1 - self.p
        if not self.training or keep in (0, 1) or x.device.type != "cpu":
            return super().forward(x)
        if x.dtype == torch.bfloat16:
            return x * _coarse_mask(x, keep).div_(keep)
        return x * _same_mask(x, keep).div_(keep) if _draws_are_known() else super().forward(x)


def _coarse_mask(x: torch.Tensor, keep: float) -> torch.Tensor:
    """Return ones and zeros like x, from 8 random bits each where the rate is a multiple of 1/256, else from 16."""
    drawn_as = torch.int8 if (keep * 256).is_integer() else torch.int16
    low, high = torch.iinfo(drawn_as).min, torch.iinfo(drawn_as).max + 1
    words = torch.empty(-(-x.numel() * drawn_as.itemsize // 8), dtype=torch.int64).random_(-(2**63), None)
    drawn = words.view(drawn_as)[: x.numel()].view(x.shape)
    return torch.lt(drawn, low + round(keep * (high - low)), out=torch.empty_like(x))


def _same_mask(x: torch.Tensor, keep: float) -> torch.Tensor:
    """Return ones and zeros like x, those that ``bernoulli_`` would draw."""
    bound = math.ceil(keep * 2**DOUBLE_BITS)
    mask = torch.empty(x.numel(), dtype=x.dtype)
    bits = torch.empty(min(BLOCK, x.numel()), dtype=torch.int64)
    for part in mask.split(BLOCK):
        drawn = bits[: len(part)].random_().bitwise_and_(2**DOUBLE_BITS - 1)
        torch.lt(drawn, bound, out=part)
    return mask.view(x.shape)


@functools.cache
def _draws_are_known() -> bool:
    """Tell whether torch draws as said above; builds may use a generator of Intel's library, a fast one."""
    with torch.random.fork_rng(devices=[]):
        masks = []
        for draw in (_same_mask, torch.Tensor.bernoulli_):
            torch.manual_seed(0)
            masks.append(draw(torch.empty(64), 0.5))
    return torch.equal(*masks)
