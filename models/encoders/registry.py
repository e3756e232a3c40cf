"""The patch encoders by name, without importing torch. Their facts stand in ``entries``."""

from dataclasses import replace

from huggingface_hub.utils import validate_repo_id

from models.encoders.entries import ENTRIES
from models.encoders.spec import HUB, REVISION_MARK, EncoderSpec
from utils.errors import UsageError
from utils.lookup import require_choice

ENCODERS = {spec.name: spec for spec in ENTRIES}
# Names that projects use for what has another name here.
ALIASES = {"conch_v1_5": "conch_v15", "resnet50": "resnet50_trunc"}
# Names under which projects give different features: the user says which.
DISPUTED = {
    "uni": "uni_v1 (1024 numbers) or uni_v2 (UNI2-h, 1536)",
    "midnight12k": "midnight12k-cls (1536 numbers, TRIDENT and eva) or midnight12k-cls-mean (3072, LazySlide)",
    "midnight": "midnight12k-cls (1536 numbers, TRIDENT and eva) or midnight12k-cls-mean (3072, LazySlide)",
}
ANY_TIMM, ANY_HUB = "timm:", "hf-hub:"


def find_encoder(name: str) -> EncoderSpec:
    """Return the encoder of that name.

    ``timm:NAME`` and ``hf-hub:OWNER/NAME`` are any model of timm; the rest of their facts is known once they are built.
    ``NAME@REVISION`` is an encoder of the hub at a commit, branch or tag of its repository.

    Raises:
        UsageError: unknown name, which lists the known ones; or a name that stands for different features.
    """
    if name.startswith(ANY_TIMM):
        return EncoderSpec(name, "any_timm", name.removeprefix(ANY_TIMM), pooling="pooled")
    plain, _, revision = name.partition(REVISION_MARK)
    spec = _hub_model(plain) if plain.startswith(ANY_HUB) else _entry(plain)
    return _at_revision(spec, name, revision) if REVISION_MARK in name else spec


def _entry(name: str) -> EncoderSpec:
    if name in DISPUTED:
        raise UsageError(f"encoder {name!r} stands for different features: use {DISPUTED[name]}")
    return ENCODERS[require_choice(ALIASES.get(name, name), list(ENCODERS), kind="encoder")]


def _hub_model(name: str) -> EncoderSpec:
    hub_id = name.removeprefix(ANY_HUB)
    try:
        validate_repo_id(hub_id)
        _owner, _name = hub_id.split("/")
    except ValueError as error:  # the hub's own is one too
        raise UsageError(f"encoder {name!r}: write it as {ANY_HUB}OWNER/NAME, as the hub does") from error
    return EncoderSpec(name, "any_hub", pooling="pooled", hub_id=hub_id)


def _at_revision(spec: EncoderSpec, name: str, revision: str) -> EncoderSpec:
    if not revision or not spec.hub_id:
        raise UsageError(f"encoder {name!r}: NAME{REVISION_MARK}REVISION is for encoders of {HUB}")
    return replace(spec, name=name, revision=revision)
