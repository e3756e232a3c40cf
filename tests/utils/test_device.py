"""A processor multiplies in bfloat16, or only imitates it."""

import pytest
import torch

from utils.device import has_bfloat16


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"architecture": "x86_64", "avx512_bf16": False, "amx_bf16": False}, False),
        ({"architecture": "x86_64", "avx512_bf16": True, "amx_bf16": False}, True),
        ({"architecture": "x86_64", "avx512_bf16": False, "amx_bf16": True}, True),
        ({"architecture": "aarch64"}, True),
        ({}, True),
    ],
)
def test_what_a_processor_says_of_itself_decides(monkeypatch, facts, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: facts, raising=False)
    assert has_bfloat16(torch.device("cpu")) is expected
