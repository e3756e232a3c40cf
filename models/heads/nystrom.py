"""Nystrom attention: softmax attention through a few landmarks, in time and memory linear in the tokens.

Xiong et al. 2021, "Nystromformer: a Nystrom-based algorithm for approximating self-attention", AAAI. Landmarks are
means of queries and keys over segments of the sequence. The pseudo-inverse is iterated, as there, after
Razavi et al. 2014.
"""

import torch
from torch import nn
from torch.nn import functional

from models.drop_out import DropOut

PINV_ITERATIONS = 6
CONV_KERNEL = 33  # tokens that the depthwise convolution over the values sees


class NystromAttention(nn.Module):
    """Multi-head Nystrom attention with a depthwise convolution over the values beside it.

    Args:
        dim: length of a token.
        n_heads: number of heads.
        n_landmarks: landmarks at most; with no more tokens than that, the attention is exact but for the iteration.
        drop_out: rate after the attention.
    """

    def __init__(self, dim: int, n_heads: int, n_landmarks: int, drop_out: float) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.n_landmarks = n_landmarks
        self.to_qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.to_out = nn.Sequential(nn.Linear(dim, dim), DropOut(drop_out))
        self.res_conv = nn.Conv1d(n_heads, n_heads, CONV_KERNEL, padding=CONV_KERNEL // 2, groups=n_heads, bias=False)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return tokens (L, dim) from tokens (L, dim)."""
        query, key, value = self._heads(tokens)
        query_marks, key_marks = self._landmarks(query), self._landmarks(key)
        inverse = pseudo_inverse(_attention(query_marks, key_marks))
        marked = inverse @ _attend(query_marks, key, value)  # (heads, landmarks, d)
        mixed = _attend(query, key_marks, marked) + self._convolved(value)
        return self.to_out(mixed.transpose(0, 1).flatten(1))

    def first_row(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return the attention (L,) of the first token to all, mean over heads; the approximation can be below 0."""
        query, key, _ = self._heads(tokens)
        query_marks, key_marks = self._landmarks(query), self._landmarks(key)
        row = _attention(query[:, :1], key_marks) @ pseudo_inverse(_attention(query_marks, key_marks))
        # head by head: (landmarks, L) numbers at a time
        rows = [head @ _attention(marks, keys) for head, marks, keys in zip(row, query_marks, key, strict=True)]
        return torch.stack(rows).mean(dim=0)[0]

    def _heads(self, tokens: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return queries, keys and values, each (heads, L, d)."""
        return self.to_qkv(tokens).unflatten(1, (3, self.n_heads, -1)).permute(1, 2, 0, 3).unbind(0)

    def _landmarks(self, x: torch.Tensor) -> torch.Tensor:
        """Return the means (heads, landmarks, d) of segments as long as need be; the last one may be shorter."""
        length = -(-x.shape[1] // self.n_landmarks)
        missing = -x.shape[1] % length
        sums = functional.pad(x, (0, 0, 0, missing)).unflatten(1, (-1, length)).sum(dim=2)
        counts = torch.full_like(sums[:, :, :1], length)
        counts[:, -1] -= missing
        return sums / counts

    def _convolved(self, value: torch.Tensor) -> torch.Tensor:
        return self.res_conv(value.permute(2, 0, 1)).permute(1, 2, 0)


def pseudo_inverse(matrices: torch.Tensor) -> torch.Tensor:
    """Approximate the Moore-Penrose inverses of square matrices (..., M, M) by an iteration of third order."""
    norms = matrices.abs().sum(dim=-1).amax(dim=-1) * matrices.abs().sum(dim=-2).amax(dim=-1)
    inverse = matrices.mT / norms[..., None, None]
    one = torch.eye(matrices.shape[-1], dtype=matrices.dtype, device=matrices.device)
    for _ in range(PINV_ITERATIONS):
        product = matrices @ inverse
        inverse = inverse @ (13 * one - product @ (15 * one - product @ (7 * one - product))) / 4
    return inverse


def _attention(query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
    return (query @ key.mT / query.shape[-1] ** 0.5).softmax(dim=-1)


def _attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    return functional.scaled_dot_product_attention(query[None], key[None], value[None])[0]
