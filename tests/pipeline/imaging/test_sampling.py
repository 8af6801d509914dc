"""Batched resampling against its plain twin."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pipeline.imaging import geometry as g
from pipeline.imaging.resample import warp
from pipeline.imaging.sampling import blurred, grown, resized, sample_affine
from tests.pipeline.faces import natural

MATRICES = np.stack(
    [
        g.similarity(1.0, 0.0, 3.25, -2.5),
        g.similarity(2.3, 11.0, 4.0, 1.0),
        g.similarity(0.4, -30.0, 20.0, 35.0),
    ]
)


def test_it_sees_what_the_plain_warp_sees() -> None:
    pictures = natural(96, 3, seed=4)
    seen = sample_affine(pictures, MATRICES, 40, kernel="linear")
    for picture, matrix, ours in zip(pictures, MATRICES, seen, strict=True):
        plain = warp(
            picture.permute(1, 2, 0).numpy(), matrix, (40, 40), kernel="linear", border="replicate"
        )
        np.testing.assert_allclose(ours.permute(1, 2, 0).numpy(), plain, atol=2e-4)


def test_a_picture_is_seen_the_same_alone_and_among_others() -> None:
    pictures = natural(64, 3, seed=5)
    together = sample_affine(pictures, MATRICES, 32)
    for n in range(3):
        alone = sample_affine(pictures[n : n + 1], MATRICES[n : n + 1], 32)
        assert torch.equal(alone[0], together[n])


def test_pixels_seen_where_they_are_keep_their_values() -> None:
    pictures = natural(48, 1, seed=6)
    same = sample_affine(pictures, np.eye(3)[None], 48)
    assert torch.allclose(same, pictures, atol=1e-5)


@pytest.mark.parametrize("side", [16, 64, 128])
def test_resizing_keeps_the_mean_and_stays_where_it_was(side: int) -> None:
    line = torch.linspace(-1, 1, 64)
    ramp = line.expand(1, 1, 64, 64)
    out = resized(ramp, side)
    inner = out[0, 0, side // 2, side // 8 : -side // 8]
    centres = (torch.arange(side) + 0.5) / side * 64 - 0.5
    expected = (centres / 63 * 2 - 1)[side // 8 : -side // 8]
    assert torch.allclose(inner, expected, atol=5e-3)


@pytest.mark.parametrize("sigma", [0.2, 0.6, 1.3, 9.0])
def test_a_blur_is_that_of_its_plain_twin(sigma: float) -> None:
    pictures = natural(48, 2, seed=7)
    sideways = pictures.transpose(2, 3)
    for images in (pictures, sideways, pictures[:, 1:, 3:, :40]):
        plain = blurred(images, sigma, impl="ref")
        assert torch.allclose(blurred(images, sigma), plain, atol=2e-6)


def test_a_blur_spreads_by_its_sigma() -> None:
    dot = torch.zeros(1, 1, 41, 41)
    dot[0, 0, 20, 20] = 1
    soft = blurred(dot, 2.5)[0, 0]
    x = torch.arange(41.0) - 20
    assert float(soft.sum()) == pytest.approx(1, abs=1e-5)
    assert float((soft.sum(0) * x**2).sum()) == pytest.approx(2.5**2, rel=0.03)


@pytest.mark.parametrize("reach", [1, 4])
def test_what_is_grown_is_as_large_as_its_plain_twin(reach: int) -> None:
    maps = natural(50, 2)
    fast, plain = grown(maps, reach), grown(maps, reach, impl="ref")
    assert torch.equal(fast, plain)
    assert (fast > maps).float().mean() > 0.5
