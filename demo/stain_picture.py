"""Draws docs/images/stain.jpg: fabricated tissue in three stains, the target, and both normalisations.

python -m demo.stain_picture
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from demo.tissue import EOSIN_OD, GLASS_RGB, HAEMATOXYLIN_OD, Plan, paint
from models.encoders.stain import fit_stain
from utils.lookup import PROJECT_ROOT

SIDE_PX = 256
GAP_PX = 6
TITLE_PX = 26
Stain = tuple[float, Sequence[float] | np.ndarray]  # strength, and colour in optical density
# haematoxylin and eosin: pale, reddish, and of a bluish scanner
STAINS: tuple[tuple[Stain, Stain], ...] = (
    ((0.55, HAEMATOXYLIN_OD), (0.6, EOSIN_OD)),
    ((0.9, (0.50, 0.76, 0.42)), (1.9, (0.10, 0.85, 0.42))),
    ((1.3, (0.68, 0.66, 0.32)), (0.9, (0.36, 0.78, 0.50))),
)


METHODS = ("macenko", "reinhard")


def main() -> None:
    """Draw the picture."""
    target, *patches = (_tissue(seed) for seed in range(1 + len(STAINS)))
    patches = [_stained(patch, stains) for patch, stains in zip(patches, STAINS, strict=True)]
    columns = [("as scanned", patches), ("target", [target])]
    with tempfile.TemporaryDirectory() as folder:
        target_path = Path(folder, "target.png")
        Image.fromarray(target).save(target_path)
        for method in METHODS:
            changed = fit_stain(method, str(target_path))(torch.from_numpy(np.stack(patches)))
            columns.append((method, list(changed.numpy())))
    _sheet(columns).save(PROJECT_ROOT / "docs" / "images" / "stain.jpg", quality=88)


def _tissue(seed: int) -> np.ndarray:
    whole = np.ones((SIDE_PX // 16, SIDE_PX // 16), bool)
    half = np.tri(*whole.shape, dtype=bool)
    return paint(Plan(whole, half), (SIDE_PX, SIDE_PX), np.random.default_rng(seed))


def _stained(patch: np.ndarray, stains: Sequence[Stain]) -> np.ndarray:
    """Take the amounts of both stains out of a patch, and paint them in others."""
    density = -np.log((patch.reshape(-1, 3) + 1.0) / (GLASS_RGB + 1))
    amounts = density @ np.linalg.pinv(np.stack([HAEMATOXYLIN_OD, EOSIN_OD]))
    painted = sum(amounts[:, [i]] * strength * np.asarray(colour) for i, (strength, colour) in enumerate(stains))
    return np.clip(GLASS_RGB * np.exp(-painted), 0, 255).astype(np.uint8).reshape(patch.shape)


def _sheet(columns: Sequence[tuple[str, Sequence[np.ndarray]]]) -> Image.Image:
    step = SIDE_PX + GAP_PX
    sheet = Image.new("RGB", (len(columns) * step - GAP_PX, TITLE_PX + len(STAINS) * step - GAP_PX), "white")
    for number, (title, patches) in enumerate(columns):
        ImageDraw.Draw(sheet).text((number * step, 3), title, "black", ImageFont.load_default(18))
        for row, patch in enumerate(patches):
            sheet.paste(Image.fromarray(patch), (number * step, TITLE_PX + row * step))
    return sheet


if __name__ == "__main__":
    main()
