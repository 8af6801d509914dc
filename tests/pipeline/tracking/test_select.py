"""Choosing faces in users' words: orders, reference frames, reference pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import UsageError
from pipeline.tracking.select import FaceChoice, select
from pipeline.tracking.track import RawTrack, link
from tests.pipeline.faces import drawn_face, found, look

TIMES = np.arange(100) / 25.0
RNG = np.random.default_rng(7)


def chosen(tracks: list[RawTrack], how: str) -> list[int]:
    return [t.track_id for t in select(tracks, FaceChoice.parse(how))]


@pytest.fixture
def crowd() -> list[RawTrack]:
    """Two shots: three people (left to right, the middle one largest), then two of them.

    Nobody is seen in frames 90 to 99.
    """
    places = {0: (100, 300, 60), 1: (400, 200, 120), 2: (700, 280, 80)}
    faces, looks = [], []
    for i in range(90):
        people = (0, 1, 2) if i < 60 else (2, 0)
        shift = 0 if i < 60 else 50
        faces.append(
            [
                found(i, drawn_face((places[p][0] + shift, places[p][1]), places[p][2]))
                for p in people
            ]
        )
        looks.append([look(p, RNG) for p in people])
    faces += [[]] * 10
    looks += [[]] * 10
    return link(faces, times=TIMES, cuts=(60,), appearances=looks)


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("all", [0, 1, 2, 3, 4]),
        ("largest", [1, 4]),
        (" Largest", [1, 4]),
        ("left-right:0", [0, 3]),
        ("right-left:0", [2, 4]),
        ("top-bottom:0", [1, 4]),
        ("small-large:0", [0, 3]),
        ("2", [2]),
        ("1", [1, 4]),
        ("reference:10:0", [0, 3]),
        ("reference:10", [0, 3]),
        ("reference:10:1", [1]),
        ("reference:80:1", [2, 4]),
    ],
)
def test_faces_are_chosen_in_users_words(
    crowd: list[RawTrack], how: str, expected: list[int]
) -> None:
    assert sorted(chosen(crowd, how)) == expected


def test_an_order_without_a_number_sorts(crowd: list[RawTrack]) -> None:
    assert chosen(crowd, "right-left") == [2, 1, 0, 4, 3]


def test_a_reference_picture_chooses_by_looks(crowd: list[RawTrack]) -> None:
    choice = FaceChoice.parse("reference:Anna.png")
    assert choice.picture == Path("Anna.png")
    assert [t.track_id for t in select(crowd, choice, person=look(2, RNG))] == [2, 4]


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("7", "no shot has that many faces; N must be below 3"),
        ("reference:10:5", "frame 10 has 3 faces; N counts from 0 and must be below 3"),
        ("reference:95:0", "frame 95 shows no face; the nearest that does is 89"),
    ],
)
def test_a_face_that_is_not_there_is_named_with_what_is(
    crowd: list[RawTrack], how: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        chosen(crowd, how)


@pytest.mark.parametrize(
    "how",
    ["biggest", "left-right:x", "all:1", "1:2", "reference", "reference:", "reference:1:x", ""],
)
def test_a_choice_that_cannot_be_read_is_refused_with_the_accepted_ones(how: str) -> None:
    with pytest.raises(UsageError, match=r"cannot choose faces by .*; accepted: all, largest"):
        FaceChoice.parse(how)


@pytest.mark.parametrize("how", ["largest", "3", "reference:10:4", "all"])
def test_of_no_tracks_every_choice_is_none(how: str) -> None:
    assert chosen([], how) == []
