"""Scripts and manifests in the documentation can be read by those they are meant for."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from utils.lookup import PROJECT_ROOT

DOCS = [PROJECT_ROOT / "README.md", *sorted((PROJECT_ROOT / "docs").glob("*.md"))]
CLUSTER = PROJECT_ROOT / "docs" / "cluster.md"


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


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_links_within_the_documentation_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text(encoding="utf-8")):
        name, _, anchor = target.partition("#")
        file = page.parent / name if name else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target
