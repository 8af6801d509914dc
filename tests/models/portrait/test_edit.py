"""Limits of an edit: damping, lip gap, and what the mouth is doing."""

from __future__ import annotations

from itertools import pairwise, product

import torch
from torch import Tensor

from models.portrait import load_portrait
from models.portrait.edit import Edit, limited_displacement, limits, mouth_modes
from models.portrait.mouth import LOWER_LIP, UPPER_LIP
from models.portrait.state import STATE_NAMES
from models.portrait.topology import MESH_VERTICES
from tests.models.portrait.tiny import rest_state, tiny_portrait

TINY = tiny_portrait()
MODES = mouth_modes(TINY.shape, TINY.smile_axis[:-1])
UPPER, LOWER = list(UPPER_LIP), list(LOWER_LIP)


def widened(parting: float = 0.0) -> Tensor:
    """A movement (1, V, 3) of the mouth's corners outwards and up, and of the lower lip."""
    movement = torch.zeros(1, len(MESH_VERTICES), 3)
    movement[:, [48, 54], 0] = torch.tensor([-0.05, 0.05])
    movement[:, [48, 54], 1] = -0.04
    movement[:, LOWER, 1] = parting
    return movement


def edit(parting: float = 0.0, *, gap: float = 0.0, change: float = 1.0, **columns: float) -> Edit:
    state, gaps = rest_state(gap=gap, **columns), torch.full((1, 5), gap)
    return limited_displacement(widened(parting), torch.tensor([change]), gaps, state, MODES)


def parted(result: Edit) -> float:
    return (result.movement[:, LOWER, 1] - result.movement[:, UPPER, 1]).mean().item()


def out(result: Edit) -> float:
    return result.movement[0, 54, 0].item()


def up(result: Edit) -> float:
    return -result.movement[0, 54, 1].item()


def test_closed_lips_part_as_far_as_wanted_and_show_teeth() -> None:
    result = edit(0.06)
    assert abs(parted(result) - 0.06) < 1e-6
    assert result.teeth.item() == result.below.item() == 1


def test_drawn_teeth_are_as_sure_as_the_mouth_is_closed() -> None:
    shown = [edit(0.08, closed=closed).teeth.item() for closed in (0.0, 0.25, 1.0)]
    assert shown == [0, 0.25, 1]


def test_below_drawn_teeth_an_open_mouth_keeps_its_own() -> None:
    below = [edit(0.08, gap=gap).below.item() for gap in (0.0, 0.02, 0.04, 0.1)]
    assert below[0] == 1
    assert below[-1] == 0
    assert all(a >= b for a, b in pairwise(below))


def test_a_tiny_parting_is_none() -> None:
    result = edit(0.006)
    assert abs(parted(result)) < 1e-8
    assert result.teeth.item() == 0


def test_lips_never_cross() -> None:
    result = edit(-0.08, gap=0.03)
    assert abs(parted(result) + 0.03) < 1e-6
    assert (result.gap_after >= -1e-6).all()


def test_an_edited_mouth_opens_when_the_own_one_does_and_ever_less_further() -> None:
    gaps = [0.0, 0.01, 0.02, 0.05, 0.1, 0.2]
    further = [parted(edit(0.06, gap=gap)) for gap in gaps]
    assert all(a > b for a, b in pairwise(further))
    assert 0 < further[-1] < 0.02
    after = [gap + more for gap, more in zip(gaps, further, strict=True)]
    assert all(a < b for a, b in pairwise(after))


def test_lips_that_close_between_words_come_near_each_other() -> None:
    assert 0.02 < parted(edit(0.06, talking=1.0)) < 0.7 * parted(edit(0.06))


def test_rounded_lips_are_not_parted() -> None:
    result = edit(0.06, width=0.41)
    assert abs(parted(result)) < 1e-6
    assert result.teeth.item() == 0


def test_what_is_taken_back_of_a_parting_falls_smoothly_along_both_lip_lines() -> None:
    model = load_portrait()
    modes = mouth_modes(model.shape, model.smile_axis[:-1])
    movement = 0.09 * modes.parting[None]
    result = limited_displacement(
        movement, torch.ones(1), torch.zeros(1, 5), rest_state(talking=1.0), modes
    )
    taken = (movement - result.movement)[0, :, 1]
    across = model.shape.mean[:, 0]
    for line in (range(48, 55), (48, *range(59, 53, -1)), (60, 61, 62, 63, 64)):
        along, amount = across[list(line)], taken[list(line)]
        slopes = amount.diff() / along.diff()
        assert len(slopes.diff().sign().unique()) == 1, "it falls from its middle to both corners"
        share = (amount[1] - amount[0]) / (amount[len(line) // 2] - amount[0])
        assert share > 0.5, "at a third of the width it goes with the middle"


def test_a_broad_smile_grows_less_but_still_grows() -> None:
    grown = [out(edit(smile=level)) for level in (-1, 0, 1, 2, 4)]
    assert grown[0] == grown[1]
    assert all(a > b for a, b in pairwise(grown[1:]))
    assert grown[-1] >= 0.4 * grown[0] - 1e-6


def test_taking_a_smile_away_is_not_damped() -> None:
    assert abs(out(edit(smile=3, change=-1)) - 0.05) < 1e-8


def test_a_stern_face_becomes_sterner_only_by_little() -> None:
    shares = [edit(smile=level, change=-1).share.item() for level in (1, -1, -2, -4)]
    assert abs(shares[0] - 1) < 1e-6
    assert all(a > b for a, b in pairwise(shares))
    assert shares[-1] >= 0.3 - 1e-6


def test_what_is_no_smile_is_limited_neither_by_a_smile_nor_by_a_mouth() -> None:
    for columns in ({"smile": -4.0}, {"smile": 4.0}, {"width": 0.4}, {"lips": 0.05}):
        result = edit(change=0.0, **columns)
        assert result.share.item() == 1
        assert torch.equal(result.movement, widened())


def test_a_rounded_mouth_keeps_its_roundness_and_its_corners_go_up() -> None:
    widths = (0.54, 0.48, 0.45, 0.42)
    results = [edit(width=width) for width in widths]
    assert all(out(a) > out(b) > 0.01 for a, b in pairwise(results))
    assert all(up(a) > up(b) > 0.02 for a, b in pairwise(results))
    assert up(results[-1]) / out(results[-1]) > 1.5 * up(results[0]) / out(results[0])


def test_pressed_lips_show_a_smile_by_their_corners() -> None:
    assert up(edit(lips=0.09)) > 1.2 * up(edit())
    assert up(edit(lips=0.09, gap=0.05)) == up(edit()), "parted lips are not pressed"
    assert up(edit(lips=0.09, change=-1.0)) == up(edit(change=-1.0))


def test_folds_follow_what_the_corners_really_do() -> None:
    whole = widened()[0, 54, :2].norm()
    for columns in ({}, {"width": 0.42}, {"lips": 0.09}, {"smile": 2.0}, {"yaw": 0.9}):
        result = edit(**columns)
        made = result.movement[0, 54, :2].norm() / whole
        torch.testing.assert_close(result.share[0], made)


def test_an_edit_fades_towards_the_profile() -> None:
    shares = [out(edit(yaw=yaw)) for yaw in (0.3, 0.85, 1.1)]
    assert shares[0] > shares[1] > shares[2] == 0


def test_limits_are_told_as_they_are_kept() -> None:
    names = ("talking", "gap", "yaw", "smile", "width")
    cases = list(product((0, 0.5, 1), (0, 0.05), (0, 0.9), (0, 2), (0.54, 0.46)))
    columns = dict(zip(names, torch.tensor(cases).T, strict=True))
    states = rest_state(len(cases), **columns)
    movement = widened(0.2)
    told = limits(movement[0], torch.tensor(1.0), states)
    kept = limited_displacement(
        movement.expand(len(cases), -1, -1),
        torch.ones(len(cases)),
        columns["gap"][:, None].expand(-1, 5),
        states,
        MODES,
    )
    whole = told.turn * told.smile
    at_rest = states[:, STATE_NAMES.index("width")] > 0.5
    torch.testing.assert_close(whole[at_rest], kept.share[at_rest])
    assert whole.min() < 0.4
    assert whole.max() == 1
    lips = kept.movement[:, LOWER, 1] - kept.movement[:, UPPER, 1]
    torch.testing.assert_close(lips.mean(1), 0.2 * whole * told.mouth)
    assert told.mouth.min() < 0.3


def test_an_edit_that_parts_no_lips_is_limited_by_rounded_ones_only() -> None:
    def told(state: Tensor) -> float:
        return limits(widened()[0], torch.tensor(1.0), state).mouth.item()

    assert told(rest_state(talking=1.0)) == 1
    assert told(rest_state(lips=0.05)) == 1
    assert 0.5 < told(rest_state(width=0.4)) < 0.8
