"""What ran: the versions of this project, of Python, of the libraries that results depend on, and of the system."""

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version

from utils.lookup import PROJECT_ROOT
from utils.version import VERSION

LIBRARIES = (
    "torch",
    "torchvision",
    "timm",
    "numpy",
    "h5py",
    "openslide-python",
    "openslide-bin",
    "opencv-python-headless",
    "pillow",
    "pandas",
    "scikit-learn",
)
GIT_TIMEOUT_S = 5


def installed_version(package: str) -> str | None:
    """Return the version of an installed package, None where it is not installed; nothing is imported."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def versions() -> dict[str, str]:
    """Return every version by its name; what is not known is left out."""
    stated: dict[str, str | None] = {
        "clam-pipeline": VERSION,
        "commit": _commit(),
        "python": platform.python_version(),
        **{name: installed_version(name) for name in LIBRARIES},
        "system": platform.platform(),
    }
    return {name: text for name, text in stated.items() if text}


def _commit() -> str | None:
    """Return the commit of a checkout, with ``-dirty`` where files differ from it."""
    commit = _git("rev-parse", "HEAD")
    return commit and f"{commit}{'-dirty' if _git('status', '--porcelain', '--untracked-files=no') else ''}"


def _git(*command: str) -> str | None:
    """Ask git; without locks, as a run that is killed meanwhile would leave its user one in the way."""
    if not (PROJECT_ROOT / ".git").exists():
        return None
    whole = ["git", "--no-optional-locks", "-C", str(PROJECT_ROOT), *command]
    try:
        said = subprocess.run(whole, check=False, capture_output=True, text=True, timeout=GIT_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return said.stdout.strip() or None
