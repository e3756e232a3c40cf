import json
import os
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import pytest

from utils.atomic import atomic_path, remove_leftovers
from utils.item_locks import ItemLocks
from utils.lock_folder import LOCKS
from utils.process_identity import ProcessIdentity, this_process


def end_a_process():
    """Return the identity of a process of this machine that is gone."""
    script = "from utils.process_identity import this_process; print(this_process())"
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip()


def lock_of(folder, item_id):
    return folder / LOCKS / f"{item_id}.lock"


def change_holder(folder, item_id, **changes):
    path = lock_of(folder, item_id)
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_only_one_has_a_lock_and_the_folder_is_clean_afterwards(tmp_path):
    with ItemLocks(tmp_path) as ours, ItemLocks(tmp_path) as theirs:
        assert ours.take("a b.é") is None
        holder = theirs.take("a b.é")
        assert holder is not None and holder.pid == os.getpid() and str(os.getpid()) in str(holder)
        assert set(theirs.others()) == {"a b.é"} and not ours.others()
        ours.give_back("a b.é")
        assert theirs.take("a b.é") is None
    assert not list(tmp_path.iterdir())


def test_the_lock_of_a_process_that_is_gone_is_taken_and_reported(tmp_path, caplog):
    caplog.set_level("INFO")
    dead, ours = ItemLocks(tmp_path), ItemLocks(tmp_path)
    dead.take("a")
    change_holder(tmp_path, "a", process=end_a_process(), pid=4711)
    assert ours.take("a") is None and "a: lock of process 4711" in caplog.text


def test_a_process_number_that_is_used_again_is_another_process():
    us = this_process()
    assert not us.is_gone and replace(us, start=us.start - 1).is_gone
    assert not replace(us, place="elsewhere", start=1).is_gone


def test_a_lock_of_another_machine_is_stale_once_it_gives_no_sign_of_life(tmp_path):
    far, ours = ItemLocks(tmp_path), ItemLocks(tmp_path, silent_after_s=100)
    far.take("a")
    change_holder(tmp_path, "a", process=str(replace(this_process(), place="elsewhere")), host="far")
    assert ours.take("a").host == "far"
    os.utime(lock_of(tmp_path, "a"), (time.time() - 200,) * 2)
    assert ours.take("a") is None


def test_a_damaged_lock_is_kept_until_it_is_old(tmp_path):
    locks = ItemLocks(tmp_path, silent_after_s=100)
    lock_of(tmp_path, "a").parent.mkdir()
    lock_of(tmp_path, "a").write_text("{")
    assert locks.take("a") is not None
    os.utime(lock_of(tmp_path, "a"), (0, 0))
    assert locks.take("a") is None


def test_what_another_has_taken_over_is_not_given_back(tmp_path):
    slow, quick = ItemLocks(tmp_path), ItemLocks(tmp_path)
    slow.take("a")
    change_holder(tmp_path, "a", process=str(replace(this_process(), place="elsewhere")))
    slow.give_back("a")
    assert quick.take("a") is not None


def race(folder, place, n_items):
    won = []
    with ItemLocks(folder) as locks:
        for number in range(n_items):
            if locks.take(f"{number}") is None:
                won.append(number)  # and keeps it
        time.sleep(1.0)
    return won


@pytest.mark.parametrize("has_stale", [False, True])
def test_of_many_processes_exactly_one_gets_each_lock(tmp_path, has_stale):
    if has_stale:
        before = ItemLocks(tmp_path)
        gone = end_a_process()
        for number in range(40):
            before.take(f"{number}")
            change_holder(tmp_path, f"{number}", process=gone)
    with ProcessPoolExecutor(6, get_context("forkserver")) as pool:
        won = [item for of_one in pool.map(partial(race, tmp_path, n_items=40), range(6)) for item in of_one]
    assert sorted(won) == list(range(40))


def test_without_hard_links_a_lock_is_still_taken_by_one(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError("no hard links here")

    monkeypatch.setattr("pathlib.Path.hardlink_to", refuse)
    assert ItemLocks(tmp_path).take("a") is None and ItemLocks(tmp_path).take("a").pid == os.getpid()


def test_half_written_files_of_killed_processes_go_and_others_stay(tmp_path):
    gone, far = end_a_process(), replace(this_process(), place="elsewhere")
    for name in (f".part-{gone}-a.h5", f".part-{far}-b.h5", f".part-{far}-old.h5", ".part-12-c.h5", "d.h5"):
        (tmp_path / name).write_text("x")
    os.utime(tmp_path / f".part-{far}-old.h5", (0, 0))
    with atomic_path(tmp_path / "e.h5") as part:
        part.write_text("x")
        assert remove_leftovers(tmp_path, tmp_path / "missing") == 2
    assert {path.name for path in tmp_path.iterdir()} == {f".part-{far}-b.h5", ".part-12-c.h5", "d.h5", "e.h5"}


def test_long_names_are_written_too(tmp_path):
    name = "é" * 120 + ".h5"
    with atomic_path(tmp_path / name) as part:
        part.write_text("x")
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("text", ["", "x", "a-b-c", "12345678-zz-1", "a-1-2-3"])
def test_what_is_no_identity_is_none(text):
    assert ProcessIdentity.parse(text) is None or str(ProcessIdentity.parse(text)) == text


def test_what_a_killed_process_left_beside_the_locks_goes_with_the_last_one(tmp_path):
    with ItemLocks(tmp_path, purpose=str.upper) as locks:
        locks.words.leave("a", "done")
        (tmp_path / LOCKS / f".part-{end_a_process()}-here-7f").touch()
    assert not list(tmp_path.iterdir())


def test_words_stay_for_a_process_on_another_machine_until_it_is_silent(tmp_path):
    here = tmp_path / LOCKS / f".part-{replace(this_process(), place='elsewhere')}-here-7f"
    for age_s, is_left in ((50, True), (200, False)):
        with ItemLocks(tmp_path, silent_after_s=100, purpose=str.upper) as locks:
            locks.words.leave("a", "done")
            here.touch()
            os.utime(here, (time.time() - age_s,) * 2)
        assert (tmp_path / LOCKS / "a.done").exists() == is_left


def test_an_interrupt_while_locks_are_opened_leaves_nothing(tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(ItemLocks, "_keep_alive", interrupt)
    with pytest.raises(KeyboardInterrupt), ItemLocks(tmp_path, purpose=str.upper):
        raise AssertionError("it was opened")
    assert not list(tmp_path.iterdir())


def test_locks_of_processes_that_are_gone_go_with_one_word_for_all(tmp_path, caplog):
    caplog.set_level("INFO")
    dead, gone = ItemLocks(tmp_path), end_a_process()
    for item_id in ("a", "b", "c"):
        dead.take(item_id)
        change_holder(tmp_path, item_id, process=gone)
    with ItemLocks(tmp_path):
        (message,) = caplog.messages
    assert message.startswith("removed 3 locks of processes that are gone, such as ") and not list(tmp_path.iterdir())


def interrupting_at_line(number):
    """Return what raises a KeyboardInterrupt at a line of what locks are made of, and tells how many were gone through.

    Not in what opens and closes them as a whole: there is always a last moment before anything can be undone.
    """
    gone_through = []

    def at_line(frame, event, _):
        if event == "line":
            gone_through.append(frame.f_lineno)
            if len(gone_through) == number:
                raise KeyboardInterrupt
        return at_line

    def at_call(frame, event, _):
        code = frame.f_code
        is_ours = Path(code.co_filename).name in ("item_locks.py", "item_words.py", "lock_folder.py")
        return at_line if is_ours and code.co_name not in ("__enter__", "__exit__", "_give_signs_of_life") else None

    return at_call, gone_through


def take_and_give_back(folder):
    with ItemLocks(folder, purpose=str.upper) as locks:
        locks.take("a")
        locks.take("b")
        locks.words.leave("a", "done")
        locks.give_back("a")
        with locks.holding("list"):
            locks.words.of("b")


def test_an_interrupt_at_any_line_leaves_nothing(tmp_path):
    number, has_ended = 0, False
    while not has_ended:
        number += 1
        at_call, gone_through = interrupting_at_line(number)
        sys.settrace(at_call)
        try:
            take_and_give_back(tmp_path)
            has_ended = True
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(None)
        assert not list(tmp_path.iterdir()), f"line {gone_through[-1]}"
    assert number > 100
