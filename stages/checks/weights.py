"""Encoder weights that are at hand, found as the programs find them, without asking the network."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from huggingface_hub import constants, get_token

from models.encoders.registry import ENCODERS, find_encoder
from models.encoders.spec import EncoderSpec
from models.encoders.weights import find_weights
from stages.checks.finding import Finding
from utils.errors import UsageError, one_line

VARIABLES = sorted({spec.env_var for spec in ENCODERS.values() if spec.env_var})


def look(encoders: Sequence[str] = (), offline: str = "") -> Iterator[Finding]:
    """Yield the hub's settings, and each of ``encoders``, or in one line all that are found.

    Args:
        encoders: names, as ``--model_name`` takes them.
        offline: what the user's HF_HUB_OFFLINE says; in the process of this check it is 1, so that nothing is fetched.
    """
    yield of_hub(bool(get_token()), offline)
    yield from of_variables()
    if encoders:
        yield from (of_encoder(find_encoder(name)) for name in encoders)
    else:
        yield of_all(list(ENCODERS.values()))


def of_hub(has_token: bool, offline: str) -> Finding:
    """Say whether weights can be asked for, and where those that were fetched lie."""
    token = "a token is set" if has_token else "no token, which gated weights need (hf auth login)"
    network = f"; HF_HUB_OFFLINE={offline}: nothing is fetched" if offline else ""
    return Finding("Hugging Face", "ok", f"{token}; kept in {constants.HF_HUB_CACHE}{network}")


def of_variables() -> Iterator[Finding]:
    """Yield each environment variable that names a file of weights."""
    for name in VARIABLES:
        file = os.environ.get(name)
        if file and not Path(file).expanduser().exists():
            yield Finding(name, "fail", f"no file {file}", "correct it, or unset it")
        elif file:
            yield Finding(name, "ok", file)


def of_encoder(spec: EncoderSpec) -> Finding:
    """Say where the weights of an encoder are, or how to get them."""
    if not spec.hub_file:
        return Finding(spec.name, "ok", "needs no weights")
    try:
        return Finding(spec.name, "ok", str(find_weights(spec, None)))
    except UsageError as error:
        return Finding(
            spec.name, "fail", "no weights here", one_line(error).removeprefix(f"{spec.name} needs weights; ")
        )


def of_all(specs: Sequence[EncoderSpec]) -> Finding:
    """Say in one line which encoders can be used."""
    found = [spec.name for spec in specs if of_encoder(spec).level == "ok"]
    advice = "--encoders NAME,NAME says where to get others"
    return Finding("encoder weights", "ok", f"{len(found)} of {len(specs)}: {', '.join(found)}", advice)
