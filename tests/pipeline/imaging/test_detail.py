"""Bands of detail, against plain sums and drawn folds."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.imaging.detail import (
    BROAD,
    FINE,
    LOG_OFFSET,
    MIDDLE,
    bands,
    log_luma,
    shaded,
    within,
)
from pipeline.imaging.sampling import blurred

from ..faces import natural

EYES = 160.0
SIDE = 240


def skin_of(side: int = SIDE) -> Tensor:
    """Everything but a soft-edged square in the middle."""
    line = torch.arange(side, dtype=torch.float32)
    hole = ((line - side / 2).abs() < side / 10).float()
    return 1 - blurred((hole[:, None] * hole)[None, None], 2.0)


def waves(length_px: float, depth: float = 0.05, side: int = SIDE) -> Tensor:
    """Log luma with folds of one wavelength, (1, 1, side, side)."""
    line = torch.arange(side, dtype=torch.float32)
    return (depth * torch.sin(2 * math.pi * line / length_px)).expand(1, 1, side, side) - 1.0


def test_the_fast_bands_are_those_of_every_pixel() -> None:
    luma, skin = log_luma(natural(SIDE, seed=4)), skin_of()
    skin = skin * (F.pad(torch.ones(1, 1, 200, 200), (20,) * 4))  # a face ends before its part
    fast, plain = bands(luma, skin, EYES), bands(luma, skin, EYES, impl="ref")
    for band in ("fold", "wide"):
        a, b = getattr(fast, band), getattr(plain, band)
        assert (a - b).abs().mean() < 0.03 * b.abs().mean()
        assert (a - b).abs().max() < 0.1 * b.abs().max()


def test_within_is_the_mean_of_what_counts() -> None:
    values = torch.rand(1, 1, 40, 40, generator=torch.Generator().manual_seed(0))
    share = (torch.arange(40) < 20).float().expand(1, 1, 40, 40)
    left = torch.where(share > 0, values, torch.full_like(values, 99.0))
    found = within(left, share, 3.0, impl="ref")
    assert found[..., :20].max() < 1.0
    assert found[..., 39].max() == pytest.approx(float(values[..., :20].mean()), abs=0.05)


@pytest.mark.parametrize("gain", [-1.0, -0.5, 0.5, 1.0])
def test_a_fold_is_scaled_by_the_stated_factor(gain: float) -> None:
    """A wave between the Gaussians' sigmas is nearly all in the fold band."""
    length = EYES * math.sqrt(FINE * MIDDLE) * 2 * math.pi
    luma, ones = waves(length), torch.ones(1, 1, SIDE, SIDE)
    change = bands(luma, ones, EYES).changed(torch.tensor([gain, gain, 0, 0])[None, :, None, None])
    k = (2 * math.pi * EYES / length) ** 2 / 2
    passed = math.exp(-k * FINE**2) - math.exp(-k * MIDDLE**2)
    middle = (slice(None), slice(None), slice(60, 180), slice(60, 180))
    factor = (luma + change)[middle].std() / luma[middle].std()
    assert float(factor) == pytest.approx(1 + gain * passed, abs=0.04)
    assert passed > 0.75


def test_shadows_and_lights_have_gains_of_their_own() -> None:
    found = bands(waves(40.0), torch.ones(1, 1, SIDE, SIDE), EYES)
    change = found.changed(torch.tensor([-1.0, 0, 0, 0])[None, :, None, None])
    assert change.min() >= 0  # shadows are only lifted
    assert (change[found.fold > 0] == 0).all()


def test_pores_and_grain_stay() -> None:
    """What is finer than the first Gaussian is passed on as it was, whatever the gains."""
    grain = 0.1 * torch.randn(1, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    checker = torch.tensor([0.1, -0.1]).repeat(SIDE // 2)
    pores = (checker[:, None] * checker.sign()).expand(1, 1, SIDE, SIDE)
    gains = torch.full((1, 4, 1, 1), -1.0)
    ones = torch.ones(1, 1, SIDE, SIDE)
    for finest, left in ((pores, 0.98), (grain, 0.75)):
        change = bands(finest - 1.0, ones, 2 * EYES).changed(gains)
        fine = lambda x: (x - blurred(x, 1.0))[..., 20:-20, 20:-20]  # noqa: E731
        assert fine(finest + change).std() > left * fine(finest).std()


def test_flat_skin_stays_flat_beside_a_hole() -> None:
    """Brows and eyes are left out of the means, so no halo is drawn round them."""
    luma = torch.where(skin_of() > 0.5, -0.7, -2.5)
    skin = (skin_of() > 0.999).float()
    found = bands(luma, skin, EYES)
    off = found.fold.abs() + found.wide.abs()
    away = blurred(1 - skin, 2.0) < 1e-4
    assert off[away].max() < 1e-4
    assert (found.fold[skin == 0] == 0).all()


@pytest.mark.parametrize("change", [-0.4, 0.15])
def test_a_change_of_luma_is_as_stated_and_shadows_are_redder(change: float) -> None:
    images = 0.3 * natural(32, seed=2)
    changed = shaded(images, torch.full((1, 1, 32, 32), change))
    before, after = (((p + 1) / 2 + LOG_OFFSET).log() for p in (images, changed))
    assert (log_luma(changed) - log_luma(images)).mean() == pytest.approx(change, abs=0.02)
    red = (after - before)[:, 0] - (after - before)[:, 1]
    assert float(red.mean()) == pytest.approx(-0.33 * change, rel=0.2)


def test_nothing_is_bit_for_bit_nothing() -> None:
    images = natural(32, seed=2)
    zero = torch.zeros(1, 1, 32, 32)
    assert torch.equal(shaded(images, zero), images)
    assert torch.equal(shaded(images, zero, zero.expand(1, 2, 32, 32)), images)


def test_a_tint_moves_colour_and_not_luma() -> None:
    images = torch.full((1, 3, 8, 8), 0.2)
    tint = torch.tensor([0.05, -0.02])[None, :, None, None].expand(1, 2, 8, 8)
    changed = shaded(images, torch.zeros(1, 1, 8, 8), tint)
    assert (log_luma(changed) - log_luma(images)).abs().max() < 2e-3
    light = ((changed + 1) / 2 + LOG_OFFSET).log()
    assert torch.allclose(light[:, 0] - light[:, 1], tint[:, 0], atol=1e-4)


def test_bands_are_of_the_face_not_of_the_picture() -> None:
    """Twice the face, twice the waves: the same bands."""
    small = bands(waves(30.0), torch.ones(1, 1, SIDE, SIDE), 100.0)
    large = bands(waves(60.0, side=2 * SIDE), torch.ones(1, 1, 2 * SIDE, 2 * SIDE), 200.0)
    inside = slice(70, 170)
    a, b = small.fold[0, 0, inside, inside].std(), large.fold[0, 0, 140:340, 140:340].std()
    assert float(a) == pytest.approx(float(b), rel=0.05)
    assert BROAD > MIDDLE > FINE
