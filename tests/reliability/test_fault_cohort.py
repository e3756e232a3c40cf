"""A bad slide costs only itself: forty slides, fifteen of them bad, through patching and extraction."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from datasets.features_file import h5_path, pt_path, read_features_h5
from tests.reliability.fault_cohort import BAD, REMOVED, ROWS, SOUND, Row, write_slides
from utils.lookup import PROJECT_ROOT
from wsi_core.coords_file import read_coords
from wsi_core.process_list import FILE_NAME

ENGINES = ("local", pytest.param("ray", marks=pytest.mark.soak))
FLAGS: Mapping[str, tuple[str, ...]] = {"local": ("--num_workers", "2"), "ray": ("--engine", "ray")}
RIGHTS_OF_ROOT = "-dac_override,-dac_read_search"  # to read what is another user's
MADE = [row for row in ROWS if row.extraction == "processed"]


@dataclass(frozen=True)
class Run:
    """What both programs made of the cohort, and of its sound slides alone."""

    folder: Path
    told: dict
    log: str

    @property
    def process_list(self) -> pd.DataFrame:
        table = pd.read_csv(self.folder / "out" / FILE_NAME, dtype=str, keep_default_na=False)
        return table.set_index("slide_id")

    def reason(self, row: Row) -> str:
        """Return why a slide failed, as the first stage says at which it did."""
        in_list = self.process_list.loc[row.name, "reason"]
        return in_list if row.patching.startswith("failed") else self.told["extraction"]["all"]["statuses"][row.id][1]


def without_rights_of_root() -> list[str]:
    """Return what a command must start with for another user's files to be closed to it."""
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("as root nothing is unreadable, and there is no setpriv to give up that right")
    return ["setpriv", f"--bounding-set={RIGHTS_OF_ROOT}", f"--inh-caps={RIGHTS_OF_ROOT}"]


@pytest.fixture(scope="module", params=ENGINES)
def run(request, tmp_path_factory) -> Run:
    folder = tmp_path_factory.mktemp("cohort")
    write_slides(folder / "slides", ROWS)
    write_slides(folder / "sound", SOUND)
    program = [sys.executable, "-m", "tests.reliability.run_cohort", str(folder), REMOVED, *FLAGS[request.param]]
    done = subprocess.run([*without_rights_of_root(), *program], cwd=PROJECT_ROOT, capture_output=True, text=True)
    assert (folder / "told.json").is_file(), done.stderr
    return Run(folder, json.loads((folder / "told.json").read_text()), done.stderr)


def test_there_are_twenty_five_sound_slides_and_fifteen_bad_ones():
    assert (len(SOUND), len(BAD), len({row.id for row in ROWS})) == (25, 15, 40)


def test_each_slide_ends_as_the_table_says(run):
    assert dict(run.process_list["status"]) == {row.name: row.patching for row in ROWS}
    statuses = run.told["extraction"]["all"]["statuses"]
    assert {slide_id: status for slide_id, (status, _) in statuses.items()} == {row.id: row.extraction for row in ROWS}


@pytest.mark.parametrize("row", [row for row in BAD if row.reason], ids=lambda row: row.kind)
def test_a_bad_slide_says_why_in_one_line(run, row):
    reason = run.reason(row)
    assert row.reason in reason and "\n" not in reason and "Error" not in reason and len(reason) < 250
    assert reason in run.log


def test_some_failed_is_exit_code_1_and_none_is_0(run):
    codes = {stage: {which: ran["code"] for which, ran in told.items()} for stage, told in run.told.items()}
    assert codes == {"patching": {"all": 1, "alone": 0}, "extraction": {"all": 1, "alone": 0}}


@pytest.mark.parametrize("row", SOUND, ids=lambda row: row.kind)
def test_a_sound_slide_is_what_it_is_without_bad_ones(run, row):
    if row.patching != "processed":
        assert not any((run.folder / out / "patches" / f"{row.id}.h5").exists() for out in ("out", "out_sound"))
        return
    among, alone = (read_coords(run.folder / out / "patches" / f"{row.id}.h5") for out in ("out", "out_sound"))
    np.testing.assert_array_equal(among.coords, alone.coords)
    features = [read_features_h5(h5_path(run.folder / out / "features", row.id)) for out in ("out", "out_sound")]
    np.testing.assert_array_equal(features[0].features, features[1].features)
    assert len(among) == len(features[0].features) > 0


def test_nothing_is_left_but_whole_files_of_slides_that_are_done(run):
    files = [path for path in (run.folder / "out").rglob("*") if path.is_file()]
    assert not [path for path in files if path.name.startswith(".part-")]
    features = run.folder / "out" / "features"
    made = {row.id for row in MADE}
    assert {path.stem for path in (features / "h5_files").iterdir()} == made
    assert all(pt_path(features, slide_id).is_file() for slide_id in made)
    patched = {path.stem for path in (run.folder / "out" / "patches").iterdir()}
    assert patched == {row.id for row in ROWS if row.patching == "processed"}
