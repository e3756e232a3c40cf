"""The six programs on a cohort of twelve tiny slides, as a user types them."""

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import yaml

from demo.slides import fabricate_slide
from utils.lookup import PROJECT_ROOT

N_SLIDES = 12
SLIDE_SIZE_PX = (1024, 768)
TASK = "task_1_tumor_vs_normal"
FEATURES = "features/tumor_vs_normal_feat_resnet"
HEATMAPS = "heatmap.yaml"
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
TEMPORARY = "temporary"  # folder for what libraries keep for a while, in place of /tmp


@dataclass(frozen=True)
class Program:
    """A program with its command line.

    Attributes:
        file: the script.
        flags: what follows.
        outputs: the folders that it writes.
        side_by_side: flags with which it works in several processes, to the same end.
    """

    file: str
    flags: str
    outputs: tuple[str, ...]
    side_by_side: str = ""

    @property
    def command(self) -> list[str]:
        return [sys.executable, str(PROJECT_ROOT / self.file), *self.flags.split()]


PATCHING = Program(
    "create_patches_fp.py",
    "--source slides --save_dir out --preset small.csv --patch_size 128 --step_size 128 --seg --patch --stitch",
    ("out",),
    "--num_workers 2",
)
EXTRACTION = Program(
    "extract_features_fp.py",
    "--data_h5_dir out --data_slide_dir slides --slide_ext .tif --csv_path out/process_list_autogen.csv "
    f"--feat_dir {FEATURES} --model_name handcrafted --num_workers 0",
    ("features",),
    "--num_workers 2",
)
SPLITTING = Program(
    "create_splits_seq.py", f"--task {TASK} --k 3 --val_frac 0.3 --test_frac 0.3 --label_frac 0", ("splits",)
)
TRAINING = Program(
    "main.py",
    f"--task {TASK} --data_root_dir features --exp_code x --k 3 --max_epochs 20 --early_stopping --log_data --resume",
    ("results",),
    "--fold_workers 2",
)
EVALUATION = Program(
    "eval.py", f"--task {TASK} --data_root_dir features --models_exp_code x_s1 --k 3", ("eval_results",)
)
DRAWING = Program("create_heatmaps.py", f"--config {HEATMAPS}", ("heatmaps",))
PROGRAMS = (PATCHING, EXTRACTION, SPLITTING, TRAINING, EVALUATION, DRAWING)  # in their order

HEATMAP_CONFIG = {
    "exp_arguments": {"n_classes": 2, "save_exp_code": "x"},
    "data_arguments": {"data_dir": "slides", "preset": "small.csv", "slide_ext": ".tif"},
    "patching_arguments": {"patch_size": 128, "overlap": 0.5},
    "encoder_arguments": {"model_name": "handcrafted"},
    "model_arguments": {"ckpt_path": "results/x_s1/s_0_checkpoint.pt"},
    "heatmap_arguments": {"vis_level": 1, "save_ext": "png", "blur": True},
    "export_arguments": {"attention_csv": True, "qupath_geojson": True},
    "sample_arguments": {"samples": [{"name": "top", "k": 2, "mode": "topk"}]},
}


def write_cohort(folder: Path, n_slides: int = N_SLIDES) -> Path:
    """Write slides, their table, a preset and a heatmap configuration; return the folder."""
    slides = [(f"p{number:02d}", f"s{number:02d}", number % 2 == 1) for number in range(n_slides)]
    for number, (_, slide_id, tumour) in enumerate(slides):
        fabricate_slide(folder / "slides" / f"{slide_id}.tif", seed=number, tumour=tumour, size_px=SLIDE_SIZE_PX)
    rows = [(patient, slide_id, f"{'tumor' if tumour else 'normal'}_tissue") for patient, slide_id, tumour in slides]
    table = folder / "dataset_csv" / "tumor_vs_normal_dummy_clean.csv"
    table.parent.mkdir()
    pd.DataFrame(rows, columns=["case_id", "slide_id", "label"]).to_csv(table, index=False)
    (folder / "small.csv").write_text(
        "sthresh,mthresh,close,a_t,a_h,max_n_holes,line_thickness\n15,5,2,0.1,0.05,8,40\n"
    )
    (folder / HEATMAPS).write_text(yaml.safe_dump(HEATMAP_CONFIG))
    return folder


def inputs_of(program: Program, finished: Path, folder: Path) -> Path:
    """Copy to ``folder`` what a program reads, from where all of them have run; return the folder."""
    place = [one.file for one in PROGRAMS].index(program.file)
    later = {output for one in PROGRAMS[place:] for output in one.outputs}
    shutil.copytree(finished, folder, ignore=lambda _, names: later & set(names), copy_function=shutil.copy2)
    (folder / TEMPORARY).mkdir(exist_ok=True)
    return folder


def environment(folder: Path) -> dict[str, str]:
    """Return the environment that programs run in; what libraries leave in a temporary folder shows."""
    (folder / TEMPORARY).mkdir(exist_ok=True)
    return {**os.environ, **ENVIRONMENT, "TMPDIR": str(folder / TEMPORARY)}
