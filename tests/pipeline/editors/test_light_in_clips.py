"""Light through the whole render pass: ten bits, chunks and batches, things before a face."""

from __future__ import annotations

import dataclasses
import itertools

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.session import Session
from pipeline.types import Frame, PixelEncoding
from tests.conftest import FaceClip
from tests.routes import frames_of, in_batches, rendered, session_of

PAPER = (slice(106, 134), slice(128, 152))
INNER = (slice(109, 131), slice(131, 149))


@pytest.fixture(scope="module")
def frames(face_clip: FaceClip) -> list[Frame]:
    return frames_of(face_clip.path)[:6]


@pytest.fixture(scope="module")
def session(face_clip: FaceClip) -> Session:
    lamps = ("light-left=1", "light-top=0.5")
    return session_of(face_clip.path, face_clip.analysis, attributes=lamps, batch_size=1)


def luma_of(session: Session, frame: Frame) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Luma of a frame before and after."""
    (result,) = session.render(session.plan, iter([frame]))
    before, after = (one.planes[0].astype(np.int64) for one in (frame, result.frame))
    return before, after


def dark_in_ten_bits(frame: Frame) -> Frame:
    """A frame of eight bits as a soft, dark one of ten, with values between those of eight."""
    planes = []
    for n, plane in enumerate(frame.planes):
        soft = cv2.GaussianBlur(plane.astype(np.float32), (0, 0), 2 if n == 0 else 1)
        level, much = (16, 0.45) if n == 0 else (128, 0.7)
        planes.append(np.round(4 * (level + much * (soft - level))).astype(np.uint16))
    encoding = PixelEncoding("yuv420p10le", 10, frame.encoding.matrix, full_range=False)
    return dataclasses.replace(frame, planes=tuple(planes), encoding=encoding)


def with_paper(frame: Frame) -> Frame:
    """A frame with a sheet of grey paper before a cheek."""
    planes = [plane.copy() for plane in frame.planes]
    planes[0][PAPER] = 180
    for plane in planes[1:]:
        plane[tuple(slice(s.start // 2, s.stop // 2) for s in PAPER)] = 128
    return dataclasses.replace(frame, planes=tuple(planes))


def test_a_face_is_lit_without_white_and_without_another_brightness(
    face_clip: FaceClip, frames: list[Frame]
) -> None:
    session = session_of(face_clip.path, face_clip.analysis, attributes=("light-left=1",))
    before, after = luma_of(session, frames[0])
    points = session.plan.tracks[0].landmarks[0].astype(int)
    rows = slice(points[27, 1], points[8, 1])
    columns = (points[1:5, 0].max() + 2, points[30, 0], points[12:16, 0].min() - 2)
    left, right = (
        after[rows, a:b].mean() / before[rows, a:b].mean() for a, b in itertools.pairwise(columns)
    )
    assert left / right > 1.15
    face = rows, slice(columns[0], columns[2])
    assert after[face].mean() / before[face].mean() == pytest.approx(1, abs=0.04)
    assert (after >= 234).mean() <= (before >= 234).mean() + 1e-3


def test_a_dark_face_in_ten_bits_has_no_steps_that_its_source_has_not(
    session: Session, frames: list[Frame]
) -> None:
    before, after = luma_of(session, dark_in_ten_bits(frames[0]))
    assert after.min() >= min(64, before.min())
    assert after.max() <= 940
    changed = cv2.erode((before != after).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    assert changed.sum() > 3000
    # With a step of eight bits on the way, values would be whole fours or keep theirs.
    of_four = np.bincount(after[changed] % 4, minlength=4) / changed.sum()
    assert of_four.min() > 0.2
    moved = np.bincount((after - before)[changed] % 4, minlength=4) / changed.sum()
    assert moved.min() > 0.15
    # Where the source is smooth, so is the change, but for the rounding of both.
    bends = [np.abs(np.diff(v, n=2, axis=1)) for v in (before, after - before)]
    smooth = (bends[0] <= 2) & changed[:, 1:-1]
    assert smooth.sum() > 2000
    assert np.quantile(bends[1][smooth], 0.99) <= 2


def test_chunks_change_no_bit_and_batches_change_samples_by_rounding_at_most(
    session: Session, frames: list[Frame]
) -> None:
    alone = rendered(session, frames)
    chunks = [rendered(session, frames[a:b]) for a, b in ((0, 1), (1, 4), (4, 6))]
    for a, b in zip([sample for part in chunks for sample in part], alone, strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(rendered(in_batches(session, 4), frames), alone, strict=True):
        off = np.abs(a.astype(int) - b)
        assert off.max() <= 1
        assert off.mean() < 1e-4


def test_paper_before_a_cheek_keeps_its_light(session: Session, frames: list[Frame]) -> None:
    before, after = luma_of(session, with_paper(frames[5]))
    bare = np.subtract(*luma_of(session, frames[5]))
    assert np.abs(bare[INNER]).mean() > 4
    assert np.abs(after - before)[INNER].mean() < 0.15 * np.abs(bare[INNER]).mean()
    assert (before != after)[PAPER[0], 90:115].mean() > 0.5, "the other cheek is lit"
