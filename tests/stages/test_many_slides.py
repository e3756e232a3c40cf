"""Two hundred small slides in a row: the device never waits, nothing piles up. Takes minutes: `make soak`."""

import json
import multiprocessing
import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import timm
import torch

from tests.slides import small_slide
from wsi_core.coords_file import PatchCoords, write_coords
from wsi_core.patch_reading import PatchReading

N_SLIDES = 200
PATCHES = PatchCoords(
    coords=np.array([[x, y] for x in (0, 224, 448, 672) for y in (0, 224, 448)]),
    reading=PatchReading(0, 224, 224, 224),
)


def extract_and_watch() -> None:
    """Encode the slides of the current folder, and write down what every slide left behind; in a process of its own."""
    import extract_features_fp
    import stages.encoding_run
    from stages.encoding import SlideEncoder

    watched = []

    class WatchedEncoder(SlideEncoder):
        def next_slide(self):
            slide = super().next_slide()
            pids = [os.getpid(), *(child.pid for child in multiprocessing.active_children())]
            watched.append(
                {
                    "time_s": time.monotonic(),
                    "encode_s": self.encode_s,
                    "resident": sum(map(resident_bytes, pids)),
                    "handles": sum(map(n_handles, pids)),
                }
            )
            return slide

    stages.encoding_run.SlideEncoder = WatchedEncoder
    command = "--data_h5_dir out --data_slide_dir slides --csv_path list.csv --feat_dir feat --encoder_ckpt w.pt"
    code = extract_features_fp.main([*command.split(), "--slide_ext", ".tif", "--runtime", "torch"])
    Path("watched.json").write_text(json.dumps(watched))
    sys.exit(code)


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def n_handles(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


@pytest.mark.soak
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="/proc says what a process holds")
def test_two_hundred_slides_leave_the_device_busy_and_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("slides").mkdir()
    slide = small_slide(Path("slides/0.tif"), size_px=(1024, 768))
    for number in range(N_SLIDES):
        if number:
            Path(f"slides/{number}.tif").hardlink_to(slide)
        write_coords(Path("out/patches", f"{number}.h5"), PATCHES)
    Path("list.csv").write_text("slide_id\n" + "".join(f"{number}\n" for number in range(N_SLIDES)))
    torch.manual_seed(0)
    torch.save(timm.create_model("resnet50", features_only=True, out_indices=(3,)).state_dict(), "w.pt")

    process = multiprocessing.get_context("spawn").Process(target=extract_and_watch)
    process.start()
    process.join()
    assert process.exitcode == 0
    watched = json.loads(Path("watched.json").read_text())
    assert len(watched) == len(list(Path("feat/pt_files").iterdir())) == N_SLIDES
    first, early, last = watched[0], watched[19], watched[-1]
    busy_s, whole_s = (last[key] - first[key] for key in ("encode_s", "time_s"))
    growth = last["resident"] / early["resident"] - 1
    print(f"idle {1 - busy_s / whole_s:.1%}, memory {growth:+.1%}, handles {early['handles']} to {last['handles']}")
    assert 1 - busy_s / whole_s < 0.05
    assert growth < 0.1
    assert last["handles"] <= early["handles"] + 3  # files that happen to be open at this moment, not 180 of them
