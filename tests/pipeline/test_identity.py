"""How far an edit moves a person: which frames are looked at, and what is said of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from pipeline import EditRequest, edit, identity, run
from pipeline.errors import WeightsError
from tests.conftest import FaceClip


class Difference:
    """A recogniser to which people differ as their pictures do."""

    name, other_person = "difference", 0.6

    def distances(self, a: Tensor, b: Tensor) -> Tensor:
        return (a - b).abs().mean((1, 2, 3))


def told(face_clip: FaceClip, folder: Path, strength: float) -> list[dict[str, Any]]:
    """What the report of an edit has on identity."""
    request = EditRequest(
        face_clip.path, (f"smile={strength}",), analysis_path=face_clip.analysis, frames="0-3"
    )
    path = folder / f"{strength}.json"
    edit(request, folder / f"{strength}.mp4", report_path=path)
    found: list[dict[str, Any]] = json.loads(path.read_text()).get("identity", [])
    return found


def test_a_report_says_how_far_the_person_moved(
    face_clip: FaceClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "load_recogniser", lambda: None)
    assert told(face_clip, tmp_path, 0.4) == []
    monkeypatch.setattr(run, "load_recogniser", Difference)
    (mild,), (strong,) = told(face_clip, tmp_path, 0.5), told(face_clip, tmp_path, 1.5)
    assert strong["frames"] == [0, 1, 2, 3]
    assert 0 < mild["distance"] < strong["distance"] <= strong["farthest"]
    assert (strong["recogniser"], strong["other_person"]) == ("difference", 0.6)
    assert strong["in_the_clip"] == mild["in_the_clip"], "that is of the source"
    assert told(face_clip, tmp_path, 0) == []


def test_a_damaged_recogniser_is_told_of_before_the_first_frame(
    face_clip: FaceClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged() -> None:
        raise WeightsError("it ends within a layer")

    monkeypatch.setattr(run, "load_recogniser", damaged)
    with pytest.raises(WeightsError, match="within a layer"):
        told(face_clip, tmp_path, 1)
    assert not list(tmp_path.iterdir())


def test_pictures_far_apart_in_the_clip_are_its_own_yardstick() -> None:
    black, white = -torch.ones(3, 4, 4), torch.ones(3, 4, 4)
    facts = identity._facts(Difference(), [(black, black), (white, black)])  # type: ignore[arg-type]
    assert (facts["distance"], facts["farthest"], facts["in_the_clip"]) == (1.0, 2.0, 2.0)
