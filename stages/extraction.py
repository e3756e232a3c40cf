"""Slides and patch coordinates in, features out: what ``extract_features_fp.py`` does."""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import torch

from datasets.features_file import pt_path
from datasets.patches import SlidePatches
from datasets.sources import Sources
from models.encoders.build import HowToRun, build_encoder, dtype_of
from models.encoders.registry import find_encoder
from models.encoders.stain import fit_stain
from stages.encoding import SlideEncoder, default_workers
from stages.extraction_plan import EncodingJob, FoundPatches, find_patches, listed_slides, path_of
from stages.extraction_report import Speed, report_speed, warn_of_unusual_patches
from stages.feature_output import BackgroundWriter, EncoderOutput, folder_of
from stages.gpu_shares import in_shares
from stages.runner import Result, run_each, summarise
from utils.device import pick_device
from utils.errors import ItemError, UsageError, one_line
from utils.lookup import require_folder, require_writable
from wsi_core.coords_file import PatchCoords
from wsi_core.slide import ReaderName
from wsi_core.slide_folder import SlideFolder

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ExtractionConfig:
    """One run of the stage.

    Attributes:
        data_h5_dir: the folder that holds ``patches/``.
        data_slide_dir: folder of slides; may be left out where the coordinates hold the images of the patches.
        csv_path: table with a ``slide_id`` column, such as the process list.
        feat_dir: where features go; those of several encoders in a folder each below it.
        batch_size: patches encoded at once.
        slide_ext: extension of slides named without one.
        model_name: the encoder, or several with commas between.
        encoder_ckpt: its local weights; for several encoders NAME=FILE with commas between.
        target_patch_size: short side in pixels that patches are resized to; -1: as they are; None: the encoder's.
        num_workers: processes that read slides; None: one for each processor.
        auto_skip: leave slides alone whose features are complete.
        overwrite: make features of another encoder again by this one.
        reader: the library that reads slides.
        max_memory_gb: what a plain image may take when it is decoded.
        max_bad_part: the part of a slide's patches that may be unreadable, 0 to 1.
        dtype, runtime, compiled, trust_remote_code: see ``HowToRun``.
        gpus: numbers of the GPUs to use, one process each; empty: the first visible one, or the processor.
        cache_dir: folder on a local disk to which slides are copied before they are read.
        stain_norm, stain_target: how stains are normalised, and the image whose stains they get.
        slide_pool: whether the mean of each slide's features is written too.
    """

    data_h5_dir: str
    data_slide_dir: str | None
    csv_path: str
    feat_dir: str
    batch_size: int
    slide_ext: str
    model_name: str
    encoder_ckpt: str | None
    target_patch_size: int | None
    num_workers: int | None
    auto_skip: bool
    overwrite: bool
    reader: ReaderName
    max_memory_gb: float
    max_bad_part: float
    dtype: str
    runtime: str
    compiled: bool
    trust_remote_code: bool
    gpus: tuple[int, ...]
    cache_dir: str | None
    stain_norm: str | None
    stain_target: str | None
    slide_pool: bool

    @cached_property
    def model_names(self) -> list[str]:
        """The encoders, by their names in the registry."""
        names = [name.strip() for name in self.model_name.split(",")]
        if not all(names):
            raise UsageError(f"--model_name {self.model_name!r}: the name of an encoder is empty")
        return list(dict.fromkeys(find_encoder(name).name for name in names))

    @cached_property
    def folders(self) -> dict[str, Path]:
        """Where the features of each encoder go."""
        names = self.model_names
        return {name: folder_of(Path(self.feat_dir), name, len(names)) for name in names}

    @property
    def workers(self) -> int:
        """Processes that read slides, for each device."""
        n_devices = max(1, len(self.gpus))
        if self.num_workers is None:
            return default_workers(n_devices)
        return -(-self.num_workers // n_devices)


def extract_features(config: ExtractionConfig) -> int:
    """Run the stage and return the exit code.

    Raises:
        UsageError: a folder, the table or the encoder is wrong, or the feature folder holds features of another
            encoder; nothing has been written then.
    """
    devices = _checked_devices(config)
    slides = listed_slides(config.csv_path)
    settled, found = find_patches(slides, Path(config.data_h5_dir), partial(_has_features, config))
    all_patches = [one.patches for one in found.values()]
    n_new = sum(len(one.patches) for one in found.values() if _is_new(config, one))
    if len(devices) == 1:
        outputs = _outputs(config, all_patches, n_new, devices[0])
    else:  # each process has encoders of its own; here they only say what their features are made from
        unused = replace(config, dtype="fp32", runtime="torch", compiled=False)
        outputs = _outputs(unused, all_patches, n_new, torch.device("cpu"))
    skipped, jobs = _plan(found, outputs, config)
    settled += skipped
    for place, output in enumerate(outputs):
        output.refuse_other_encoders(_made_again(config, slides, jobs, place))
    warn_of_unusual_patches([output.encoder.spec for output in outputs], all_patches)
    for result in settled:
        if result.failed:
            logger.error("%s: %s: %s", result.item_id, result.status, result.reason)
    dtypes = {dtype_of(config.dtype, output.encoder.spec, devices[0]) for output in outputs}
    if len(devices) == 1:
        results, speed = _encode(jobs, outputs, config)
    else:
        outputs.clear()  # and the memory that they take
        results, speed = in_shares(jobs, devices, partial(_encode_share, config))
    report_speed(speed, config.workers * len(devices), devices[0].type, dtypes)
    return summarise([*settled, *results])


def _checked_devices(config: ExtractionConfig) -> list[torch.device]:
    """Look at what the command names, before anything takes long; return where to compute."""
    if config.num_workers is not None and config.num_workers < 0:
        raise UsageError(f"--num_workers {config.num_workers}: 0 or more")
    require_folder(config.data_h5_dir, flag="--data_h5_dir")
    require_folder(Path(config.data_h5_dir) / "patches", flag="--data_h5_dir")
    if config.data_slide_dir is not None:
        require_folder(config.data_slide_dir, flag="--data_slide_dir")
    require_writable(config.feat_dir, flag="--feat_dir")
    if (config.stain_norm is None) != (config.stain_target is None):
        raise UsageError("--stain_norm and --stain_target go together: the method, and an image with the stains wanted")
    if not config.gpus:
        return [pick_device()]
    n_gpus = torch.cuda.device_count()
    missing = [gpu for gpu in config.gpus if gpu >= n_gpus]
    if missing:
        raise UsageError(f"--gpus {missing[0]}: {n_gpus} GPUs are visible here, numbered from 0")
    return [torch.device("cuda", gpu) for gpu in config.gpus]


def _has_features(config: ExtractionConfig, slide_id: str) -> bool:
    """Tell whether a slide has features of every encoder, as far as the names of files go."""
    return all(pt_path(folder, slide_id).exists() for folder in config.folders.values())


def _is_new(config: ExtractionConfig, found: FoundPatches) -> bool:
    return config.overwrite or not config.auto_skip or not _has_features(config, found.slide_id)


def _outputs(
    config: ExtractionConfig, slides: Sequence[PatchCoords], n_patches: int, device: torch.device
) -> list[EncoderOutput]:
    """Build the encoders, for about ``n_patches`` of the patches of these slides."""
    checkpoints = _checkpoints(config)
    stain = None if config.stain_norm is None else fit_stain(config.stain_norm, str(config.stain_target))
    sides_px = {patches.reading.target_size_px for patches in slides}
    run = HowToRun(
        dtype=config.dtype,
        runtime=config.runtime,
        compiled=config.compiled,
        trust_remote_code=config.trust_remote_code,
        patch_px=sides_px.pop() if len(sides_px) == 1 else None,
        n_patches=n_patches,
    )
    build = partial(build_encoder, target_patch_size=config.target_patch_size, device=device, run=run, stain=stain)
    return [
        EncoderOutput(build(name, checkpoint=checkpoints.get(name)), folder, config.slide_pool)
        for name, folder in config.folders.items()
    ]


def _checkpoints(config: ExtractionConfig) -> dict[str, str]:
    """Return the local weights of each encoder that has some."""
    if config.encoder_ckpt is None:
        return {}
    names = config.model_names
    if len(names) == 1:  # whose path may have any characters
        is_named = _named(config.encoder_ckpt) in names
        return {names[0]: config.encoder_ckpt.partition("=")[2] if is_named else config.encoder_ckpt}
    checkpoints: dict[str, str] = {}
    for part in config.encoder_ckpt.split(","):
        file, name = part.partition("=")[2], _named(part)
        if name not in names or not file:
            raise UsageError(f"--encoder_ckpt {part}: with {' and '.join(names)} write it as {names[-1]}=FILE,...")
        if name in checkpoints:
            raise UsageError(f"--encoder_ckpt {part}: {name} is there twice")
        checkpoints[name] = file
    return checkpoints


def _named(part: str) -> str | None:
    """Return the encoder that stands before the = of NAME=FILE, None where none does."""
    name, equals, _ = part.partition("=")
    try:
        return find_encoder(name.strip()).name if equals else None
    except UsageError:
        return None


def _made_again(
    config: ExtractionConfig, slides: Mapping[str, object], jobs: Mapping[str, EncodingJob], place: int
) -> set[str]:
    """Return the slides whose features this run replaces, whoever made them."""
    if config.overwrite:
        return set(slides)
    return set() if config.auto_skip else {slide_id for slide_id, job in jobs.items() if place in job.encoders}


def _plan(
    found: Mapping[str, FoundPatches], outputs: Sequence[EncoderOutput], config: ExtractionConfig
) -> tuple[list[Result], dict[str, EncodingJob]]:
    """Tell what needs no encoding, or cannot be, and what is to be done by which encoders."""
    folder = None if config.data_slide_dir is None else SlideFolder(Path(config.data_slide_dir))
    settled: list[Result] = []
    jobs: dict[str, EncodingJob] = {}
    for slide_id, one in found.items():
        missing = tuple(
            place
            for place, output in enumerate(outputs)
            if not (config.auto_skip and output.is_complete(slide_id, one.patches))
        )
        try:
            for place in set(range(len(outputs))) - set(missing):
                outputs[place].add_pooled(slide_id)
            if missing:
                path = path_of(one, folder, config.slide_ext)
                slide = SlidePatches(path, one.patches, config.reader, config.max_memory_gb, config.max_bad_part)
                jobs[slide_id] = EncodingJob(slide, missing)
            else:
                settled.append(Result(slide_id, "already_exist"))
        except ItemError as error:
            settled.append(Result(slide_id, error.status, one_line(error), failed=True))
    return settled, jobs


def _encode(
    jobs: Mapping[str, EncodingJob], outputs: Sequence[EncoderOutput], config: ExtractionConfig
) -> tuple[list[Result], Speed]:
    """Encode slides on one device, each written while the next one is encoded."""
    start_s = time.monotonic()
    encoders = [output.encoder for output in outputs]
    slides_of_jobs, wanted = [job.slide for job in jobs.values()], [job.encoders for job in jobs.values()]
    with (
        _sources(slides_of_jobs, config) as sources,
        BackgroundWriter() as writer,
        SlideEncoder(
            slides_of_jobs, encoders, config.batch_size, config.workers, sources, wanted, max(1, len(config.gpus))
        ) as slides,
    ):

        def work(slide_id: str) -> Result:
            encoded = slides.next_slide()
            job = jobs[slide_id]
            todo = [
                partial(outputs[place].write, slide_id, job.slide.patches, encoded, features)
                for place, features in zip(job.encoders, encoded.features, strict=True)
            ]
            writer.submit(slide_id, todo)
            n_bad = len(encoded.bad)
            return Result(slide_id, "processed", f"{n_bad} patches skipped, {encoded.bad[0].reason}" if n_bad else "")

        results = run_each({slide_id: partial(work, slide_id) for slide_id in jobs})
        results = _with_failed_writes(results, writer.failures())
        for result in results:
            if result.reason and not result.failed:
                logger.warning("%s: %s", result.item_id, result.reason)
        n_patches = sum(len(jobs[result.item_id].slide.patches) for result in results if not result.failed)
        return results, Speed(n_patches, time.monotonic() - start_s, slides.wait_s)


@contextmanager
def _sources(slides: Sequence[SlidePatches], config: ExtractionConfig) -> Iterator[Sources]:
    """Yield from where the slides are read: where they lie, or copies on a local disk."""
    paths = [slide.path for slide in slides]
    if config.cache_dir is None or not paths:
        yield Sources(paths)
        return
    from datasets.staging import staged  # not to be had on Windows

    with staged(paths, Path(config.cache_dir)) as sources:
        yield sources


def _with_failed_writes(results: Sequence[Result], failures: Mapping[str, str]) -> list[Result]:
    return [
        replace(result, status="failed_write", reason=failures[result.item_id], failed=True)
        if result.item_id in failures
        else result
        for result in results
    ]


def _encode_share(
    config: ExtractionConfig, jobs: Mapping[str, EncodingJob], device: torch.device
) -> tuple[list[Result], Speed]:
    """Encode some of the slides, in a process of their own, on one of several GPUs."""
    torch.cuda.set_device(device)
    slides = [job.slide.patches for job in jobs.values()]
    return _encode(jobs, _outputs(config, slides, sum(map(len, slides)), device), config)
