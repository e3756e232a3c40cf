"""``<slide>_layers.json``: what there is to show of a slide, by model and class. Owner of that format, version 1.

It lies in the slide's folder of raw results beside the files that it names, so that the viewer finds them, and tells
what each model predicts. It holds names of files and never paths.
"""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from utils.atomic import finished_files, write_text
from utils.errors import ItemError, UsageError
from utils.names import check_id

ENDING = "_layers.json"
FORMAT_VERSION = 1
STATUS_BAD = "bad_layers"


def _file_name(text: str) -> str:
    """Take names alone: the file comes from a folder of results, which may be a stranger's."""
    try:
        return check_id(text, where="file")
    except UsageError as error:
        raise ValueError(str(error)) from error


FileName = Annotated[str, AfterValidator(_file_name)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class ModelPrediction(_Part):
    """What a model, or an ensemble of folds, says of the slide.

    Attributes:
        model: its name in this run.
        head: the kind of model, such as ``clam_sb``.
        n_folds: members of the ensemble; 1 for a single checkpoint.
        predicted: the most probable class; empty where no class is predicted.
        values: the probability of each class, or the numbers predicted, by name.
        spread: the standard deviation of each of ``values`` over the folds; empty for a single checkpoint.
    """

    model: str
    head: str
    n_folds: Annotated[int, Field(ge=1)] = 1
    predicted: str = ""
    values: dict[str, float]
    spread: dict[str, float] = {}

    @property
    def has_probabilities(self) -> bool:
        """Whether the values are shares of one."""
        shares = self.values.values()
        return (
            len(shares) > 1 and all(0 <= share <= 1 for share in shares) and math.isclose(sum(shares), 1, abs_tol=0.01)
        )


class Layer(_Part):
    """Attention of one model towards one class.

    Attributes:
        model: its name in this run.
        class_name: the class whose branch it is; empty where a model has one branch for all.
        blockmap: the file of scores of the patches that the slide is predicted from, see ``attention_file``.
        fine: that of the overlapping patches; empty where none were computed.
    """

    model: str
    class_name: str = ""
    blockmap: FileName
    fine: FileName | Literal[""] = ""


class SlideLayers(_Part):
    """All there is to show of a slide.

    Attributes:
        slide_id: the slide.
        slide_file: its file name.
        label: the name of its class, or empty.
        size_level0: width and height of the slide, in level-0 pixels.
        mpp: micrometres per level-0 pixel, the mean of both axes; None where unknown.
        patch_size_level0: side of a patch.
        contours: the file of its tissue, GeoJSON in level-0 pixels.
        thumbnail: a small picture of the slide.
        overlay: the same with the attention of the first layer.
        predictions: by model.
        layers: by model and class; the first is that of the predicted class.
    """

    version: int = FORMAT_VERSION
    slide_id: FileName
    slide_file: FileName
    label: str = ""
    size_level0: tuple[int, int]
    mpp: float | None = None
    patch_size_level0: Annotated[int, Field(ge=1)]
    contours: FileName
    thumbnail: FileName
    overlay: FileName
    predictions: tuple[ModelPrediction, ...]
    layers: tuple[Layer, ...]


def layers_path(folder: Path, slide_id: str) -> Path:
    """Return the file in a slide's folder."""
    return folder / f"{slide_id}{ENDING}"


def write_layers(folder: Path, layers: SlideLayers) -> None:
    """Write the file into a slide's folder, atomically."""
    write_text(layers_path(folder, layers.slide_id), json.dumps(layers.model_dump(mode="json"), indent=1) + "\n")


def read_layers(path: Path) -> SlideLayers:
    """Read the file.

    Raises:
        ItemError: it is missing, damaged, or of a later version (status ``bad_layers``).
    """
    try:
        layers = SlideLayers.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise ItemError(f"{path.name} does not say what there is to show: {_reason(error)}", STATUS_BAD) from error
    if layers.version > FORMAT_VERSION:
        raise ItemError(f"{path.name} is of version {layers.version}, this program knows {FORMAT_VERSION}", STATUS_BAD)
    return layers


def _reason(error: OSError | ValidationError) -> str:
    """Describe the first thing wrong, without the place of the file: visitors of the viewer read it."""
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    first = error.errors(include_url=False)[0]
    return " ".join([".".join(map(str, first["loc"])) or "file", "-", *first["msg"].split()])


def find_layers(results: Path) -> Iterator[Path]:
    """Yield the files of all slides of an experiment: ``<results>/<group>/<slide>/<slide>_layers.json``, sorted.

    A slide that was given another label has one in the folder of each; the latest counts.
    """
    by_age = sorted(finished_files(results, f"*/*/*{ENDING}"), key=_written_at_ns)
    yield from sorted({path.name: path for path in by_age}.values())


def _written_at_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:  # gone by now
        return 0
