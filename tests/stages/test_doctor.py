"""What doctor.py says of a machine, and what it advises."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import h5py
import pytest
import torch

import doctor
from models.encoders.registry import find_encoder
from stages.checks import (
    file_system,
    folder,
    h5_locking,
    machine,
    ray_cluster,
    requirements,
    slides,
    torch_devices,
    weights,
)
from stages.checks.finding import Finding, findings_in
from stages.doctor import findings_of, start
from utils.lookup import PROJECT_ROOT
from utils.versions import installed_version

GIB = 1024**3
needs_ray = pytest.mark.skipif(installed_version("ray") is None, reason="Ray is an extra")


def named(findings, check: str) -> Finding:
    (finding,) = (one for one in findings if one.check == check)
    return finding


def test_a_folder_that_is_fit_is_said_to_be_and_left_as_it_was(tmp_path):
    levels = {one.check: one.level for one in folder.look(str(tmp_path))}
    asked = {"free space", "writing", "rename", "clock", "names", "h5 locking", "one creates", "one links", "flock"}
    assert asked <= set(levels) and "fail" not in levels.values()
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_missing():
    (only,) = folder.look("nowhere")
    assert only.level == "fail" and only.advice.startswith("mkdir -p nowhere")


def test_a_folder_that_cannot_be_written_to(tmp_path):
    tmp_path.chmod(0o500)
    place = "/sys" if os.access(tmp_path, os.W_OK) else str(tmp_path)  # root may write anywhere but there
    *_, last = folder.look(place)
    assert (last.check, last.level) == ("writing", "fail") and "mount it for writing" in last.advice


@pytest.fixture
def tiny_disk(tmp_path):
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,nr_inodes=50", "tmpfs", tmp_path], check=False)
    if mounted.returncode:
        pytest.skip("only root can mount a small disk")
    yield tmp_path
    subprocess.run(["umount", tmp_path], check=True)


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a tmpfs")
def test_a_disk_without_room(tiny_disk):
    found = []
    for one in folder.look(str(tiny_disk)):
        found.append(one)
        if one.check == "files":
            break
    assert named(found, "free space").level == "fail" and "make room" in named(found, "free space").advice
    assert named(found, "files").level == "fail" and "inodes" in named(found, "files").advice
    assert "memory" in named(found, "file system").found


def test_a_file_system_that_lets_two_win(tmp_path, monkeypatch):
    monkeypatch.setattr(folder, "contest", lambda _: {"one creates": [1, 2, 1], "flock": ["OSError: no locks"] * 3})
    creates, flock = folder.of_contests(tmp_path)
    assert creates.level == "fail" and creates.found.startswith("1 of 3 rounds had 2 to 2 winners")
    assert flock.level == "ok" and "no locks" in flock.found and "not needed" in flock.advice


def test_h5_files_where_there_are_no_locks_are_no_trouble(tmp_path, monkeypatch):
    real = h5py.File

    def without_locks(path, mode, locking=None):
        if locking is None:
            raise OSError("[Errno 37] unable to lock file")
        return real(path, mode, locking=locking)

    monkeypatch.setattr(h5_locking.h5py, "File", without_locks)
    said = h5_locking.of_h5_locking(tmp_path)
    assert said.level == "ok" and "unable to lock" in said.found and "HDF5_USE_FILE_LOCKING=FALSE" in said.advice


def test_a_clock_that_is_wrong(tmp_path, monkeypatch):
    real = time.time
    monkeypatch.setattr(folder.time, "time", lambda: real() + 600)
    assert folder.of_clock(tmp_path).level == "fail" and "NTP" in folder.of_clock(tmp_path).advice


@pytest.mark.parametrize(
    ("mount", "level", "found"),
    [
        (r"server:/a /data\040new nfs4 rw,vers=4.2 0 0", "ok", "nfs4 on /data new, network"),
        (r"server:/a /data\040new nfs rw,nolock 0 0", "ok", "nfs on /data new, network"),
        (r"bucket /data\040new fuse.s3fs rw 0 0", "warn", "in user space"),
    ],
)
def test_what_a_folder_is_on(tmp_path, monkeypatch, mount, level, found):
    table = tmp_path / "mounts"
    table.write_text(f"/dev/sda1 / ext4 rw 0 0\n{mount}\nother /data ext4 rw 0 0\n")
    monkeypatch.setattr(file_system, "MOUNTS", table)
    said = file_system.kind_of_file_system(Path("/data new/results"))
    assert said.level == level and found in said.found


def test_packages_that_are_too_old_or_missing():
    good, old, missing = requirements.of_packages(["numpy>=1.26", "h5py>=99", "no-such-package>=1", "x; os_name=='?'"])
    assert good.level == "ok" and good.found.startswith("1 of 3 as needed: numpy")
    assert old.level == "fail" and ">=99 is needed" in old.found and old.advice == f"pip install '{PROJECT_ROOT}'"
    assert missing.level == "fail" and "is not installed" in missing.found


def test_a_python_that_is_too_old():
    assert (
        requirements.of_python(">=3.99").level == "fail" and "make PYTHON=" in requirements.of_python(">=3.99").advice
    )


def test_an_extra_that_is_missing_is_no_fault_and_one_in_parts_is():
    missing = requirements.of_extra("viewer", ["no-such-package>=1"])
    assert missing.level == "ok" and "[viewer]'" in missing.advice
    in_parts = requirements.of_extra("viewer", ["no-such-package>=1", "numpy"])
    assert in_parts.level == "warn" and "no-such-package is not installed" in in_parts.found


def test_the_requirements_of_this_project_are_met():
    said = {one.check: one.level for one in requirements.look()}
    assert said["programs"] == said["Python"] == said["packages"] == "ok" and "extra viewer" in said


def test_a_job_that_may_take_little():
    limited = machine.of_processors(64, 64, quota=2.5)
    assert limited.level == "warn" and "--num_workers 2" in limited.advice
    assert machine.of_processors(4, 64, quota=None).level == "ok"
    assert machine.of_memory(64 * GIB, 32 * GIB, limit=(2 * GIB, GIB)).level == "warn"
    assert "--shm-size" in machine.of_shared_memory(64 * 1024**2).advice


def test_every_reader_reads_what_is_fabricated_for_it():
    said = list(slides.look())
    assert said and all(one.level == "ok" for one in said)
    assert "aperio, generic-tiff, png" in named(said, "reads by openslide").found


def test_a_slide_that_reads_wrong(monkeypatch, tmp_path):
    monkeypatch.setattr(slides, "TOLERANCE", -1)
    wrong = slides.of_reader("openslide", tmp_path)
    assert wrong.level == "fail" and "--force-reinstall openslide-python" in wrong.advice


def test_a_device_that_does_not_compute():
    assert torch_devices.of_device(torch.device("cpu"), "processor").level == "ok"
    broken = torch_devices.of_device(torch.device("cuda", 99), "GPU")
    assert broken.level == "fail" and "CUDA_VISIBLE_DEVICES" in broken.advice
    assert torch_devices.without_cuda(has_driver=True).level == "warn"


def test_weights_that_are_there_and_not(tmp_path, monkeypatch):
    (tmp_path / "uni.bin").write_bytes(b"1")
    monkeypatch.setenv("UNI_CKPT_PATH", str(tmp_path / "uni.bin"))
    assert weights.of_encoder(find_encoder("uni_v1")).found == str(tmp_path / "uni.bin")
    monkeypatch.setenv("UNI_CKPT_PATH", str(tmp_path / "gone.bin"))
    missing = weights.of_encoder(find_encoder("uni_v1"))
    assert missing.level == "fail" and "huggingface.co" in missing.advice
    assert named(weights.of_variables(), "UNI_CKPT_PATH").level == "fail"


def test_a_token_is_not_shown(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secretsecret")
    said = next(iter(weights.look(encoders=["handcrafted"])))
    assert "a token is set" in said.found and "hf_s" not in str(said)


@needs_ray
def test_ray_at_an_address_that_nobody_listens_at():
    (said,) = ray_cluster.look("127.0.0.1:1")
    assert said.level == "fail" and "cannot be reached" in said.found and "ray start --head" in said.advice


@needs_ray
def test_an_address_that_never_answers_costs_its_time_limit():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began_s = time.monotonic()
        check = start("ray", {"address": f"127.0.0.1:{silent.getsockname()[1]}"})
        (said,) = findings_of(check, timeout_s=2)
    assert said.level == "fail" and said.found == "no answer within 2 s" and "--timeout" in said.advice
    assert time.monotonic() - began_s < 8 and check.process.poll() is not None


def test_a_check_that_crashes_is_one_line():
    (said,) = findings_of(start("no such check"), timeout_s=30)
    assert said.level == "fail" and said.found == "ended with KeyError: 'no such check'"
    killed = start("requirements")
    os.kill(killed.process.pid, signal.SIGSEGV)
    *_, last = findings_of(killed, timeout_s=30)
    assert last.found == "ended with SIGSEGV"


def test_a_check_that_is_killed_leaves_nothing_in_the_folder(tmp_path):
    check = start("folder", {"folder": str(tmp_path)})
    deadline_s = time.monotonic() + 30
    while not list(tmp_path.iterdir()) and time.monotonic() < deadline_s:
        time.sleep(0.01)
    assert [path.name for path in tmp_path.iterdir()] == [check.probe.name]
    *_, last = findings_of(check, timeout_s=0)
    assert last.found.startswith("no answer within 0 s") and not list(tmp_path.iterdir())


def test_what_libraries_print_is_no_finding():
    line = Finding("a", "ok", "b").as_line()
    assert list(findings_in(f"hello\n{line}\n{line[:-5]}")) == [Finding("a", "ok", "b")]


def test_an_unknown_encoder_is_wrong_use(caplog):
    assert doctor.main(["--encoders", "uni_v9"]) == 2
    assert "unknown encoder 'uni_v9'" in caplog.text


@pytest.mark.parametrize("address", ["foo", "ray://head:10001", "head", "head:port", ":1"])
def test_an_address_that_is_none_is_wrong_use(caplog, address):
    assert doctor.main(["--ray_address", address]) == 2
    assert f"--ray_address {address!r}: auto, or HOST:PORT as `ray start --head` tells it" in caplog.text


@pytest.mark.soak
def test_the_whole_report_says_what_will_not_work(tmp_path, capsys):
    assert doctor.main(["--folder", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith(", 0 fail")
    assert doctor.main(["--folder", str(tmp_path), "nowhere", "--encoders", "handcrafted"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].endswith(", 1 fail")
    assert "fail  folder              no folder nowhere -> mkdir -p nowhere, or name another --folder" in lines
