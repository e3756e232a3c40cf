"""Slides and patch coordinates in, features out: what ``extract_features_fp.py`` does."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from datasets.features_file import Features, h5_path, is_complete, provenance, pt_path, read_provenance, write_features
from datasets.patches import SlidePatches
from models.encoders.build import build_encoder
from models.encoders.encoder import Encoder
from stages.encoding import SlideEncoder
from stages.runner import Result, run_each, summarise
from utils.device import pick_device
from utils.errors import ItemError, UsageError, one_line
from utils.lookup import require_folder, require_writable
from utils.names import check_id, slide_id_of
from utils.tables import read_text_table
from wsi_core.coords_file import coords_path, read_coords
from wsi_core.process_list import EMPTY_STATUSES
from wsi_core.slide import DEFAULT_MAX_MEMORY_GB, DEFAULT_READER, ReaderName
from wsi_core.slide_folder import SlideFolder

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ExtractionConfig:
    """One run of the stage.

    Attributes:
        data_h5_dir: the folder that holds ``patches/``.
        data_slide_dir: folder of slides; may be left out where the coordinates hold the images of the patches.
        csv_path: table with a ``slide_id`` column, such as the process list.
        feat_dir: where features go.
        batch_size: patches encoded at once.
        slide_ext: extension of slides named without one.
        model_name: the encoder.
        encoder_ckpt: its local weights.
        target_patch_size: short side in pixels that patches are resized to; -1: as they are; None: the encoder's.
        num_workers: processes that read slides; None: one for each processor.
        auto_skip: leave slides alone whose features are complete.
        reader: the library that reads slides.
        max_memory_gb: what a plain image may take when it is decoded.
    """

    data_h5_dir: str
    data_slide_dir: str | None
    csv_path: str
    feat_dir: str
    batch_size: int = 256
    slide_ext: str = ".svs"
    model_name: str = "resnet50_trunc"
    encoder_ckpt: str | None = None
    target_patch_size: int | None = None
    num_workers: int | None = None
    auto_skip: bool = True
    reader: ReaderName = DEFAULT_READER
    max_memory_gb: float = DEFAULT_MAX_MEMORY_GB


def extract_features(config: ExtractionConfig) -> int:
    """Run the stage and return the exit code.

    Raises:
        UsageError: a folder, the table or the encoder is wrong, or the feature folder holds features of another
            encoder; nothing has been written then.
    """
    if config.num_workers is not None and config.num_workers < 0:
        raise UsageError(f"--num_workers {config.num_workers}: 0 or more")
    slides = _listed_slides(config)
    require_writable(config.feat_dir, flag="--feat_dir")
    encoder = build_encoder(
        config.model_name,
        checkpoint=config.encoder_ckpt,
        target_patch_size=config.target_patch_size,
        device=pick_device(),
    )
    settled, jobs = _plan(slides, encoder, config)
    _refuse_other_encoders(encoder, Path(config.feat_dir), made_again=set() if config.auto_skip else set(jobs))
    for result in settled:
        if result.failed:
            logger.error("%s: %s: %s", result.item_id, result.status, result.reason)
    start_s = time.monotonic()
    results = _encode_all(jobs, encoder, config)
    encoded = [jobs[result.item_id] for result in results if not result.failed]
    _report_speed(encoded, time.monotonic() - start_s)
    return summarise([*settled, *results])


@dataclass(frozen=True)
class _Listed:
    """A row of the table: the slide as it is named there, and what patching said of it (empty: nothing)."""

    name: str
    status: str

    @property
    def has_failed(self) -> bool:
        """Whether patching could not do it."""
        return self.status.startswith("failed")


def _listed_slides(config: ExtractionConfig) -> dict[str, _Listed]:
    """Return the rows of the table by slide id."""
    require_folder(config.data_h5_dir, flag="--data_h5_dir")
    require_folder(Path(config.data_h5_dir) / "patches", flag="--data_h5_dir")
    if config.data_slide_dir is not None:
        require_folder(config.data_slide_dir, flag="--data_slide_dir")
    table = read_text_table(config.csv_path, required=("slide_id",), kind="table of slides")
    names = [check_id(name, where=f"table of slides {config.csv_path}") for name in table["slide_id"]]
    if not names:
        raise UsageError(f"table of slides {config.csv_path}: no slides in it")
    statuses = table["status"] if "status" in table else [""] * len(names)
    slides: dict[str, _Listed] = {}
    for name, status in zip(names, statuses, strict=True):
        row, first = _Listed(name, status), slides.get(slide_id_of(name))
        if first is None or first.has_failed:  # that has been told by patching
            slides[slide_id_of(name)] = row
        elif first.name != name and not row.has_failed:
            raise UsageError(f"table of slides {config.csv_path}: {first.name} and {name} have the same slide id")
    return slides


def _refuse_other_encoders(encoder: Encoder, feat_dir: Path, made_again: set[str]) -> None:
    """Keep a folder to one encoder: look at all that is in it, also of slides that the table does not name."""
    kept = sorted(path.stem for path in h5_path(feat_dir, "any").parent.glob("*.h5") if path.stem not in made_again)
    for slide_id in kept:
        made = read_provenance(h5_path(feat_dir, slide_id))
        for name, value in encoder.facts.items():
            if name in made and made[name] != value:
                raise UsageError(
                    f"{feat_dir} holds features of {made.get('encoder')} ({slide_id}: {name} {made[name] or 'none'}), "
                    f"now {encoder.name} ({name} {value or 'none'}): "
                    "take another --feat_dir, or make all again with --no_auto_skip"
                )


def _plan(
    slides: dict[str, _Listed], encoder: Encoder, config: ExtractionConfig
) -> tuple[list[Result], dict[str, SlidePatches]]:
    """Tell what needs no encoding and why, and what does."""
    folder = None if config.data_slide_dir is None else SlideFolder(Path(config.data_slide_dir))
    settled: list[Result] = []
    jobs: dict[str, SlidePatches] = {}
    for slide_id, row in slides.items():
        planned = _plan_slide(slide_id, row, encoder, config, folder)
        if isinstance(planned, Result):
            settled.append(planned)
        else:
            jobs[slide_id] = planned
    return settled, jobs


def _plan_slide(
    slide_id: str, row: _Listed, encoder: Encoder, config: ExtractionConfig, folder: SlideFolder | None
) -> Result | SlidePatches:
    try:
        path = coords_path(Path(config.data_h5_dir) / "patches", slide_id)
        patches = read_coords(path)
        if row.has_failed:
            logger.warning("%s: patching says %s; its coordinates are of an earlier run", slide_id, row.status)
        if not len(patches):
            return Result(slide_id, "no_patches")
        if config.auto_skip and is_complete(Path(config.feat_dir), slide_id, patches, encoder.dim):
            return Result(slide_id, "already_exist")
        if patches.has_images:
            return SlidePatches(path, patches)
        if folder is None:
            raise ItemError(f"{path} holds no images of the patches: pass --data_slide_dir", "no_slide")
        return SlidePatches(folder.find(row.name, config.slide_ext), patches, config.reader, config.max_memory_gb)
    except ItemError as error:
        if error.status == "no_coords" and row.status in EMPTY_STATUSES:
            if pt_path(config.feat_dir, slide_id).exists():
                logger.warning("%s: %s, but %s has features of an earlier run", slide_id, row.status, config.feat_dir)
            return Result(slide_id, row.status)  # patching has said that there is nothing to encode
        return Result(slide_id, error.status, one_line(error), failed=True)


def _encode_all(jobs: dict[str, SlidePatches], encoder: Encoder, config: ExtractionConfig) -> list[Result]:
    with SlideEncoder(list(jobs.values()), [encoder], config.batch_size, config.num_workers) as slides:

        def work(slide_id: str) -> Result:
            patches = jobs[slide_id].patches
            made_from = provenance(encoder.facts, patches)
            features = Features(slides.next_slide().features[0], patches.coords, made_from)
            write_features(Path(config.feat_dir), slide_id, features)
            return Result(slide_id, "processed")

        return run_each({slide_id: partial(work, slide_id) for slide_id in jobs})


def _report_speed(jobs: Sequence[SlidePatches], seconds: float) -> None:
    n_patches = sum(len(job.patches) for job in jobs)
    if n_patches:
        logger.info("%d patches in %.0f s, %.0f patches/s", n_patches, seconds, n_patches / max(seconds, 1e-9))
