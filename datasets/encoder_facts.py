"""Which attributes of features make them incompatible, and how two that do not go together are named.

Attributes are the texts that ``features_file`` keeps beside features. What one side does not say, such as an older file
or one of the original, is not held against it.
"""

from collections.abc import Mapping

# These change what the numbers mean; how a network is run (dtype, runtime) changes them by rounding at most, and where
# it comes from (revision, version) is told better by the hash of its weights.
ENCODER_FACTS = (
    "encoder",
    "weights_sha256",
    "pooling",
    "normalisation",
    "target_patch_size",
    "interpolation",
    "crop",
    "stain_norm",
)
SHOWN_HASH_LENGTH = 8


def encoder_facts_of(made_from: Mapping[str, str]) -> dict[str, str]:
    """Return the attributes that say which encoder made the features, as far as they are stated."""
    return {name: made_from[name] for name in ENCODER_FACTS if name in made_from}


def differing_facts(a: Mapping[str, str], b: Mapping[str, str]) -> list[str]:
    """Return the names of the encoder facts that both state and state differently, the telling ones first."""
    return [name for name in ENCODER_FACTS if name in a and name in b and _fact(a, name) != _fact(b, name)]


def _fact(made_from: Mapping[str, str], name: str) -> str:
    """Return a fact as it is compared: a crop of the whole picture, which earlier versions stated, is none."""
    is_whole = name == "crop" and made_from[name] == made_from.get("target_patch_size")
    return "" if is_whole else made_from[name]


def encoder_difference(a: Mapping[str, str], b: Mapping[str, str]) -> str:
    """Return '' where features go together, else a text that names both encoders, or both ways to run the same one."""
    differing = differing_facts(a, b)
    if not differing:
        return ""
    shown = ["weights_sha256"] if "encoder" in differing else differing
    return f"{_described(a, shown)} and {_described(b, shown)}"


def encoder_name(made_from: Mapping[str, str]) -> str:
    """Return the encoder's name for a message."""
    return made_from.get("encoder") or "an encoder without a name"


def _described(made_from: Mapping[str, str], names: list[str]) -> str:
    details = ", ".join(f"{name} {_shown(name, made_from[name])}" for name in names if name in made_from)
    return f"{encoder_name(made_from)} ({details})" if details else encoder_name(made_from)


def _shown(name: str, value: str) -> str:
    if name == "weights_sha256" and len(value) > SHOWN_HASH_LENGTH:
        return f"{value[:SHOWN_HASH_LENGTH]}.."
    return value or "none"
