"""The packages that the viewer needs besides those of the pipeline."""

from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path

from utils.errors import UsageError

NEEDED = ("cheroot", "flask")
LEAFLET = "xstatic-leaflet"


def require_leaflet() -> Path:
    """Return the folder of Leaflet's files.

    Raises:
        UsageError: a package of the viewer is not installed; says how to get it.
    """
    missing = [name for name in NEEDED if find_spec(name) is None]
    try:
        folder = Path(str(distribution(LEAFLET).locate_file("xstatic/pkg/leaflet/data")))
    except PackageNotFoundError:
        missing.append(LEAFLET)
    if missing:
        raise UsageError(f"the viewer needs packages ({', '.join(missing)}): pip install '.[viewer]'")
    return folder
