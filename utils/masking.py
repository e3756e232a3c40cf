"""Texts that are kept, without the secrets that a command line or a configuration may hold."""

import re
from collections.abc import Mapping
from typing import Any

MASK = "***"
_NAME = r"\w*(?:token|passw|secret|api_?key|credential)\w*"
_SECRETS = (
    re.compile(rf"(--?{_NAME}(?:=|\s+))\S+", re.IGNORECASE),  # a flag
    re.compile(r"()\bhf_[A-Za-z0-9]{8,}"),  # a token of Hugging Face
    re.compile(r"(://[^\s/:@]*:)[^\s/@]+(?=@)"),  # https://user:password@host
    re.compile(r"([?&](?:X-Amz-(?:Signature|Credential|Security-Token)|sig|token)=)[^&\s]+", re.IGNORECASE),
)


def masked(text: str) -> str:
    """Return a text with ``***`` for tokens and passwords."""
    for secret in _SECRETS:
        text = secret.sub(rf"\g<1>{MASK}", text)
    return text


def masked_values(value: Any, name: str = "") -> Any:
    """Return plain values, such as JSON has, with ``***`` for what is secret by its name or its look."""
    if isinstance(value, Mapping):
        return {key: masked_values(part, str(key)) for key, part in value.items()}
    if isinstance(value, list):
        return [masked_values(part, name) for part in value]
    if isinstance(value, str):
        return MASK if value and re.fullmatch(_NAME, name, re.IGNORECASE) else masked(value)
    return value
