"""What extraction tells its user beside results: how fast it was and what limits it, and patches that suit nobody."""

import importlib.util
import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from models.encoders.spec import EncoderSpec
from stages.joined_blocks import BATCH_BYTES, patches_at_once
from utils.wording import few
from wsi_core.coords_file import PatchCoords

logger = logging.getLogger(__name__)

WAITS_FOR_DATA = 0.1  # of the time, from which reading is what limits a run
MIN_ADVISED_S = 10.0  # of a shorter run the start is what counts
SAME_SCALE = 0.25  # by how much µm per pixel may differ from what suits an encoder


@dataclass(frozen=True)
class Speed:
    """How fast slides were encoded.

    Attributes:
        n_patches: how many were encoded.
        seconds: how long that took.
        wait_s: how much of that was spent waiting for patches; None: nobody knows, as on a cluster.
    """

    n_patches: int
    seconds: float
    wait_s: float | None

    def __add__(self, after: "Speed") -> "Speed":
        """Return that of both, one after the other."""
        wait_s = None if self.wait_s is None or after.wait_s is None else self.wait_s + after.wait_s
        return Speed(self.n_patches + after.n_patches, self.seconds + after.seconds, wait_s)


def report_speed(
    speed: Speed, num_workers: int, device_type: str, dtypes: Collection[str], *, larger_batches: bool = False
) -> None:
    """Log the speed, what limits it, and what to raise.

    Args:
        speed: how fast the run was.
        num_workers: processes that read slides, on all devices.
        device_type: "cpu" or "cuda".
        dtypes: number formats of the encoders.
        larger_batches: whether a larger --batch_size would be had.
    """
    if not speed.n_patches:
        return
    per_s = speed.n_patches / max(speed.seconds, 1e-9)
    told = f"{speed.n_patches} patches in {speed.seconds:.0f} s, {per_s:.0f} patches/s"
    if speed.wait_s is not None:
        waiting = speed.wait_s / max(speed.seconds, 1e-9)
        told += f", {100 * waiting:.0f} % of the time waiting for patches"
        if speed.seconds >= MIN_ADVISED_S:
            told += f": {_advice(waiting, num_workers, device_type, dtypes, larger_batches)}"
    logger.info("%s", told)


def _advice(waiting: float, num_workers: int, device_type: str, dtypes: Collection[str], larger_batches: bool) -> str:
    if waiting > WAITS_FOR_DATA:
        return f"reading is the limit, raise --num_workers (now {num_workers}), or stage slides with --cache_dir"
    options = ["--dtype bf16"] if "fp32" in dtypes else []
    if device_type == "cuda":
        options += [*(["--batch_size"] if larger_batches else []), "--compile", "more --gpus"]
    elif importlib.util.find_spec("openvino") is None:
        options.append("pip install openvino")
    return f"the encoder is the limit{', try ' if options else ''}{', '.join(options)}"


def has_larger_batches(batch_size: int, slides: Sequence[PatchCoords]) -> bool:
    """Tell whether more patches of any slide would be encoded at once if more were asked for."""
    return any(_at_once(batch_size + 1, patches) > _at_once(batch_size, patches) for patches in slides)


def warn_of_small_batches(batch_size: int, slides: Sequence[PatchCoords]) -> None:
    """Warn where fewer patches are encoded at once than are asked for, as they are so large."""
    sides_px = {
        patches.reading.target_size_px
        for patches in slides
        if _at_once(batch_size, patches) < min(batch_size, len(patches))
    }
    if sides_px:
        said = [f"{patches_at_once(batch_size, side_px)} of {side_px} px" for side_px in sorted(sides_px)]
        logger.warning("--batch_size %d: of large patches no more are encoded at once than %d MiB hold, %s",
                       batch_size, BATCH_BYTES >> 20, few(said))  # fmt: skip


def _at_once(batch_size: int, patches: PatchCoords) -> int:
    return min(len(patches), patches_at_once(batch_size, patches.reading.target_size_px))


def warn_of_unusual_patches(specs: Sequence[EncoderSpec], slides: Sequence[PatchCoords]) -> None:
    """Warn where patches have another size or scale than an encoder was trained for."""
    for spec in specs:
        if spec.mean is None:
            continue  # describes patches of any kind
        unlike = [patches for patches in slides if not _suits(spec, patches)]
        if unlike:
            logger.warning(
                "%s suits patches of %d px at %g µm/px; %d of %d slides have others, such as %s",
                spec.name, spec.patch_size_px, spec.mpp, len(unlike), len(slides), _described(unlike[0]),
            )  # fmt: skip


def _suits(spec: EncoderSpec, patches: PatchCoords) -> bool:
    mpp = patches.patch_mpp
    same_scale = mpp is None or abs(mpp / spec.mpp - 1) <= SAME_SCALE
    return same_scale and patches.reading.target_size_px == spec.patch_size_px


def _described(patches: PatchCoords) -> str:
    scale = "an unknown scale" if patches.patch_mpp is None else f"{patches.patch_mpp:.3g} µm/px"
    return f"{patches.reading.target_size_px} px at {scale} ({patches.name or 'unnamed'})"
