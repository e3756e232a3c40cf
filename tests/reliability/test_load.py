"""Two thousand tiny slides through patching and extraction: memory and open handles stay as they are after a while.

Takes many minutes: `make soak`. ``CLAM_LOAD`` changes the number of slides.
"""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.reliability.killing import in_session
from tests.reliability.programs import environment
from tests.slides import small_slide
from utils.lookup import PROJECT_ROOT

N_SLIDES = int(os.environ.get("CLAM_LOAD", "2000"))
N_DIFFERENT = 24
SIDE_PX = 512
LOOK_EVERY_S = 0.25
WARM_PART = 0.1  # of the run, until all that is used has been used once
MAY_GROW_BY = 0.10
PRESET = "sthresh,mthresh,close,a_t,a_h,max_n_holes\n15,3,0,0.01,0.01,8\n"
PATCHING = "create_patches_fp.py --source slides --save_dir {out} --preset small.csv --patch_size 64 --step_size 64 "
PATCHING += "--seg --patch --stitch --num_workers {workers}"
EXTRACTION = "extract_features_fp.py --data_h5_dir out_1 --data_slide_dir slides --slide_ext .tif "
EXTRACTION += "--csv_path out_1/process_list_autogen.csv --feat_dir features --model_name handcrafted --num_workers 2"


@dataclass(frozen=True)
class Look:
    """What a program with all its processes holds at a moment: bytes in memory, open handles, processes."""

    resident_bytes: int
    n_handles: int
    n_processes: int


def look_at(leader: int) -> Look:
    resident_bytes = n_handles = n_processes = 0
    for pid in in_session(leader):
        try:
            pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
            n_handles += len(list(Path(f"/proc/{pid}/fd").iterdir()))
        except OSError:  # it has ended meanwhile
            continue
        resident_bytes += pages * os.sysconf("SC_PAGE_SIZE")
        n_processes += 1
    return Look(resident_bytes, n_handles, n_processes)


def run_and_look(command: str, folder: Path, made: Path) -> list[Look]:
    """Run a program, and return what it holds, again and again, from its first file in ``made`` to its last."""
    words = [sys.executable, *command.split()]
    words[1] = str(PROJECT_ROOT / words[1])
    with (folder / "said").open("wb") as said, subprocess.Popen(
        words, cwd=folder, env=environment(folder), stdout=said, stderr=said, start_new_session=True
    ) as process:  # fmt: skip
        looks = []
        while process.poll() is None:
            n_made = sum(1 for _ in os.scandir(made)) if made.is_dir() else 0
            if 0 < n_made < N_SLIDES:
                looks.append(look_at(process.pid))
            time.sleep(LOOK_EVERY_S)
    assert process.returncode == 0, (folder / "said").read_text()[-2000:]
    assert sum(1 for _ in os.scandir(made)) == N_SLIDES
    return looks


def require_flat(looks: list[Look], name: str) -> None:
    """Compare the first tenth after the warm-up with the last tenth of all looks."""
    part = max(1, int(WARM_PART * len(looks)))
    assert len(looks) >= 40, "too few looks to tell"
    early, late = looks[part : 2 * part], looks[-part:]
    memory = [float(np.median([look.resident_bytes for look in some])) for some in (early, late)]
    handles = [float(np.median([look.n_handles for look in some])) for some in (early, late)]
    print(
        f"{name}: memory {memory[0] / 2**20:.0f} to {memory[1] / 2**20:.0f} MiB, handles {handles}, {len(looks)} looks"
    )
    assert memory[1] <= memory[0] * (1 + MAY_GROW_BY)
    assert handles[1] <= handles[0] * (1 + MAY_GROW_BY)


@pytest.fixture(scope="module")
def many_slides(tmp_path_factory) -> Path:
    """A folder with slides under many names, a few dozen of them different."""
    folder = tmp_path_factory.mktemp("many")
    (folder / "small.csv").write_text(PRESET)
    rng = np.random.default_rng(0)
    for number in range(N_SLIDES):
        path = folder / "slides" / f"s{number:04d}.tif"
        if number >= N_DIFFERENT:
            path.hardlink_to(folder / "slides" / f"s{number % N_DIFFERENT:04d}.tif")
            continue
        x, y = (int(start) for start in rng.integers(0, 128, 2))
        size = SIDE_PX, SIDE_PX
        small_slide(path, size_px=size, sizes_px=(size, (128, 128)), tissue=[(x, y, x + 256, y + 320)])
    return folder


@pytest.mark.soak
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="/proc says what a process holds")
@pytest.mark.parametrize("workers", [1, 2])
def test_patching_many_slides_holds_no_more_in_the_end(many_slides, workers):
    out = f"out_{workers}"
    looks = run_and_look(PATCHING.format(out=out, workers=workers), many_slides, many_slides / out / "stitches")
    require_flat(looks, f"patching, {workers} workers")


@pytest.mark.soak
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="/proc says what a process holds")
def test_extracting_many_slides_holds_no_more_in_the_end(many_slides):
    if not (many_slides / "out_1").is_dir():
        run_and_look(PATCHING.format(out="out_1", workers=1), many_slides, many_slides / "out_1" / "stitches")
    looks = run_and_look(EXTRACTION, many_slides, many_slides / "features" / "pt_files")
    require_flat(looks, "extraction")
