"""Stain normalisation: patches get the colours of a target image, each by its own statistics, on any device.

Macenko et al. 2009, "A method for normalizing histology slides for quantitative analysis"; Reinhard et al. 2001, "Color
transfer between images". Patches with too little tissue to tell its stains stay as they are, and so do pixels that are
black: outside the slide.
"""

import warnings
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError

from models.encoders.transform import StainChange
from utils.errors import UsageError, one_line
from utils.fingerprint import array_sha256
from utils.pictures import PICTURE_FORMATS

GLASS = 240.0  # intensity of light that passes the slide without tissue
TISSUE_DENSITY = 0.1  # optical density, the mean of the colours, from which a pixel is tissue
CLEAR_DENSITY = 0.05  # up to which it is glass
MIN_TISSUE_PART = 0.02  # of a patch; with less its stains cannot be told
EXTREME_ANGLES = (0.01, 0.99)  # the purest stains, but for outliers
STRONGEST = 0.99  # the density that stands for a stain's strength
MIN_STRENGTH = 1e-3
MAX_LIKENESS = 0.9999  # cosine of two stains that are different
MAX_TARGET_SIDE_PX = 2048  # of a target image; a larger one is made smaller

# Of RGB to the cones of the eye, and of their logarithms to l, alpha, beta (Ruderman et al. 1998).
_TO_LMS = torch.tensor([[0.3811, 0.5783, 0.0402], [0.1967, 0.7244, 0.0782], [0.0241, 0.1288, 0.8444]])
_TO_LAB = torch.diag(torch.tensor([3.0, 6.0, 2.0]).rsqrt()) @ torch.tensor(
    [[1.0, 1.0, 1.0], [1.0, 1.0, -2.0], [1.0, -1.0, 0.0]]
)


def fit_stain(method: str, target: str) -> StainChange:
    """Return a change that gives patches the stains of an image.

    Args:
        method: "macenko" or "reinhard".
        target: file of an image with tissue.

    Raises:
        UsageError: the file is no image, or has too little tissue.
    """
    image = torch.from_numpy(_read_target(target))[None]
    fitted = {"macenko": MacenkoStain.fit, "reinhard": ReinhardStain.fit}[method](image)
    if fitted is None:
        raise UsageError(f"--stain_target {target}: too little tissue to tell its stains; take an image full of tissue")
    return fitted


def _read_target(path: str) -> np.ndarray:
    try:
        with warnings.catch_warnings(), Image.open(path, formats=PICTURE_FORMATS) as image:
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # far beyond, it is an error
            image.thumbnail((MAX_TARGET_SIDE_PX, MAX_TARGET_SIDE_PX))
            return np.array(image.convert("RGB"))
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UsageError(f"--stain_target {path} is no image to read ({one_line(error)}); pass a png or jpg") from error


def _describe(method: str, *fitted: torch.Tensor) -> str:
    numbers = np.concatenate([tensor.numpy().ravel() for tensor in fitted]).round(4)
    return f"{method}:{array_sha256(numbers)[:8]}"


def _densities(batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return optical densities, float32 (B, N, 3), and which pixels are tissue, bool (B, N)."""
    densities = -torch.log((batch.flatten(1, 2).float() + 1) / GLASS)
    return densities, (densities.mean(dim=2) > TISSUE_DENSITY) & ~_is_outside(batch).flatten(1, 2)


def _is_outside(batch: torch.Tensor) -> torch.Tensor:
    """Tell which pixels are outside the slide, bool (B, H, W): as black as readers pad with, and no tissue is."""
    return (batch == 0).all(dim=3)


def _masked_quantile(values: torch.Tensor, mask: torch.Tensor, part: float) -> torch.Tensor:
    """Return the quantile of the masked values (B, N) of each row, (B,)."""
    ordered = values.masked_fill(~mask, torch.inf).sort(dim=1).values
    last = (mask.sum(dim=1) - 1).clamp(min=0)
    return ordered.gather(1, (part * last).round().long()[:, None])[:, 0]


def _masked_moments(values: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return mean and standard deviation of the masked pixels of each picture; (B, N, C) to two of (B, 1, C)."""
    weights = mask[..., None].float()
    count = weights.sum(dim=1, keepdim=True).clamp(min=1)
    mean = (values * weights).sum(dim=1, keepdim=True) / count
    return mean, (((values - mean) ** 2 * weights).sum(dim=1, keepdim=True) / count).sqrt()


def _has_tissue(mask: torch.Tensor) -> torch.Tensor:
    return mask.float().mean(dim=1) >= MIN_TISSUE_PART


def _as_bytes(pixels: torch.Tensor, batch: torch.Tensor, usable: torch.Tensor) -> torch.Tensor:
    """Return pixels (B, N, 3) as bytes in the batch's shape; patches that are not usable, and what is outside, stay."""
    changed = pixels.nan_to_num().clamp(0, 255).round().to(torch.uint8).view(batch.shape)
    is_changed = usable[:, None, None] & ~_is_outside(batch)
    return torch.where(is_changed[..., None], changed, batch)


@dataclass(frozen=True)
class MacenkoStain:
    """Stains by the plane in which optical densities lie.

    Attributes:
        stains: colours of haematoxylin and eosin as optical densities, float32 (3, 2).
        strengths: of both, float32 (2,).
    """

    stains: torch.Tensor
    strengths: torch.Tensor

    @classmethod
    def fit(cls, image: torch.Tensor) -> "MacenkoStain | None":
        """Take the stains of an image, uint8 (1, H, W, 3); None where it has too little tissue."""
        densities, mask = _densities(image)
        stains, strengths, _, usable = _macenko(densities, mask)
        return cls(stains[0], strengths[0]) if bool(usable) else None

    @property
    def describe(self) -> str:
        """Method and fitted numbers, for provenance."""
        return _describe("macenko", self.stains, self.strengths)

    def __call__(self, batch: torch.Tensor) -> torch.Tensor:
        """Return uint8 RGB (B, H, W, 3) of the same, on the same device."""
        densities, mask = _densities(batch)
        _, strengths, amounts, usable = _macenko(densities, mask)
        scaled = amounts * (self.strengths.to(batch.device) / strengths)[:, None]
        return _as_bytes(GLASS * torch.exp(-scaled @ self.stains.to(batch.device).T) - 1, batch, usable)


def _macenko(
    densities: torch.Tensor, mask: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return stains (B, 3, 2), their strengths (B, 2), the amounts in all pixels (B, N, 2), and whose can be told."""
    usable = _has_tissue(mask)
    weights = mask[..., None].float()
    mean, _ = _masked_moments(densities, mask)
    centred = (densities - mean) * weights
    covariance = centred.transpose(1, 2) @ centred / weights.sum(dim=1, keepdim=True).clamp(min=1)
    plane = torch.linalg.eigh(covariance).eigenvectors[..., 1:]  # of the two largest eigenvalues
    plane = plane * torch.where(plane.sum(dim=1, keepdim=True) < 0, -1.0, 1.0)  # densities are positive
    on_plane = densities @ plane
    angles = torch.atan2(on_plane[..., 0], on_plane[..., 1])
    directions = [_masked_quantile(angles, mask, part) for part in EXTREME_ANGLES]
    extremes = [plane @ torch.stack([angle.sin(), angle.cos()], dim=1)[..., None] for angle in directions]
    first, second = (extreme[..., 0] for extreme in extremes)
    is_first_blue = (first[:, 0] > second[:, 0])[:, None]  # haematoxylin takes more of the red light
    stains = torch.stack([torch.where(is_first_blue, first, second), torch.where(is_first_blue, second, first)], dim=2)
    amounts = densities @ torch.linalg.pinv(stains.nan_to_num(posinf=0.0, neginf=0.0)).transpose(1, 2)
    strengths = torch.stack([_masked_quantile(amounts[..., i], mask, STRONGEST) for i in (0, 1)], dim=1)
    # one colour spans no plane: both stains are the same then
    are_two = (stains[..., 0] * stains[..., 1]).sum(dim=1).abs() < MAX_LIKENESS
    usable = usable & are_two & (strengths > MIN_STRENGTH).all(dim=1) & torch.isfinite(strengths).all(dim=1)
    return stains, strengths.clamp(min=MIN_STRENGTH), amounts, usable


@dataclass(frozen=True)
class ReinhardStain:
    """Mean and spread of the colours of tissue, in the space l, alpha, beta.

    Attributes:
        mean, spread: of the target, float32 (3,).
    """

    mean: torch.Tensor
    spread: torch.Tensor
    min_spread: ClassVar[float] = 1e-4

    @classmethod
    def fit(cls, image: torch.Tensor) -> "ReinhardStain | None":
        """Take the colours of an image, uint8 (1, H, W, 3); None where it has too little tissue."""
        _, mask = _densities(image)
        mean, spread = _masked_moments(_to_lab(image), mask)
        is_usable = bool(_has_tissue(mask)) and bool((spread > cls.min_spread).all())
        return cls(mean[0, 0], spread[0, 0]) if is_usable else None

    @property
    def describe(self) -> str:
        """What it does, for provenance."""
        return _describe("reinhard", self.mean, self.spread)

    def __call__(self, batch: torch.Tensor) -> torch.Tensor:
        """Return uint8 RGB (B, H, W, 3) of the same, on the same device; glass stays as it is."""
        densities, mask = _densities(batch)
        lab = _to_lab(batch)
        mean, spread = _masked_moments(lab, mask)
        usable = _has_tissue(mask) & (spread > self.min_spread).all(dim=2)[:, 0]
        factor = self.spread.to(batch.device) / spread.clamp(min=self.min_spread)
        changed = _to_rgb((lab - mean) * factor + self.mean.to(batch.device))
        # little by little from glass to tissue: a sharp border would draw a line around every cell
        part = (densities.mean(dim=2, keepdim=True) - CLEAR_DENSITY) / (TISSUE_DENSITY - CLEAR_DENSITY)
        return _as_bytes(torch.lerp(batch.flatten(1, 2).float(), changed, part.clamp(0, 1)), batch, usable)


def _to_lab(batch: torch.Tensor) -> torch.Tensor:
    lms = (batch.flatten(1, 2).float() + 1) / 256 @ _TO_LMS.to(batch.device).T
    return lms.log10() @ _TO_LAB.to(batch.device).T


def _to_rgb(lab: torch.Tensor) -> torch.Tensor:
    lms = 10 ** (lab @ torch.linalg.inv(_TO_LAB).to(lab.device).T)
    return lms @ torch.linalg.inv(_TO_LMS).to(lab.device).T * 256 - 1
