"""Varied faces keep their points where the picture has them."""

from __future__ import annotations

import numpy as np
import torch

from models.mini.augment import AugmentOptions, mirrored, resized, varied

from .faces import SIDE, drawn_data, points

STILL = AugmentOptions(0, 0, 0, 0, 0, 0)


def _spots(at: torch.Tensor) -> torch.Tensor:
    """A dark picture (1, 3, 96, 96) with a white spot on each point."""
    y, x = torch.meshgrid(torch.arange(96.0), torch.arange(96.0), indexing="ij")
    place = (torch.stack([x, y], -1) + 0.5) / 96
    distance = (place[None] - at[:, None, None]).square().sum(-1)
    light = torch.exp(-distance / (2 * 0.012**2)).amax(0)
    return (255 * light).round().to(torch.uint8).expand(1, 3, -1, -1)


def test_without_any_variation_the_picture_is_only_mirrored_or_not() -> None:
    faces = drawn_data().train
    random = torch.Generator().manual_seed(3)

    # Points a little to the right of the face tell which pictures were mirrored.
    beside = faces.points + torch.tensor([0.05, 0.0])
    out, at = varied(faces.images, beside, SIDE, random, STILL)

    plain = resized(faces.images, SIDE)
    flipped = (at[:, 36, 0] - beside[:, 36, 0]).abs() > 1e-3
    assert 0 < int(flipped.sum()) < len(flipped)
    wanted = torch.where(flipped[:, None, None, None], plain.flip(-1), plain)
    np.testing.assert_allclose(out, wanted, atol=0.02)


def test_points_follow_the_picture_through_warp_and_jitter() -> None:
    # Points far apart, so that each spot can be found again.
    shown = [8, 17, 26, 36, 45, 48, 54]
    first, second = points(), points() * torch.tensor([1.08, 0.94]) + torch.tensor([-0.05, 0.04])
    images = torch.cat([_spots(first[shown]), _spots(second[shown])])
    options = AugmentOptions(0.02, 0.05, 0.08, shape_share=1, morph_share=0, colour=0)

    out, at = varied(
        images, torch.stack([first, second]), 96, torch.Generator().manual_seed(5), options
    )

    for picture, where in zip(out, at, strict=True):
        for spot in where[shown]:
            x, y = (int(v) for v in (spot * 96 - 0.5).round())
            if 4 <= x < 92 and 4 <= y < 92:
                part = picture[0, y - 3 : y + 4, x - 3 : x + 4]
                brightest = divmod(int(part.argmax()), 7)
                assert part.max() > 0.5
                assert max(abs(brightest[0] - 3), abs(brightest[1] - 3)) <= 2


def test_mirroring_twice_gives_the_points_back() -> None:
    some = points()[None]

    torch.testing.assert_close(mirrored(mirrored(some)), some)


def test_the_same_seed_gives_the_same_faces() -> None:
    faces = drawn_data().train
    first, second = (
        varied(faces.images, faces.points, 32, torch.Generator().manual_seed(9), AugmentOptions())
        for _ in range(2)
    )

    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])
