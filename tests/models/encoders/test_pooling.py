import pytest
import torch

from models.encoders.gemma_network import patches_in_rows, places
from models.encoders.pooling import POOLINGS
from models.encoders.registry import ENCODERS

TOKENS = torch.arange(2 * 5 * 3, dtype=torch.float32).view(2, 5, 3)  # one class token, one register, three patches
MAPS = torch.arange(2 * 3 * 2 * 2, dtype=torch.float32).view(2, 3, 2, 2)


@pytest.mark.parametrize(
    ("pooling", "output", "expected"),
    [
        ("cls", TOKENS, TOKENS[:, 0]),
        ("mean", TOKENS, (TOKENS[:, 2] + TOKENS[:, 3] + TOKENS[:, 4]) / 3),
        ("cls+mean", TOKENS, torch.cat((TOKENS[:, 0], TOKENS[:, 3]), dim=1)),
        ("gap", MAPS, MAPS.flatten(2).mean(2)),
        ("pooled", TOKENS, TOKENS[:, 0]),
        ("pooled", MAPS, MAPS.flatten(2).mean(2)),
        ("pooled", TOKENS[:, 1], TOKENS[:, 1]),
        ("embedding-l2", torch.tensor([[3.0, 4.0]]), torch.tensor([[0.6, 0.8]])),
    ],
)
def test_tokens_maps_and_embeddings_become_one_feature(pooling, output, expected):
    torch.testing.assert_close(POOLINGS[pooling](output, 2), expected)


def test_every_entry_names_a_pooling():
    assert {spec.pooling for spec in ENCODERS.values() if spec.family != "handcrafted"} <= POOLINGS.keys()


def test_gemmas_patches_and_places_are_those_of_its_own_processor():
    transformers = pytest.importorskip("transformers", minversion="5.0")
    picture = torch.randint(0, 256, (3, 48 * 16, 48 * 16), dtype=torch.uint8)
    made = transformers.Gemma4ImageProcessor()(images=picture, return_tensors="pt")
    patches, where = patches_in_rows(picture[None] / 255), places(*picture.shape[1:], picture.device)
    torch.testing.assert_close(made["pixel_values"][0, : 48 * 48], patches[0])
    assert torch.equal(made["image_position_ids"][0, : 48 * 48], where)


def test_gemma_gives_256_tokens_of_768_px():
    assert len(places(768, 768, torch.device("cpu"))) == 256 * 9
