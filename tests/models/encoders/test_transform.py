"""The device-side transform is Pillow's resize, then the encoder's crop and normalisation."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms import CenterCrop, Compose, Normalize, Resize, ToTensor

from models.encoders.build import build_encoder
from models.encoders.resize import in_whole_numbers, resize_batch
from models.encoders.spec import IMAGENET_MEAN, IMAGENET_STD
from models.encoders.transform import Geometry, Normalise, Transform
from utils.errors import UsageError

PILLOW = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
SIZES_PX = st.integers(16, 300)


def pictures(height_px: int, width_px: int, seed: int = 0) -> np.ndarray:
    """Return noise, and black and white noise, which is the hardest."""
    rng = np.random.default_rng(seed)
    shape = (height_px, width_px, 3)
    return np.stack([rng.integers(0, 256, shape), 255 * rng.integers(0, 2, shape)]).astype(np.uint8)


def by_pillow(batch: np.ndarray, size_px: tuple[int, int], interpolation: str) -> np.ndarray:
    return np.stack([np.asarray(Image.fromarray(image).resize(size_px, PILLOW[interpolation])) for image in batch])


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@settings(deadline=None, max_examples=80)
@given(patch_px=SIZES_PX, size_px=SIZES_PX, seed=st.integers(0, 9))
def test_resizing_is_pillows_on_every_pixel(interpolation, patch_px, size_px, seed):
    batch = pictures(patch_px, patch_px, seed)
    expected = by_pillow(batch, (size_px, size_px), interpolation)
    for resize in (resize_batch, in_whole_numbers):  # on the processor, and as on a GPU
        np.testing.assert_array_equal(resize(torch.from_numpy(batch), (size_px, size_px), interpolation), expected)


@pytest.mark.parametrize("geometry", [Geometry(64, None, "bilinear"), Geometry(80, 64, "bicubic")])
@pytest.mark.parametrize("shape", [(96, 96), (101, 256), (120, 90)])
def test_the_whole_transform_is_that_of_torchvision_and_pillow(geometry, shape):
    batch = pictures(*shape)
    crop = [CenterCrop(geometry.crop_px)] if geometry.crop_px else []
    resize = Resize(geometry.resize_px, PILLOW[geometry.interpolation])
    steps = Compose([resize, *crop, ToTensor(), Normalize(IMAGENET_MEAN, IMAGENET_STD)])
    expected = torch.stack([steps(Image.fromarray(image)) for image in batch])
    transform = Transform(geometry, Normalise(IMAGENET_MEAN, IMAGENET_STD, torch.device("cpu")))
    made = transform(torch.from_numpy(batch))
    assert made.shape[2:] == geometry.input_px(*shape[::-1])[::-1]
    of_255 = (made - expected).abs() * 255 * torch.tensor(IMAGENET_STD).view(1, 3, 1, 1)
    assert of_255.max() <= 1.001


def test_the_short_side_gets_the_size_and_nothing_is_cropped():
    batch = torch.zeros(1, 100, 200, 3, dtype=torch.uint8)
    assert Geometry(50, None, "bilinear")(batch).shape == (1, 50, 100, 3)


def test_minus_one_leaves_patches_as_they_are():
    batch = torch.from_numpy(pictures(50, 70))
    assert torch.equal(Geometry(-1, None, "bilinear")(batch), batch)


def test_bytes_become_standardised_numbers_with_channels_first():
    batch = torch.zeros(2, 4, 5, 3, dtype=torch.uint8)
    batch[..., 1] = 255
    out = Normalise(IMAGENET_MEAN, IMAGENET_STD, torch.device("cpu"))(batch)
    assert tuple(out.shape) == (2, 3, 4, 5) and out.dtype == torch.float32
    expected = [(value - mean) / std for value, mean, std in zip((0, 1, 0), IMAGENET_MEAN, IMAGENET_STD, strict=True)]
    torch.testing.assert_close(out[0, :, 0, 0], torch.tensor(expected))


@pytest.mark.parametrize("size", [0, -2])
def test_an_impossible_size_is_refused(size):
    with pytest.raises(UsageError, match=f"target patch size {size}"):
        build_encoder("handcrafted", target_patch_size=size)
