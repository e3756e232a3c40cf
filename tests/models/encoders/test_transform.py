import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import Resize

from models.encoders.build import build_encoder
from models.encoders.registry import IMAGENET_MEAN, IMAGENET_STD
from models.encoders.transform import Normalise, ResizeShortSide
from tests.models.encoders.pictures import tissue
from utils.errors import UsageError


@pytest.mark.parametrize("size_px", [64, 224, 300])
def test_resizing_is_pillows_antialiased_bilinear(size_px):
    image = tissue(0, n_nuclei=40, radius_px=5)
    expected = np.asarray(Image.fromarray(image).resize((size_px, size_px), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(ResizeShortSide(size_px)(image), expected)


@pytest.mark.parametrize("size_px", [64, 224])
@pytest.mark.parametrize("shape", [(256, 256), (300, 217), (101, 256)])
def test_resizing_a_patch_of_any_shape_equals_torchvision(size_px, shape):
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    expected = np.asarray(Resize(size_px, antialias=True)(Image.fromarray(image)))
    difference = np.abs(ResizeShortSide(size_px)(image).astype(int) - expected)
    assert difference.shape == expected.shape and difference.max() <= 1


def test_the_short_side_gets_the_size_and_nothing_is_cropped():
    assert ResizeShortSide(50)(np.zeros((100, 200, 3), np.uint8)).shape == (50, 100, 3)


def test_minus_one_leaves_patches_as_they_are():
    image = tissue(0, n_nuclei=5, radius_px=5)
    np.testing.assert_array_equal(ResizeShortSide(-1)(image), image)


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
