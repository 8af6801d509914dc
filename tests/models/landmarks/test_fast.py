"""The frozen landmark networks against the networks themselves."""

from __future__ import annotations

import pytest
import torch

from models.landmarks import LandmarkCascade
from models.landmarks.fast import FastNet
from models.landmarks.net import PARTS, PartName


@pytest.fixture(scope="module")
def trained() -> LandmarkCascade:
    return LandmarkCascade.load()


def _crops(part: PartName, count: int = 3) -> torch.Tensor:
    """Smooth pictures: what a network meets, not noise."""
    width, height = PARTS[part].size
    coarse = torch.rand(count, 3, 6, 6, generator=torch.Generator().manual_seed(4))
    crops = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic")
    return crops.clamp(0, 1)


@pytest.mark.parametrize("part", list(PARTS))
def test_a_folded_network_says_what_the_network_says(
    trained: LandmarkCascade, part: PartName
) -> None:
    net = getattr(trained, part)
    with torch.inference_mode():
        expected, found = net(_crops(part)), FastNet(net, torch.float32)(_crops(part))
    torch.testing.assert_close(found.points, expected.points, atol=2e-3, rtol=0)
    torch.testing.assert_close(found.log_scale, expected.log_scale, atol=1e-3, rtol=0)
    torch.testing.assert_close(found.face_logit, expected.face_logit, atol=1e-2, rtol=1e-3)


@pytest.mark.parametrize("part", list(PARTS))
def test_bfloat16_moves_points_by_a_fraction_of_a_pixel(
    trained: LandmarkCascade, part: PartName
) -> None:
    net = getattr(trained, part)
    with torch.inference_mode():
        expected, found = net(_crops(part)), FastNet(net, torch.bfloat16)(_crops(part))
    off = (found.points - expected.points).norm(dim=-1)
    assert off.median() < 0.3, "pictures of nothing are the worst case: their heat maps are flat"


@pytest.mark.parametrize("part", list(PARTS))
def test_a_crop_is_read_the_same_alone_and_among_others(
    trained: LandmarkCascade, part: PartName
) -> None:
    fast = FastNet(getattr(trained, part), torch.float32)
    crops = _crops(part)
    with torch.inference_mode():
        together = fast(crops).points
        alone = torch.cat([fast(crop[None]).points for crop in crops])
    torch.testing.assert_close(together, alone, atol=2e-3, rtol=0)


def test_freezing_keeps_the_cascade_and_its_weights(trained: LandmarkCascade) -> None:
    before = {key: value.clone() for key, value in trained.state_dict().items()}
    frozen = LandmarkCascade.load().frozen()
    assert all(torch.equal(before[key], value) for key, value in frozen.state_dict().items())
