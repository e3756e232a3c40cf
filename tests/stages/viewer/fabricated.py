"""Results of a heatmap experiment as ``create_heatmaps.py`` leaves them, with attention that can be foretold."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from tests.slides import TISSUE, small_slide
from wsi_core.attention_file import PatchScores, write_scores
from wsi_core.contours import Contour
from wsi_core.heatmap_layers import Layer, ModelPrediction, SlideLayers, write_layers
from wsi_core.outlines.geojson_file import write_geojson
from wsi_core.percentiles import to_percentiles
from wsi_core.slide import Slide

SIDE = 128  # of a patch, in level-0 pixels
MPP = 0.5
THUMBNAIL_PX = (256, 192)
CLASSES = ("normal", "tumor")
ODD_ID = "<img src=x onerror=alert(1)> #?%2f\"' é"
Score = Callable[[np.ndarray, np.ndarray], np.ndarray]


def rightwards(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Score more to the right, and a little more below, so that no two patches score the same."""
    return x + y / 1e4


def upwards(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Score more above, and a little more to the left."""
    return -y - x / 1e4


def grid(step: int) -> np.ndarray:
    """Return the corners of patches over the tissue; int64 (N, 2)."""
    x0, y0, x1, y1 = TISSUE
    x, y = np.meshgrid(np.arange(x0, x1 - SIDE + 1, step), np.arange(y0, y1 - SIDE + 1, step))
    return np.stack([x.ravel(), y.ravel()], axis=1)


def write_map(path: Path, score: Score, step: int) -> str:
    """Write scores and return the file's name."""
    coords = grid(step)
    write_scores(path, PatchScores(coords, score(*coords.T.astype(float)).astype(np.float32), scale="raw"))
    return path.name


def percentile_of(corner: tuple[int, int], score: Score) -> float:
    """Return the percentile of a patch without overlap."""
    coords = grid(SIDE)
    percentiles = to_percentiles(score(*coords.T.astype(float)).astype(np.float32))
    return float(percentiles[(coords == corner).all(axis=1)][0])


def write_slide_results(
    folder: Path,
    slide: Path,
    slide_id: str,
    *,
    label: str = "tumor",
    predicted: str = "tumor",
    probability: float = 0.9,
    with_fine: bool = True,
) -> None:
    """Write what there is to show of a slide: two classes of one model, a second model of one branch."""
    folder.mkdir(parents=True)
    layers = []
    for model, name, score in (("clam", "tumor", rightwards), ("clam", "normal", upwards), ("abmil", "", upwards)):
        stem = f"{model}_{name}"
        block = write_map(folder / f"{stem}_blockmap.h5", score, SIDE)
        fine = write_map(folder / f"{stem}_fine.h5", score, SIDE // 2) if with_fine else ""
        layers.append(Layer(model=model, class_name=name, blockmap=block, fine=fine))
    x0, y0, x1, y1 = TISSUE
    outline = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], np.int32)
    write_geojson(folder / "contours.geojson", [Contour(outline)])
    with Slide(slide) as opened:
        size = opened.size_level0
        image = Image.fromarray(opened.read((0, 0), 0, size)).resize(THUMBNAIL_PX)
    image.save(folder / "thumbnail.jpg")
    image.save(folder / "overlay.jpg")
    other = next(name for name in CLASSES if name != predicted)
    values = {predicted: probability, other: 1 - probability}
    write_layers(
        folder,
        SlideLayers(
            slide_id=slide_id,
            slide_file=slide.name,
            label=label,
            size_level0=size,
            mpp=MPP,
            patch_size_level0=SIDE,
            contours="contours.geojson",
            thumbnail="thumbnail.jpg",
            overlay="overlay.jpg",
            predictions=(
                ModelPrediction(model="clam", head="clam_mb", n_folds=5, predicted=predicted, values=values,
                                spread={predicted: 0.02, other: 0.02}),
                ModelPrediction(model="abmil", head="abmil", predicted=predicted, values=values),
            ),
            layers=tuple(layers),
        ),
    )  # fmt: skip


def write_config(experiment: Path, data_dir: Path | dict[str, str]) -> None:
    """Write the configuration of an experiment as it was used."""
    place = data_dir if isinstance(data_dir, dict) else str(data_dir)
    config = {
        "exp_arguments": {"save_exp_code": experiment.name},
        "data_arguments": {"data_dir": place},
        "model_arguments": {"ckpt_path": "model.pt"},
        "heatmap_arguments": {"alpha": 0.4, "cmap": "jet"},
    }
    experiment.mkdir(parents=True, exist_ok=True)
    (experiment / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")


def fabricate_experiment(root: Path) -> Path:
    """Write an experiment and return its folder.

    It has four slides: ``right``, ``wrong`` and ``ODD_ID``, named after what is predicted or how it is called, and
    ``gone``, whose file is gone.
    """
    slides, experiment = root / "slides", root / "raw" / "exp"
    write_config(experiment, slides)
    slide = small_slide(slides / "right.tif")
    other, gone, odd = (shutil.copy(slide, slides / f"{name}.tif") for name in ("wrong", "gone", ODD_ID))
    write_slide_results(experiment / "tumor" / "right", slide, "right")
    write_slide_results(
        experiment / "normal" / "wrong", other, "wrong", label="normal", probability=0.6, with_fine=False
    )
    write_slide_results(
        experiment / "normal" / "gone", gone, "gone", label="normal", predicted="normal", probability=0.75
    )
    write_slide_results(experiment / "tumor" / ODD_ID, odd, ODD_ID, probability=0.8, with_fine=False)
    gone.unlink()
    return experiment
