"""Tasks as data: ``tasks/<name>.yaml`` says which table, which column, which features. Owner of that format.

A cohort of one's own is one more such file, or the flags of ``TaskFlags``; no program has to be edited.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from datasets.slide_table import SlideTable, read_slide_list, read_slide_table
from datasets.targets import TargetColumns
from utils.errors import UsageError
from utils.lookup import PROJECT_ROOT, find_input, require_choice, require_folder
from utils.names import check_id
from utils.wording import first_few, shortened
from utils.yaml_file import YamlFileError, read_yaml

FOLDER = "tasks"
SUFFIXES = (".yaml", ".yml")
TaskType = Literal["classification", "regression", "survival"]


def _as_text(value: Any) -> Any:
    """Labels are compared as text; YAML reads 0, 1.5 and yes as something else."""
    if isinstance(value, bool):
        raise ValueError(f"YAML reads this as {value}: put it into quotes, such as 'no'")
    return str(value) if isinstance(value, (int, float)) else value


Text = Annotated[str, BeforeValidator(_as_text)]


def _one_or_more(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


class Task(BaseModel):
    """What the programs need to know of a task; the keys of a task file.

    Attributes:
        name: the file's name without its ending; names the folder of splits.
        type: what is predicted: a class, a number, or the time to an event.
        csv: the dataset CSV: beside the task file, in ``dataset_csv/`` here or beside the programs, or a path.
        slide_col, patient_col: columns of the slide and of its patient; the same one where each slide stands alone.
        label_col: column of the class, or of the number (regression).
        label_map: class (0, 1, ...) of each label text; without it, the texts found, in alphabetical order.
        ignore: labels whose rows are left out.
        ignore_unknown: leave out rows whose label is empty or not in ``label_map``.
        filter: column -> values; only rows with one of them are kept.
        features: feature folder, below DATA_ROOT_DIR, else beside the task file or in the current folder; of several
            the first that exists; or a folder for each value of ``source_col``.
        source_col: column that says in which of several feature folders a slide's features lie.
        site_col: column of the hospital, for splits by site; None: as ``site``, or TCGA barcodes say.
        patient_voting: a patient's label is the ``max`` of its slides' or the most frequent one (``maj``).
        subtyping: the classes exclude one another, as ``--subtyping`` says.
        time_col, event_col: columns of the time and of whether the event came then, 1, or not yet, 0 (survival).
        time_bins: intervals into which the times of events are cut (survival by hazards).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    type: TaskType = "classification"
    csv: str
    slide_col: str = "slide_id"
    patient_col: str = "case_id"
    label_col: str = "label"
    label_map: dict[Text, int] | None = None
    ignore: Annotated[tuple[Text, ...], BeforeValidator(_one_or_more)] = ()
    ignore_unknown: bool = False
    filter: dict[str, Annotated[tuple[Text, ...], BeforeValidator(_one_or_more)]] = {}
    features: Annotated[tuple[str, ...] | dict[Text, str], BeforeValidator(_one_or_more)] = ()
    source_col: str = "source"
    site_col: str | None = None
    patient_voting: Literal["max", "maj"] = "max"
    subtyping: bool = False
    time_col: str = "time"
    event_col: str = "event"
    time_bins: Annotated[int, Field(ge=2, le=50)] = 4
    folder: Annotated[Path | None, Field(exclude=True)] = None  # of the file; None: the current one

    @field_validator("label_map")
    @classmethod
    def _classes_without_gaps(cls, label_map: dict[str, int] | None) -> dict[str, int] | None:
        classes = sorted(set((label_map or {}).values()))
        if label_map is not None and (classes != list(range(len(classes))) or len(classes) < 2):
            raise ValueError("labels are mapped to 0, 1, ... without gaps, at least two classes")
        return label_map

    @model_validator(mode="after")
    def _fits_its_type(self) -> "Task":
        if self.type != "classification" and (self.label_map or self.subtyping):
            raise ValueError(f"label_map and subtyping are of classes, and a task of {self.type} has none")
        return self

    @property
    def targets(self) -> TargetColumns:
        """The columns that hold what is to be predicted."""
        return TargetColumns(self.type, self.label_col, self.label_map, self.time_col, self.event_col, self.time_bins)

    def find_table(self) -> Path:
        """Return the dataset CSV.

        Raises:
            UsageError: there is none.
        """
        own = [Path(self.folder or ".") / self.csv, Path("dataset_csv") / self.csv]
        return next((path for path in own if path.is_file()), None) or find_input(
            self.csv, beside="dataset_csv", kind="dataset CSV"
        )

    def read_table(self) -> SlideTable:
        """Return the cohort.

        Raises:
            UsageError: see ``slide_table.read_slide_table``.
        """
        return read_slide_table(
            self.find_table(),
            targets=self.targets,
            slide_col=self.slide_col,
            patient_col=self.patient_col,
            filter_dict=self.filter,
            ignore=self.ignore,
            ignore_unknown=self.ignore_unknown,
            needed=self._needed,
        )

    def read_slides(self) -> pd.DataFrame:
        """Return ``slide_id`` and ``case_id`` of the slides of the table, which need no labels.

        Raises:
            UsageError: see ``slide_table.read_slide_list``.
        """
        return read_slide_list(self.find_table(), self.slide_col, self.patient_col, self.filter, self._needed)

    @property
    def _needed(self) -> tuple[str, ...]:
        return (self.source_col,) if isinstance(self.features, Mapping) else ()

    def feature_folders(self, data_root_dir: str | Path | None) -> Path | dict[str, Path]:
        """Return the feature folder, or one for each value of ``source_col``.

        Args:
            data_root_dir: what relative names are below; None: the folder of the task file.

        Raises:
            UsageError: one is not there; names what was looked for.
        """
        roots = self._roots(data_root_dir)
        if isinstance(self.features, Mapping):
            return {source: self._first_folder(roots, (name,)) for source, name in self.features.items()}
        if not self.features:
            raise UsageError(f"task {self.name} names no features: give --data_dir, or `features` in the task file")
        return self._first_folder(roots, self.features)

    def _roots(self, data_root_dir: str | Path | None) -> list[Path]:
        if data_root_dir is not None:
            return [require_folder(data_root_dir, flag="--data_root_dir")]
        if self.folder == PROJECT_ROOT / FOLDER:
            raise UsageError(f"task {self.name} has its features below --data_root_dir: give it, or --data_dir")
        return [Path(self.folder or "."), Path()]

    def _first_folder(self, roots: list[Path], names: tuple[str, ...]) -> Path:
        found = next((root / name for root in roots for name in names if (root / name).is_dir()), None)
        if found is None:
            where = " or ".join(str(root) for root in dict.fromkeys(roots))
            raise UsageError(
                f"no folder {' or '.join(names)} in {where}, which task {self.name} reads its features from; "
                "see --data_root_dir and --data_dir"
            )
        return found


def folders_of(
    slides: pd.DataFrame, folders: str | Path | Mapping[str, str | Path], source_col: str
) -> dict[str, Path]:
    """Return the feature folder of every slide.

    Args:
        slides: ``slide_id`` and, where there are several folders, ``source_col``.
        folders: the only one, or one for each source.
        source_col: the column of sources.

    Raises:
        UsageError: a slide's source has none.
    """
    if not isinstance(folders, Mapping):
        return dict.fromkeys(slides["slide_id"], Path(folders))
    unknown = slides[~slides[source_col].isin(list(folders))]
    if len(unknown):
        slide_id, source = unknown[["slide_id", source_col]].iloc[0]
        raise UsageError(
            f"slide {slide_id}: no feature folder for {source_col} {source!r}; known: {', '.join(folders)}"
        )
    return {slide: Path(folders[source]) for slide, source in zip(slides["slide_id"], slides[source_col], strict=True)}


@dataclass(frozen=True)
class TaskFlags:
    """A task as the command line gives it: by name or file, by its parts, or a file with some parts replaced.

    Attributes:
        task: name or path of a task file.
        csv_path, task_type, label_col, label_map, patient_col, slide_col: replace the keys of the file; ``label_map``
            is ``text=class,...``.
        data_dir: the feature folder itself, in place of DATA_ROOT_DIR and ``features``.
        ignore: labels to leave out; an empty list: all that the map lacks; None: as the file says.
    """

    task: str | None = None
    csv_path: str | None = None
    task_type: str | None = None
    label_col: str | None = None
    label_map: str | None = None
    patient_col: str | None = None
    slide_col: str | None = None
    data_dir: str | None = None
    ignore: tuple[str, ...] | None = None

    def resolve(self) -> Task:
        """Return the task.

        Raises:
            UsageError: there is no such task, or the parts make none.
        """
        if self.task is None and self.csv_path is None:
            raise UsageError(
                f"name the task: --task NAME or FILE.yaml (known: {_known()}), or --csv_path and its labels"
            )
        task = find_task(self.task) if self.task is not None else None
        values: dict[str, Any] = task.model_dump() if task is not None else {"name": Path(self.csv_path or "").stem}
        values |= self._given()
        check_id(values["name"], where="name of the task")
        return _validated(values, task.folder if task is not None else None, where="command line")

    def over(self, earlier: Mapping[str, Any]) -> "TaskFlags":
        """Return these flags, with those of an earlier command line where they say nothing."""
        given = {name: value for name, value in vars(self).items() if value is not None}
        stored = {} if self.task is not None else {name: earlier[name] for name in vars(self) if name in earlier}
        texts = {name: str(value) for name, value in stored.items() if value is not None and name != "ignore"}
        ignored = {"ignore": tuple(map(str, stored["ignore"]))} if isinstance(stored.get("ignore"), list) else {}
        return TaskFlags(**{**texts, **ignored, **given})

    def _given(self) -> dict[str, Any]:
        given: dict[str, Any] = {
            "csv": None if self.csv_path is None else str(Path(self.csv_path).absolute()),
            "type": self.task_type,
            "label_col": self.label_col,
            "label_map": None if self.label_map is None else parse_label_map(self.label_map),
            "patient_col": self.patient_col,
            "slide_col": self.slide_col,
            "features": None
            if self.data_dir is None
            else str(require_folder(self.data_dir, flag="--data_dir").absolute()),
        }
        if self.ignore is not None:
            given |= {"ignore": self.ignore, "ignore_unknown": not self.ignore}
        return {key: value for key, value in given.items() if value is not None}


def parse_label_map(text: str) -> dict[str, int]:
    """Parse ``benign=0,malign=1``.

    Raises:
        UsageError: it is none.
    """
    classes: dict[str, int] = {}
    for part in text.split(","):
        label, _, number = part.rpartition("=")
        if not number.strip().isdecimal() or not label or label.strip() in classes:
            raise UsageError(f"--label_map {text!r}: {part!r} is no LABEL=CLASS; write it as benign=0,malign=1")
        classes[label.strip()] = int(number)
    return classes


def known_tasks() -> list[str]:
    """Return the names of the task files here and beside the programs."""
    folders = (Path(FOLDER), PROJECT_ROOT / FOLDER)
    return sorted({path.stem for folder in folders for path in folder.glob("*") if path.suffix in SUFFIXES})


def _known() -> str:
    return ", ".join(known_tasks())


def find_task(name: str) -> Task:
    """Return a task by the name of a file in ``tasks/``, here or beside the programs, or by the path of one.

    Raises:
        UsageError: there is none; lists the known ones. Or the file is wrong; names every key that is.
    """
    if Path(name).suffix in SUFFIXES:
        return read_task(find_input(name, beside=FOLDER, kind="task file"))
    require_choice(name, known_tasks(), kind="task")
    return read_task(find_input(f"{name}.yaml", beside=FOLDER, kind="task file"))


def read_task(path: Path) -> Task:
    """Read a task file.

    Raises:
        UsageError: it is no YAML, or a key is unknown, missing or has a value that is not allowed; names them all.
    """
    where = f"task file {path}"
    try:
        values = read_yaml(path)
    except YamlFileError as error:
        raise UsageError(f"{where} cannot be read: {error}") from error
    if not isinstance(values, dict):
        raise UsageError(f"{where}: no keys and values; see {PROJECT_ROOT / FOLDER} for examples")
    name = check_id(str(values.get("name", path.stem)), where=where)
    return _validated({**values, "name": name}, path.resolve().parent, where=where)


def _validated(values: dict[str, Any], folder: Path | None, *, where: str) -> Task:
    try:
        return Task.model_validate({**values, "folder": folder})
    except ValidationError as error:
        raise UsageError(f"{where}: " + first_few([_explain(issue) for issue in error.errors()])) from error


def _explain(issue: Any) -> str:
    key = ".".join(str(part) for part in issue["loc"])
    if issue["type"] == "extra_forbidden":
        return f"unknown key {key}; known: {', '.join(known_keys())}"
    if issue["type"] == "missing":
        return f"key {key} is missing"
    message = issue["msg"].removeprefix("Value error, ")
    return f"{key} = {shortened(issue['input'])}: {message}" if key else message


def known_keys() -> list[str]:
    """Return the keys of a task file."""
    return [name for name in Task.model_fields if name != "folder"]
