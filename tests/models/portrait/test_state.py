"""States settle over a shot without delay and without flicker."""

from __future__ import annotations

import pytest
import torch

from models.portrait.state import STATE_NAMES, settled_states
from tests.models.portrait.tiny import rest_state

RATE = 25.0


def constant(frames: int) -> torch.Tensor:
    return rest_state(frames, gap=0.01, yaw=0.2, smile=-0.5, blur=0.01)


def column(states: torch.Tensor, name: str) -> torch.Tensor:
    return states[:, STATE_NAMES.index(name)]


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


def teeth_of(*opened: tuple[int, int], rate: float = RATE, clear: float = 0.0) -> torch.Tensor:
    """How surely teeth are drawn where a mouth is open in some runs of 150 frames."""
    states = constant(150)
    for start, stop in opened:
        column(states, "closed")[start:stop] = 0
        column(states, "teeth")[start:stop] = clear
    return column(settled_states(states, rate), "closed")


@pytest.mark.parametrize("rate", [10.0, 25.0, 60.0])
@pytest.mark.parametrize("clear", [0.0, 1.0])
def test_drawn_teeth_fade_within_three_frames_or_more_and_only_while_lips_are_open(
    rate: float, clear: float
) -> None:
    drawn = teeth_of((30, 110), rate=rate, clear=clear)
    assert (drawn[:30] == 1).all()
    assert (drawn[110:] == 1).all()
    assert drawn[70] == 0
    assert drawn.diff().abs().max() <= 1 / 3 + 1e-6


def test_drawn_teeth_stay_through_short_openings_of_somebody_whose_own_are_nowhere_seen() -> None:
    words = [(start, start + 6) for start in range(30, 120, 12)]
    assert teeth_of(*words).min() > 0.7
    assert teeth_of(*words, clear=1.0).min() < 0.6


def test_teeth_are_through_the_shot_what_they_are_where_they_are_seen_best() -> None:
    states = constant(50)
    states[:, STATE_NAMES.index("teeth_luma")] = -0.4
    states[20:24, STATE_NAMES.index("teeth")] = 0.9
    states[20:24, STATE_NAMES.index("teeth_luma")] = 0.1
    settled = settled_states(states, RATE)
    assert (column(settled, "teeth") == 1).all()
    assert torch.allclose(column(settled, "teeth_luma"), torch.tensor(0.1))


def test_a_mouth_is_narrow_or_wide_for_this_face() -> None:
    def rounded(rest: float) -> torch.Tensor:
        states = constant(100)
        states[:, STATE_NAMES.index("width")] = rest
        states[40:60, STATE_NAMES.index("width")] = rest - 0.1
        return column(settled_states(states, RATE), "width")

    small, large = rounded(0.52), rounded(0.56)
    assert torch.allclose(small, large, atol=1e-6)
    assert abs(small[0].item() - 0.54) < 1e-6
    assert small.argmin() in range(45, 55)
    assert (rounded(0.40)[[0, 99]] < 0.44).all(), "one that is pursed throughout is not at rest"
