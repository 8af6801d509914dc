"""Lids that are where they usually are, however a face turns and blinks."""

from __future__ import annotations

import numpy as np

from pipeline.imaging.geometry import similarity, transform
from pipeline.imaging.lids import lids_of, with_lids

from ..faces import drawn_face

LIDS = [37, 38, 40, 41, 43, 44, 46, 47]


def test_a_blink_is_undone_in_a_moved_and_turned_face() -> None:
    face = drawn_face((200.0, 150.0), 120.0)
    moved = transform(similarity(0.7, 25.0, 30.0, -12.0), face)
    blinking = moved.copy()
    blinking[LIDS] += np.random.default_rng(0).normal(0, 6, (len(LIDS), 2))
    np.testing.assert_allclose(with_lids(blinking, lids_of(face)), moved, atol=1e-9)


def test_nothing_but_lids_is_moved() -> None:
    faces = np.stack([drawn_face((200.0, 150.0), 120.0), drawn_face((90.0, 80.0), 60.0)])
    others = [point for point in range(68) if point not in LIDS]
    changed = with_lids(faces, lids_of(faces[0]) * 1.2)
    assert np.array_equal(changed[:, others], faces[:, others])
    assert np.abs(changed - faces)[:, LIDS].max() > 1
    np.testing.assert_allclose(with_lids(faces[1], lids_of(faces)[1]), faces[1], atol=1e-9)
