"""Slides encoded and their features written: those of a run on one device, a share of them, or a single one on Ray."""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache, partial
from pathlib import Path

import torch

from datasets.features_file import h5_path
from datasets.patches import SlidePatches
from datasets.sources import Sources
from models.encoders.build import HowToRun, build_encoder
from models.encoders.stain import fit_stain
from stages.encoding import EncodedSlide, SlideEncoder
from stages.extraction_config import ExtractionConfig, checkpoints_of
from stages.extraction_plan import EncodingJob
from stages.extraction_report import Speed
from stages.feature_output import BackgroundWriter, EncoderOutput, other_encoder
from stages.runner import Result, as_word, run_each, told_by_another
from utils.device import pick_device
from utils.errors import ItemError, one_line
from utils.fingerprint import array_sha256, fingerprint
from utils.item_locks import ItemLocks
from utils.shard import WHOLE

logger = logging.getLogger(__name__)

PROCESSED = "processed"
ALREADY_EXIST = "already_exist"
ELSEWHERE = "elsewhere"  # another process has it under way


def outputs_of(
    config: ExtractionConfig, sides_px: frozenset[int], n_patches: int, device: torch.device
) -> list[EncoderOutput]:
    """Build the encoders, for about ``n_patches`` patches of these sides."""
    checkpoints = checkpoints_of(config)
    stain = None if config.stain_norm is None else fit_stain(config.stain_norm, str(config.stain_target))
    run = HowToRun(
        dtype=config.dtype,
        runtime=config.runtime,
        compiled=config.compiled,
        trust_remote_code=config.trust_remote_code,
        patch_px=next(iter(sides_px)) if len(sides_px) == 1 else None,
        n_patches=n_patches,
    )
    build = partial(build_encoder, target_patch_size=config.target_patch_size, device=device, run=run, stain=stain)
    return [
        EncoderOutput(build(name, checkpoint=checkpoints.get(name)), folder, config.slide_pool)
        for name, folder in config.folders.items()
    ]


def sides_of(jobs: Mapping[str, EncodingJob]) -> frozenset[int]:
    """Return the sides of the slides' patches, in pixels."""
    return frozenset(job.slide.patches.reading.target_size_px for job in jobs.values())


def encode(
    jobs: Mapping[str, EncodingJob],
    outputs: Sequence[EncoderOutput],
    config: ExtractionConfig,
    locks: ItemLocks | None = None,
) -> tuple[list[Result], Speed]:
    """Encode slides on one device, each written while the next one is encoded.

    Args:
        jobs: the slides by id.
        outputs: the encoders.
        config: the run.
        locks: of the folder of features; slides that another process has under way come last, once it is done with
            them. None: whoever calls sees to it that no other process does the same.
    """
    left = dict(jobs)
    results: dict[str, Result] = {}
    speed = Speed(0, 0.0, 0.0)
    while left:
        run = _Run(left, outputs, config, locks)
        found, of_these = run.encode()
        results |= {result.item_id: result for result in found if result.status != ELSEWHERE}
        speed += of_these
        left = {slide_id: jobs[slide_id] for slide_id in run.elsewhere}
        if left and locks is not None:
            locks.wait_for_any(left)
    return [results[slide_id] for slide_id in jobs], speed


@dataclass
class _Run:
    """Slides that are encoded one after the other.

    Attributes:
        elsewhere: gets those that another process has under way.
        told: gets what others have left word of.
    """

    jobs: Mapping[str, EncodingJob]
    outputs: Sequence[EncoderOutput]
    config: ExtractionConfig
    locks: ItemLocks | None
    elsewhere: list[str] = field(default_factory=list)
    told: dict[str, Result] = field(default_factory=dict)

    @cached_property
    def _ids(self) -> list[str]:
        return list(self.jobs)

    def encode(self) -> tuple[list[Result], Speed]:
        """Encode and write them."""
        start_s = time.monotonic()
        jobs, config = list(self.jobs.values()), self.config
        encoders = [output.encoder for output in self.outputs]
        slides = [job.slide for job in jobs]
        with (
            _sources(slides, config) as sources,
            BackgroundWriter() as writer,
            SlideEncoder(
                slides,
                encoders,
                config.batch_size,
                config.workers,
                sources,
                [job.encoders for job in jobs],
                config.n_sharing_memory,
                config.engine.limits,
                self._take,
            ) as encoder,
        ):
            results = run_each({slide_id: partial(self._work, slide_id, encoder, writer) for slide_id in self.jobs})
            results = _with_failed_writes(results, writer.failures())
            for result in results:
                if result.reason and not result.failed:
                    logger.warning("%s: %s", result.item_id, result.reason)
            encoded = [result.item_id for result in results if is_encoded_here(result)]
            n_patches = sum(len(self.jobs[slide_id].slide.patches) for slide_id in encoded)
            return results, Speed(n_patches, time.monotonic() - start_s, encoder.wait_s)

    def _take(self, slide_number: int) -> bool:
        """Take a slide, unless another process has it under way, or has done it since this run began."""
        if self.locks is None:
            return True
        slide_id = self._ids[slide_number]
        if self.locks.take(slide_id) is not None:
            self.elsewhere.append(slide_id)
            return False
        told = told_by_another(self.locks, slide_id)
        if told is None and self.config.auto_skip and is_done(self.jobs[slide_id], slide_id, self.outputs):
            told = Result(slide_id, ALREADY_EXIST)
        if told is None:
            told = self._refused(slide_id)
        if told is None:
            return True
        self.told[slide_id] = told
        self.locks.give_back(slide_id)
        return False

    def _refused(self, slide_id: str) -> Result | None:
        try:
            refuse_other_encoders(self.jobs[slide_id], slide_id, self.outputs, self.config)
        except ItemError as error:
            return Result(slide_id, error.status, one_line(error), failed=True)
        return None

    def _leave_word(self, result: Result) -> None:
        if self.locks is not None:
            self.locks.words.leave(result.item_id, as_word(result))

    def _give_back(self, slide_id: str) -> None:
        if self.locks is not None:
            self.locks.give_back(slide_id)

    def _work(self, slide_id: str, encoder: SlideEncoder, writer: BackgroundWriter) -> Result:
        if encoder.pass_over():
            return self.told.get(slide_id, Result(slide_id, ELSEWHERE))
        encoded = self._encoded(slide_id, encoder)
        job = self.jobs[slide_id]
        todo = [
            partial(self.outputs[place].write, slide_id, job.slide.patches, encoded, features)
            for place, features in zip(job.encoders, encoded.features, strict=True)
        ]
        n_bad = len(encoded.bad)
        result = Result(slide_id, PROCESSED, f"{n_bad} patches skipped, {encoded.bad[0].reason}" if n_bad else "")
        writer.submit(slide_id, todo, partial(self._leave_word, result), partial(self._give_back, slide_id))
        return result

    def _encoded(self, slide_id: str, encoder: SlideEncoder) -> EncodedSlide:
        """Encode the next slide; one that fails is given back at once."""
        with ExitStack() as on_failure:
            on_failure.callback(self._give_back, slide_id)
            try:
                encoded = encoder.next_slide()
            except ItemError as error:
                self._leave_word(Result(slide_id, error.status, one_line(error), failed=True))
                raise
            on_failure.pop_all()
        return encoded


def is_encoded_here(result: Result) -> bool:
    """Tell whether a slide counts for the speed of this run."""
    return result.status == PROCESSED and not result.is_by_another


def is_done(job: EncodingJob, slide_id: str, outputs: Sequence[EncoderOutput]) -> bool:
    """Tell whether the features of a slide are there, by every encoder that was to make them."""
    return all(outputs[place].is_complete(slide_id, job.slide.patches) for place in job.encoders)


def refuse_other_encoders(
    job: EncodingJob, slide_id: str, outputs: Sequence[EncoderOutput], config: ExtractionConfig
) -> None:
    """Leave alone what a run with another encoder has put into the folder since this one looked through it.

    Raises:
        ItemError: a slide has features of another encoder, which this run is not to replace; names both.
    """
    if config.overwrite or not config.auto_skip:
        return
    for place in job.encoders:
        output = outputs[place]
        difference = other_encoder(h5_path(output.folder, slide_id), output.encoder.facts, output.encoder.dim)
        if difference:
            raise ItemError(
                f"{output.folder} has got its features by another encoder meanwhile: {difference}; "
                "take another --feat_dir",
                "other_encoder",
            )


@contextmanager
def _sources(slides: Sequence[SlidePatches], config: ExtractionConfig) -> Iterator[Sources]:
    """Yield from where the slides are read: where they lie, or copies on a local disk."""
    paths = [slide.path for slide in slides]
    if config.cache_dir is None or not paths:
        yield Sources(paths)
        return
    from datasets.staging import staged  # not to be had on Windows

    with staged(paths, Path(config.cache_dir), on_demand=True) as sources:
        yield sources


def _with_failed_writes(results: Sequence[Result], failures: Mapping[str, str]) -> list[Result]:
    return [
        replace(result, status="failed_write", reason=failures[result.item_id], failed=True)
        if result.item_id in failures
        else result
        for result in results
    ]


def locks_of(jobs: Mapping[str, EncodingJob], config: ExtractionConfig) -> ItemLocks:
    """Return the locks of the folder of features; slides are the same where their patches are."""
    same = fingerprint(
        config=replace(config, engine=config.engine.limits_alone, shard=WHOLE, num_workers=None, gpus=())
    )  # fmt: skip

    def purpose(slide_id: str) -> str:
        patches = jobs[slide_id].slide.patches
        return fingerprint(config=same, coords=array_sha256(patches.coords), **patches.reading.as_text())

    return ItemLocks(Path(config.feat_dir), purpose=purpose)


def encode_share(
    config: ExtractionConfig, jobs: Mapping[str, EncodingJob], device: torch.device
) -> tuple[list[Result], Speed]:
    """Encode some of the slides, in a process of their own, on one of several GPUs."""
    torch.cuda.set_device(device)
    n_patches = sum(len(job.slide.patches) for job in jobs.values())
    outputs = outputs_of(config, sides_of(jobs), n_patches, device)
    with locks_of(jobs, config) as locks:
        return encode(jobs, outputs, config, locks)


@dataclass(frozen=True)
class LoneSlide:
    """A slide that is encoded by itself, on whichever machine.

    Attributes:
        slide_id: its id.
        job: its patches, and the encoders that are to encode it.
        config: the run.
        sides_px, n_patches: of all patches of the run, by which encoders are built once for many slides.
    """

    slide_id: str
    job: EncodingJob
    config: ExtractionConfig
    sides_px: frozenset[int]
    n_patches: int


def encode_alone(slide: LoneSlide) -> Result:
    """Encode one slide; whoever calls holds its lock."""
    outputs = _outputs_of_this_process(slide.config, slide.sides_px, slide.n_patches)
    if slide.config.auto_skip and is_done(slide.job, slide.slide_id, outputs):
        return Result(slide.slide_id, ALREADY_EXIST)
    refuse_other_encoders(slide.job, slide.slide_id, outputs, slide.config)
    torch.set_num_threads(slide.config.engine.task_cpus)
    (result,), _ = encode({slide.slide_id: slide.job}, outputs, slide.config)
    return result


@lru_cache(1)
def _outputs_of_this_process(config: ExtractionConfig, sides_px: frozenset[int], n_patches: int) -> list[EncoderOutput]:
    return outputs_of(config, sides_px, n_patches, pick_device())
