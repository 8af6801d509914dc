"""Flow between two pictures of one face: known deformations, found again."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.imaging.flow import SIDE, flow_between, place_within, swept_reference
from pipeline.imaging.sampling import blurred, resized, sample
from tests.pipeline.faces import natural


def places() -> Tensor:
    line = torch.arange(float(SIDE))
    return torch.stack(torch.meshgrid(line, line, indexing="xy"), -1)


def bump(x: float, y: float, size: float, dx: float, dy: float) -> Tensor:
    """(SIDE, SIDE, 2) px: a place that is pushed."""
    weight = torch.exp(-((places() - torch.tensor([x, y])) ** 2).sum(-1) / (2 * size**2))
    return weight[..., None] * torch.tensor([dx, dy])


SMILE = bump(50, 88, 9, 2.5, 1.5) + bump(78, 88, 9, -2.5, 1.5) + bump(64, 106, 14, 0, -2)
"""What a smile does to a mouth: corners out and up, chin down."""


def moved(pictures: Tensor, flow: Tensor) -> Tensor:
    return sample(pictures, (places() + flow).expand(len(pictures), -1, -1, -1))


def error_px(flow: Tensor, true: Tensor) -> float:
    """Mean error where the truth moves by half a pixel or more [px of SIDE]."""
    where = true.norm(dim=-1) > 0.5
    return float((flow * SIDE - true).norm(dim=-1)[where].mean())


def test_a_known_deformation_is_found_to_a_quarter_of_a_pixel() -> None:
    before = natural(SIDE, 2, seed=1)
    for flow in flow_between(before, moved(before, SMILE)):
        assert error_px(flow, SMILE) < 0.25


def test_pictures_of_half_the_side_do_as_well_almost() -> None:
    before = natural(SIDE, 1, seed=2)
    after = moved(before, SMILE)
    flow = flow_between(resized(before, 64), resized(after, 64))
    assert error_px(flow[0], SMILE) < 0.4


def test_it_is_no_worse_than_another_implementation() -> None:
    before = natural(SIDE, 1, seed=3)
    after = moved(before, SMILE)
    grey = [
        ((p[0].mean(0) * 0.5 + 0.5) * 255).clamp(0, 255).byte().numpy() for p in (after, before)
    ]
    empty: Any = None  # OpenCV makes the flow itself
    other = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(
        grey[0], grey[1], empty
    )
    theirs = error_px(torch.from_numpy(np.asarray(other)) / SIDE, SMILE)
    assert error_px(flow_between(before, after)[0], SMILE) <= theirs


def test_the_quick_sweeps_are_those_of_the_plain_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    before = natural(SIDE, 2, seed=8)
    after = moved(before, SMILE)
    quick = flow_between(before, after)
    monkeypatch.setattr("pipeline.imaging.flow._swept", swept_reference)
    assert torch.allclose(quick, flow_between(before, after), atol=1e-6)


def test_nothing_moves_between_equal_pictures() -> None:
    picture = natural(SIDE, 1, seed=4)
    assert flow_between(picture, picture).abs().max() < 1e-6


def test_what_appears_from_nowhere_does_not_drag_its_surroundings_along() -> None:
    before = natural(SIDE, 1, seed=5) * 0.3
    after = before.clone()
    after[..., 84:92, 52:76] = 0.9  # teeth
    flow = flow_between(before, after)[0] * SIDE
    around = flow[70:106, 40:88].norm(dim=-1)
    assert float(around.max()) < 3.0
    assert float(flow[:60].norm(dim=-1).max()) < 0.3


def test_a_pair_has_the_same_flow_alone_and_among_others() -> None:
    before = natural(SIDE, 3, seed=6)
    after = moved(before, SMILE)
    together = flow_between(before, after)
    for n in range(3):
        alone = flow_between(before[n : n + 1], after[n : n + 1])
        assert torch.allclose(alone[0], together[n], atol=1e-5)


def test_a_face_drawn_beside_its_place_blurred_and_in_other_light_is_found() -> None:
    own = natural(SIDE, 1, seed=7, slope=1.6)
    shift = torch.tensor([2.0, -1.5])
    drawn = sample(own, (places() - shift)[None])  # drawn(p + shift) shows what own(p) does
    pale = 0.6 * blurred(drawn, 1.5) + 0.25
    inner = slice(16, -16)
    found = SIDE * place_within(own, pale)[0, inner, inner]
    assert float((found - shift).norm(dim=-1).mean()) < 0.5
    still = SIDE * place_within(own, 0.6 * blurred(own, 1.5) + 0.25)[0, inner, inner]
    assert float(still.norm(dim=-1).mean()) < 0.15
