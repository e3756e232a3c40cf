"""A fixed descriptor of stain and texture: no weights, no training, the same numbers everywhere.

For trying things out without network, and as a baseline; docs/handcrafted.md explains it number by number.
Haematoxylin and eosin are separated by Ruifrok and Johnston 2001 ("Quantification of histochemical staining by color
deconvolution"), local binary patterns are those of Ojala, Pietikäinen, Mäenpää 2002.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from scipy.ndimage import gaussian_gradient_magnitude, gaussian_laplace
from skimage.color import rgb2hed
from skimage.feature import local_binary_pattern

from models.encoders.encoder import Launched
from models.encoders.transform import Geometry, StainChange

Numbers = Iterator[tuple[str, float | np.floating]]

STAINS = ("haematoxylin", "eosin", "residual")
# Densities of stained tissue are below about these; a density divided by its scale lies in 0 to 1.
STAIN_SCALE = np.array([0.25, 0.10, 0.15], np.float32)
PERCENTILES = (5, 25, 50, 75, 95)
HISTOGRAM_BINS = 16
NUCLEUS_LEVELS = (0.3, 0.4, 0.5)  # of scaled haematoxylin
GLASS_BRIGHTNESS = 0.85  # a pixel whose darkest colour is above this is glass
LBP_POINTS = 8
LBP_LEVELS = 64  # densities are put on so many levels first, so that faint noise is no pattern
TEXTURE_GAIN = 4.0  # gradients and blobs are small against densities


@dataclass(frozen=True)
class Descriptor:
    """Describes a patch of at least 16 x 16 pixels by numbers of about 0 to 1.

    Attributes:
        geometry: applied to the patch first.
        stain: normalises its stains before that.
    """

    geometry: Geometry
    stain: StainChange | None = None

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Return float32 (D,), in the order of ``feature_names()``, for uint8 RGB (H, W, 3)."""
        batch = torch.from_numpy(np.array(image[None]))
        if self.stain is not None:
            batch = self.stain(batch)
        return np.array([value for _, value in _numbers(self.geometry(batch)[0].numpy())], np.float32)


def feature_names() -> list[str]:
    """Return what each number says."""
    return [name for name, _ in _numbers(np.full((32, 32, 3), 128, np.uint8))]


def as_features(batch: torch.Tensor) -> Launched:
    """Take described patches (B, D) as they are: the work is done where they are read."""
    return Launched([batch])


def _numbers(image: np.ndarray) -> Numbers:
    half = _half(image)
    stains = np.clip(rgb2hed(half).astype(np.float32) / STAIN_SCALE, 0, 1)
    haematoxylin, eosin = stains[..., 0], stains[..., 1]
    quarter = _half(haematoxylin)
    yield from _colours(half)
    for number, name in enumerate(STAINS):
        yield from _distribution(name, stains[..., number])
    yield from _nuclei(haematoxylin, eosin)
    yield from _patterns("patterns_half", haematoxylin, radius_px=1)
    yield from _patterns("patterns_quarter", quarter, radius_px=1)
    yield from _patterns("patterns_quarter_wide", quarter, radius_px=2)
    for name, plane, sigma_px in (("fine", haematoxylin, 1.0), ("middle", quarter, 1.0), ("coarse", quarter, 2.0)):
        yield from _spread(f"gradient_{name}", sigma_px * gaussian_gradient_magnitude(plane, sigma_px))
        # the sign makes a dark spot about as wide as the Gaussian positive
        yield from _spread(f"blob_{name}", np.maximum(-(sigma_px**2) * gaussian_laplace(plane, sigma_px), 0))


def _half(image: np.ndarray) -> np.ndarray:
    """Average 2 x 2 pixels into one."""
    height, width = image.shape[:2]
    return cv2.resize(image, (max(1, width // 2), max(1, height // 2)), interpolation=cv2.INTER_AREA)


def _colours(image: np.ndarray) -> Numbers:
    """Mean and spread of red, green and blue, and the part of glass."""
    mean, std = (values.ravel() / 255 for values in cv2.meanStdDev(image))
    for number, name in enumerate(("red", "green", "blue")):
        yield f"{name}_mean", mean[number]
        yield f"{name}_std", 2 * std[number]
    yield "glass_fraction", np.mean(image.min(axis=2) > GLASS_BRIGHTNESS * 255)


def _distribution(name: str, plane: np.ndarray) -> Numbers:
    """Mean, spread, skewness and percentiles of a stain."""
    values = np.sort(plane, axis=None)
    mean, std = values.mean(), values.std()
    centred = values - mean
    third = np.mean(centred * centred * centred) / max(std**3, 1e-6)  # a product is far faster than a power
    yield f"{name}_mean", mean
    yield f"{name}_std", 2 * std
    yield f"{name}_skewness", 0.5 + 0.5 * np.tanh(third / 4)
    for percent in PERCENTILES:
        yield f"{name}_p{percent}", values[int(percent / 100 * (len(values) - 1))]


def _nuclei(haematoxylin: np.ndarray, eosin: np.ndarray) -> Numbers:
    """How much haematoxylin there is at each density, how much is dark enough for nuclei, how it goes with eosin."""
    counts, _ = np.histogram(haematoxylin, HISTOGRAM_BINS, (0, 1))
    for number, count in enumerate(counts):
        yield f"haematoxylin_bin_{number}", count / haematoxylin.size
    for level in NUCLEUS_LEVELS:
        yield f"nuclei_above_{level}", np.mean(haematoxylin > level)
    centred_h, centred_e = haematoxylin - haematoxylin.mean(), eosin - eosin.mean()
    norm = np.sqrt(np.sum(centred_h**2) * np.sum(centred_e**2))
    yield "stain_correlation", 0.5 + 0.5 * np.sum(centred_h * centred_e) / max(norm, 1e-6)


def _patterns(name: str, plane: np.ndarray, radius_px: int) -> Numbers:
    """How often each uniform local binary pattern occurs: 0 to 8 brighter neighbours in a row, and all others."""
    levels = (plane * (LBP_LEVELS - 1)).astype(np.uint8)
    patterns = local_binary_pattern(levels, LBP_POINTS, radius_px, method="uniform")
    counts = np.bincount(patterns.astype(int).ravel(), minlength=LBP_POINTS + 2)
    for number, count in enumerate(counts):
        yield f"{name}_{number}", count / plane.size


def _spread(name: str, response: np.ndarray) -> Numbers:
    """Mean, spread and 95th percentile of a filter's response."""
    values = np.sort(response, axis=None)
    yield f"{name}_mean", TEXTURE_GAIN * values.mean()
    yield f"{name}_std", TEXTURE_GAIN * values.std()
    yield f"{name}_p95", TEXTURE_GAIN * values[int(0.95 * (len(values) - 1))]
