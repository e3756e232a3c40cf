"""Two nodes of a Ray cluster on this machine, one of which is killed: all slides are done, as one process does them."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest

from tests.reliability.artifacts import differences, left_over, require_whole
from tests.reliability.killing import after_files, end_early, finish
from tests.reliability.programs import (
    DRAWING,
    EVALUATION,
    EXTRACTION,
    PATCHING,
    PROGRAMS,
    TRAINING,
    environment,
    inputs_of,
    write_cohort,
)

# not imported here: Ray reads the environment when it is imported, and the engine sets that before
pytestmark = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed: pip install '.[ray]'")

N_SLIDES = 24
# folds that take long enough for their node to be killed in the middle
LONG_TRAINING = replace(TRAINING, flags=TRAINING.flags.replace("--max_epochs 20 --early_stopping", "--max_epochs 300"))
RAY = str(Path(sys.executable).with_name("ray"))
NODE = ["--num-cpus=1", "--object-store-memory=100000000", "--block", "--disable-usage-stats"]
PATIENCE_S = 120
TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}  # a fresh home has none
# which say with which flags folds were trained
NAME_FLAGS = [f"results/x_s1/{name} differs" for name in ("config.yaml", "experiment_x.txt", "report.html")]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start_node(flags, log):
    command = [RAY, "start", *flags, *NODE]
    with log.open("wb") as out:
        return subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True, env=os.environ | TOKEN)


def kill(node):
    """Kill a node with all its processes at once, as a machine that loses its power."""
    for pid in processes_of(node.pid):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    node.wait()


def processes_of(pid):
    """Return a process and all that it has started, and these, wherever they have put themselves."""
    parents = {int(path.name): parent_of(path) for path in Path("/proc").glob("[0-9]*")}
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def parent_of(process):
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:  # it has ended
        return 0


@pytest.fixture
def cluster(tmp_path):
    """The address of a cluster of two nodes, and the second node."""
    port = free_port()
    temporary = Path("/tmp") / f"ray_{os.getpid()}"  # the names of its sockets must be short
    head = start_node(
        ["--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={temporary}"], tmp_path / "head"
    )
    address = f"127.0.0.1:{port}"
    nodes = [head]
    try:
        wait_for_nodes(address, 1)
        nodes.append(start_node([f"--address={address}"], tmp_path / "second"))
        wait_for_nodes(address, 2)
        yield address, nodes[1]
    finally:
        for node in reversed(nodes):
            if node.poll() is None:
                kill(node)
        shutil.rmtree(temporary, ignore_errors=True)


def wait_for_nodes(address, n_nodes):
    script = (
        f"import ray; ray.init('{address}', logging_level='ERROR'); "
        "print('nodes', sum(node['Alive'] for node in ray.nodes()))"
    )
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s:
        asked = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=os.environ | TOKEN)
        if f"nodes {n_nodes}" in asked.stdout:
            return
        time.sleep(1.0)
    raise AssertionError(f"no cluster of {n_nodes} nodes: {asked.stderr[-2000:]}")


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """A cohort on which the programs have run in one process each."""
    folder = write_cohort(tmp_path_factory.mktemp("alone") / "alone", n_slides=N_SLIDES)
    for program in PROGRAMS:
        if program is not EVALUATION:
            finish(LONG_TRAINING if program is TRAINING else program, folder)
    return folder


@pytest.mark.soak
@pytest.mark.parametrize("program", [PATCHING, EXTRACTION, LONG_TRAINING, DRAWING], ids=lambda program: program.file)
def test_a_node_that_is_killed_costs_nothing(alone, cluster, tmp_path, program):
    address, second = cluster
    folder = inputs_of(program, alone, tmp_path / "ray")
    command = [*without_workers(program.command), "--engine", "ray", "--ray_address", address]
    said = tmp_path / "said"
    with said.open("wb") as out:
        process = subprocess.Popen(command, cwd=folder, env=environment(folder) | TOKEN, stdout=out, stderr=out)
    wait_until_some_are_done(program, folder, process)
    kill(second)
    assert process.wait(timeout=600) == 0, said.read_text()[-3000:]
    found = [one for one in differences(program, folder, alone) if one not in NAME_FLAGS]
    assert found == [], said.read_text()[-3000:]
    assert left_over(program, folder) == []
    require_whole(program, folder)
    if program is PATCHING:
        names = pd.read_csv(folder / "out" / "process_list_autogen.csv")["slide_id"]
        assert len(names) == len(set(names)) == N_SLIDES


@pytest.mark.soak
def test_sigterm_ends_a_run_on_ray_with_a_word_and_it_goes_on_later(alone, tmp_path):
    folder = inputs_of(PATCHING, alone, tmp_path / "stopped")
    ended = end_early(PATCHING, folder, after_files(6), signal.SIGTERM, "--engine ray")
    assert ended.was_early and ended.code == 128 + signal.SIGTERM, ended.said[-2000:]
    assert "interrupted; the files that are finished stay" in ended.said and "Traceback" not in ended.said
    require_whole(PATCHING, folder)
    finish(PATCHING, folder)
    assert differences(PATCHING, folder, alone) == [] and left_over(PATCHING, folder) == []


def without_workers(command):
    """Return a command without its number of processes, which on Ray is the cluster's."""
    flags = [number for number, part in enumerate(command) if part == "--num_workers"]
    return [part for number, part in enumerate(command) if number not in flags and number - 1 not in flags]


def wait_until_some_are_done(program, folder, process):
    pattern = {
        PATCHING: "out/patches/*.h5",
        EXTRACTION: "features/*/pt_files/*.pt",
        LONG_TRAINING: "results/*/1/events*",  # the second fold, beside the first one
        DRAWING: "heatmaps/heatmap_production_results/**/*.png",
    }
    deadline_s = time.monotonic() + PATIENCE_S
    while not list(folder.glob(pattern[program])) and process.poll() is None and time.monotonic() < deadline_s:
        time.sleep(0.02)
    if program is LONG_TRAINING:
        time.sleep(1.0)  # some epochs
    assert process.poll() is None, "it was over before the node could be killed"
