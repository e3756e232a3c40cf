"""Runs both programs on the fault cohort, then on its sound slides alone; without special rights, in its own process.

Before patching, a slide is removed once the slides are listed and none of them is read. Nothing slow is imported before
``main``, as worker processes import this module too.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from unittest.mock import patch

PRESET = "sthresh,mthresh,close,a_t,a_h,max_n_holes\n15,3,0,0.05,0.1,8\n"


def patch_slides(removed: str, flags: Sequence[str]) -> dict[str, Any]:
    """Make patches of all slides, then of the sound ones; return exit codes and seconds."""
    import create_patches_fp

    def patching(slides: str, out: str, *flags: str) -> int:
        how = ["--preset", "small.csv", "--seg", "--patch", "--stitch"]
        return create_patches_fp.main(["--source", slides, "--save_dir", out, *how, *flags])

    Path("small.csv").write_text(PRESET)
    with removed_once_listed(Path("slides", removed)):
        of_all = timed(lambda: patching("slides", "out", *flags))
    return {"all": of_all, "alone": timed(lambda: patching("sound", "out_sound"))}


def extract_features(flags: Sequence[str]) -> dict[str, Any]:
    """Encode all slides, then the sound ones; return also what is told of each."""
    import extract_features_fp
    import stages.extraction

    told: list[Any] = []
    summarise = stages.extraction.summarise

    def listening(results: Sequence[Any], **options: Any) -> int:
        told.extend(results)
        return summarise(results, **options)

    def extraction(slides: str, out: str, *flags: str) -> int:
        places = ["--data_h5_dir", out, "--data_slide_dir", slides, "--feat_dir", f"{out}/features"]
        which = ["--csv_path", f"{out}/process_list_autogen.csv", "--model_name", "handcrafted"]
        return extract_features_fp.main([*places, *which, *flags])

    with patch.object(stages.extraction, "summarise", listening):
        of_all = timed(lambda: extraction("slides", "out", *flags))
    statuses = {result.item_id: [result.status, result.reason] for result in told}
    alone = timed(lambda: extraction("sound", "out_sound", "--num_workers", "0"))
    return {"all": {**of_all, "statuses": statuses}, "alone": alone}


def timed(program: Callable[[], int]) -> dict[str, Any]:
    """Run a program and return its exit code and how long it took."""
    start_s = time.monotonic()
    code = program()
    return {"code": code, "seconds": time.monotonic() - start_s}


def removed_once_listed(slide: Path) -> AbstractContextManager[object]:
    """Remove a slide after the program has listed it and before it reads any."""
    import stages.patching

    plan_slides = stages.patching.plan_slides

    def plan_then_remove(config: Any) -> Any:
        planned = plan_slides(config)
        slide.unlink()
        return planned

    return patch.object(stages.patching, "plan_slides", plan_then_remove)


def start_workers_early() -> None:
    """Let the server that workers are forked from import what both programs need, while this process does the same."""
    from multiprocessing import forkserver

    from utils.processes import worker_context

    worker_context()
    forkserver.ensure_running()


def main(folder: str, removed: str, *flags: str) -> None:
    """Run on ``slides`` and ``sound`` of the folder and write what was told."""
    start_workers_early()
    os.chdir(folder)
    told = {"patching": patch_slides(removed, flags), "extraction": extract_features(flags)}
    Path("told.json").write_text(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
