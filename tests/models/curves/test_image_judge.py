"""The judge of pictures: it reads what was drawn."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from models.base import ModelError, ModelInputError
from models.curves.image_judge import features, fit_classifier


def drawn(count: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Pictures (N, 3, 64, 64) of a bright bar whose slope and redness are the ratings (N, 2)."""
    generator = torch.Generator().manual_seed(seed)
    ratings = torch.randn(count, 2, generator=generator)
    line = torch.linspace(-1, 1, 64)
    y, x = torch.meshgrid(line, line, indexing="ij")
    slope = 0.6 * ratings[:, 0, None, None]
    images = (2 * torch.exp(-((y - slope * x) / 0.2).square()) - 1)[:, None].repeat(1, 3, 1, 1)
    images[:, 0] += 0.3 * ratings[:, 1, None, None]
    return images + 0.05 * torch.randn(images.shape, generator=generator), ratings


def test_a_turned_edge_votes_for_its_direction_and_light_does_not_matter() -> None:
    images, _ = drawn(6)
    first = features(images)
    gradients = first[:, : -12 * 12 * 3]
    torch.testing.assert_close(
        features(images + 0.2)[:, : -12 * 12 * 3], gradients, atol=1e-3, rtol=1e-3
    )
    assert (features(images.flip(-1))[:, : -12 * 12 * 3] - gradients).abs().mean() > 0.02
    with pytest.raises(ModelInputError, match=r"got \(2, 3, 64, 32\)"):
        features(torch.zeros(2, 3, 64, 32))


def test_ratings_are_read_from_pictures_not_learnt_from() -> None:
    images, ratings = drawn(160)
    # A mirrored bar has the opposite slope; what a face set calls the same is the size of it.
    ratings = torch.stack([ratings[:, 0].abs(), ratings[:, 1]], dim=1)
    ratings = (ratings - ratings.mean(0)) / ratings.std(0, correction=0)
    held = {"held_images": images[120:], "held_ratings": ratings[120:]}
    judge = fit_classifier(images[:120], ratings[:120], ("tilt", "red"), **held)
    assert min(judge.correlation.values()) > 0.8
    same = (judge.readings(images[120:]) > 0) == (ratings[120:] > 0)
    assert same.float().mean() > 0.8
    with pytest.raises(ModelError, match="20 rated pictures are too few"):
        fit_classifier(images[:20], ratings[:20], ("tilt", "red"), **held)


def test_a_picture_keeps_its_reading_at_another_size(shared: Path) -> None:
    """Judges see pictures of 128, 256 and 512 px: the same face must read the same."""
    from models.encoder_recipe.picture_folder import read_square

    large = read_square(shared / "data/omi/images/10.jpg", 512)[None]
    small = F.interpolate(large, 128, mode="area")
    difference = (features(large) - features(small)).norm() / features(large).norm()
    assert difference < 0.1
