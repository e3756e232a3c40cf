"""Fabricated haematoxylin and eosin tissue: where it lies, what it is made of, and how it looks.

Islands of tissue with holes lie on glass. Stroma is pink with fibres; nuclei are dark and blue. In tumour regions
nuclei are crowded, larger and irregular, and the stroma is paler. Colours follow Beer and Lambert: the intensity of
red, green and blue is white times exp(-(H h + E e)), with the stain vectors of Macenko et al. 2009.
"""

from dataclasses import dataclass

import cv2
import numpy as np

HAEMATOXYLIN_OD = np.array([0.5626, 0.7201, 0.4062], np.float32)
EOSIN_OD = np.array([0.2159, 0.8012, 0.5581], np.float32)
GLASS_RGB = np.array([243, 243, 245], np.float32)
MAP_SCALE = 16  # the plan of a slide is drawn so many times smaller


@dataclass(frozen=True)
class Nuclei:
    """How the nuclei of a kind of tissue look; lengths in pixels at 0.5 micrometres."""

    spacing_px: float
    radius_px: float
    irregularity: float
    density: float


NORMAL = Nuclei(spacing_px=36, radius_px=5.0, irregularity=0.25, density=0.8)
TUMOUR = Nuclei(spacing_px=19, radius_px=7.5, irregularity=0.5, density=1.1)


@dataclass(frozen=True)
class Plan:
    """Where things are on a slide; boolean maps (h, w), ``MAP_SCALE`` times smaller than the slide."""

    tissue: np.ndarray
    tumour: np.ndarray


def plan_slide(size_px: tuple[int, int], tumour: bool, rng: np.random.Generator) -> Plan:
    """Choose islands, holes and, where wanted, tumour regions for a slide of (width, height) pixels."""
    size = (max(8, size_px[0] // MAP_SCALE), max(8, size_px[1] // MAP_SCALE))
    tissue = np.zeros(size[::-1], bool)
    for center_x in _island_centers(rng):
        island = _blob(size, (center_x, rng.uniform(0.42, 0.58)), rng.uniform(0.17, 0.21), rng)
        tissue |= island & ~_holes(island, size, rng)
    if not tumour:
        return Plan(tissue, np.zeros_like(tissue))
    wave = _smooth_noise(size, 0.16, rng)
    threshold = np.quantile(wave[tissue], rng.uniform(0.6, 0.75))
    return Plan(tissue, tissue & (wave > threshold))


def paint(plan: Plan, size_px: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Paint a plan as uint8 RGB (height, width, 3)."""
    tissue = _enlarged(plan.tissue, size_px)
    tumour = _enlarged(plan.tumour, size_px)
    fibres = _fibres(size_px, rng)
    eosin = tissue * (0.34 + 0.20 * fibres) * (1 - 0.35 * tumour)
    haematoxylin = tissue * (0.08 + 0.05 * fibres) + tissue * 0.10 * tumour
    for kind, where in ((NORMAL, plan.tissue & ~plan.tumour), (TUMOUR, plan.tumour)):
        nuclei = _draw_nuclei(kind, where, size_px, rng)
        haematoxylin += nuclei
        eosin *= 1 - 0.5 * np.minimum(nuclei, 1)
    strength_h, strength_e = rng.uniform(0.9, 1.1, 2)  # no two slides are stained alike
    return _beer_lambert(haematoxylin * strength_h, eosin * strength_e, rng)


def _island_centers(rng: np.random.Generator) -> list[float]:
    """Return the x of each island, as a part of the width."""
    return [0.27 + rng.uniform(-0.03, 0.03), 0.73 + rng.uniform(-0.03, 0.03)]


def _blob(size: tuple[int, int], center: tuple[float, float], radius: float, rng: np.random.Generator) -> np.ndarray:
    """Draw a wavy disc; center and radius are parts of width and height, of the width."""
    width, height = size
    y, x = np.mgrid[:height, :width].astype(np.float32)
    dx, dy = x - center[0] * width, y - center[1] * height
    angle = np.arctan2(dy, dx)
    wave = sum(rng.uniform(0, 0.16 / k) * np.cos(k * angle + rng.uniform(0, 2 * np.pi)) for k in range(2, 8))
    return np.hypot(dx, dy * rng.uniform(0.75, 0.95)) < radius * width * (1 + wave)


def _holes(island: np.ndarray, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    ys, xs = np.nonzero(island)
    holes = np.zeros_like(island)
    for index in rng.integers(0, len(xs), rng.integers(1, 4)):
        holes |= _blob(size, (xs[index] / size[0], ys[index] / size[1]), rng.uniform(0.015, 0.03), rng)
    return holes


def _smooth_noise(size: tuple[int, int], grain: float, rng: np.random.Generator) -> np.ndarray:
    """Return noise (h, w), smooth over a part ``grain`` of the width."""
    sigma = grain * size[0] / 2
    return cv2.GaussianBlur(rng.standard_normal(size[::-1]).astype(np.float32), (0, 0), sigma)


def _enlarged(plane: np.ndarray, size_px: tuple[int, int]) -> np.ndarray:
    """Enlarge a map to the slide with soft edges; float32, 0 to 1."""
    large = cv2.resize(plane.astype(np.float32), size_px, interpolation=cv2.INTER_CUBIC)
    return np.clip(4 * (large - 0.5) + 0.5, 0, 1)


def _fibres(size_px: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Return bundles of wavy fibres with grain, float32 about -1 to 1."""
    width, height = size_px
    rows = np.arange(height, dtype=np.float32)[:, None] + np.arange(width, dtype=np.float32) * rng.uniform(-0.8, 0.8)
    phase = rows / 14 + _waves(size_px, 70, 9.0, rng) + _waves(size_px, 12, 1.2, rng)
    bundles = np.clip(0.5 + _waves(size_px, 25, 0.5, rng), 0, 1)  # where fibres show and where they do not
    return 0.7 * bundles * np.sin(phase) + _grain(size_px, 0.35, rng)


def _waves(size_px: tuple[int, int], grain_px: float, amplitude: float, rng: np.random.Generator) -> np.ndarray:
    """Return noise of a standard deviation ``amplitude``, smooth over about 8 x ``grain_px`` pixels."""
    small = (max(4, size_px[0] // 8), max(4, size_px[1] // 8))
    noise = cv2.GaussianBlur(rng.standard_normal(small[::-1]).astype(np.float32), (0, 0), grain_px / 2)
    return cv2.resize(noise * (amplitude / max(float(noise.std()), 1e-6)), size_px)


def _grain(size_px: tuple[int, int], amplitude: float, rng: np.random.Generator) -> np.ndarray:
    """Return noise of two pixels' grain."""
    small = (max(1, size_px[1] // 2), max(1, size_px[0] // 2))
    return amplitude * cv2.resize(rng.standard_normal(small, np.float32), size_px)


def _draw_nuclei(kind: Nuclei, where: np.ndarray, size_px: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Scatter nuclei over the True parts of a map; returns their haematoxylin, float32 (height, width)."""
    width, height = size_px
    canvas = np.zeros((height, width), np.uint8)
    count = rng.poisson(width * height / kind.spacing_px**2)
    centers = rng.uniform(0, [width, height], (count, 2))
    rows, columns = (np.minimum((centers[:, i] / MAP_SCALE).astype(int), where.shape[1 - i] - 1) for i in (1, 0))
    for x, y in centers[where[rows, columns]]:
        axes = kind.radius_px * (1 + kind.irregularity * rng.uniform(-1, 1, 2))
        darkness = int(150 + 90 * rng.random())
        cv2.ellipse(canvas, ((x, y), tuple(2 * axes), rng.uniform(0, 180)), darkness, cv2.FILLED)
    soft = cv2.GaussianBlur(canvas, (0, 0), 1.2).astype(np.float32) / 255
    return kind.density * soft * (1 + _grain(size_px, 0.18, rng))


def _beer_lambert(haematoxylin: np.ndarray, eosin: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    image = np.empty((*haematoxylin.shape, 3), np.uint8)
    noise = rng.standard_normal(haematoxylin.shape, np.float32) * 1.5
    for channel in range(3):
        density = HAEMATOXYLIN_OD[channel] * haematoxylin + EOSIN_OD[channel] * eosin
        image[..., channel] = np.clip(GLASS_RGB[channel] * np.exp(-np.maximum(density, 0)) + noise, 0, 255)
    return image
