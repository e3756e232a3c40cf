"""The demo's cohort: 24 slides of 20 patients, their table, a preset that suits them and a heatmap configuration."""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import cv2
import pandas as pd
import yaml
from tqdm import tqdm

from demo.slides import fabricate_slide

N_PATIENTS_PER_CLASS = 10
N_WITH_TWO_SLIDES = 2
SLIDES = Path("slides")
TABLE = Path("dataset_csv") / "tumor_vs_normal_dummy_clean.csv"
PRESET = Path("small_slides.csv")
HEATMAP_CONFIG = Path("heatmaps") / "configs" / "demo.yaml"
HEATMAP_LIST = Path("heatmaps") / "process_lists" / "demo_slides.csv"


@dataclass(frozen=True)
class DemoSlide:
    """One slide of the cohort."""

    patient: str
    slide_id: str
    tumour: bool
    seed: int

    @property
    def label(self) -> str:
        """Its label in the table."""
        return "tumor_tissue" if self.tumour else "normal_tissue"


def cohort() -> list[DemoSlide]:
    """Return the slides: of each class 10 patients, the first two with two slides."""
    slides: list[DemoSlide] = []
    for tumour in (False, True):
        kind = "tumor" if tumour else "normal"
        for patient in range(N_PATIENTS_PER_CLASS):
            for part in range(2 if patient < N_WITH_TWO_SLIDES else 1):
                slide_id = f"{kind}_{patient:02d}_{'AB'[part]}"
                slides.append(DemoSlide(f"{kind}_{patient:02d}", slide_id, tumour, seed=len(slides)))
    return slides


def write_cohort(folder: Path) -> None:
    """Write slides, table and preset below a folder."""
    slides = cohort()
    # fresh processes: a forked one would wait forever for the threads of an OpenCV that has been used already
    with ProcessPoolExecutor(mp_context=get_context("spawn"), initializer=cv2.setNumThreads, initargs=(1,)) as pool:
        jobs = [pool.submit(_write_slide, folder / SLIDES / f"{slide.slide_id}.tif", slide) for slide in slides]
        for job in tqdm(jobs, unit="slide", desc="fabricating", dynamic_ncols=True):
            job.result()
    _write_table(folder / TABLE, [(slide.patient, slide.slide_id, slide.label) for slide in slides])
    # islands of 2 mm and holes of 0.1 mm are below the areas that presets for whole resections keep
    (folder / PRESET).write_text("sthresh,mthresh,close,a_t,a_h,max_n_holes,line_thickness\n15,5,2,1,0.05,8,40\n")


def write_heatmap_files(folder: Path, slides: list[DemoSlide], *, checkpoint: str, features: str, patches: str) -> None:
    """Write the heatmap's list of slides and its configuration below a folder."""
    path = folder / HEATMAP_LIST
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame([(s.slide_id, s.label) for s in slides], columns=["slide_id", "label"]).to_csv(path, index=False)
    config = {
        "exp_arguments": {"n_classes": 2, "save_exp_code": "demo"},
        "data_arguments": {
            "data_dir": str(SLIDES),
            "process_list": str(HEATMAP_LIST),
            "preset": str(PRESET),
            "slide_ext": ".tif",
            "label_dict": {"normal_tissue": 0, "tumor_tissue": 1},
            "features_dir": features,
            "patches_dir": patches,
        },
        "patching_arguments": {"patch_size": 256, "overlap": 0.5, "patch_level": 0},
        "encoder_arguments": {"model_name": "handcrafted"},
        "model_arguments": {"ckpt_path": checkpoint, "model_type": "clam_sb"},
        "heatmap_arguments": {"vis_level": 1, "alpha": 0.4, "save_ext": "png", "blur": True, "cmap": "jet"},
        "sample_arguments": {
            "samples": [
                {"name": "topk_high_attention", "k": 5, "mode": "topk"},
                {"name": "topk_low_attention", "k": 5, "mode": "reverse_topk"},
            ]
        },
    }
    path = folder / HEATMAP_CONFIG
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(config, sort_keys=False))


def _write_slide(path: Path, slide: DemoSlide) -> None:
    fabricate_slide(path, seed=slide.seed, tumour=slide.tumour)


def _write_table(path: Path, rows: list[tuple[str, str, str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows, columns=["case_id", "slide_id", "label"]).to_csv(path, index=False)
