"""States settle over a shot without delay and without flicker."""

from __future__ import annotations

import torch

from models.portrait.state import mouth_is_busy, settled_states

RATE = 25.0


def constant(frames: int) -> torch.Tensor:
    return torch.tensor([[0.0, 0.01, 0.2, -0.5, 0.01]]).repeat(frames, 1)


def test_a_constant_shot_stays_as_it_is() -> None:
    states = constant(40)
    assert torch.allclose(settled_states(states, RATE), states, atol=1e-6)


def mouth_of(*opened: tuple[int, int], frames: int = 150) -> torch.Tensor:
    """The settled first column where a mouth is open in some runs of frames."""
    states = constant(frames)
    for start, stop in opened:
        states[start:stop, 0] = 1
    return settled_states(states, RATE)[:, 0]


def test_a_mouth_counts_as_open_from_the_moment_it_opens_and_is_let_go_gently() -> None:
    mouth = mouth_of((50, 61))
    assert (mouth[:50] == 0).all()
    assert (mouth[50:66] == 1).all()
    falling = mouth[65:76]
    assert (falling.diff() < 0).all()
    assert falling.diff().abs().max() < 0.15
    assert (mouth[76:] == 0).all()


def test_talking_never_switches_back_between_words() -> None:
    words = [(start, start + 1) for start in range(30, 130, 20)]
    assert (mouth_of(*words)[30:115] == 1).all()


def test_a_mouth_closed_for_more_than_a_second_is_closed() -> None:
    mouth = mouth_of((30, 40), (75, 85))
    assert (mouth[56:75] == 0).all()
    assert mouth[75] == 1


def test_a_shot_that_begins_or_ends_closed_is_closed_there() -> None:
    mouth = mouth_of((20, 110))
    assert (mouth[:20] == 0).all()
    assert (mouth[20:115] == 1).all()
    assert mouth[-1] == 0
    assert (mouth_of((8, 140)) == 1).all(), "too short for a smile to come and go"


def test_smoothing_has_no_delay() -> None:
    states = constant(61)
    states[30, 3] += 1
    bump = settled_states(states, RATE)[:, 3]
    assert bump.argmax() == 30
    assert torch.allclose(bump[20:30], bump[31:41].flip(0), atol=1e-6)


def test_a_single_frame_is_a_shot_too() -> None:
    states = constant(1)
    assert torch.allclose(settled_states(states, RATE), states, atol=1e-6)


def test_a_mouth_is_busy_when_it_shows_teeth_when_it_is_open_and_when_it_is_pursed() -> None:
    cases = [(0.0, 0.0, 0.6, 0.0), (1.0, 0.0, 0.6, 1.0), (0.0, 0.1, 0.6, 1.0), (0.0, 0.0, 0.4, 1.0)]
    teeth, gap, width, busy = torch.tensor(cases).T
    assert torch.equal(mouth_is_busy(teeth, gap, width), busy)
