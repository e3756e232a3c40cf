"""The datasets that users of CLAM import: a cohort of labelled slides, its splits and its bags.

``Generic_WSI_Classification_Dataset`` knows slides, patients and labels and draws splits;
``Generic_MIL_Dataset`` also knows where the features are. Both keep the file formats to their owners
(``slide_table``, ``split_file``, ``bags``) and the draws to ``splits``.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
from torch.utils.data import Dataset

from datasets.bags import read_bag, read_bag_and_coords
from datasets.slide_table import SlideTable, read_slide_table
from datasets.split_file import SplitIds, count_classes, read_split, write_split
from datasets.splits import Split, check_split, describe_shared, monte_carlo_splits, patients_on_sides, slides_of_split
from datasets.targets import LabelDict
from datasets.tasks import Task, folders_of
from datasets.units import describe_mixed, patients_of, single_slides_of
from utils.errors import UsageError

logger = logging.getLogger(__name__)

DataDir = str | Path | Mapping[str, str | Path]  # a feature folder, or one for each source
SOURCE_COL = "source"


class Generic_Split(Dataset):
    """Slides with labels that index to bags: one side of a split, or a whole cohort; it may be empty.

    Args:
        slide_data: ``case_id``, ``slide_id`` and ``label`` (int) of every slide.
        num_classes: number of classes, present or not.
        data_dir: feature folder, or one for each value of ``source_col``; without, indexing gives the slide id in place
            of features.
        source_col: column that says in which of several feature folders a slide's features lie.
    """

    def __init__(
        self,
        slide_data: pd.DataFrame,
        num_classes: int,
        data_dir: DataDir | None = None,
        source_col: str = SOURCE_COL,
    ) -> None:
        self.slide_data = slide_data.reset_index(drop=True)
        self.num_classes = num_classes
        self.data_dir = data_dir
        self.source_col = source_col
        self.use_h5 = False

    def __len__(self) -> int:
        return len(self.slide_data)

    def __getitem__(self, idx: int) -> tuple:
        """Return (features (N, D) float32, label), and with ``load_from_h5(True)`` also coords (N, 2)."""
        slide_id, label = self.slide_data["slide_id"].iloc[idx], self.getlabel(idx)
        if self.data_dir is None:
            return slide_id, label
        if self.use_h5:
            features, coords = read_bag_and_coords(self._feature_folder(idx), slide_id)
            return features, label, coords
        return read_bag(self._feature_folder(idx), slide_id), label

    def _feature_folder(self, idx: int) -> Path:
        (folder,) = folders_of(self.slide_data.iloc[[idx]], self.data_dir or ".", self.source_col).values()
        return folder

    def subset(self, rows: Sequence[int]) -> "Generic_Split":
        """Return the slides at some positions."""
        return Generic_Split(self.slide_data.iloc[rows], self.num_classes, self.data_dir, self.source_col)

    @property
    def feature_folders(self) -> dict[str, Path]:
        """The folder that holds the features of each slide."""
        return folders_of(self.slide_data, self.data_dir or ".", self.source_col)

    def load_from_h5(self, toggle: bool) -> None:
        """Read bags from ``h5_files/`` with their coordinates, or without from ``pt_files/``."""
        self.use_h5 = toggle

    @property
    def slide_ids(self) -> list[str]:
        """The ids of all slides, without extension."""
        return list(self.slide_data["slide_id"])

    @property
    def slide_cls_ids(self) -> list[np.ndarray]:
        """For every class the positions of its slides; an empty array where it has none."""
        labels = self.slide_data["label"].to_numpy()
        return [np.flatnonzero(labels == number) for number in range(self.num_classes)]

    def getlabel(self, ids: int) -> int:
        """Return the class of the slide at a position."""
        return int(self.slide_data["label"].iloc[ids])

    def get_list(self, ids: Sequence[int]) -> list[str]:
        """Return the slide ids at the given positions."""
        return list(self.slide_data["slide_id"].iloc[ids])


class Generic_WSI_Classification_Dataset(Generic_Split):
    """A cohort read from a dataset CSV.

    Args:
        csv_path: the dataset CSV, or what was read from it; then the labels are known and the rows chosen.
        shuffle: bring the slides in another order, by ``seed``.
        seed: seeds shuffling and splits.
        print_info: log how many slides and patients each class has.
        label_dict: class (0, 1, …) of every label text.
        label_col: column of the label (None: ``label``).
        filter_dict: column → values to keep.
        ignore: labels to leave out.
        patient_strat: draw splits by patient, and refuse split files that have a patient on two sides; without,
            splits are drawn slide by slide, and such a file costs a warning.
        patient_voting: a patient's label is the ``max`` of the slides' labels, or the most frequent (``maj``).

    Raises:
        UsageError: see ``slide_table.read_slide_table``.
    """

    def __init__(
        self,
        csv_path: str | Path | SlideTable,
        shuffle: bool = False,
        seed: int = 7,
        print_info: bool = True,
        label_dict: LabelDict | None = None,
        filter_dict: Mapping[str, Iterable[str]] | None = None,
        ignore: Iterable[str] = (),
        patient_strat: bool = False,
        label_col: str | None = None,
        patient_voting: str = "max",
    ) -> None:
        if isinstance(csv_path, SlideTable):
            table = csv_path
        else:
            table = read_slide_table(
                csv_path, label_dict or {}, label_col=label_col or "label", filter_dict=filter_dict, ignore=ignore
            )
        slides = table.slides
        if shuffle:
            slides = slides.iloc[np.random.RandomState(seed).permutation(len(slides))]
        super().__init__(slides, table.n_classes)
        self.table = SlideTable(table.path, self.slide_data, table.class_names, table.left_out_ids)
        self.seed = seed
        self.patient_strat = patient_strat
        self.patient_voting = patient_voting
        self.patients = patients_of(self.slide_data, self.num_classes, patient_voting)
        self._splits: Iterator[Split] = iter(())
        self._split: Split | None = None
        if print_info:
            self._log_counts(patient_voting)

    @property
    def patient_cls_ids(self) -> list[np.ndarray]:
        """For every class the positions of its patients (``patients.ids``, ascending)."""
        return self.patients.of_class

    def create_splits(
        self,
        k: int = 3,
        val_num: Sequence[int] = (25, 25),
        test_num: Sequence[int] = (40, 40),
        label_frac: float = 1.0,
        custom_test_ids: Sequence[int] | None = None,
    ) -> None:
        """Prepare ``k`` Monte-Carlo splits; ``set_splits`` then goes through them.

        Args:
            k: how many.
            val_num, test_num: number of patients (without ``patient_strat``: slides) of every class.
            label_frac: part of the remaining ones that trains.
            custom_test_ids: positions of the patients (slides) that test in every split.

        Raises:
            UsageError: see ``splits.monte_carlo_splits``.
        """
        units = self.patients if self.patient_strat else single_slides_of(self.slide_data, self.num_classes)
        drawn = monte_carlo_splits(
            units,
            n_val=val_num,
            n_test=test_num,
            n_splits=k,
            seed=self.seed,
            label_frac=label_frac,
            fixed_test=custom_test_ids,
        )
        self._splits = (slides_of_split(split, units) for split in drawn)
        self._split = None

    def set_splits(self, start_from: int | None = None) -> None:
        """Go to the next split, or past the next ``start_from`` ones.

        Raises:
            UsageError: there is none left, or ``create_splits`` has not been called.
        """
        split = next(islice(self._splits, start_from or 0, None), None)
        if split is None:
            raise UsageError("no split left: create_splits(k=…) first, with enough splits")
        self._split = split

    def return_splits(
        self, from_id: bool = True, csv_path: str | Path | None = None
    ) -> tuple[Generic_Split, Generic_Split, Generic_Split]:
        """Return the training, validation and test side; a side may be empty.

        Args:
            from_id: the split of ``set_splits``, in the order drawn; else the one in ``csv_path``, in the order
                of the dataset CSV.
            csv_path: a ``splits_<i>.csv``.

        Raises:
            UsageError: the file names ids that the CSV lacks, or a slide (with ``patient_strat`` also a patient)
                on two sides.
        """
        rows = self._current() if from_id else self._rows_of_file(csv_path)
        train, val, test = (self.subset(side) for side in rows)
        return train, val, test

    def test_split_gen(self, return_descriptor: bool = False) -> pd.DataFrame | None:
        """Log the number of slides of each class and side of the current split, and return it if asked to."""
        label_of = dict(zip(self.slide_ids, self.slide_data["label"], strict=True))
        counts = count_classes(self._current_ids(), label_of, self.table.class_names)
        logger.info("slides of this split:\n%s", counts.to_string())
        return counts if return_descriptor else None

    def save_split(self, filename: str | Path) -> None:
        """Write the current split as ``splits_<i>.csv``."""
        write_split(filename, self._current_ids())

    def _current(self) -> Split:
        if self._split is None:
            raise UsageError("no split yet: call create_splits and set_splits first")
        return self._split

    def _current_ids(self) -> SplitIds:
        return SplitIds(*(self.get_list(side) for side in self._current()))

    def _rows_of_file(self, csv_path: str | Path | None) -> Split:
        if csv_path is None:
            raise UsageError("return_splits(from_id=False) needs csv_path, a splits_<i>.csv")
        split = read_split(csv_path)
        check_split(split, self.table, csv_path, patients_apart=self.patient_strat)
        shared = [] if self.patient_strat else describe_shared(patients_on_sides(split, self.table))
        if shared:
            logger.warning("split file %s: patient on more than one side: %s", csv_path, ", ".join(shared))
        return Split(*(np.flatnonzero(self.slide_data["slide_id"].isin(side)).tolist() for side in split))

    def _log_counts(self, voting: str) -> None:
        logger.info("%s: %d slides, %d patients", self.table.path, len(self), len(self.patients))
        for name, slides, patients in zip(
            self.table.class_names, self.slide_cls_ids, self.patient_cls_ids, strict=True
        ):
            logger.info("  %s: %d slides, %d patients", name, len(slides), len(patients))
        mixed = describe_mixed(self.slide_data, self.patients, self.table.class_names, voting)
        if mixed:
            logger.warning("%s: %s", self.table.path, mixed)


class Generic_MIL_Dataset(Generic_WSI_Classification_Dataset):
    """A cohort whose slides index to bags of features.

    Args:
        data_dir: feature folder with ``pt_files/`` or ``h5_files/``, or one for each value of the column ``source``.
        **kwargs: as for ``Generic_WSI_Classification_Dataset``.
    """

    def __init__(self, data_dir: DataDir, **kwargs) -> None:
        super().__init__(**kwargs)
        self.data_dir = data_dir


def open_task(
    task: Task, data_root_dir: str | Path | None, *, seed: int = 1, patient_strat: bool = True
) -> Generic_MIL_Dataset:
    """Return the cohort of a task with its features, as training and evaluation use it.

    Raises:
        UsageError: the dataset CSV or the feature folder is missing or wrong.
    """
    dataset = Generic_MIL_Dataset(
        data_dir=task.feature_folders(data_root_dir),
        csv_path=task.read_table(),
        seed=seed,
        patient_strat=patient_strat,
        patient_voting=task.patient_voting,
    )
    dataset.source_col = task.source_col
    return dataset
