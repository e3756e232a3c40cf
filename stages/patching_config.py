"""What one run of ``create_patches_fp.py`` is asked for, and where its files go."""

from dataclasses import dataclass, field
from pathlib import Path

from stages.engines import EngineSettings
from utils.errors import UsageError
from utils.shard import WHOLE, Shard
from wsi_core.grid import Origin
from wsi_core.patch_request import PatchRequest
from wsi_core.quality import QualityFilters
from wsi_core.resolution import ACCEPTED_MPP, mpp_of_magnification
from wsi_core.slide import DEFAULT_MAX_MEMORY_GB, DEFAULT_READER, Background, ReaderName
from wsi_core.slide_folder import CONTACT_SHEET, MASKS, OUTLINES, PATCHES, RESULT_FOLDERS, STITCHES


@dataclass(frozen=True)
class PatchingConfig:
    """One run of the stage.

    Attributes:
        source: folder of slides.
        save_dir: where results go, as the user typed it.
        request: the patches; a row of the process list may ask for another resolution.
        mpp: micrometres per level-0 pixel of every slide, instead of what it states itself.
        preset: name or path of a preset, or None for the defaults.
        process_list: name of a list in ``save_dir`` or a path, or None for every slide in ``source``.
        seg, patch, stitch: what to make.
        auto_skip: leave slides alone that have coordinates already.
        recursive: whether slides also lie in folders below ``source``.
        reader: the library that reads slides.
        max_memory_gb: what a plain image may take when it is decoded.
        mask_dir: folder of outlines that take the place of segmentation.
        no_seg: take the whole slide for tissue.
        roi: folder of regions that patches must lie in, or one file of them for every slide.
        grid_origin: ``contour``: a grid for each piece of tissue; ``slide``: one for the slide.
        quality: which patches to leave out.
        save_patches: store the images of the patches too.
        contact_sheet: draw all masks on one page.
        engine: where slides are worked on.
        shard: the part of the slides that this run does.

    Raises:
        UsageError: tissue is to be found in two ways, or no slide has that resolution.
    """

    source: str
    save_dir: str
    request: PatchRequest = field(default_factory=PatchRequest)
    mpp: float | None = None
    preset: str | None = None
    process_list: str | None = None
    seg: bool = False
    patch: bool = False
    stitch: bool = False
    auto_skip: bool = True
    recursive: bool = False
    reader: ReaderName = DEFAULT_READER
    max_memory_gb: float = DEFAULT_MAX_MEMORY_GB
    mask_dir: str | None = None
    no_seg: bool = False
    roi: str | None = None
    grid_origin: Origin = "contour"
    quality: QualityFilters = field(default_factory=QualityFilters)
    save_patches: bool = False
    contact_sheet: bool = False
    engine: EngineSettings = field(default_factory=EngineSettings)
    shard: Shard = WHOLE

    def __post_init__(self) -> None:
        """Refuse two ways of finding tissue, and a resolution that no slide has."""
        _refuse_several({"--mask_dir": self.mask_dir, "--no_seg": self.no_seg or None})
        _require_accepted("--mpp", self.mpp)

    def mask_path(self, slide_id: str) -> Path:
        """Return where the picture of the segmentation goes."""
        return Path(self.save_dir) / MASKS / f"{slide_id}.png"

    def outlines_path(self, slide_id: str) -> Path:
        """Return where the segmentation goes as GeoJSON."""
        return Path(self.save_dir) / OUTLINES / f"{slide_id}.geojson"

    def coords_path(self, slide_id: str) -> Path:
        """Return where the coordinates go."""
        return Path(self.save_dir) / PATCHES / f"{slide_id}.h5"

    def stitch_path(self, slide_id: str) -> Path:
        """Return where the picture of the kept patches goes."""
        return Path(self.save_dir) / STITCHES / f"{slide_id}.png"

    @property
    def folders(self) -> list[Path]:
        """All folders that files go to."""
        return [Path(self.save_dir), *(Path(self.save_dir) / name for name in RESULT_FOLDERS)]

    @property
    def makes_something(self) -> bool:
        """Whether slides are to be looked at."""
        return self.seg or self.patch or self.stitch

    @property
    def contact_sheet_path(self) -> Path:
        """Where the page of all masks goes."""
        return Path(self.save_dir) / CONTACT_SHEET


def patch_request(
    *,
    patch_size_px: int,
    step_size_px: int | None,
    overlap: str | None,
    patch_level: int | None,
    custom_downsample: int | None,
    target_mpp: float | None,
    target_mag: float | None,
    allow_upsample: bool,
    background: Background,
) -> PatchRequest:
    """Put together what the flags of those names ask for.

    Raises:
        UsageError: two of them contradict each other, or patches would not move on.
    """
    by_resolution = {"--target_mpp": target_mpp, "--target_mag": target_mag}
    by_level = {"--patch_level": patch_level, "--custom_downsample": custom_downsample}
    _refuse_several(by_resolution)
    for wanted in _given(by_resolution):
        for other in _given(by_level):
            raise UsageError(f"{wanted} chooses the level for each slide: leave {other} out")
    _refuse_several({"--step_size": step_size_px, "--overlap": overlap})
    if target_mag is not None:
        target_mpp = mpp_of_magnification(target_mag)
    _require_accepted("--target_mpp" if target_mag is None else f"--target_mag {target_mag:g}, which is", target_mpp)
    step = step_size_px or patch_size_px
    return PatchRequest(
        patch_size_px=patch_size_px,
        step_size_px=step if overlap is None else patch_size_px - _overlap_px(overlap, patch_size_px),
        patch_level=patch_level or 0,
        custom_downsample=custom_downsample or 1,
        target_mpp=target_mpp,
        allow_upsample=allow_upsample,
        background=background,
    )


def _require_accepted(flag: str, mpp: float | None) -> None:
    low, high = ACCEPTED_MPP
    if mpp is not None and not low <= mpp <= high:
        raise UsageError(f"{flag} {mpp:g} µm per pixel: must be from {low:g} to {high:g}")


def _given(flags: dict) -> list[str]:
    return [flag for flag, value in flags.items() if value is not None]


def _refuse_several(flags: dict) -> None:
    given = _given(flags)
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)} say the same thing: give one of them")


def _overlap_px(text: str, patch_size_px: int) -> int:
    """Read ``64`` as pixels and ``0.25`` as a part of the patch."""
    try:
        overlap_px = int(text) if text.isdecimal() else round(float(text) * patch_size_px)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"--overlap {text}: pixels such as 64, or a part of the patch such as 0.25") from error
    if not 0 <= overlap_px < patch_size_px:
        raise UsageError(f"--overlap {text}: must be from 0 to below the patch's {patch_size_px} px")
    return overlap_px
