"""Slides are copied ahead, removed when done, and nothing is left behind."""

import shutil
import subprocess
import sys
import threading
import time
from collections import namedtuple
from pathlib import Path

import pytest

from datasets import staging
from datasets.patches import SlidePatches
from datasets.reader_pool import ReaderPool
from datasets.staging import staged
from tests.datasets.test_reader_pool import PATCHES
from utils.errors import UsageError
from utils.lookup import PROJECT_ROOT


@pytest.fixture
def slides(tmp_path):
    paths = [tmp_path / "slow" / f"{number}.svs" for number in range(6)]
    for number, path in enumerate(paths):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(bytes([number]) * 1000)
    return paths


def copies(cache):
    return sorted(path.name for path in cache.rglob("*.svs"))


def test_each_slide_is_read_from_a_copy_that_goes_when_it_is_done(slides, tmp_path):
    cache = tmp_path / "cache"
    with staged(slides, cache) as sources:
        for number, slide in enumerate(slides):
            path = sources.path(number)
            assert path != slide and path.name == slide.name and path.read_bytes() == slide.read_bytes()
            ahead = slides[number : number + staging.AHEAD]
            sources.path(number + len(ahead) - 1)  # once these are copied, nothing moves
            assert copies(cache) == [slide.name for slide in ahead]
            sources.done(number)
            assert not path.exists()
    assert not list(cache.iterdir())


def test_a_slide_of_several_files_comes_whole(tmp_path):
    slide, data = tmp_path / "a.mrxs", tmp_path / "a" / "Data.dat"
    data.parent.mkdir()
    slide.write_text("index")
    data.write_text("data")
    with staged([slide], tmp_path / "cache") as sources:
        copy = sources.path(0)
        assert copy != slide and (copy.parent / "a" / "Data.dat").read_text() == "data"


def test_on_demand_only_slides_that_are_wanted_are_copied(slides, tmp_path):
    cache = tmp_path / "cache"
    with staged(slides, cache, on_demand=True) as sources:
        for number in range(3):
            assert not sources.is_ready(number)
            sources.decided(number, number != 1)
        assert [sources.path(number) == slides[number] for number in range(3)] == [False, True, False]
        assert copies(cache) == ["0.svs", "2.svs"]


def test_slides_that_others_have_hold_up_no_copy_and_take_no_room(slides, tmp_path):
    with staged(slides, tmp_path / "cache", on_demand=True) as sources:
        for number in range(6):
            sources.decided(number, number in (0, 5))
        until_s = time.monotonic() + 10
        while not sources.is_ready(5) and time.monotonic() < until_s:
            time.sleep(0.01)
        assert sources.is_ready(5) and copies(tmp_path / "cache") == ["0.svs", "5.svs"]


def test_a_copy_that_comes_too_late_is_given_up_and_removed(slides, tmp_path, monkeypatch):
    cache, begun, go_on = tmp_path / "cache", threading.Event(), threading.Event()
    copy = staging.StagedSources._copy

    def slow(self, source, target, number):
        begun.set()
        go_on.wait(10)
        copy(self, source, target, number)

    monkeypatch.setattr(staging.StagedSources, "_copy", slow)
    with staged(slides[:2], cache) as sources:
        begun.wait(10)
        sources.done(0)
        go_on.set()
        assert sources.path(0) == slides[0] and sources.path(1) != slides[1]
        assert copies(cache) == ["1.svs"]


def test_the_pool_copies_no_slide_that_another_process_has(slides, tmp_path):
    read = []
    jobs = [SlidePatches(path, PATCHES) for path in slides]
    with staged(slides, tmp_path / "cache", on_demand=True) as sources:
        copied = staging.StagedSources._copied
        sources._copied = lambda number, path: read.append(number) or copied(sources, number, path)
        with ReaderPool(
            jobs, batch_size=9, num_workers=0, sources=sources, take=lambda number: number % 3 == 0
        ) as pool:
            for block in pool:
                assert block.info.error  # they are no slides
                pool.done(block.slide_number)
    assert read == [0, 3]


def test_what_cannot_be_staged_is_said_once(slides, tmp_path, monkeypatch, caplog):
    usage = namedtuple("usage", "total used free")(1000, 0, 1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    others = [slide.rename(slide.with_suffix(".dcm")) for slide in slides[4:]]
    with staged([*slides[:4], *others], tmp_path / "cache") as sources:
        for number in range(6):
            sources.path(number)
            sources.done(number)
    assert caplog.text.count("are read where they lie: --cache_dir has 0.00 GiB free") == 1
    assert caplog.text.count("slides such as 4.dcm refer to files beside them") == 1


def test_without_room_slides_are_read_where_they_lie(slides, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")(1000, 0, 1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    with staged(slides, tmp_path / "cache") as sources:
        assert [sources.path(number) for number in range(3)] == slides[:3]


def test_a_slide_that_is_gone_is_left_to_its_reader(slides, tmp_path, caplog):
    slides[0].unlink()
    with staged(slides, tmp_path / "cache") as sources:
        assert sources.path(0) == slides[0] and sources.path(1) != slides[1]
    assert "0.svs is read where it lies" in caplog.text


def test_an_error_in_the_run_leaves_no_copies(slides, tmp_path):
    with pytest.raises(RuntimeError), staged(slides, tmp_path / "cache") as sources:
        sources.path(0)
        raise RuntimeError
    assert not list((tmp_path / "cache").iterdir())


HOLDS = """
import sys
from pathlib import Path
from datasets.staging import staged
with staged([Path(sys.argv[1])], Path(sys.argv[2])) as sources:
    print(sources.path(0), flush=True)
    sys.stdin.read()
"""


def test_copies_of_a_killed_run_go_and_those_of_a_living_one_stay(slides, tmp_path):
    cache = tmp_path / "cache"
    command = [sys.executable, "-c", HOLDS, str(slides[0]), str(cache)]
    run = subprocess.Popen(command, cwd=PROJECT_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    run.stdout.readline()
    with staged([], cache):
        assert copies(cache) == ["0.svs"]
    run.kill()
    run.communicate()
    assert copies(cache) == ["0.svs"]
    with staged([], cache):
        assert copies(cache) == []


def test_a_cache_that_cannot_be_written_is_wrong_use(slides, tmp_path):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", Path("/proc/nowhere")):
        with pytest.raises(UsageError, match="--cache_dir"), staged(slides, folder):
            pass
