"""``make demo``: fabricate slides, then run the six programs exactly as a user types them.

Everything goes to ``demo_output/``. Nothing here is a shortcut: each step is a command line, shown before it runs.
"""

import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd

from demo.cohort import HEATMAP_CONFIG, PRESET, SLIDES, DemoSlide, cohort, write_cohort, write_heatmap_files
from demo.picture import side_by_side

ROOT = Path(__file__).resolve().parent.parent
OUTPUT = ROOT / "demo_output"
TASK = "task_1_tumor_vs_normal"
PATCHES = Path("patches_out")
FEATURES_ROOT = Path("features")
FEATURES = FEATURES_ROOT / "tumor_vs_normal_feat_resnet"
K = 3


def main() -> int:
    """Run the demo and return the exit code of the first program that fails, or 0."""
    shutil.rmtree(OUTPUT, ignore_errors=True)
    OUTPUT.mkdir()
    start_s = time.monotonic()
    _say(f"fabricating {len(cohort())} slides of two classes in {OUTPUT.name}/{SLIDES}")
    write_cohort(OUTPUT)
    timings = [("fabricate slides", time.monotonic() - start_s)]
    for program, *arguments in _commands():
        if program == "create_heatmaps.py":
            shown, checkpoint = _slides_to_show(), "results/demo_s1/s_0_checkpoint.pt"
            write_heatmap_files(OUTPUT, shown, checkpoint=checkpoint, features=str(FEATURES), patches=str(PATCHES))
        began_s = time.monotonic()
        exit_code = _run(program, arguments)
        if exit_code:
            return exit_code
        timings.append((program, time.monotonic() - began_s))
    _report(shown, timings)
    return 0


def _commands() -> list[list[str]]:
    """Return the command lines, program first, in their order."""
    lines = f"""
        create_patches_fp.py --source {SLIDES} --save_dir {PATCHES} --preset {PRESET} --seg --patch --stitch
        extract_features_fp.py --data_h5_dir {PATCHES} --data_slide_dir {SLIDES} --slide_ext .tif
            --csv_path {PATCHES}/process_list_autogen.csv --feat_dir {FEATURES} --model_name handcrafted
        create_splits_seq.py --task {TASK} --k {K} --val_frac 0.3 --test_frac 0.3
        main.py --task {TASK} --data_root_dir {FEATURES_ROOT} --exp_code demo --k {K} --model_type clam_sb
            --bag_loss ce --inst_loss svm --weighted_sample --lr 2e-4 --max_epochs 40 --log_data
        eval.py --task {TASK} --data_root_dir {FEATURES_ROOT} --models_exp_code demo_s1 --save_exp_code demo --k {K}
        create_heatmaps.py --config {HEATMAP_CONFIG}
    """
    return [line.split() for line in lines.replace("\n            ", " ").strip().splitlines()]


def _run(program: str, arguments: list[str]) -> int:
    _say(f"$ python ../{program} {shlex.join(arguments)}")
    command = [sys.executable, str(ROOT / program), *arguments]
    # small networks on small bags: more than one thread costs more than it gives
    return subprocess.run(command, cwd=OUTPUT, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False).returncode


def _slides_to_show() -> list[DemoSlide]:
    """Return a tumour and a normal slide that the first model has never seen."""
    test = pd.read_csv(OUTPUT / "results" / "demo_s1" / "splits_0.csv", dtype=str)["test"].dropna()
    unseen = [slide for slide in cohort() if slide.slide_id in set(test)]
    return [next(slide for slide in unseen if slide.tumour is tumour) for tumour in (True, False)]


def _report(shown: list[DemoSlide], timings: list[tuple[str, float]]) -> None:
    """Name the figures, the pictures and what to do next."""
    summary = pd.read_csv(OUTPUT / "eval_results" / "EVAL_demo" / "summary.csv")
    _say("done")
    print(f"test AUC over {len(summary)} resamples: mean {summary['test_auc'].mean():.3f}", end="; ")
    print("of each: " + ", ".join(f"{value:.3f}" for value in summary["test_auc"]))
    print("\npictures to look at, in demo_output/:")
    for picture in _pictures(shown):
        print(f"  {picture}")
    print("\nseconds: " + ", ".join(f"{name} {seconds:.0f}" for name, seconds in timings))
    print(f"in all {sum(seconds for _, seconds in timings):.0f} s")
    raw = OUTPUT.name + "/heatmaps/heatmap_raw_results/demo"
    print(f"\nbrowser: .venv/bin/python view_slides.py --results {raw} --slides {OUTPUT.name}/{SLIDES}")
    print("curves:  .venv/bin/tensorboard --logdir=demo_output")
    print("now your own slides:")
    print("  .venv/bin/python create_patches_fp.py --source YOUR_SLIDES --save_dir YOUR_RESULTS --seg --patch --stitch")


def _pictures(shown: list[DemoSlide]) -> list[str]:
    pictures = []
    for slide in shown:
        made = OUTPUT / "heatmaps" / "heatmap_production_results" / "demo" / slide.label
        heatmap = next(made.glob(f"{slide.slide_id}_0.5_*.png"))
        panels = [
            made / f"{slide.slide_id}_orig_1.png",
            OUTPUT / PATCHES / "masks" / f"{slide.slide_id}.png",
            OUTPUT / PATCHES / "stitches" / f"{slide.slide_id}.png",
            heatmap,
        ]
        overview = OUTPUT / f"overview_{slide.slide_id}.png"
        side_by_side(panels, overview)
        pictures += [str(path.relative_to(OUTPUT)) for path in (overview, *panels[1:])]
    return [*pictures, "heatmaps/heatmap_production_results/demo/report.html"]


def _say(text: str) -> None:
    print(f"\n=== {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
