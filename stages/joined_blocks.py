"""Blocks of a slide joined until they hold as many patches as are encoded at once.

Blocks are small, so that many readers need little memory; a GPU is to get more patches at once than fit in one.
"""

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch

from datasets.patches import BlockInfo
from datasets.reader_pool import ReadBlock

BATCH_BYTES = 2**30


def patches_at_once(batch_size: int, side_px: int) -> int:
    """Return how many patches of a side are encoded at once: those asked for, as far as ``BATCH_BYTES`` hold them."""
    return max(1, min(batch_size, BATCH_BYTES // (3 * side_px**2)))


class BlockJoiner:
    """Joins blocks, in memory that is used again and again."""

    def __init__(self) -> None:
        self._memory = torch.empty(0, dtype=torch.uint8)

    def joined(
        self, blocks: Iterable[ReadBlock], n_at_once: int, patch_shape: tuple[int, int, int]
    ) -> Iterator[ReadBlock]:
        """Yield the patches of a slide's blocks in their order, ``n_at_once`` at a time; the last may be fewer.

        Args:
            blocks: of one slide, whatever cannot be read left out.
            n_at_once: how many patches are joined.
            patch_shape: height, width, RGB.
        """
        pixels = self._room(n_at_once, patch_shape)
        slide_number, n_joined = 0, 0
        infos: list[BlockInfo] = []
        for block in blocks:
            slide_number, n_taken = block.slide_number, 0
            while n_taken < block.info.n_read:
                part = slice(n_taken, n_taken + n_at_once - n_joined)
                infos.append(_part(block.info, part))
                pixels[n_joined : n_joined + infos[-1].n_read] = block.pixels[part]
                n_taken, n_joined = n_taken + infos[-1].n_read, n_joined + infos[-1].n_read
                if n_joined == n_at_once:
                    yield ReadBlock(slide_number, _joined(infos), pixels)
                    infos, n_joined = [], 0
        if n_joined:
            yield ReadBlock(slide_number, _joined(infos), pixels[:n_joined])

    def _room(self, n_patches: int, patch_shape: tuple[int, int, int]) -> torch.Tensor:
        n_bytes = n_patches * math.prod(patch_shape)
        if len(self._memory) < n_bytes:
            self._memory = torch.empty(n_bytes, dtype=torch.uint8)
        return self._memory[:n_bytes].view(n_patches, *patch_shape)


def _part(info: BlockInfo, part: slice) -> BlockInfo:
    return BlockInfo(info.numbers[part], tuple(prepared[part] for prepared in info.prepared))


def _joined(infos: Sequence[BlockInfo]) -> BlockInfo:
    prepared = zip(*(info.prepared for info in infos), strict=True)
    return BlockInfo(
        np.concatenate([info.numbers for info in infos]), tuple(np.concatenate(parts) for parts in prepared)
    )
