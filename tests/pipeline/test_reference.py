"""Choosing faces by a picture."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from pipeline.analyze import analyze
from pipeline.config import AnalyzeOptions
from pipeline.errors import InputError
from pipeline.imaging.appearance import distance
from pipeline.imaging.color import frame_to_rgb_small
from pipeline.progress import Silent
from pipeline.reference import describe_person, picture_of
from pipeline.stages.track import select
from pipeline.video.decode import VideoReader
from pipeline.video.probe import probe

SAMPLE = Path(__file__).parents[2] / "samples" / "astronaut.mp4"
CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("text", "picture"),
    [
        ("reference:anna.png", Path("anna.png")),
        ("reference:120:0", None),
        ("reference:120", None),
        ("all", None),
        ("reference", None),
    ],
)
def test_a_selection_names_a_picture_or_a_frame(text: str, picture: Path | None) -> None:
    assert picture_of(text) == picture


def test_the_person_of_a_picture_is_found_in_the_clip(tmp_path: Path) -> None:
    source = probe(SAMPLE)
    with VideoReader(source) as reader:
        frame = next(iter(reader))
    picture = tmp_path / "person.png"
    rgb = cv2.resize(frame_to_rgb_small(frame, 480), (600, 600), interpolation=cv2.INTER_CUBIC)
    cv2.imwrite(str(picture), rgb[:, :, ::-1])
    person = describe_person(picture, CPU)
    analysis = analyze(source, AnalyzeOptions(), device=CPU, progress=Silent())
    (track,) = analysis.tracks
    assert distance(track.appearance, person) < 0.5
    assert select(analysis.tracks, "reference", reference=person) == [track]


def test_a_picture_without_a_face_and_a_file_without_a_picture_are_errors(tmp_path: Path) -> None:
    grey = tmp_path / "grey.png"
    cv2.imwrite(str(grey), np.full((200, 200, 3), 128, np.uint8))
    with pytest.raises(InputError, match="no face found"):
        describe_person(grey, CPU)
    text = tmp_path / "text.png"
    text.write_text("no picture")
    with pytest.raises(InputError, match="is not a picture"):
        describe_person(text, CPU)
    with pytest.raises(InputError, match="cannot read"):
        describe_person(tmp_path / "missing.png", CPU)
