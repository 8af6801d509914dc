"""What must not change a rendered frame: how a clip is cut into chunks, batches and threads.

Tolerance: none, as long as every crop is edited alone and by as many threads of torch; else sums
come in another order, and a sample may be rounded to its neighbour.
"""

from __future__ import annotations

import itertools
import shutil

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pipeline.passes.crops import Crops
from pipeline.session import Session
from pipeline.types import Frame
from tests.conftest import FaceClip

from .routes import frames_of, in_batches, rendered, session_of

Samples = list[NDArray[np.uint8]]


@pytest.fixture(scope="module")
def frames(face_clip: FaceClip) -> list[Frame]:
    return frames_of(face_clip.path)[:8]


@pytest.fixture(scope="module", params=["portrait", "mini"])
def plan(
    request: pytest.FixtureRequest, face_clip: FaceClip, tmp_path_factory: pytest.TempPathFactory
) -> Session:
    stored = tmp_path_factory.mktemp("analysis") / "faces.json"
    shutil.copy(face_clip.analysis, stored)
    return session_of(face_clip.path, stored, pack=request.param, batch_size=1)


@pytest.fixture(scope="module")
def alone(plan: Session, frames: list[Frame]) -> Samples:
    """Every crop edited alone, all frames in one go."""
    found = rendered(plan, frames)
    untouched = rendered(plan, frames, edited=False)
    assert all((a != b).any() for a, b in zip(found, untouched, strict=True))
    return found


def check_rounding(found: Samples, wanted: Samples) -> None:
    off = [np.abs(a.astype(int) - b) for a, b in zip(found, wanted, strict=True)]
    assert max(o.max() for o in off) <= 1
    assert np.mean(off) < 1e-4


def test_a_clip_rendered_in_chunks_is_the_same_to_the_bit(
    plan: Session, frames: list[Frame], alone: Samples
) -> None:
    cuts = [0, 1, 4, len(frames)]
    parts = [rendered(plan, frames[a:b]) for a, b in itertools.pairwise(cuts)]
    for a, b in zip([sample for part in parts for sample in part], alone, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("workers", [1, 3])
def test_the_number_of_workers_changes_nothing(
    plan: Session,
    frames: list[Frame],
    alone: Samples,
    workers: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Crops, "workers", workers)
    for a, b in zip(rendered(plan, frames), alone, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("size", [3, 8])
def test_the_batch_size_changes_samples_by_rounding_at_most(
    plan: Session, frames: list[Frame], alone: Samples, size: int
) -> None:
    check_rounding(rendered(in_batches(plan, size), frames), alone)


def test_chunks_that_end_within_a_batch_change_samples_by_rounding_at_most(
    plan: Session, frames: list[Frame], alone: Samples
) -> None:
    several = in_batches(plan, 4)
    parts = [rendered(several, frames[a:b]) for a, b in ((0, 3), (3, 8))]
    check_rounding([sample for part in parts for sample in part], alone)


def test_the_number_of_threads_changes_samples_by_rounding_at_most(
    plan: Session, frames: list[Frame], alone: Samples
) -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2 if before == 1 else 1)
        found = rendered(plan, frames)
    finally:
        torch.set_num_threads(before)
    check_rounding(found, alone)
