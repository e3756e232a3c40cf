"""Scripts and manifests in the documentation can be read by those they are meant for."""

import importlib
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from utils.lookup import PROJECT_ROOT

DOCS = [PROJECT_ROOT / "README.md", *sorted((PROJECT_ROOT / "docs").glob("*.md"))]
CLUSTER = PROJECT_ROOT / "docs" / "cluster.md"
RELIABILITY = PROJECT_ROOT / "docs" / "reliability.md"
PROGRAMS = (
    "create_patches_fp", "extract_features_fp", "create_splits_seq", "main", "eval", "create_heatmaps", "view_slides",
    "build_preset", "doctor",
)  # fmt: skip
FOREIGN = {
    "--array", "--cpus-per-task", "--exclude", "--export", "--gpus-per-node", "--gpus-per-task", "--job-name", "--mem",
    "--nodelist", "--nodes", "--ntasks", "--ntasks-per-node", "--output", "--requeue", "--time",
    "--address", "--block", "--disable-usage-stats", "--head", "--node-ip-address", "--num-cpus", "--num-gpus",
    "--all-ip-addresses", "--delimiter", "--files-without-match", "--lines", "--numeric-suffixes", "--repeated",
    "--suffix-length", "--symbolic", "--target-directory", "--no-cache-dir", "--no-install-recommends",
}  # of SLURM, of Ray, of the shell, pip and apt  # fmt: skip


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def anchors(path: Path) -> set[str]:
    """Return the addresses of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash reads bash")
def test_shell_scripts_of_the_cluster_page_parse():
    scripts = blocks(CLUSTER, "bash")
    assert sum("#SBATCH" in script for script in scripts) == 3
    for script in scripts:
        read = subprocess.run(["bash", "-n"], input=script, check=False, capture_output=True, text=True)
        assert not read.stderr, script


def test_manifests_of_the_cluster_page_are_of_kubernetes():
    claim, job, task = [part for block in blocks(CLUSTER, "yaml") for part in yaml.safe_load_all(block)]
    assert (claim["kind"], job["kind"]) == ("PersistentVolumeClaim", "RayJob")
    cluster = job["spec"]["rayClusterSpec"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        pod = group["template"]["spec"]
        mounted = {mount["name"] for one in pod["containers"] for mount in one["volumeMounts"]}
        assert mounted == {volume["name"] for volume in pod["volumes"]}
    assert "\n" not in job["spec"]["entrypoint"] and task["source_col"] == "part"


def unknown_flags(text: str) -> set[str]:
    """Return the flags that a text names, and no program has."""
    ours = {flag for name in PROGRAMS for flag in importlib.import_module(name).build_parser()._option_string_actions}
    return set(re.findall(r"(?<![\w-])--[a-z][\w-]*", text)) - ours - FOREIGN


@pytest.mark.parametrize("page", [CLUSTER, RELIABILITY], ids=lambda page: page.name)
def test_flags_that_a_page_names_are_there(page):
    assert unknown_flags(page.read_text(encoding="utf-8")) == set()


def test_an_invented_flag_would_be_noticed():
    assert unknown_flags("`--task_gpus 1`, (`--task_gpu 1`), or --no-shard=3") == {"--task_gpu", "--no-shard"}


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_links_within_the_documentation_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text(encoding="utf-8")):
        name, _, anchor = target.partition("#")
        file = page.parent / name if name else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target
