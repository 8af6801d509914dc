"""The render pass on a device that is not the CPU: same pictures, and the host seldom waits."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.loading import time_generator
from pipeline.session import Session
from pipeline.types import Frame
from tests.conftest import FaceClip

from .elsewhere import DEVICES, device_of, pretended, waits
from .routes import frames_of, rendered, session_of
from .style_pack import write_tiny_pack

ROUTES: dict[str, dict[str, Any]] = {
    "portrait": {},
    "skin after smile": {"attributes": ("smile=2", "skin=1")},
    "delta": {"pack": "tiny", "transfer": "delta"},
    "replace": {"pack": "tiny", "transfer": "replace"},
}


@pytest.fixture(params=DEVICES)
def device(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[torch.device]:
    yield from device_of(request.param, monkeypatch)


@pytest.fixture
def analysis(face_clip: FaceClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    write_tiny_pack(home / "packs" / "tiny")
    monkeypatch.setenv("VISAGIST_HOME", str(home))
    return Path(shutil.copy(face_clip.analysis, tmp_path / "faces.json"))


@pytest.mark.parametrize("route", ROUTES)
def test_on_a_device_the_pictures_are_those_of_the_cpu(
    face_clip: FaceClip, analysis: Path, device: torch.device, route: str
) -> None:
    frames = frames_of(face_clip.path)[:4]
    there, here = (
        session_of(face_clip.path, analysis, device=place, **ROUTES[route])
        for place in (device, torch.device("cpu"))
    )
    check_same_edit(there, here, frames)


def test_the_analysis_may_be_made_on_a_device_too(
    face_clip: FaceClip, device: torch.device, tmp_path: Path
) -> None:
    there = session_of(face_clip.path, tmp_path / "there.json", device=device)
    here = session_of(face_clip.path, tmp_path / "here.json")
    for a, b in zip(there.plan.tracks, here.plan.tracks, strict=True):
        assert np.abs(a.landmarks - b.landmarks).max() < 0.1
    check_same_edit(there, here, frames_of(face_clip.path)[:4])


def check_same_edit(there: Session, here: Session, frames: list[Frame]) -> None:
    found, wanted = rendered(there, frames), rendered(here, frames)
    original = rendered(here, frames, edited=False)
    off = [np.abs(a.astype(int) - b) for a, b in zip(found, wanted, strict=True)]
    # A processor may parse in bfloat16 where the device does not: a pixel at an edge shows it.
    assert max(o.max() for o in off) <= 4
    assert np.mean(off) < 0.01
    assert all((a != b).any() for a, b in zip(found, original, strict=True))


@pytest.mark.parametrize("route", ROUTES)
def test_the_host_waits_as_often_for_many_crops_as_for_few(
    face_clip: FaceClip, analysis: Path, monkeypatch: pytest.MonkeyPatch, route: str
) -> None:
    frames = frames_of(face_clip.path)
    counts = []
    with pretended(monkeypatch) as device:
        for size in (2, 5):
            more: dict[str, Any] = {"batch_size": size, "device": device}
            plan = session_of(face_clip.path, analysis, **ROUTES[route], **more)
            rendered(plan, frames[:size])  # what is loaded and remembered at first use
            waits.clear()
            rendered(plan, frames[:size])
            counts.append(sum(waits.values()))
    assert counts[0] == counts[1], waits


def test_the_generator_is_timed_for_every_batch_size(device: torch.device) -> None:
    rows = time_generator(8, 1, device)
    assert [row["batch"] for row in rows] == 2 * ["1", "2", "4", "8", "16", "32"]
    assert all(float(row["pictures/s"]) > 0 for row in rows)
