"""The classification tasks: which table, which labels, which features. A new task is one more entry here.

A task's table is looked up as ``dataset_csv/<csv_name>`` in the current folder and then beside the programs, so
that a cohort of one's own only needs a folder with its own ``dataset_csv/``.
"""

from dataclasses import dataclass
from pathlib import Path

from utils.errors import UsageError
from utils.lookup import find_input, require_choice, require_folder


@dataclass(frozen=True)
class Task:
    """What the programs need to know of a task.

    Attributes:
        name: what ``--task`` takes.
        csv_name: the dataset CSV, in ``dataset_csv/``.
        labels: label texts of the CSV; a label's place is its class.
        feature_folders: names of the feature folder below DATA_ROOT_DIR; the first that exists is used.
        patient_voting: a patient's label is the ``max`` of its slides' or the most frequent one (``maj``).
        subtyping: the classes exclude one another, as ``--subtyping`` says.
    """

    name: str
    csv_name: str
    labels: tuple[str, ...]
    feature_folders: tuple[str, ...]
    patient_voting: str = "max"
    subtyping: bool = False

    @property
    def label_dict(self) -> dict[str, int]:
        """Class of every label text."""
        return {text: number for number, text in enumerate(self.labels)}

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return len(self.labels)

    def find_table(self) -> Path:
        """Return the dataset CSV, from ``./dataset_csv/`` before the one shipped with the programs."""
        own = Path("dataset_csv") / self.csv_name
        return own if own.is_file() else find_input(self.csv_name, beside="dataset_csv", kind="dataset CSV")

    def features_dir(self, data_root_dir: str | Path) -> Path:
        """Return the feature folder (``pt_files/``, ``h5_files/``) below ``data_root_dir``.

        Raises:
            UsageError: there is none; names the folders looked for.
        """
        root = require_folder(data_root_dir, flag="--data_root_dir")
        for name in self.feature_folders:
            if (root / name).is_dir():
                return root / name
        names = " or ".join(self.feature_folders)
        raise UsageError(f"--data_root_dir {root}: no folder {names} there, which {self.name} reads its features from")


TASKS = {
    task.name: task
    for task in (
        Task(
            name="task_1_tumor_vs_normal",
            csv_name="tumor_vs_normal_dummy_clean.csv",
            labels=("normal_tissue", "tumor_tissue"),
            feature_folders=("tumor_vs_normal_feat_resnet", "tumor_vs_normal_resnet_features"),
        ),
        Task(
            name="task_2_tumor_subtyping",
            csv_name="tumor_subtyping_dummy_clean.csv",
            labels=("subtype_1", "subtype_2", "subtype_3"),
            feature_folders=("tumor_subtyping_resnet_features",),
            patient_voting="maj",
            subtyping=True,
        ),
    )
}


def find_task(name: str) -> Task:
    """Return the task of that name, or raise a UsageError that lists the known ones."""
    return TASKS[require_choice(name, list(TASKS), kind="task")]
