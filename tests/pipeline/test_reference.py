"""Choosing faces by a picture."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from pipeline.config import AnalyzeOptions
from pipeline.errors import InputError
from pipeline.imaging.color import frame_to_rgb_small
from pipeline.media.opening import open_source
from pipeline.passes.analyze import analyze
from pipeline.progress import Progress
from pipeline.reference import describe_person
from pipeline.tracking.appearance import distance
from pipeline.tracking.select import FaceChoice, select

SAMPLE = Path(__file__).parents[2] / "samples" / "astronaut.mp4"
CPU = torch.device("cpu")


def test_the_person_of_a_picture_is_found_in_the_clip(tmp_path: Path) -> None:
    source = open_source(SAMPLE)
    with source.frames() as reader:
        frame = next(iter(reader))
    picture = tmp_path / "person.png"
    rgb = cv2.resize(frame_to_rgb_small(frame, 480), (600, 600), interpolation=cv2.INTER_CUBIC)
    cv2.imwrite(str(picture), rgb[:, :, ::-1])
    person = describe_person(picture, CPU)
    analysis = analyze(source, AnalyzeOptions(), device=CPU, progress=Progress())
    (track,) = analysis.tracks
    assert distance(track.appearance, person) < 0.5
    choice = FaceChoice.parse(f"reference:{picture}")
    assert select(analysis.tracks, choice, person=person) == [track]


def _pasted(tmp_path: Path, second_px: int) -> Path:
    """A picture of the sample's person, and again beside it, `second_px` wide."""
    with open_source(SAMPLE).frames() as reader:
        rgb = frame_to_rgb_small(next(iter(reader)), 480)
    board = np.full((620, 1240, 3), 90, np.uint8)
    board[:600, :600] = cv2.resize(rgb, (600, 600), interpolation=cv2.INTER_CUBIC)
    second = cv2.resize(rgb, (second_px, second_px), interpolation=cv2.INTER_AREA)
    board[:second_px, 620 : 620 + second_px] = second
    path = tmp_path / f"two{second_px}.png"
    cv2.imwrite(str(path), board[:, :, ::-1])
    return path


def test_a_picture_of_two_people_does_not_say_whom_it_means(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="shows 2 faces of about one size; cut out the one"):
        describe_person(_pasted(tmp_path, 560), CPU)


def test_somebody_far_behind_does_not_matter(tmp_path: Path) -> None:
    alone = describe_person(_pasted(tmp_path, 8), CPU)
    assert distance(describe_person(_pasted(tmp_path, 240), CPU), alone) < 0.05


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
