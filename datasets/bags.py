"""Bags: the features of all patches of one slide, as extraction left them below a feature folder.

Reads ``pt_files/<slide>.pt``, or ``h5_files/<slide>.h5`` where there is no such file; and folders of TRIDENT, which
hold ``<slide>.h5`` themselves. Looks at a whole cohort before training without loading it.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from datasets.features_file import features_shape, h5_path, pt_path, read_features_h5, read_features_pt
from utils.atomic import finished_files
from utils.errors import ItemError, UsageError

LAYOUTS = "pt_files/<slide>.pt, h5_files/<slide>.h5 or <slide>.h5"


def bag_path(features_dir: str | Path, slide_id: str) -> Path | None:
    """Return the file of a slide's features, the quickest to read first; None where there is none."""
    return next(
        (path for path in (pt_path(features_dir, slide_id), *_h5_paths(features_dir, slide_id)) if path.is_file()), None
    )


def bag_h5_path(features_dir: str | Path, slide_id: str) -> Path:
    """Return the h5 of a slide's features, whether it is there or not."""
    paths = _h5_paths(features_dir, slide_id)
    return next((path for path in paths if path.is_file()), paths[0])


def _h5_paths(features_dir: str | Path, slide_id: str) -> tuple[Path, Path]:
    return h5_path(features_dir, slide_id), Path(features_dir) / f"{slide_id}.h5"


def bags_in(features_dir: Path) -> list[str]:
    """Return the slides that have a file of features in a folder, in alphabetical order.

    Raises:
        UsageError: there is none.
    """
    patterns = ("pt_files/*.pt", "h5_files/*.h5", "*.h5")
    ids = sorted({path.stem for pattern in patterns for path in finished_files(features_dir, pattern)})
    if not ids:
        raise UsageError(f"{features_dir}: no features there ({LAYOUTS})")
    return ids


def read_bag(features_dir: str | Path, slide_id: str) -> torch.Tensor:
    """Return the features (N, D) float32 of a slide.

    Raises:
        ItemError: no such file, or it holds no table of numbers.
    """
    return read_bag_file(bag_path(features_dir, slide_id) or h5_path(features_dir, slide_id))


def read_bag_file(path: Path) -> torch.Tensor:
    """Return the features (N, D) float32 that a pt or h5 holds.

    Raises:
        ItemError: no such file, or it holds no table of numbers.
    """
    return read_features_pt(path) if path.suffix == ".pt" else torch.from_numpy(read_features_h5(path).features)


def read_bag_and_coords(features_dir: str | Path, slide_id: str) -> tuple[torch.Tensor, np.ndarray]:
    """Return the features (N, D) float32 of a slide and the level-0 (x, y) of their patches, (N, 2).

    Raises:
        ItemError: no such file, or it lacks one of the two.
    """
    stored = read_features_h5(bag_h5_path(features_dir, slide_id))
    return torch.from_numpy(stored.features), stored.coords


@dataclass
class BagSurvey:
    """What the files of a cohort's bags say of themselves.

    Attributes:
        width: length D of a feature.
        paths: the file of every sound bag.
        n_patches: number N of patches of every sound bag.
        problems: slides whose bags cannot be used, by what is wrong with them, with details.
    """

    width: int
    paths: dict[str, Path] = field(default_factory=dict)
    n_patches: dict[str, int] = field(default_factory=dict)
    problems: dict[str, dict[str, str]] = field(default_factory=dict)

    def reject(self, slide_id: str, problem: str, detail: str = "") -> None:
        """Take a bag out of the sound ones."""
        self.problems.setdefault(problem, {})[slide_id] = detail
        self.paths.pop(slide_id, None)
        self.n_patches.pop(slide_id, None)

    @property
    def rejected(self) -> list[str]:
        """The slides whose bags cannot be used."""
        return [slide_id for slides in self.problems.values() for slide_id in slides]

    def describe(self) -> str:
        """Return every problem with the slides that have it."""
        return "; ".join(f"{problem}, {len(slides)}: {_listed(slides)}" for problem, slides in self.problems.items())

    def require_sound(self, where: str | Path, advice: str = "") -> None:
        """Raise a UsageError that names every slide with a problem."""
        if self.problems:
            raise UsageError(f"features in {where} ({LAYOUTS}): {self.describe()}{'; ' * bool(advice)}{advice}")


def _listed(slides: Mapping[str, str]) -> str:
    return ", ".join(f"{slide_id} ({detail})" if detail else slide_id for slide_id, detail in slides.items())


def survey_bags(folders: Mapping[str, Path], embed_dim: int | None = None) -> BagSurvey:
    """Look at the files of a cohort's bags without reading their numbers.

    Args:
        folders: the feature folder of every slide.
        embed_dim: the width asked for; inferred where None, as the most frequent one.

    Raises:
        UsageError: all bags are of another width than the one asked for.
    """
    survey = BagSurvey(0)
    widths: dict[str, int] = {}
    for slide_id, folder in folders.items():
        path = bag_path(folder, slide_id)
        if path is None:
            survey.reject(slide_id, "missing")
            continue
        try:
            n_patches, dim = features_shape(path)
        except ItemError as error:
            survey.reject(slide_id, "not readable", str(error))
            continue
        if n_patches == 0:
            survey.reject(slide_id, "empty")
            continue
        survey.paths[slide_id], survey.n_patches[slide_id], widths[slide_id] = path, n_patches, dim
    survey.width = _width(widths, embed_dim, where=_where(folders))
    for slide_id, dim in widths.items():
        if dim != survey.width:
            survey.reject(slide_id, f"not {survey.width} numbers wide", str(dim))
    return survey


def _where(folders: Mapping[str, Path]) -> str:
    return ", ".join(dict.fromkeys(str(folder) for folder in folders.values()))


def _width(widths: Mapping[str, int], embed_dim: int | None, where: str) -> int:
    found = Counter(widths.values()).most_common(1)[0][0] if widths else 0
    if embed_dim is not None and widths and embed_dim not in widths.values():
        raise UsageError(
            f"--embed_dim {embed_dim}, but the features in {where} are {found} numbers wide; "
            "leave the flag out, or point to the features that are meant"
        )
    return found if embed_dim is None else embed_dim
