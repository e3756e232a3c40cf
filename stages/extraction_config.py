"""What one run of ``extract_features_fp.py`` is asked for, and where its files go."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from models.encoders.registry import find_encoder
from stages.encoding import default_workers
from stages.engines import RAY, EngineSettings
from stages.feature_output import folder_of
from utils.errors import UsageError
from utils.processors import usable_processors
from utils.shard import WHOLE, Shard
from wsi_core.slide import ReaderName


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
        engine: where slides are encoded, and what reading one may take.
        shard: the part of the table that this run does.
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
    engine: EngineSettings = field(default_factory=EngineSettings)
    shard: Shard = WHOLE

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
        if self.engine.engine == RAY:  # whose task has a process that encodes
            return max(1, self.engine.task_cpus - 1)
        if self.num_workers is None:
            return default_workers(n_devices)
        return -(-self.num_workers // n_devices)

    @property
    def n_sharing_memory(self) -> int:
        """How many devices or tasks of this run share the memory of the machine that asks, at most."""
        if self.engine.engine == RAY:
            return max(1, usable_processors() // self.engine.task_cpus)
        return max(1, len(self.gpus))


def checkpoints_of(config: ExtractionConfig) -> dict[str, str]:
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
