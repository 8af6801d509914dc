"""The render pass over a clip already in memory: for tests of what must not change its result."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pipeline.config import RenderOptions, Transfer
from pipeline.media.container.decode import VideoReader
from pipeline.media.container.probe import probe
from pipeline.progress import Silent, Stopwatch
from pipeline.run import EditRequest, Plan, make_plan, render
from pipeline.types import Frame


def plan_of(
    clip: Path,
    analysis: Path,
    *,
    pack: str = "portrait",
    transfer: Transfer | None = None,
    attributes: tuple[str, ...] = ("smile=2",),
    batch_size: int = 8,
    device: torch.device | None = None,
) -> Plan:
    """Plan an edit of an analysed clip; what is not stored is encoded, and stored."""
    options = RenderOptions(pack=pack, transfer=transfer, batch_size=batch_size)
    request = EditRequest(clip, attributes, render=options, analysis_path=analysis)
    place = device or torch.device("cpu")
    with pytest.MonkeyPatch.context() as patch:  # a pretended device has no name to be typed
        patch.setattr("pipeline.run.resolve_device", lambda name: place)
        return make_plan(request, Stopwatch(), Silent())


def frames_of(clip: Path) -> list[Frame]:
    with VideoReader(probe(clip)) as reader:
        return list(reader)


def rendered(plan: Plan, frames: Sequence[Frame]) -> list[NDArray[np.uint8]]:
    """The samples of every rendered frame, all planes in a row."""
    results = render(plan, iter(frames), Stopwatch())
    return [samples(result.frame) for result in results]


def samples(frame: Frame) -> NDArray[np.uint8]:
    return np.concatenate([plane.ravel() for plane in frame.planes]).astype(np.uint8)
