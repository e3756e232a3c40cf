"""The parameters of one slide: what the process list and the presets hold, with every default, once."""

from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from utils.errors import UsageError
from utils.switches import switch_of
from utils.wording import first_few, shortened
from wsi_core.resolution import ACCEPTED_MPP

ContourFn = Literal["four_pt", "center", "basic", "four_pt_hard"]
CONTOUR_FNS: tuple[str, ...] = get_args(ContourFn)

MAX_CLOSE_PX, MAX_LINE_THICKNESS = 1_000, 100_000


def _whole_number(value: Any) -> Any:
    """Take 7, "7" and what a spreadsheet makes of it, "7.0"."""
    try:
        number = float(str(value))
    except ValueError:
        return value  # pydantic says what is wrong with it
    return int(number) if number.is_integer() else value


def _switch(value: Any) -> Any:
    """Take True, "True", "1", and what pandas makes of a column with gaps, "1.0"."""
    switch = switch_of(str(value))
    return value if switch is None else switch


def _odd(number: int) -> int:
    if number % 2 == 0:
        raise ValueError("must be odd")
    return number


def _ids(value: Any) -> Any:
    """Take "none", 3, "3", "0,3", "[0, 3]" or a sequence."""
    if isinstance(value, str):
        text = value.strip(" []()\"'")
        value = () if text.lower() == "none" else text.replace(",", " ").split()
    if isinstance(value, (int, float)):
        value = (value,)
    ids = tuple(_whole_number(v) for v in value)
    if not all(isinstance(number, int) for number in ids):
        raise ValueError("must be numbers of contours such as 0,3")
    return ids


Whole = Annotated[int, BeforeValidator(_whole_number)]
Switch = Annotated[bool, BeforeValidator(_switch)]
Area = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Mpp = Annotated[float, Field(ge=ACCEPTED_MPP[0], le=ACCEPTED_MPP[1])]
Ids = Annotated[tuple[Annotated[int, Field(ge=0)], ...], BeforeValidator(_ids)]


class SlideParams(BaseModel):
    """How one slide is segmented, filtered, drawn and patched.

    Areas are in units of a 512 x 512 level-0 square; -1 as a level means "choose one"; ``line_thickness`` is in
    level-0 pixels. The order of the fields is the order of the columns in the process list.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    seg_level: Annotated[Whole, Field(ge=-1)] = -1
    sthresh: Annotated[Whole, Field(ge=0, le=255)] = 8
    mthresh: Annotated[Whole, Field(ge=1, le=255), AfterValidator(_odd)] = 7
    close: Annotated[Whole, Field(ge=0, le=MAX_CLOSE_PX)] = 4
    use_otsu: Switch = False
    keep_ids: Ids = ()
    exclude_ids: Ids = ()
    a_t: Area = 100
    a_h: Area = 16
    max_n_holes: Annotated[Whole, Field(ge=0)] = 10
    vis_level: Annotated[Whole, Field(ge=-1)] = -1
    line_thickness: Annotated[Whole, Field(ge=1, le=MAX_LINE_THICKNESS)] = 250
    use_padding: Switch = True
    contour_fn: ContourFn = "four_pt"

    def as_text(self) -> dict[str, str]:
        """Return the cells of a table row."""
        return {name: _cell(getattr(self, name)) for name in PARAM_NAMES}


PARAM_NAMES: tuple[str, ...] = tuple(SlideParams.model_fields)

# What a heatmap uses where its configuration names no preset.
HEATMAP_PARAMS = SlideParams(sthresh=15, mthresh=11, close=2, a_t=50, a_h=8, max_n_holes=10)


class SlideResolution(BaseModel):
    """What a row of the process list may say about the resolution of its slide; what is None, the command decides.

    ``mpp`` is what the slide has, in micrometres per level-0 pixel; ``target_mpp`` or ``patch_level`` what is wanted.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mpp: Mpp | None = None
    patch_level: Annotated[Whole, Field(ge=0)] | None = None
    target_mpp: Mpp | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> "SlideResolution":
        if self.patch_level is not None and self.target_mpp is not None:
            raise ValueError("patch_level and target_mpp exclude one another; empty one of the two cells")
        return self


RESOLUTION_NAMES: tuple[str, ...] = tuple(SlideResolution.model_fields)


def parse_resolution(cells: dict[str, str], *, where: str) -> SlideResolution:
    """Read what the cells of a row say about resolution; columns that are absent or empty say nothing.

    Raises:
        UsageError: a value is not allowed; names ``where`` it stands, the column and the value.
    """
    given = {name: cells[name] for name in RESOLUTION_NAMES if cells.get(name, "").strip()}
    try:
        return SlideResolution.model_validate(given)
    except ValidationError as error:
        raise UsageError(f"{where}: {_explain(error)}") from error


def parse_params(cells: dict[str, str], defaults: SlideParams, *, where: str) -> SlideParams:
    """Read parameters from the cells of a row; an empty or absent cell takes the default.

    Raises:
        UsageError: a value is not allowed; names ``where`` it stands, the column and the value.
    """
    given = {name: cells[name] for name in PARAM_NAMES if cells.get(name, "").strip()}
    try:
        return SlideParams.model_validate({**defaults.model_dump(), **given})
    except ValidationError as error:
        raise UsageError(f"{where}: {_explain(error)}") from error


def _explain(error: ValidationError) -> str:
    issues = [(issue["loc"], issue["input"], issue["msg"].removeprefix("Value error, ")) for issue in error.errors()]
    # an issue of several fields together has no place
    return first_few(
        [f"{'.'.join(map(str, at))} = {shortened(given)}: {what}" if at else what for at, given, what in issues]
    )


def _cell(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "none"
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    return str(value)
