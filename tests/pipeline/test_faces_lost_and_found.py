"""The analyze pass on clips whose faces jump, come, cross and lie on their side, truth known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from pipeline.analysis import Analysis
from pipeline.config import AnalyzeOptions
from pipeline.imaging.color import frame_of_rgb
from pipeline.imaging.geometry import eye_distance
from pipeline.loading import load_finder
from pipeline.media.opening import open_source
from pipeline.passes.analyze import analyze
from pipeline.progress import Progress
from pipeline.tracking.track import TrackOptions, refine
from pipeline.types import Face, FaceTrack
from tests.pipeline.moving import NOWHERE, Picture, Place, Portrait, background, clip

IN_PLACE = 0.08
"""What may lie between landmarks and truth [distances between the eyes]."""
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def portrait() -> Portrait:
    return Portrait.of_the_sample()


def analysed(path: Path) -> tuple[Analysis, list[FaceTrack]]:
    """The analysis of a clip, and its tracks as they are edited."""
    found = analyze(open_source(path), AnalyzeOptions(), device=CPU, progress=Progress())
    how = TrackOptions(smoothing_s=0.13)
    return found, [refine(t, times=found.times, cuts=found.cuts, options=how) for t in found.tracks]


Truths = Sequence[Sequence[np.ndarray]]
"""The landmarks of every face in every frame."""


def weights_in_place(tracks: Sequence[FaceTrack], truths: Truths) -> np.ndarray:
    """(frames,) the largest weight of any face; wherever it is above 0 a face must be there."""
    weights = np.zeros(len(truths))
    for track in tracks:
        for row in np.flatnonzero(track.weights):
            frame = track.first_frame + int(row)
            here = track.landmarks[row, :48]
            off = [
                np.linalg.norm(here - truth[:48], axis=1).mean() / eye_distance(truth)
                for truth in truths[frame]
            ]
            assert min(off, default=np.inf) < IN_PLACE, f"frame {frame}: drawn beside the face"
            weights[frame] = max(weights[frame], float(track.weights[row]))
    return weights


def truths_of(portrait: Portrait, places: Sequence[Place]) -> Truths:
    return [[portrait.at(place)] if place.eyes else [] for place in places]


def jumping(far: float, eyes: float, size: tuple[int, int], every: int, count: int) -> list[Place]:
    """A face that leaps `far` eye distances every few frames, now here, now there."""
    rng = np.random.default_rng(3)
    middle = np.array([0.5 * size[0], 0.5 * size[1]])
    at, places = middle.copy(), []
    for index in range(count):
        if index and index % every == 0:
            angle = rng.uniform(0, 2 * np.pi)
            step = far * eyes * np.array([np.cos(angle), np.sin(angle)])
            # back towards the middle if the leap would leave the picture
            away = np.abs(at + step - middle) > np.abs(at - step - middle)
            at = at + np.where(away, -step, step)
        places.append(Place(at[0], at[1], eyes))
    return places


@pytest.mark.parametrize(
    ("far", "every", "eyes", "size"),
    [
        (0.5, 1, 44, (1280, 720)),
        (0.5, 3, 66, (640, 480)),
        (1.0, 3, 44, (1280, 720)),
        (2.0, 4, 44, (1280, 720)),
    ],
)
def test_a_face_that_jumps_is_edited_where_it_is(
    portrait: Portrait,
    clip_of: Callable[..., Path],
    tmp_path: Path,
    far: float,
    every: int,
    eyes: float,
    size: tuple[int, int],
) -> None:
    places = jumping(far, eyes, size, every, 20)
    path = clip_of(tmp_path / "jumps.mp4", clip(portrait, places, size))
    weights = weights_in_place(analysed(path)[1], truths_of(portrait, places))
    assert weights.mean() > 0.95


def test_a_frame_elsewhere_is_not_edited_where_the_frames_around_are(
    portrait: Portrait, clip_of: Callable[..., Path], tmp_path: Path
) -> None:
    places = [Place(300 + 60 * (i in (8, 17, 18)), 240, 60) for i in range(28)]
    path = clip_of(tmp_path / "twitch.mp4", clip(portrait, places, (640, 480)))
    weights = weights_in_place(analysed(path)[1], truths_of(portrait, places))
    assert weights[[0, 1, 2, 26, 27]].min() == 1.0


@pytest.mark.parametrize("comes", [7, 14])
def test_a_face_between_two_searches_is_found_where_it_comes(
    portrait: Portrait, clip_of: Callable[..., Path], tmp_path: Path, comes: int
) -> None:
    places = [NOWHERE] * comes + [Place(600 + i, 360, 50) for i in range(28 - comes)]
    path = clip_of(tmp_path / "comes.mp4", clip(portrait, places, (1280, 720)))
    (track,) = analysed(path)[1]
    assert comes <= track.first_frame <= comes + 2
    weights_in_place([track], truths_of(portrait, places))
    assert track.weights[0] < 0.3, "it fades in"


def film(portrait: Portrait) -> tuple[list[Picture], list[int]]:
    """Shots of two people by turns, at many sizes and places; and where the shots begin."""
    rng, people = np.random.default_rng(1), (portrait, portrait.other())
    pictures: list[Picture] = []
    cuts = []
    for shot, length in enumerate((9, 13, 5, 17, 8)):
        cuts.append(len(pictures))
        place = Place(rng.uniform(300, 900), rng.uniform(200, 450), rng.uniform(44, 90))
        pictures += clip(people[shot % 2], [place] * length, (1280, 720), seed=shot)
    return pictures, cuts


def test_the_first_frame_after_a_cut_is_edited_at_full_weight(
    portrait: Portrait, clip_of: Callable[..., Path], tmp_path: Path
) -> None:
    pictures, starts = film(portrait)
    found, tracks = analysed(clip_of(tmp_path / "film.mp4", pictures))
    assert list(found.cuts) == starts[1:]
    assert [track.first_frame for track in tracks] == starts
    assert all((track.weights == 1).all() for track in tracks)


@pytest.mark.parametrize(("turn_deg", "eyes"), [(90, 70), (180, 70), (270, 46), (135, 70)])
def test_a_head_is_found_at_any_turn(portrait: Portrait, turn_deg: float, eyes: float) -> None:
    place = Place(520, 260, eyes, turn_deg)
    (picture,) = clip(portrait, [place], (960, 540))
    finder = load_finder(AnalyzeOptions(), CPU, rate=25.0)
    ((face,),) = finder.find([frame_of_rgb(picture)], [])
    off = np.linalg.norm(face.landmarks - portrait.at(place), axis=1).mean()
    assert off < IN_PLACE * eyes


def test_who_was_hidden_in_crossing_is_back_at_once(
    portrait: Portrait, clip_of: Callable[..., Path], tmp_path: Path
) -> None:
    behind, pictures, truths = portrait.other(), [], []
    apart = []
    for i in range(40):
        near, far = Place(150 + 16 * i, 230, 46), Place(790 - 16 * i, 240, 46)
        picture = background(960, 480)
        behind.put_into(picture, far)
        portrait.put_into(picture, near)
        pictures.append(picture)
        apart.append(abs(near.x - far.x) / 46)
        truths.append([portrait.at(near), behind.at(far)])
    free = max(i for i in range(40) if apart[i] < 2.5) + 1
    found, tracks = analysed(clip_of(tmp_path / "cross.mp4", pictures))
    assert len(found.tracks) == len(tracks) == 2
    weights_in_place(tracks, truths)
    hidden = min(tracks, key=lambda track: float(track.weights.mean()))
    assert (hidden.weights == 0).any()
    back = np.flatnonzero(hidden.weights[20:])[0] + 20
    assert back <= free + 2
    assert hidden.weights[back] < 0.5, "it fades in"


def test_the_same_faces_are_found_however_many_frames_are_looked_at_together(
    portrait: Portrait, clip_of: Callable[..., Path], tmp_path: Path
) -> None:
    places = [NOWHERE] * 5 + jumping(0.7, 60, (640, 480), 4, 16)
    path = clip_of(tmp_path / "a.mp4", clip(portrait, places, (640, 480)))
    with open_source(path).frames() as reader:
        frames = list(reader)
    ways = []
    for at_once in (8, 3):
        finder: Any = load_finder(AnalyzeOptions(), CPU, rate=25.0)
        faces: list[Face] = []
        last: list[Face] = []
        for first in range(0, len(frames), at_once):
            found = finder.find(frames[first : first + at_once], last)
            last = found[-1]
            faces += [f for frame in found for f in frame]
            faces += [back.face for back in finder.looked_back()]
        ways.append({f.frame_index: f.landmarks for f in faces})
    assert set(ways[0]) == set(ways[1]) == set(range(5, len(places)))
    for index, points in ways[0].items():
        assert np.linalg.norm(points - ways[1][index], axis=1).mean() < 0.02 * 60


def test_faces_of_the_cases_are_found(shared: Path) -> None:
    for name in ("rot90", "upside"):
        (track,) = analysed(shared / "cases" / f"{name}.mp4")[1]
        assert (track.weights == 1).all()
        assert len(track) == 24
    crossed = analysed(shared / "cases/cross.mp4")[1]
    assert [len(track) for track in crossed] == [54, 54]
    assert 32 <= 20 + np.flatnonzero(crossed[0].weights[20:])[0] <= 36


def test_real_faces_shaken_about_are_edited_where_a_mesh_sees_them(
    shared: Path, clip_of: Callable[..., Path], tmp_path: Path
) -> None:
    mesh = np.load(shared / "data/clips/d0_landmarks478.npz")["points"][:24, [33, 263], :2]
    film = cv2.VideoCapture(str(shared / "data/clips/d0.mp4"))
    pictures, eyes = [], []
    for index in range(24):
        picture = np.ascontiguousarray(film.read()[1][..., ::-1])
        ratio = 44 / float(np.linalg.norm(mesh[index, 1] - mesh[index, 0]))
        small = cv2.resize(picture, None, fx=ratio, fy=ratio, interpolation=cv2.INTER_AREA)
        x, y = 500 + 44 * (index // 3 % 2), 200 + 30 * (index // 5 % 3)
        frame = background(1280, 720)
        frame[y : y + small.shape[0], x : x + small.shape[1]] = small
        pictures.append(frame)
        eyes.append(mesh[index] * ratio + (x, y))
    (track,) = analysed(clip_of(tmp_path / "shaken.mp4", pictures))[1]
    assert track.weights.mean() > 0.9
    for row in np.flatnonzero(track.weights):
        off = track.landmarks[row, [36, 45]] - eyes[track.first_frame + int(row)]
        assert np.linalg.norm(off, axis=1).mean() < 0.1 * 44
