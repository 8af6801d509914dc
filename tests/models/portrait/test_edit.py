"""Limits of an edit: damping, lip gap, a mouth that does something of its own."""

from __future__ import annotations

from itertools import pairwise

import torch

from models.portrait.edit import Edit, limited_displacement, limits
from models.portrait.mouth import LOWER_LIP, UPPER_LIP
from models.portrait.topology import MESH_VERTICES


def edit(
    *,
    parting: float,
    gap: float = 0.0,
    own: float = 0.0,
    yaw: float = 0.0,
    level: float = 0.0,
    change: float = 1.0,
) -> Edit:
    movement = torch.zeros(1, len(MESH_VERTICES), 3)
    movement[:, 54, 0] = 0.05
    movement[:, list(LOWER_LIP), 1] = parting
    state = torch.tensor([[own, gap, yaw, level, 0.0]])
    return limited_displacement(movement, torch.tensor([change]), torch.full((1, 5), gap), state)


def parted(result: Edit) -> float:
    lips = result.movement[:, list(LOWER_LIP), 1] - result.movement[:, list(UPPER_LIP), 1]
    return lips.mean().item()


def test_closed_lips_part_as_far_as_wanted_and_show_teeth() -> None:
    result = edit(parting=0.06)
    assert abs(parted(result) - 0.06) < 1e-6
    assert result.teeth.item() == 1


def test_lips_that_are_drawn_apart_show_no_stretched_lips_but_whole_teeth() -> None:
    shown = [edit(parting=0.08, own=own).teeth.item() for own in (0.0, 0.3, 0.5)]
    assert shown == [1, 1, 1]
    assert edit(parting=0.08, own=1.0, gap=0.05).teeth.item() == 0


def test_a_tiny_parting_is_none() -> None:
    result = edit(parting=0.006)
    assert parted(result) == 0
    assert result.teeth.item() == 0


def test_lips_never_cross() -> None:
    result = edit(parting=-0.08, gap=0.03)
    assert abs(parted(result) + 0.03) < 1e-6
    assert (result.gap_after >= -1e-6).all()


def test_an_open_mouth_opens_little_more() -> None:
    assert 0 < parted(edit(parting=0.06, gap=0.1, own=1.0)) < 0.02


def test_a_broad_smile_grows_less_but_still_grows() -> None:
    grown = [edit(parting=0, level=level).movement[0, 54, 0].item() for level in (-1, 0, 1, 2, 4)]
    assert grown[0] == grown[1]
    assert all(a > b for a, b in pairwise(grown[1:]))
    assert grown[-1] >= 0.4 * grown[0] - 1e-6


def test_taking_a_smile_away_is_not_damped() -> None:
    assert torch.isclose(edit(parting=0, level=3, change=-1).movement[0, 54, 0], torch.tensor(0.05))


def test_a_stern_face_becomes_sterner_only_by_little() -> None:
    shares = [edit(parting=0, level=level, change=-1).share.item() for level in (1, -1, -2, -4)]
    assert shares[0] == 1
    assert all(a > b for a, b in pairwise(shares))
    assert shares[-1] >= 0.3 - 1e-6


def test_what_is_no_smile_is_not_slowed_by_the_level_of_one() -> None:
    for level in (-4.0, 4.0):
        assert edit(parting=0, level=level, change=0.0).share.item() == 1


def test_an_edit_fades_towards_the_profile() -> None:
    shares = [edit(parting=0, yaw=yaw).movement[0, 54, 0].item() for yaw in (0.3, 0.85, 1.1)]
    assert shares[0] > shares[1] > shares[2] == 0


def test_limits_are_told_as_they_are_kept() -> None:
    states = torch.tensor(
        [
            [o, g, y, s, 0.0]
            for o in (0, 0.5, 1)
            for g in (0, 0.05)
            for y in (0, 0.9)
            for s in (0, 2)
        ]
    )
    count = len(states)
    movement = torch.zeros(len(MESH_VERTICES), 3)
    movement[54, 0] = 0.05
    movement[list(LOWER_LIP), 1] = 0.2
    told = limits(movement, torch.tensor(1.0), states)
    kept = limited_displacement(
        movement.expand(count, -1, -1),
        torch.ones(count),
        states[:, 1:2].expand(-1, 5),
        states,
    )
    whole = told.turn * told.smile
    torch.testing.assert_close(whole, kept.share)
    assert whole.min() < 0.4
    assert whole.max() == 1
    lips = kept.movement[:, list(LOWER_LIP), 1] - kept.movement[:, list(UPPER_LIP), 1]
    torch.testing.assert_close(lips.mean(1), 0.2 * whole * told.mouth)
    assert told.mouth.min() < 0.1


def test_an_edit_that_parts_no_lips_is_not_limited_by_the_mouth() -> None:
    movement = torch.zeros(len(MESH_VERTICES), 3)
    movement[54, 0] = 0.05
    busy = torch.tensor([[1.0, 0.0, 0.0, 0.0, 0.0]])
    assert limits(movement, torch.tensor(1.0), busy).mouth.item() == 1
