"""Physical resolution: micrometres per level-0 pixel (mpp), as a slide states it. Reads properties, guesses nothing.

A magnification M means 10 / M µm per pixel: 0.5 µm at 20x, 0.25 µm at 40x, as scanners are sold. Values stay as they
are stated: 0.263 is not taken for 0.25.
"""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

logger = logging.getLogger(__name__)

UM_AT_1X = 10.0
# What a microscope can mean. Beyond it stands the resolution of a screen or a printer (72 dpi are 353 µm), which image
# programs write into files whose scale they do not know.
PLAUSIBLE_MPP = (0.01, 10.0)
ACCEPTED_MPP = (0.001, 1_000.0)  # what may be given or asked for; beyond are slips of the hand
MICROMETRES = {"µm": 1.0, "μm": 1.0, "um": 1.0, "nm": 1e-3, "mm": 1e3, "cm": 1e4, "m": 1e6, "Å": 1e-4, "in": 25_400.0}
TIFF_UNITS_UM = {"inch": 25_400.0, "centimeter": 10_000.0}
WORTH_A_WORD = 0.01  # relative difference of what is said and what is stated
SHOWN_CHARACTERS = 100
SHOWN_PROPERTIES = re.compile(r"openslide\.(mpp|objective|vendor)|resolution|appmag|\bmpp\b|objective", re.IGNORECASE)


@dataclass(frozen=True)
class Resolution:
    """Micrometres per level-0 pixel along x and y, and where that is stated."""

    mpp_xy: tuple[float, float]
    source: str

    @property
    def mpp(self) -> float:
        """The mean of both axes, which differ by less than a thousandth on most scanners."""
        return (self.mpp_xy[0] + self.mpp_xy[1]) / 2

    @property
    def is_nominal(self) -> bool:
        """Whether it is the objective's power, which scanners meet only roughly, and not a measurement."""
        return self.source == FROM_OBJECTIVE


FROM_METADATA, FROM_OME, FROM_TIFF_TAGS = "metadata", "OME-XML", "TIFF resolution tags"
FROM_OBJECTIVE, FROM_COLUMN, FROM_FLAG = "objective power", "mpp column", "--mpp"


def stated_resolution(properties: Mapping[str, str]) -> Resolution | None:
    """Return the resolution that a slide's properties state, the most certain source first, or None.

    Args:
        properties: names as OpenSlide has them: ``openslide.mpp-x``, ``tiff.XResolution``, ``tiff.ImageDescription``...
    """
    stated = {
        FROM_METADATA: _pair(properties, "openslide.mpp-x", "openslide.mpp-y"),
        FROM_OME: _from_ome(properties.get("tiff.ImageDescription", "")),
        FROM_TIFF_TAGS: _from_tiff_tags(properties),
        FROM_OBJECTIVE: _from_objective(properties),
    }
    for source, mpp_xy in stated.items():
        if mpp_xy is not None and all(PLAUSIBLE_MPP[0] <= mpp < PLAUSIBLE_MPP[1] for mpp in mpp_xy):
            return Resolution(mpp_xy, source)
    return None


def resolution_of(
    properties: Mapping[str, str], *, name: str, in_row: float | None, in_command: float | None
) -> Resolution | None:
    """Return the resolution of a slide: what the user says, else what its file states, else None.

    Args:
        properties: of the slide.
        name: the slide, for a warning where the two differ.
        in_row: mpp from the slide's row of a list; comes first.
        in_command: mpp from the command.
    """
    stated = stated_resolution(properties)
    if stated is not None and in_row is None and in_command is None:
        _warn_of_oblong_pixels(stated, name)
    for source, mpp in ((FROM_COLUMN, in_row), (FROM_FLAG, in_command)):
        if mpp is not None:
            if stated is not None and abs(stated.mpp - mpp) > WORTH_A_WORD * mpp:
                logger.warning("%s states %g µm per pixel; %g is taken (%s)", name, stated.mpp, mpp, source)
            return Resolution((mpp, mpp), source)
    return stated


def _warn_of_oblong_pixels(stated: Resolution, name: str) -> None:
    x, y = stated.mpp_xy
    if abs(x - y) > WORTH_A_WORD * min(x, y):
        logger.warning("%s has oblong pixels, %g x %g µm (%s): the mean %g is taken, and patches are as many pixels "
                       "wide as high", name, x, y, stated.source, stated.mpp)  # fmt: skip


def shown_properties(properties: Mapping[str, str]) -> str:
    """Return, for a message of one line, the properties that have to do with resolution."""
    names = [name for name in sorted(properties) if SHOWN_PROPERTIES.search(name)]
    seen = [" ".join(f"{name}={properties[name]}".split())[:SHOWN_CHARACTERS] for name in names]
    return ", ".join(seen) or "none"


def mpp_of_magnification(magnification: float) -> float:
    """Return the micrometres per pixel that a magnification means."""
    return UM_AT_1X / magnification


def magnification_of_mpp(mpp: float) -> float:
    """Return the magnification at which a pixel has this many micrometres."""
    return UM_AT_1X / mpp


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None


def _pair(properties: Mapping[str, str], name_x: str, name_y: str) -> tuple[float, float] | None:
    x, y = _number(properties.get(name_x)), _number(properties.get(name_y))
    return None if x is None or y is None else (x, y)


def _from_tiff_tags(properties: Mapping[str, str]) -> tuple[float, float] | None:
    unit_um = TIFF_UNITS_UM.get(properties.get("tiff.ResolutionUnit", "").lower())
    per_unit = _pair(properties, "tiff.XResolution", "tiff.YResolution")
    if unit_um is None or per_unit is None or min(per_unit) <= 0:
        return None
    return unit_um / per_unit[0], unit_um / per_unit[1]


def _from_objective(properties: Mapping[str, str]) -> tuple[float, float] | None:
    power = _number(properties.get("openslide.objective-power"))
    if power is None or power <= 0:
        return None
    return (mpp_of_magnification(power),) * 2


def _from_ome(description: str) -> tuple[float, float] | None:
    """Read PhysicalSizeX and -Y of the first image of OME-XML, which microns are meant unless a unit is given."""
    if "<OME" not in description:
        return None
    try:
        root = fromstring(description, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError):
        return None
    pixels = root.find(".//{*}Pixels")
    if pixels is None:
        return None
    sizes = [
        (_number(pixels.get(f"PhysicalSize{axis}")), MICROMETRES.get(pixels.get(f"PhysicalSize{axis}Unit", "µm")))
        for axis in "XY"
    ]
    (x, unit_x), (y, unit_y) = sizes
    return None if None in (x, y, unit_x, unit_y) else (x * unit_x, y * unit_y)  # type: ignore[operator]
