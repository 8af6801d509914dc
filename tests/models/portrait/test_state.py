"""States settle over a shot without delay and without flicker."""

from __future__ import annotations

import torch

from models.portrait.state import frame_state, settled_states

RATE = 25.0


def constant(frames: int) -> torch.Tensor:
    return torch.tensor([[0.0, 0.01, 0.2, -0.5, 0.01]]).repeat(frames, 1)


def test_a_constant_shot_stays_as_it_is() -> None:
    states = constant(40)
    assert torch.allclose(settled_states(states, RATE), states, atol=1e-6)


def test_a_mouth_that_opens_counts_as_open_a_little_before_and_longer_after() -> None:
    states = constant(121)
    states[50:61, 0] = 1
    settled = settled_states(states, RATE)[:, 0]
    assert (settled[54:65] > 0.85).all()
    assert settled[45] < 0.35 < 0.65 < settled[66]
    assert (settled[:33] < 0.01).all()
    assert (settled[86:] < 0.01).all()


def test_talking_never_switches_back_between_words() -> None:
    states = constant(150)
    states[30:120:9, 0] = 1
    assert (settled_states(states, RATE)[36:115, 0] > 0.9).all()


def test_smoothing_has_no_delay() -> None:
    states = constant(61)
    states[30, 3] += 1
    bump = settled_states(states, RATE)[:, 3]
    assert bump.argmax() == 30
    assert torch.allclose(bump[20:30], bump[31:41].flip(0), atol=1e-6)


def test_a_single_frame_is_a_shot_too() -> None:
    states = constant(1)
    assert torch.allclose(settled_states(states, RATE), states, atol=1e-6)


def test_a_parted_mouth_is_its_own_even_without_teeth() -> None:
    zero = torch.zeros(2)
    state = frame_state(zero, torch.tensor([0.0, 0.1]), zero, zero, zero)
    assert state[:, 0].tolist() == [0.0, 1.0]
