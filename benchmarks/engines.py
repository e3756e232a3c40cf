"""What a Ray cluster costs over worker processes: 200 small slides patched by both. Prints a table, asserts nothing.

    python -m benchmarks.engines [FOLDER]

Each engine is started and has done a few slides before the clock runs: start-up is told apart. Rounds take turns.
"""

import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import median

from tqdm import tqdm

from benchmarks.setting import setting
from stages.engines import Engine, EngineSettings, opened
from stages.patching import PATCHING, plan_slides
from stages.patching_config import PatchingConfig
from stages.runner import run_each
from stages.slide_patching import patch_slide
from tests.slides import small_slide
from utils.item_locks import ItemLocks
from utils.processors import usable_processors
from wsi_core.patch_request import PatchRequest

N_SLIDES, N_TO_WARM_UP = 200, 8
SIZE_PX = (4096, 3072)
N_ROUNDS = 3
ENGINES = ("local", "ray")


def main(argv: Sequence[str]) -> None:
    """Print the table."""
    print(setting("ray", "openslide-python"))
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        slides = Path(argv[0] if argv else temporary) / "small_slides"
        for number in tqdm(range(N_SLIDES), desc="fabricating"):
            path = slides / f"{number:03d}.tif"
            if not path.exists():
                small_slide(path, size_px=SIZE_PX)
        engines = {}
        for name in ENGINES:
            start_s = time.perf_counter()
            settings = EngineSettings(engine=name, num_workers=usable_processors())
            engines[name] = stack.enter_context(opened(settings, PATCHING))
            patch(engines[name], slides, Path(temporary) / f"{name}_warm", N_TO_WARM_UP)
            print(f"{name}: ready after {time.perf_counter() - start_s:.1f} s")
        seconds: dict[str, list[float]] = {name: [] for name in ENGINES}
        for number in range(N_ROUNDS):
            for name in ENGINES:
                start_s = time.perf_counter()
                patch(engines[name], slides, Path(temporary) / f"{name}_{number}", N_SLIDES)
                seconds[name].append(time.perf_counter() - start_s)
    for name, all_s in seconds.items():
        ratio = median(one / local for one, local in zip(all_s, seconds["local"], strict=True))
        print(f"{name:>6}  {median(all_s):6.1f} s  {ratio:5.2f} of local  ({', '.join(f'{one:.1f}' for one in all_s)})")


def patch(engine: Engine, slides: Path, save_dir: Path, n_slides: int) -> None:
    """Patch the first slides of a folder."""
    request = PatchRequest(patch_size_px=256, step_size_px=256)
    config = PatchingConfig(
        source=str(slides), save_dir=str(save_dir), request=request, seg=True, patch=True, stitch=True
    )
    _, jobs = plan_slides(config)
    with ItemLocks(save_dir, purpose=str) as locks:
        results = run_each({job.name: partial(patch_slide, job) for job in jobs[:n_slides]}, engine=engine, locks=locks)
    assert not any(result.failed for result in results), results


if __name__ == "__main__":
    main(sys.argv[1:])
