import subprocess
import sys
from typing import Any

import pytest
import timm
import torch
from torch import nn

from models.encoders.registry import ENCODERS, EncoderSpec, find_encoder
from utils.errors import UsageError
from utils.lookup import PROJECT_ROOT


def without_memory(spec: EncoderSpec) -> nn.Module:
    """Build a network of shapes only."""
    options: dict[str, Any] = dict(spec.options)
    with torch.device("meta"):
        return timm.create_model(spec.architecture, pretrained=False, **options).eval()


HEAVY = ("torch", "timm", "numpy", "cv2", "skimage")


def test_the_registry_is_read_without_heavy_imports():
    code = f"import sys, models.encoders.registry; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_unknown_encoder_is_told_the_known_ones():
    with pytest.raises(UsageError, match=r"unknown encoder 'uni_v3'.*resnet50_trunc, uni_v1, conch_v1, handcrafted"):
        find_encoder("uni_v3")


@pytest.mark.parametrize("name", ["resnet50_trunc", "uni_v1", "conch_v1"])
def test_networks_of_the_readme_take_224_px(name):
    assert find_encoder(name).input_size_px == 224


@pytest.mark.parametrize("spec", [s for s in ENCODERS.values() if s.family == "timm"], ids=lambda s: s.name)
def test_timm_networks_give_as_many_numbers_as_the_registry_says(spec):
    with torch.device("meta"):
        out = without_memory(spec)(torch.empty(2, 3, spec.input_size_px, spec.input_size_px))
    shape = out[-1].shape[:2] if isinstance(out, list) else out.shape
    assert tuple(shape) == (2, spec.dim)


def test_uni_has_the_parameters_of_its_published_weights():
    shapes = without_memory(find_encoder("uni_v1")).state_dict()
    assert tuple(shapes["pos_embed"].shape) == (1, 197, 1024)
    assert tuple(shapes["blocks.23.ls2.gamma"].shape) == (1024,)
    assert not [name for name in shapes if name.startswith("head.")]
