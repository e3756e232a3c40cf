import importlib

import pytest

from datasets.slide_table import read_slide_table
from datasets.tasks import find_task
from demo import cohort as demo_cohort
from demo import run
from stages.heatmap_config import read_config
from wsi_core.heatmap_list import read_rows
from wsi_core.preset_file import read_preset


@pytest.fixture
def written(tmp_path, monkeypatch):
    """A cohort on disk whose slides are empty files: what matters here is what surrounds them."""
    monkeypatch.setattr(demo_cohort, "fabricate_slide", lambda path, **_: path.touch())
    monkeypatch.setattr(demo_cohort, "ProcessPoolExecutor", _Here)
    (tmp_path / demo_cohort.SLIDES).mkdir()
    demo_cohort.write_cohort(tmp_path)
    return tmp_path


class _Here:
    """Does at once what an executor would do in another process."""

    def __init__(self, **_):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def submit(self, work, *args):
        work(*args)
        return self

    def result(self):
        pass


def test_the_cohort_has_two_classes_of_twelve_different_slides():
    slides = demo_cohort.cohort()
    assert sum(slide.tumour for slide in slides) == 12 and len(slides) == 24
    assert len({slide.slide_id for slide in slides}) == len({slide.seed for slide in slides}) == 24
    assert len({slide.patient for slide in slides}) < 24


def test_the_table_is_one_that_the_task_reads(written):
    task = find_task(run.TASK)
    assert demo_cohort.TABLE.name == task.csv
    table = read_slide_table(written / demo_cohort.TABLE, task.label_map)
    assert set(table.slides["slide_id"]) == {path.stem for path in (written / demo_cohort.SLIDES).iterdir()}
    assert table.class_names == tuple(task.label_map)


def test_the_preset_is_one_that_patching_reads(written):
    assert read_preset(written / demo_cohort.PRESET).a_t == 1


def test_the_heatmap_files_are_ones_that_the_program_reads(tmp_path):
    shown = demo_cohort.cohort()[:2]
    demo_cohort.write_heatmap_files(tmp_path, shown, checkpoint="s_0_checkpoint.pt", features="features", patches="out")
    config = read_config(tmp_path / demo_cohort.HEATMAP_CONFIG)
    assert config.model_arguments.ckpt_path == "s_0_checkpoint.pt"
    rows = read_rows(tmp_path / demo_cohort.HEATMAP_LIST)
    assert [row.name for row in rows] == [slide.slide_id for slide in shown]


def test_the_demo_runs_the_six_programs_in_order_with_flags_that_they_know():
    commands = run._commands()
    assert [program for program, *_ in commands] == [
        "create_patches_fp.py", "extract_features_fp.py", "create_splits_seq.py", "main.py", "eval.py",
        "create_heatmaps.py",
    ]  # fmt: skip
    for program, *arguments in commands:
        importlib.import_module(program.removesuffix(".py")).build_parser().parse_args(arguments)


def test_the_demo_stops_with_the_exit_code_of_the_program_that_failed(tmp_path, monkeypatch):
    ran = []

    def second_fails(program, arguments):
        ran.append(program)
        return 3 if len(ran) == 2 else 0

    monkeypatch.setattr(run, "OUTPUT", tmp_path / "out")
    monkeypatch.setattr(run, "write_cohort", lambda folder: None)
    monkeypatch.setattr(run, "_run", second_fails)
    assert run.main() == 3
    assert ran == ["create_patches_fp.py", "extract_features_fp.py"]
