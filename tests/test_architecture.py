"""The rules of docs/architecture.md that a reader relies on."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = (
    "create_patches_fp",
    "extract_features_fp",
    "create_splits_seq",
    "main",
    "eval",
    "create_heatmaps",
    "view_slides",
    "build_preset",
    "doctor",
)
PACKAGES = ("utils", "wsi_core", "models", "datasets", "metrics", "stages")
# package or script -> what of ours it may import, besides itself
MAY_IMPORT: dict[str, set[str]] = {
    "utils": set(),
    "wsi_core": {"utils"},
    "models": {"utils"},
    "datasets": {"utils", "wsi_core"},
    "metrics": {"utils"},
    "stages": {"utils", "wsi_core", "models", "datasets", "metrics"},
    **{script: set(PACKAGES) for script in SCRIPTS},
}
OURS = {*MAY_IMPORT, "demo", "tests", "benchmarks"}
MODULES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
PROGRAM = [*(ROOT / f"{script}.py" for script in SCRIPTS), *MODULES]
UNPICKLERS = {"pickle", "_pickle", "dill", "joblib", "cloudpickle", "marshal", "shelve"}
ONLY_UNPICKLER = "utils/restricted_pickle.py"


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def nodes_of(module: ast.Module, *kinds: type[ast.AST]) -> Iterator:
    return (node for node in ast.walk(module) if isinstance(node, kinds))


def imports(module: ast.Module) -> set[str]:
    """Return the dotted names of the imported modules, wherever in the file the import stands."""
    plain = {alias.name for node in nodes_of(module, ast.Import) for alias in node.names}
    return plain | {"." * node.level + (node.module or "") for node in nodes_of(module, ast.ImportFrom)}


def tops(modules: set[str]) -> set[str]:
    return {module.split(".")[0] for module in modules}


def is_unsafe_call(call: ast.Call) -> bool:
    """Say whether a call runs, or may run, code that came with data, or waits for a person."""
    owner, _, function = ast.unparse(call.func).rpartition(".")
    keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
    return (
        (owner in ("", "builtins") and function in {"eval", "exec", "input"})
        or (owner == "yaml" and function not in {"safe_load", "safe_dump", "dump"})
        or ((owner, function) == ("torch", "load") and keywords.get("weights_only") != "True")
        or keywords.get("weights_only", "True") != "True"
        or keywords.get("allow_pickle", "False") != "False"
        or function == "read_pickle"
    )


def loads_pickles(attribute: ast.Attribute) -> bool:
    """Say whether this names something that loads pickles, be it to call it, to derive from it or to pass it on."""
    return ast.unparse(attribute.value) in UNPICKLERS and attribute.attr not in {"dump", "dumps", "UnpicklingError"}


def hides_an_unsafe_call(node: ast.Import | ast.ImportFrom) -> bool:
    """Say whether an import gives a loader a name under which `is_unsafe_call` would not know it."""
    if isinstance(node, ast.ImportFrom):
        loads = {alias.name for alias in node.names} & {"load", "*"}
        return node.module in UNPICKLERS | {"yaml"} or (node.module == "torch" and bool(loads))
    return any(alias.asname and alias.name in UNPICKLERS | {"yaml", "torch"} for alias in node.names)


def unsafe(module: ast.Module) -> list[str]:
    """Return what would trust a stranger's file, as it stands in the source."""
    found = [node for node in nodes_of(module, ast.Call) if is_unsafe_call(node)]
    found += [node for node in nodes_of(module, ast.Import, ast.ImportFrom) if hides_an_unsafe_call(node)]
    found += [node for node in nodes_of(module, ast.Attribute) if loads_pickles(node)]
    return [ast.unparse(node) for node in found]


def catches_everything(module: ast.Module) -> bool:
    """Say whether something catches, or suppresses, any exception at all."""
    caught: list[ast.expr | None] = []
    for handler in nodes_of(module, ast.ExceptHandler):
        caught += handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    for call in nodes_of(module, ast.Call):
        if ast.unparse(call.func).split(".")[-1] == "suppress":
            caught += call.args
    return any(kind is None or ast.unparse(kind) in {"Exception", "BaseException"} for kind in caught)


def python(code: str) -> subprocess.CompletedProcess[str]:
    """Run some code as a user of the checkout would, in a fresh process in the project's root."""
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False, capture_output=True, text=True)


def test_every_package_is_looked_at():
    assert {path.relative_to(ROOT).parts[0] for path in MODULES} == set(PACKAGES)


@pytest.mark.parametrize("path", PROGRAM, ids=name)
def test_imports_run_downwards_only(path):
    layer = path.relative_to(ROOT).parts[0].removesuffix(".py")
    assert tops(imports(tree(path))) & OURS <= MAY_IMPORT[layer] | ({layer} & set(PACKAGES))


@pytest.mark.parametrize("path", PROGRAM, ids=name)
def test_imports_name_their_module_in_full(path):
    """Relative imports would escape the test above."""
    assert not [module for module in imports(tree(path)) if module.startswith(".")]


def test_only_one_module_knows_openslide():
    knows = [name(path) for path in PROGRAM if "openslide" in tops(imports(tree(path)))]
    assert knows == ["wsi_core/readers/openslide_reader.py"]


@pytest.mark.parametrize("path", [path for path in PROGRAM if name(path) != ONLY_UNPICKLER], ids=name)
def test_files_of_strangers_are_data(path):
    assert unsafe(tree(path)) == []


def test_one_module_unpickles_by_a_loader_that_finds_no_class_of_its_own_accord():
    module = tree(ROOT / ONLY_UNPICKLER)
    assert unsafe(module) == ["pickle.Unpickler"]
    (loader,) = (kind for kind in nodes_of(module, ast.ClassDef) if "pickle.Unpickler" in map(ast.unparse, kind.bases))
    assert [method.name for method in loader.body if isinstance(method, ast.FunctionDef)] == ["find_class"]
    assert "super()" not in ast.unparse(loader)


@pytest.mark.parametrize(
    "code",
    [
        "eval(text)",
        "exec(text)",
        "pickle.load(file)",
        "pickle.Unpickler(file)",
        "class Mine(pickle.Unpickler): pass",
        "map(pickle.load, files)",
        "from _pickle import Unpickler",
        "from pickle import load",
        "import pickle as p",
        "import torch as t",
        "from torch import load",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "yaml.load(text, Loader=Loader)",
        "yaml.unsafe_load(text)",
        "numpy.load(path, allow_pickle=True)",
        "pandas.read_pickle(path)",
    ],
)
def test_a_trusting_call_would_be_noticed(code):
    assert unsafe(ast.parse(code))


@pytest.mark.parametrize(
    "code",
    [
        "model.eval()",
        "torch.load(path, weights_only=True)",
        "pickle.dump(x, file)",
        "yaml.safe_load(text)",
        "h5.load(x)",
    ],
)
def test_a_harmless_call_is_let_through(code):
    assert unsafe(ast.parse(code)) == []


def test_only_two_places_that_isolate_slides_catch_everything():
    catching = {name(path) for path in PROGRAM if catches_everything(tree(path))}
    assert catching == {"stages/runner.py", "datasets/block_reader.py"}


@pytest.mark.parametrize("kind", ["", " Exception", " BaseException as error", " (OSError, Exception)"])
def test_a_broad_catch_would_be_noticed(kind):
    assert catches_everything(ast.parse(f"try:\n    work()\nexcept{kind}:\n    pass"))


def test_a_broad_suppress_would_be_noticed():
    assert catches_everything(ast.parse("with contextlib.suppress(Exception):\n    work()"))


def test_a_narrow_catch_is_let_through():
    assert not catches_everything(ast.parse("try:\n    work()\nexcept (OSError, ValueError):\n    pass"))


def test_our_packages_do_not_get_in_the_way_of_the_libraries():
    """Libraries may look for a package named datasets or utils too; they must not find ours."""
    code = f"""
import sys, timm, torchvision, tensorboardX, huggingface_hub, safetensors
timm.create_model("resnet18", pretrained=False)
ours = {OURS} & sys.modules.keys()
sys.exit(f"the libraries imported {{ours}}" if ours else 0)
"""
    done = python(code)
    assert done.returncode == 0, done.stderr
