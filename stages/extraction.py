"""Slides and patch coordinates in, features out: what ``extract_features_fp.py`` does."""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from datasets.features_file import h5_path, pt_path
from datasets.patches import SlidePatches
from models.encoders.build import dtype_of
from stages.encoding_run import (
    ALREADY_EXIST,
    PROCESSED,
    LoneSlide,
    encode,
    encode_alone,
    encode_share,
    is_encoded_here,
    locks_of,
    outputs_of,
    sides_of,
)
from stages.engines import RAY, Engine, opened
from stages.extraction_config import ExtractionConfig
from stages.extraction_plan import EncodingJob, FoundPatches, ListedSlide, find_patches, listed_slides, path_of
from stages.extraction_report import (
    Speed,
    has_larger_batches,
    report_speed,
    warn_of_small_batches,
    warn_of_unusual_patches,
)
from stages.feature_output import EncoderOutput, other_encoder
from stages.gpu_shares import in_shares
from stages.runner import Result, run_each, summarise
from utils.atomic import remove_leftovers
from utils.device import pick_device
from utils.errors import ItemError, UsageError, one_line
from utils.lookup import require_folder, require_writable
from utils.names import require_apart
from utils.run_log import start_run_log
from utils.wording import few
from wsi_core.slide_folder import SlideFolder

logger = logging.getLogger(__name__)


def extract_features(config: ExtractionConfig) -> int:
    """Run the stage and return the exit code.

    Raises:
        UsageError: a folder, the table or the encoder is wrong, or the feature folder holds features of another
            encoder; nothing has been written then.
    """
    if config.engine.engine != RAY:
        return _extract(config, None)
    with opened(config.engine, (), isolates=False) as cluster:
        return _extract(config, cluster)


def _extract(config: ExtractionConfig, cluster: Engine | None) -> int:
    devices = _checked_devices(config)
    listed = listed_slides(config.csv_path)
    require_apart(listed, config.feat_dir, flag="--feat_dir")
    ours = config.shard.part_of(listed)
    slides = {slide_id: slide for slide_id, slide in listed.items() if slide_id in ours}
    settled, found = find_patches(slides, Path(config.data_h5_dir), partial(_has_features, config))
    all_patches = [one.patches for one in found.values()]
    sides_px = frozenset(patches.reading.target_size_px for patches in all_patches)
    n_new = sum(len(one.patches) for one in found.values() if _is_new(config, one))
    is_here = len(devices) == 1 and cluster is None
    if is_here:
        outputs = outputs_of(config, sides_px, n_new, devices[0])
    else:  # each process has encoders of its own; here they only say what their features are made from
        unused = replace(config, dtype="fp32", runtime="torch", compiled=False)
        outputs = outputs_of(unused, sides_px, n_new, torch.device("cpu"))
    skipped, jobs = _plan(found, outputs, config)
    settled += skipped
    for place, output in enumerate(outputs):
        output.refuse_other_encoders(listed, _made_again(config, listed, jobs, place))
    if config.slide_pool:
        settled, jobs = _with_means(settled, jobs, outputs)
    start_run_log(config.feat_dir, config)
    warn_of_unusual_patches([output.encoder.spec for output in outputs], all_patches)
    if devices[0].type != "cpu" or config.engine.task_gpus:  # a processor takes few patches at once anyhow
        warn_of_small_batches(config.batch_size, all_patches)
    for result in settled:
        if result.failed:
            logger.error("%s: %s: %s", result.item_id, result.status, result.reason)
    dtypes = {dtype_of(config.dtype, output.encoder.spec, devices[0]) for output in outputs}
    remove_leftovers(*_folders_of(outputs))
    made_by = {output.folder: (output.encoder.facts, output.encoder.dim) for output in outputs}
    if is_here:
        with locks_of(jobs, config) as locks:
            results, speed = encode(jobs, outputs, config, locks)
    else:
        outputs.clear()  # and the memory that they take
        share = partial(encode_share, config)
        results, speed = in_shares(jobs, devices, share) if cluster is None else _on_cluster(jobs, config, cluster)
    larger = has_larger_batches(config.batch_size, [job.slide.patches for job in jobs.values()])
    report_speed(speed, config.workers * len(devices), devices[0].type, dtypes, larger_batches=larger)
    _warn_of_what_stayed([*settled, *results], made_by)
    return summarise([*settled, *results])


def _with_means(
    settled: Sequence[Result], jobs: Mapping[str, EncodingJob], outputs: Sequence[EncoderOutput]
) -> tuple[list[Result], dict[str, EncodingJob]]:
    """Write the means that are missing of features that are there; a slide fails where those cannot be read."""
    places = set(range(len(outputs)))
    complete = {result.item_id: places for result in settled if result.status == ALREADY_EXIST}
    complete |= {slide_id: places - set(job.encoders) for slide_id, job in jobs.items()}
    failures: dict[str, Result] = {}
    for slide_id in complete:
        try:
            for place in complete[slide_id]:
                outputs[place].add_pooled(slide_id)
        except ItemError as error:
            failures[slide_id] = Result(slide_id, error.status, one_line(error), failed=True)
    others = [result for result in settled if result.item_id not in failures]
    return [*others, *failures.values()], {slide_id: job for slide_id, job in jobs.items() if slide_id not in failures}


def _warn_of_what_stayed(results: Sequence[Result], made_by: Mapping[Path, tuple[Mapping[str, str], int]]) -> None:
    """Name the slides of which features were to be replaced, but are still those of another encoder."""
    not_made = [result.item_id for result in results if result.status not in (PROCESSED, ALREADY_EXIST)]
    for folder, (facts, dim) in made_by.items():
        stayed = [slide_id for slide_id in not_made if other_encoder(h5_path(folder, slide_id), facts, dim)]
        if stayed:
            logger.warning("%s still holds features of another encoder, of %s: nothing replaced them; remove them, as "
                           "they do not go with the others", folder, few(stayed))  # fmt: skip


def _folders_of(outputs: Sequence[EncoderOutput]) -> list[Path]:
    """Return all folders that files go to."""
    tops = [top for output in outputs for top in (output.folder, output.pooled_folder)]
    return [path(top, "any").parent for top in tops for path in (h5_path, pt_path)]


def _on_cluster(
    jobs: Mapping[str, EncodingJob], config: ExtractionConfig, cluster: Engine
) -> tuple[list[Result], Speed]:
    """Encode each slide by itself, wherever the cluster has room."""
    start_s = time.monotonic()
    sizes = {slide_id: len(job.slide.patches) for slide_id, job in jobs.items()}
    sides_px, n_patches = sides_of(jobs), sum(sizes.values())
    lone = (LoneSlide(slide_id, job, config, sides_px, n_patches) for slide_id, job in jobs.items())
    with locks_of(jobs, config) as locks:
        tasks = {slide.slide_id: partial(encode_alone, slide) for slide in lone}
        results = run_each(tasks, engine=cluster, locks=locks)
    n_encoded = sum(sizes[result.item_id] for result in results if is_encoded_here(result))
    return results, Speed(n_encoded, time.monotonic() - start_s, None)


def _checked_devices(config: ExtractionConfig) -> list[torch.device]:
    """Look at what the command names, before anything takes long; return where to compute."""
    if config.num_workers is not None and config.num_workers < 0:
        raise UsageError(f"--num_workers {config.num_workers}: 0 or more")
    patches = require_folder(config.data_h5_dir, flag="--data_h5_dir") / "patches"
    if not patches.is_dir():
        raise UsageError(f"--data_h5_dir: no folder {str(patches)!r}; create_patches_fp.py --patch makes it")
    if config.data_slide_dir is not None:
        require_folder(config.data_slide_dir, flag="--data_slide_dir")
    require_writable(config.feat_dir, flag="--feat_dir")
    if config.cache_dir is not None:
        from datasets.staging import require_cache  # not to be had on Windows

        require_cache(Path(config.cache_dir))
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


def _made_again(
    config: ExtractionConfig, listed: Mapping[str, ListedSlide], jobs: Mapping[str, EncodingJob], place: int
) -> set[str]:
    """Return the slides whose features are replaced, whoever made them: by this run, or by those of other shards."""
    if config.overwrite:
        return set(listed)
    if config.auto_skip:
        return set()
    of_other_shards = set(listed) - config.shard.part_of(listed)
    return of_other_shards | {slide_id for slide_id, job in jobs.items() if place in job.encoders}


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
            if missing:
                path = path_of(one, folder, config.slide_ext)
                slide = SlidePatches(path, one.patches, config.reader, config.max_memory_gb, config.max_bad_part)
                jobs[slide_id] = EncodingJob(slide, missing)
            else:
                settled.append(Result(slide_id, ALREADY_EXIST))
        except ItemError as error:
            settled.append(Result(slide_id, error.status, one_line(error), failed=True))
    return settled, jobs
