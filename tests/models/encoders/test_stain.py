"""Stain normalisation gives patches of any colours those of the target, each on its own."""

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.color import hed2rgb

from models.encoders.stain import fit_stain
from utils.errors import UsageError

METHODS = ("macenko", "reinhard")


def tissue(seed: int, tint: tuple[float, float, float] = (1, 1, 1), side_px: int = 96) -> np.ndarray:
    """Return a patch of haematoxylin and eosin in blobs; ``tint`` changes what light each colour channel loses."""
    rng = np.random.default_rng(seed)
    coarse = rng.gamma(2.0, 0.03, (side_px // 4, side_px // 4, 2))
    amounts = np.repeat(np.repeat(coarse, 4, axis=0), 4, axis=1)
    rgb = hed2rgb(np.dstack([amounts, np.zeros(amounts.shape[:2])]))
    return (255 * np.clip(rgb, 1e-3, 1) ** np.array(tint)).astype(np.uint8)


def save(path, image) -> str:
    Image.fromarray(image).save(path)
    return str(path)


@pytest.fixture(params=METHODS)
def stain(request, tmp_path):
    return fit_stain(request.param, save(tmp_path / "target.png", tissue(0)))


@pytest.mark.parametrize("tint", [(1.5, 0.8, 1.2), (0.6, 0.6, 0.6), (0.3, 1.2, 0.9)], ids=["blue", "pale", "reddish"])
def test_other_colours_come_close_to_the_target(stain, tint):
    plain = torch.from_numpy(np.stack([tissue(seed) for seed in range(1, 5)]))
    tinted = torch.from_numpy(np.stack([tissue(seed, tint) for seed in range(1, 5)]))
    before = (tinted.float() - plain.float()).abs().mean()
    after = (stain(tinted).float() - stain(plain).float()).abs().mean()
    assert after < 0.4 * before


def test_the_target_itself_stays_nearly_as_it_is(stain):
    target = torch.from_numpy(tissue(0)[None])
    assert (stain(target).float() - target.float()).abs().mean() < 4


def test_a_patch_does_not_depend_on_its_batch(stain):
    batch = torch.from_numpy(np.stack([tissue(seed, (1.2, 1, 0.9)) for seed in range(6)]))
    together = stain(batch)
    for number in range(6):
        alone = stain(batch[number : number + 1])[0]
        assert (together[number].int() - alone.int()).abs().max() <= 1


def test_no_line_is_drawn_between_glass_and_tissue(stain):
    step = np.linspace(0, 0.2, 256)  # density from glass to tissue, little by little
    ramp = 240 * np.exp(-step[None, :, None] * np.array([0.8, 1.3, 0.9]))
    patch = np.vstack([np.broadcast_to(ramp, (64, 256, 3)).astype(np.uint8), tissue(1, (0.8, 1, 1), 256)])
    changed = stain(torch.from_numpy(patch[None]))[0, :64].int()
    assert changed.diff(dim=1).abs().max() <= 6


@pytest.mark.parametrize("n_columns", [8, 48, 93])
def test_what_is_outside_the_slide_stays_black_and_changes_no_tissue(stain, n_columns):
    patch = torch.from_numpy(tissue(1, (1.2, 0.9, 1))[None])
    padded = patch.clone()
    padded[:, :, -n_columns:] = 0
    changed = stain(padded)
    assert not changed[:, :, -n_columns:].any()
    alone = stain(patch[:, :, :-n_columns].contiguous())
    assert (changed[:, :, :-n_columns].int() - alone.int()).abs().max() <= 1


def test_what_is_outside_a_target_is_no_stain(tmp_path):
    padded = np.pad(tissue(0), ((0, 0), (0, 64), (0, 0)))
    patch = torch.from_numpy(tissue(1, (1.2, 0.9, 1))[None])
    for method in METHODS:
        plain, beside_black = (fit_stain(method, save(tmp_path / "t.png", image)) for image in (tissue(0), padded))
        assert (plain(patch).int() - beside_black(patch).int()).abs().max() <= 1


@pytest.mark.parametrize("value", [0, 128, 245, 255])
def test_patches_without_stains_to_tell_stay_as_they_are(stain, value):
    flat = torch.full((2, 64, 64, 3), value, dtype=torch.uint8)
    assert torch.equal(stain(flat), flat)


def test_what_was_fitted_is_named_and_differs_between_targets(tmp_path):
    for method in METHODS:
        names = {fit_stain(method, save(tmp_path / f"{i}.png", tissue(i, (1 + i, 1, 1)))).describe for i in (0, 1)}
        assert len(names) == 2 and all(name.startswith(f"{method}:") for name in names)


@pytest.mark.parametrize("method", METHODS)
def test_a_target_that_is_none_is_refused(tmp_path, method):
    (tmp_path / "text.png").write_text("no image")
    blank = save(tmp_path / "blank.png", np.full((64, 64, 3), 250, np.uint8))
    one_colour = save(tmp_path / "one.png", np.full((64, 64, 3), (200, 120, 160), np.uint8))
    for path, said in (
        (str(tmp_path / "text.png"), "no image"),
        (str(tmp_path / "gone.png"), "gone"),
        (blank, "tissue"),
        (one_colour, "tissue"),
    ):
        with pytest.raises(UsageError, match=said):
            fit_stain(method, path)
