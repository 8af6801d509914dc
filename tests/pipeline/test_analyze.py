"""The analyze pass: how often faces are described."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.passes.analyze import _Describer
from pipeline.types import Face
from tests.pipeline.faces import drawn_face, found, gray_frame

PICTURE = np.random.default_rng(0).integers(0, 256, (200, 400), dtype=np.uint8)


def _at(index: int, *places: float) -> list[Face]:
    return [found(index, drawn_face((x, 80), eyes=60)) for x in places]


def _described(frames: list[list[Face]], cuts: tuple[int, ...] = ()) -> list[list[bool]]:
    describe = _Describer(every=4, pixel_aspect=1.0)
    return [
        [look is not None for look in describe(gray_frame(i, PICTURE), faces, may_be_cut=i in cuts)]
        for i, faces in enumerate(frames)
    ]


def test_a_face_that_stays_is_described_now_and_then() -> None:
    frames = [_at(i, 100 + i) for i in range(9)]
    assert [i for i, d in enumerate(_described(frames)) if d == [True]] == [0, 4, 8]


def test_several_faces_are_described_in_every_frame() -> None:
    assert _described([_at(i, 100, 300) for i in range(6)]) == [[True, True]] * 6


@pytest.mark.parametrize("elsewhere", [False, True], ids=["cut", "elsewhere"])
def test_who_may_be_somebody_else_is_described_at_once(*, elsewhere: bool) -> None:
    frames = [_at(i, 100 if i < 6 or not elsewhere else 160) for i in range(8)]
    described = _described(frames, cuts=() if elsewhere else (6,))
    assert [i for i, d in enumerate(described) if d == [True]] == [0, 4, 6]


def test_a_face_is_described_where_it_comes_and_where_others_go() -> None:
    frames = [[], [], [], _at(3, 100), _at(4, 100, 300), _at(5, 100), _at(6, 100), []]
    expected = [[], [], [], [True], [True, True], [True], [False], []]
    assert _described(frames) == expected
