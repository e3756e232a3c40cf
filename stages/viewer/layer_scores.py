"""Scores of one layer, as the viewer asks for them: by place, by rank, by window."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stages.viewer.results import STATUS_NOT_THERE
from utils.errors import ItemError
from wsi_core.attention_file import PatchScores, read_scores
from wsi_core.percentiles import percentiles_among, to_percentiles
from wsi_core.score_map import ScoreMap


@dataclass(frozen=True)
class PatchScore:
    """The score of one patch.

    Attributes:
        number: of the patch, its row in the file.
        x, y: its corner, in level-0 pixels.
        percentile: 0 to 100.
        raw: as the model gave it; None where the file holds percentiles alone.
        spread: of the folds of an ensemble, on the scale of the file; None for a single model.
        rank: 1 is the highest.
    """

    number: int
    x: int
    y: int
    percentile: float
    raw: float | None
    spread: float | None
    rank: int


class LayerScores:
    """Scores of the patches of a layer. Nothing of it changes.

    Args:
        patches: the patches.
        percentiles: (N,) 0 to 100.
        patch_size_level0: their side.

    Attributes:
        map: averages over overlapping patches, 0 to 1, window by window.
    """

    def __init__(self, patches: PatchScores, percentiles: np.ndarray, patch_size_level0: int) -> None:
        self._patches = patches
        self._percentiles = percentiles
        self._patch_size = patch_size_level0
        self._numbers_by_rank = np.argsort(-patches.scores, kind="stable")
        self._ranks = np.empty(len(self._numbers_by_rank), np.int64)
        self._ranks[self._numbers_by_rank] = np.arange(1, len(self) + 1)
        self.map = ScoreMap(patches.coords, percentiles / 100, patch_size_level0)

    @classmethod
    def read(cls, path: Path, reference: Path, patch_size_level0: int) -> "LayerScores":
        """Read the scores of a file; raw ones become percentiles among those of ``reference``, which may be the same.

        Raises:
            ItemError: a file is missing, damaged or without patches (status ``not_there``).
        """
        patches = _read(path)
        return cls(patches, _percentiles(patches, reference, is_reference=path == reference), patch_size_level0)

    def __len__(self) -> int:
        return len(self._patches.scores)

    def at(self, x_level0: float, y_level0: float) -> PatchScore | None:
        """Return the patch over a point, of several the one whose centre is nearest; None where there is none."""
        over = self.map.patches_at(x_level0, y_level0)
        if not len(over):
            return None
        centres = self._patches.coords[over] + self._patch_size / 2
        distances = np.hypot(*(centres - (x_level0, y_level0)).T)
        return self.patch(int(over[distances.argmin()]))

    def highest(self, n: int) -> list[PatchScore]:
        """Return up to n patches, the highest first."""
        return [self.patch(int(number)) for number in self._numbers_by_rank[:n]]

    def lowest(self, n: int) -> list[PatchScore]:
        """Return up to n patches, the lowest first."""
        return [self.patch(int(number)) for number in self._numbers_by_rank[::-1][:n]]

    def patch(self, number: int) -> PatchScore:
        """Return the patch of a row.

        Raises:
            ItemError: there are fewer (status ``not_there``).
        """
        if number >= len(self):
            raise ItemError(f"there is no patch {number}", STATUS_NOT_THERE)
        patches = self._patches
        x, y = patches.coords[number].tolist()
        return PatchScore(
            number=number,
            x=x,
            y=y,
            percentile=float(self._percentiles[number]),
            raw=None if patches.scale == "percentile" else float(patches.scores[number]),
            spread=None if patches.spread is None else float(patches.spread[number]),
            rank=int(self._ranks[number]),
        )


def _read(path: Path) -> PatchScores:
    patches = read_scores(path)
    if patches is None or not len(patches.scores) or patches.coords.shape != (len(patches.scores), 2):
        raise ItemError(f"{path.name} holds no scores of patches", STATUS_NOT_THERE)
    return patches


def _percentiles(patches: PatchScores, reference: Path, *, is_reference: bool) -> np.ndarray:
    if patches.scale == "percentile":
        return patches.scores
    if is_reference:
        return to_percentiles(patches.scores)
    among = _read(reference)
    if among.scale == "percentile":  # other scales cannot be compared
        return to_percentiles(patches.scores)
    return percentiles_among(patches.scores, among.scores)
