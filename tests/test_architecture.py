"""The rules of docs/architecture.md that a reader relies on."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = ("create_patches_fp", "extract_features_fp", "create_splits_seq", "main", "eval", "create_heatmaps")
# package -> the packages of ours that it may import
MAY_IMPORT = {
    "utils": set(),
    "wsi_core": {"utils"},
    "models": {"utils"},
    "datasets": {"utils", "wsi_core"},
    "stages": {"utils", "wsi_core", "models", "datasets"},
}
MODULES = [path for package in MAY_IMPORT for path in sorted((ROOT / package).rglob("*.py"))]


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_imports_run_downwards_only(path):
    package = path.relative_to(ROOT).parts[0]
    ours = {module.split(".")[0] for module in imports(path)} & {*MAY_IMPORT, *SCRIPTS, "demo", "tests", "benchmarks"}
    assert ours <= MAY_IMPORT[package] | {package}


def test_only_one_module_knows_openslide():
    assert [name(path) for path in MODULES if "openslide" in set(imports(path))] == ["wsi_core/slide.py"]


def test_the_registry_of_encoders_needs_no_torch():
    code = "import sys, models.encoders.registry; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_files_of_strangers_are_data(path):
    calls = {ast.unparse(node.func) for node in ast.walk(tree(path)) if isinstance(node, ast.Call)}
    assert not calls & {"eval", "exec", "pickle.load", "pickle.loads", "yaml.load", "input"}
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
            assert any(k.arg == "weights_only" and ast.unparse(k.value) == "True" for k in node.keywords)


def test_only_the_runner_catches_everything():
    broad = {None, "Exception", "BaseException"}
    catching = [
        name(path)
        for path in MODULES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ExceptHandler) and (ast.unparse(node.type) if node.type else None) in broad
    ]
    assert catching == ["stages/runner.py"]


def test_our_packages_do_not_get_in_the_way_of_the_libraries():
    code = "import timm, torchvision, tensorboardX, huggingface_hub, safetensors; timm.create_model('resnet18')"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
