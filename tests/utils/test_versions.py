"""A run says which commit it is of, and leaves the checkout alone."""

import os
import shutil
import subprocess

import pytest

from utils import versions


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    (tmp_path / "a").write_text("a")
    author = {
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@b",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@b",
    }
    for command in (["init", "-q"], ["add", "a"], ["commit", "-q", "-m", "a"]):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True, env=os.environ | author)
    monkeypatch.setattr(versions, "PROJECT_ROOT", tmp_path)
    return tmp_path


def test_the_commit_is_named_and_whether_files_differ_from_it(checkout):
    commit = versions.versions()["commit"]
    assert len(commit) == 40
    (checkout / "new").write_text("untracked")
    assert versions.versions()["commit"] == commit
    (checkout / "a").write_text("changed")
    assert versions.versions()["commit"] == f"{commit}-dirty"
    shutil.rmtree(checkout / ".git")
    assert "commit" not in versions.versions()


def test_asking_writes_nothing_that_a_killed_run_could_leave(checkout):
    os.utime(checkout / "a", (0, 0))  # for which git would write its index anew, under a lock
    index = checkout / ".git" / "index"
    before = index.read_bytes(), index.stat().st_mtime_ns
    assert not versions.versions()["commit"].endswith("-dirty")
    assert (index.read_bytes(), index.stat().st_mtime_ns) == before
