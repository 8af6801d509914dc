"""The render pass over a clip already in memory: for tests of what must not change its result."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pipeline.config import RenderOptions, Transfer
from pipeline.media.container.decode import VideoReader
from pipeline.media.container.probe import probe
from pipeline.request import EditRequest
from pipeline.session import Session, open_session
from pipeline.types import Frame


def session_of(
    clip: Path,
    analysis: Path | None = None,
    *,
    pack: str = "portrait",
    transfer: Transfer | None = None,
    attributes: tuple[str, ...] = ("smile=2",),
    batch_size: int = 8,
    device: torch.device | None = None,
) -> Session:
    """Open a session on a clip and have all of it planned."""
    options = RenderOptions(pack=pack, transfer=transfer, batch_size=batch_size)
    request = EditRequest(clip, attributes, render=options, analysis_path=analysis)
    place = device or torch.device("cpu")
    with pytest.MonkeyPatch.context() as patch:  # a pretended device has no name to be typed
        patch.setattr("pipeline.session.resolve_device", lambda name: place)
        session = open_session(request)
    assert session.plan.frame_count
    return session


def frames_of(clip: Path) -> list[Frame]:
    with VideoReader(probe(clip)) as reader:
        return list(reader)


def rendered(
    session: Session, frames: Sequence[Frame], *, edited: bool = True
) -> list[NDArray[np.uint8]]:
    """The samples of every rendered frame, all planes in a row."""
    plan = session.plan if edited else dataclasses.replace(session.plan, tracks=())
    return [samples(result.frame) for result in session.render(plan, iter(frames))]


def in_batches(session: Session, size: int) -> Session:
    """The same session with other batches."""
    other = copy.copy(session)
    vars(other)["crops"] = dataclasses.replace(session.crops, batch_size=size)
    return other


def samples(frame: Frame) -> NDArray[np.uint8]:
    return np.concatenate([plane.ravel() for plane in frame.planes]).astype(np.uint8)
