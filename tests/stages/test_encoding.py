"""What is encoded belongs to its slide, whatever goes wrong with the one before."""

from dataclasses import replace
from unittest.mock import Mock

import numpy as np
import pytest
import timm
import torch

from datasets import reader_pool
from datasets.patches import SlidePatches
from models.encoders.batches import NetworkLaunch
from models.encoders.build import build_encoder
from models.encoders.encoder import Encoder, Launched
from models.encoders.registry import find_encoder
from models.encoders.spec import IMAGENET_MEAN, IMAGENET_STD
from models.encoders.transform import Geometry, Normalise, Transform
from stages import joined_blocks
from stages.encoding import SlideEncoder
from tests.slides import damage_tile, small_slide
from tests.stages.fabricated import fabricate_picture
from utils.errors import ItemError
from wsi_core.coords_file import PatchCoords
from wsi_core.patch_reading import PatchReading

PATCHES = PatchCoords(
    coords=np.array([[x, y] for x in (0, 32, 64, 96) for y in (0, 32, 64)]), reading=PatchReading(0, 32, 32, 32)
)


@pytest.fixture
def jobs(tmp_path):
    return [SlidePatches(fabricate_picture(tmp_path / f"{seed}.png", seed), PATCHES) for seed in range(3)]


def encode_one(job: SlidePatches, encoder, batch_size: int = 100) -> np.ndarray:
    with SlideEncoder([job], [encoder], batch_size, num_workers=0) as slides:
        return slides.next_slide().features[0]


def encode_all(jobs: list[SlidePatches], encoder, batch_size: int, num_workers: int) -> list[np.ndarray | str]:
    """Return the features of every slide, or what was wrong with it."""
    results: list[np.ndarray | str] = []
    with SlideEncoder(jobs, [encoder], batch_size, num_workers) as slides:
        for _ in jobs:
            try:
                results.append(slides.next_slide().features[0])
            except (ItemError, RuntimeError) as error:
                results.append(str(error))
    return results


@pytest.fixture(scope="module")
def small_network():
    """A network for small patches, without weights to be fetched."""
    torch.manual_seed(0)
    network = timm.create_model("resnet10t", num_classes=0).eval()
    geometry = Geometry(48, None, "bilinear")
    transform = Transform(geometry, Normalise(IMAGENET_MEAN, IMAGENET_STD, torch.device("cpu")))
    launch = NetworkLaunch(network, transform, torch.device("cpu"))
    return Encoder(replace(find_encoder("resnet50_trunc"), dim=512), geometry, "", launch)


def test_features_do_not_depend_on_batches_workers_or_order(jobs, small_network):
    expected = encode_one(jobs[0], small_network)
    assert expected.shape == (12, 512) and expected.dtype == np.float32
    order = np.random.default_rng(0).permutation(12)
    shuffled = replace(jobs[0], patches=replace(PATCHES, coords=PATCHES.coords[order]))
    for num_workers in (0, 2):
        for batch_size in (1, 5, 100):
            again, moved = encode_all([jobs[0], shuffled], small_network, batch_size, num_workers)
            np.testing.assert_allclose(again, expected, atol=1e-5)
            np.testing.assert_allclose(moved, expected[order], atol=1e-5)


@pytest.fixture
def small_blocks(monkeypatch):
    """Of the patches of ``jobs`` five are read at once, unless they are asked for in fours."""
    monkeypatch.setattr(reader_pool, "BLOCK_BYTES", 5 * 3 * 32**2)


def noting_sizes(encoder: Encoder, sizes: list[int]) -> Encoder:
    return replace(encoder, launch=lambda batch: sizes.append(len(batch)) or encoder.launch(batch))


@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.parametrize(("batch_size", "expected"), [(8, [8, 4]), (12, [12]), (100, [12]), (4, [4, 4, 4])])
def test_batches_are_as_large_as_asked_for_however_few_are_read_at_once(
    jobs, small_network, small_blocks, num_workers, batch_size, expected
):
    described, sizes = build_encoder("handcrafted"), []
    encoders = [described, noting_sizes(small_network, sizes)]
    with SlideEncoder(jobs, encoders, batch_size, num_workers) as slides:
        found = [slides.next_slide().features for _ in jobs]
    assert sizes == expected * len(jobs)
    for job, features in zip(jobs, found, strict=True):
        np.testing.assert_array_equal(features[0], encode_one(job, described))
        np.testing.assert_allclose(features[1], encode_one(job, small_network), atol=1e-5)


def test_a_batch_takes_no_more_memory_than_there_is_for_it(jobs, small_network, small_blocks, monkeypatch):
    monkeypatch.setattr(joined_blocks, "BATCH_BYTES", 7 * 3 * 32**2)
    sizes: list[int] = []
    np.testing.assert_allclose(
        encode_one(jobs[0], noting_sizes(small_network, sizes)), encode_one(jobs[0], small_network), atol=1e-5
    )
    assert sizes == [7, 5]


def test_nothing_is_joined_for_encoders_that_make_no_use_of_it(jobs, small_network, small_blocks):
    sizes: list[int] = []
    encode_one(jobs[0], noting_sizes(replace(small_network, batch=5), sizes))
    assert sizes == [5, 5, 2]


def test_patches_that_cannot_be_read_are_in_no_batch(tmp_path, small_network, small_blocks):
    slide = small_slide(tmp_path / "s.tif", size_px=(512, 512))
    damage_tile(slide)
    corners = np.array([[x, y] for x in (0, 200, 300, 400) for y in (0, 200, 300, 400)])  # 4 of them in the tile
    job = SlidePatches(slide, PatchCoords(corners, PatchReading(0, 32, 32, 32)), max_bad_part=0.5)
    sizes: list[int] = []
    with SlideEncoder([job], [noting_sizes(small_network, sizes)], 7, num_workers=0) as slides:
        encoded = slides.next_slide()
    good = [number for number, corner in enumerate(corners) if corner.max() >= 256]
    assert sizes == [7, 5] and encoded.numbers.tolist() == good and len(encoded.bad) == 4
    sound = replace(job, patches=replace(job.patches, coords=corners[good]))
    np.testing.assert_allclose(encoded.features[0], encode_one(sound, small_network), atol=1e-5)


def test_several_encoders_share_one_reading(jobs, small_network):
    described = build_encoder("handcrafted")
    with SlideEncoder(jobs, [small_network, described, small_network], 5, num_workers=2) as slides:
        for job in jobs:
            first, second, third = slides.next_slide().features
            np.testing.assert_allclose(first, encode_one(job, small_network), atol=1e-5)
            np.testing.assert_array_equal(second, encode_one(job, described))
            np.testing.assert_array_equal(third, first)


@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.parametrize("failing_call", [1, 2, 3])
def test_a_slide_that_fails_half_way_leaves_nothing_to_the_next_one(jobs, num_workers, failing_call):
    encoder = build_encoder("handcrafted")
    expected = [encode_one(job, encoder) for job in jobs]
    calls = []

    def out_of_memory_once(batch):
        calls.append(batch)
        if len(calls) == failing_call:
            raise RuntimeError("out of memory")
        return Launched([batch])

    results = encode_all(jobs, replace(encoder, launch=out_of_memory_once), 4, num_workers)
    assert results[0] == "out of memory"
    np.testing.assert_array_equal(results[1], expected[1])
    np.testing.assert_array_equal(results[2], expected[2])


def test_a_slide_without_memory_for_its_features_leaves_the_next_one_its_own(jobs, monkeypatch):
    encoder = build_encoder("handcrafted")
    expected = [encode_one(job, encoder) for job in jobs]
    with SlideEncoder(jobs, [encoder], 4, 0) as slides:
        with monkeypatch.context() as patch:
            patch.setattr("stages.encoding.np.empty", Mock(side_effect=MemoryError))
            with pytest.raises(MemoryError):
                slides.next_slide()
        for features in expected[1:]:
            np.testing.assert_array_equal(slides.next_slide().features[0], features)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_an_unreadable_slide_in_the_middle_costs_itself_only(jobs, num_workers):
    encoder = build_encoder("handcrafted")
    jobs[1].path.write_bytes(b"no picture")
    first, middle, last = encode_all(jobs, encoder, 5, num_workers)
    assert isinstance(middle, str) and "1.png" in middle
    np.testing.assert_array_equal(first, encode_one(jobs[0], encoder))
    np.testing.assert_array_equal(last, encode_one(jobs[2], encoder))


def test_blocks_that_do_not_come_are_no_features(jobs):
    with SlideEncoder(jobs[:1], [build_encoder("handcrafted")], 4, num_workers=0) as slides:
        slides._blocks = iter([next(slides._blocks)])
        with pytest.raises(ItemError, match="only 4 of 12 patches"):
            slides.next_slide()


def test_a_batch_too_large_for_the_memory_is_halved_until_it_fits(small_network):
    sizes = []

    def with_little_memory(batch):
        sizes.append(len(batch))
        if len(batch) > 3:
            raise torch.cuda.OutOfMemoryError("out of memory")
        return batch.mean(dim=(2, 3))

    launch = NetworkLaunch(with_little_memory, small_network.launch.transform, torch.device("cpu"), at_most=16)
    batch = torch.randint(0, 256, (20, 48, 48, 3), dtype=torch.uint8)
    features = launch(batch).wait()
    assert sizes[:4] == [16, 8, 4, 2] and set(sizes[3:]) == {2}
    whole = NetworkLaunch(lambda x: x.mean(dim=(2, 3)), small_network.launch.transform, torch.device("cpu"))
    torch.testing.assert_close(features, whole(batch).wait())


def test_a_batch_for_which_there_is_no_room_on_the_device_is_halved_too(small_network, monkeypatch):
    batch = torch.randint(0, 256, (20, 48, 48, 3), dtype=torch.uint8)
    expected = small_network.launch(batch).wait()
    to = torch.Tensor.to

    def with_little_room(tensor, *args, **kwargs):
        if tensor.dtype == torch.uint8 and len(tensor) > 3:
            raise torch.cuda.OutOfMemoryError("out of memory")
        return to(tensor, *args, **kwargs)

    monkeypatch.setattr(torch.Tensor, "to", with_little_room)
    launch = replace(small_network.launch, at_most=16)
    torch.testing.assert_close(launch(batch).wait(), expected, atol=1e-5, rtol=0)
    assert launch.at_most == 2
