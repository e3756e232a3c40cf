"""``patches/<slide>.h5``: where the patches of a slide lie. Owner of that format, version 1.

Dataset ``coords`` (N, 2), level-0 (x, y) of each patch's top-left corner, with attributes that say how they were made.
Files of the original program lack some attributes and are read all the same.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np

from utils.atomic import atomic_path
from utils.errors import ItemError
from utils.version import VERSION

STATUS_BAD = "bad_coords"


@dataclass(frozen=True)
class PatchCoords:
    """The patches of one slide.

    Attributes:
        coords: int64 (N, 2), level-0 (x, y) of the top-left corners.
        patch_size_px: side of the square read at ``patch_level``, also where it is resized afterwards.
        patch_level: the level read at.
        downsample_xy: level-0 pixels per pixel of that level, along x and y.
        level_size: width and height of that level.
        name: slide id.
        save_path: the folder of the file, as the user typed it.
        custom_downsample: how much smaller a patch is made after reading.
        patch_size_level0: side of a patch in level-0 pixels.
        mpp: micrometres per level-0 pixel (x, y), or None where unknown.
        made_with: parameters of segmentation and grid, number of contours; empty where the file does not say.
    """

    coords: np.ndarray
    patch_size_px: int
    patch_level: int
    downsample_xy: tuple[float, float] = (1.0, 1.0)
    level_size: tuple[int, int] = (0, 0)
    name: str = ""
    save_path: str = ""
    custom_downsample: int = 1
    patch_size_level0: int = 0
    mpp: tuple[float, float] | None = None
    made_with: dict[str, str] = field(default_factory=dict)

    @property
    def target_patch_size_px(self) -> int:
        """Side of a patch after resizing by ``custom_downsample``."""
        return self.patch_size_px // self.custom_downsample

    def __len__(self) -> int:
        return len(self.coords)


def write_coords(path: Path, patches: PatchCoords) -> None:
    """Write the file, atomically."""
    with atomic_path(path) as part, h5py.File(part, "w") as file:
        dataset = file.create_dataset("coords", data=patches.coords, chunks=True, maxshape=(None, 2))
        dataset.attrs.update(_attributes(patches))


def _attributes(patches: PatchCoords) -> dict[str, object]:
    attributes: dict[str, object] = {
        "patch_size": patches.patch_size_px,
        "patch_level": patches.patch_level,
        "downsample": patches.downsample_xy,
        "downsampled_level_dim": patches.level_size,
        "level_dim": patches.level_size,
        "name": patches.name,
        "save_path": patches.save_path,
        "target_patch_size": patches.target_patch_size_px,
        "custom_downsample": patches.custom_downsample,
        "patch_size_level0": patches.patch_size_level0,
        "made_with": json.dumps(patches.made_with),
        "version": VERSION,
    }
    return attributes if patches.mpp is None else {**attributes, "mpp": patches.mpp}


def read_coords(path: Path) -> PatchCoords:
    """Read the file.

    Raises:
        ItemError: it is missing (status ``no_coords``), truncated or lacks something (``bad_coords``).
    """
    if not path.is_file():
        raise ItemError(f"no coordinates: {path} is missing", "no_coords")
    try:
        with h5py.File(path, "r") as file:
            dataset = file["coords"]
            return _from_attributes(dataset[:], dict(dataset.attrs))
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ItemError(f"{path} is no complete file of coordinates ({error}); make it again", STATUS_BAD) from error


def _from_attributes(coords: np.ndarray, attributes: dict) -> PatchCoords:
    if coords.ndim != 2 or coords.shape[1] != 2:
        raise ValueError(f"coords has shape {coords.shape}, not (N, 2)")
    downsample_x, downsample_y = np.broadcast_to(attributes.get("downsample", 1.0), 2)
    patch_size_px = int(attributes["patch_size"])
    mpp = attributes.get("mpp")
    return PatchCoords(
        coords=coords.astype(np.int64),
        patch_size_px=patch_size_px,
        patch_level=int(attributes["patch_level"]),
        downsample_xy=(float(downsample_x), float(downsample_y)),
        level_size=_pair(attributes.get("level_dim", (0, 0))),
        name=str(attributes.get("name", "")),
        save_path=str(attributes.get("save_path", "")),
        custom_downsample=int(attributes.get("custom_downsample", 1)),
        patch_size_level0=int(attributes.get("patch_size_level0", round(patch_size_px * float(downsample_x)))),
        mpp=None if mpp is None else (float(mpp[0]), float(mpp[1])),
        made_with=json.loads(attributes.get("made_with", "{}")),
    )


def _pair(values: np.ndarray) -> tuple[int, int]:
    first, second = (int(v) for v in values)
    return first, second
