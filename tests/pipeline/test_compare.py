"""Original and edited frames side by side: none is lost or taken for another."""

from __future__ import annotations

from collections import deque

import numpy as np
import pytest

from pipeline.compare import paired
from pipeline.types import EditResult, Frame
from tests.pipeline.faces import rgb_frame


def frame(index: int) -> Frame:
    return rgb_frame(index, np.full((4, 4, 3), index, np.uint8))


def results(*indices: int) -> list[EditResult]:
    return [EditResult(frame(i), ()) for i in indices]


def test_every_edited_frame_comes_with_its_own_original() -> None:
    pairs = list(paired(deque(map(frame, range(3))), results(0, 1, 2)))
    assert [(a.index, b.index) for a, b in pairs] == [(0, 0), (1, 1), (2, 2)]


@pytest.mark.parametrize(
    ("came", "message"),
    [((0, 1), "from 2 on"), ((0, 2), "frame 2"), ((0, 0, 1, 2), "frame 0"), ((0, 1, 2, 3), "3")],
    ids=["the last is lost", "one is lost", "one came twice", "one too many"],
)
def test_a_render_pass_that_loses_or_makes_up_frames_is_an_error(
    came: tuple[int, ...], message: str
) -> None:
    with pytest.raises(RuntimeError, match=message):
        list(paired(deque(map(frame, range(3))), results(*came)))
