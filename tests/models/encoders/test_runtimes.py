"""Whichever library runs a network, the features are the same; the automatic choice takes no other."""

import importlib.util
import logging

import pytest
import timm
import torch

from models.encoders.runtimes import choice
from models.encoders.runtimes.choice import Request, is_equal, make_forward
from tests.runtimes import require_runtime
from utils.errors import UsageError

CPU = torch.device("cpu")
NETWORKS = ("resnet10t", "vit_tiny_patch16_224")


@pytest.fixture(scope="module", params=NETWORKS)
def network(request):
    torch.manual_seed(0)
    return timm.create_model(request.param, num_classes=0).eval()


@pytest.fixture(scope="module")
def batch():
    pixels = torch.randn(5, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    return pixels.contiguous(memory_format=torch.channels_last)


@pytest.fixture(scope="module")
def exact(network, batch):
    with torch.inference_mode():
        return network(batch)


def request(network, dtype: str = "fp32", device: torch.device = CPU, **options) -> Request:
    return Request(network, device, dtype, (224, 224), **options)


@torch.inference_mode()
@pytest.mark.parametrize("runtime", ["torch", "onnxruntime", "openvino"])
def test_every_runtime_gives_the_features_of_plain_torch(network, batch, exact, runtime):
    forward, used = make_forward(request(network), require_runtime(runtime))
    assert used == runtime
    for n_patches in (5, 1, 3):  # not only batches of the size it was converted with
        torch.testing.assert_close(forward(batch[:n_patches]), exact[:n_patches], atol=1e-5, rtol=0)


@torch.inference_mode()
@pytest.mark.parametrize("runtime", ["torch", "openvino"])
def test_lower_precision_keeps_the_direction_of_features(network, batch, exact, runtime):
    features = make_forward(request(network, "bf16"), require_runtime(runtime, "bf16"))[0](batch).float()
    assert torch.nn.functional.cosine_similarity(features, exact).min() >= 0.999
    assert not torch.equal(features, exact)


@torch.inference_mode()
def test_the_fastest_runtime_is_taken(network, batch, exact, monkeypatch):
    require_runtime("onnxruntime")
    seconds = {"torch": 2.0, "onnxruntime": 1.0, "openvino": 3.0}
    order = iter(["torch", *(name for name in choice.PACKAGES if importlib.util.find_spec(name))])
    monkeypatch.setattr(choice, "_seconds", lambda forward, batch: seconds[next(order)])
    forward, used = make_forward(request(network), "auto")
    assert used == "onnxruntime"
    torch.testing.assert_close(forward(batch), exact, atol=1e-5, rtol=0)


@torch.inference_mode()
def test_a_runtime_with_other_features_is_never_taken(network, batch, exact, monkeypatch, caplog):
    monkeypatch.setattr(choice, "_converted", lambda runtime, request: lambda batch: request.network(batch) * 1.001)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: True)
    forward, used = make_forward(request(network), "auto")
    assert used == "torch" and "gives other features than torch" in caplog.text
    torch.testing.assert_close(forward(batch), exact, atol=1e-5, rtol=0)


def test_a_network_that_no_converter_understands_is_left_to_torch(network, monkeypatch, caplog):
    def fail(runtime, request):
        raise RuntimeError("unknown operation")

    monkeypatch.setattr(choice, "_converted", fail)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: True)
    with caplog.at_level(logging.DEBUG):
        assert make_forward(request(network), "auto")[1] == "torch"
    with pytest.raises(
        UsageError, match=r"--runtime openvino cannot run this encoder .*unknown operation.*: pass torch"
    ):
        make_forward(request(network), "openvino")


def test_nothing_is_converted_for_few_patches_or_when_torch_compiles(network, monkeypatch):
    monkeypatch.setattr(choice, "_converted", lambda runtime, request: pytest.fail("converted"))
    monkeypatch.setattr(torch, "compile", lambda network: network)
    for options in ({"n_patches": choice.MIN_PATCHES - 1}, {"compiled": True}):
        assert make_forward(request(network, **options), "auto")[1] == "torch"


@pytest.mark.parametrize(
    ("runtime", "options", "message"),
    [
        ("onnxruntime", {"dtype": "bf16"}, "computes in fp32, not bf16"),
        ("openvino", {"device": torch.device("cuda", 0)}, "computes on processors; on cuda:0 pass torch or auto"),
        ("openvino", {"compiled": True}, "is not compiled by torch: leave --compile out, or pass --runtime torch"),
    ],
)
def test_what_a_runtime_cannot_do_is_said(network, runtime, options, message):
    require_runtime(runtime)
    with pytest.raises(UsageError, match=message):
        make_forward(request(network, **options), runtime)


def test_a_number_format_that_a_runtime_would_replace_in_silence_is_refused(network, monkeypatch):
    require_runtime("openvino")
    from models.encoders.runtimes import openvino_runtime

    monkeypatch.setattr(openvino_runtime, "native_dtypes", lambda: ["fp32", "bf16"])
    with pytest.raises(UsageError, match="computes in fp32 and bf16 on this processor, not fp16: pass torch"):
        make_forward(request(network, "fp16"), "openvino")


@pytest.mark.parametrize("runtime", ["auto", "torch", "openvino", "onnxruntime"])
def test_a_size_that_the_network_is_not_for_is_said_before_a_slide_is_opened(runtime):
    require_runtime(runtime)
    network = timm.create_model("vit_tiny_patch16_224", num_classes=0, img_size=32).eval()
    with pytest.raises(
        UsageError, match=r"cannot take pictures of 224 x 224 px in fp32 \(AssertionError: .*--target_pa"
    ):
        make_forward(request(network), runtime)


@pytest.mark.parametrize("runtime", ["auto", "torch", "openvino"])
def test_another_number_of_features_than_the_encoder_is_known_for_is_refused(network, exact, runtime):
    require_runtime(runtime)
    with pytest.raises(UsageError, match=f"gives {exact.shape[1]} numbers for a picture, not the 7 it is known for"):
        make_forward(request(network, dim=7), runtime)


def test_what_torch_cannot_compile_is_said_before_a_slide_is_opened(network, monkeypatch):
    def fail(batch):
        raise RuntimeError("No working C++ compiler found Set TORCHDYNAMO_VERBOSE=1 for more")

    monkeypatch.setattr(torch, "compile", lambda network: fail)
    with pytest.raises(UsageError, match=r"--compile: .* leave it out \(RuntimeError: No working .* found\)$"):
        make_forward(request(network, compiled=True), "auto")


def test_a_runtime_that_is_not_installed_says_what_to_install(network, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for runtime, packages in choice.PACKAGES.items():
        with pytest.raises(UsageError, match=f"--runtime {runtime} needs .*: pip install {' '.join(packages)}"):
            make_forward(request(network), runtime)


def test_features_are_equal_only_if_shape_numbers_and_values_are():
    exact = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert is_equal(exact + 1e-5, exact, "fp32") and not is_equal(exact + 1e-4, exact, "fp32")
    assert is_equal(exact * 1.01, exact, "bf16") and not is_equal(exact * torch.tensor([1.0, 1.5]), exact, "bf16")
    assert not is_equal(exact[:1], exact, "fp32") and not is_equal(exact * torch.nan, exact, "bf16")
