"""An edit stays on while what it needs is seen, and goes and comes only by fades.

Every clip is made from one picture of a face, so what lies where is known to the pixel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from models.landmarks import LandmarkCascade
from pipeline.config import AnalyzeOptions
from pipeline.loading import resolve_device
from pipeline.media.opening import open_source
from pipeline.passes.analyze import analyze
from pipeline.progress import Progress
from pipeline.request import EditRequest
from pipeline.session import open_session
from pipeline.types import Frame

Picture = NDArray[np.uint8]
MAKE = Callable[..., Path]


@dataclass(frozen=True)
class Face:
    """The face of the sample's first frame, on a larger canvas."""

    picture: Picture
    points: NDArray[np.float32]
    """(68, 2) [px]"""

    def moved(self, index: int) -> Picture:
        """The picture, as a hand-held camera sees it in some frame."""
        shift = np.array([[1, 0, 1.5 * np.sin(index / 5)], [0, 1, 1.5 * np.cos(index / 7)]])
        size = self.picture.shape[1::-1]
        moved = cv2.warpAffine(self.picture, shift, size, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(moved, np.uint8)


@pytest.fixture(scope="module")
def face(astronaut: list[Picture]) -> Face:
    picture = astronaut[0]
    cascade = LandmarkCascade.load().frozen()
    found = cascade.from_boxes([picture], np.array([[70.0, 46, 178, 154]]))
    assert found.score[0] > 0.8, "the box above no longer holds the face"
    return Face(picture, found.points[0])


@dataclass
class Run:
    """An edited clip."""

    source: list[Frame]
    edited: list[Frame]
    weights: dict[str, list[float]]
    """By attribute, of the one face, in every frame; 0 where there is none."""
    scores: list[float]
    """Of the faces found, in all frames."""

    def changes(self, rows: slice, columns: slice) -> NDArray[np.float64]:
        """(frames,) mean absolute change of luma in a part of the picture [levels]."""
        return np.array(
            [
                np.abs(a.planes[0].astype(int) - b.planes[0])[rows, columns].mean()
                for a, b in zip(self.source, self.edited, strict=True)
            ]
        )


def run(path: Path, *attributes: str) -> Run:
    session = open_session(EditRequest(path, attributes))
    plan, known = session.plan, session.needs(session.edits)
    with session.source.frames() as reader:
        frames = list(reader)
    results = list(session.render(plan, frames))
    weights: dict[str, list[float]] = {name: [0.0] * len(frames) for name in known}
    for track in plan.tracks:
        for name, needs in known.items():
            weights[name][track.first_frame : track.end_frame] = track.share(needs).tolist()
    scores = [float(score) for track in plan.tracks for score in track.scores]
    return Run(frames, [r.frame for r in results], weights, scores)


def around(points: NDArray[np.floating], margin: float = 0.0) -> tuple[slice, slice]:
    """Rows and columns of the box of some points."""
    low, high = np.floor(points.min(0) - margin), np.ceil(points.max(0) + margin)
    (x0, y0), (x1, y1) = low.astype(int), high.astype(int)
    return slice(y0, y1), slice(x0, x1)


def only_fades(weights: list[float]) -> bool:
    """Whether an edit comes and goes over several frames."""
    return bool(np.abs(np.diff(weights)).max() < 0.45)


def opened(face: Face, index: int, drop: float) -> Picture:
    """The face with its jaw dropped by some outer eye distances: chin and lower lip go down, the
    skin between is stretched, and the mouth is dark inside."""
    points = face.points.astype(np.float64)
    eyes = float(np.linalg.norm(points[45] - points[36]))
    lips, chin = points[[61, 62, 63, 65, 66, 67]].mean(0), points[8]
    height, width = face.picture.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    across = np.exp(-(((x - lips[0]) / (0.62 * eyes)) ** 4))
    down = drop * eyes * across
    # Up to the lips all stays; from the lower lip to the chin all is moved; below it fades out.
    below = np.clip((y - lips[1] - down) / np.maximum(1.0, chin[1] - lips[1]), 0, None)
    share = np.where(y - lips[1] < down, np.clip((y - lips[1]) / np.maximum(down, 1e-3), 0, 1), 1)
    share = share * np.clip(1.9 - below, 0, 1)
    picture = cv2.remap(face.picture, x, (y - share * down).astype(np.float32), cv2.INTER_LINEAR)
    size = (0.24 * eyes, 0.5 * drop * eyes)
    inside = np.zeros((height, width), np.uint8)
    centre = (round(float(lips[0]) * 16), round((float(lips[1]) + size[1]) * 16))
    axes = (round(size[0] * 16), max(1, round(size[1] * 16)))
    cv2.ellipse(inside, centre, axes, 0, 0, 360, 255, -1, cv2.LINE_AA, 4)
    share = cv2.GaussianBlur(inside, (0, 0), 1.0)[..., None] / 255.0
    drawn = picture * (1 - share) + np.array([48.0, 16, 18]) * share
    return Face(drawn.astype(np.uint8), face.points).moved(index)


def test_a_mouth_opened_as_wide_as_it_goes_keeps_its_edits(
    face: Face, clip_of: MAKE, tmp_path: Path
) -> None:
    drops = 0.45 * np.sin(np.linspace(0, np.pi, 30)) ** 2
    clip = [opened(face, i, float(d)) for i, d in enumerate(drops)]
    done = run(clip_of(tmp_path / "wide.mkv", clip, codec="ffv1"), "smile", "age")
    assert min(done.weights["age"]) == 1
    assert min(done.weights["smile"]) == 1
    assert min(done.scores) > 0.85, "the jaw says nothing of where the face is"


def test_a_bar_over_the_mouth_takes_the_smile_and_leaves_the_rest(
    face: Face, clip_of: MAKE, tmp_path: Path
) -> None:
    clip = [face.moved(i) for i in range(36)]
    bar, upper = around(face.points[48:68], 7), around(face.points[17:36])
    for picture in clip[13:23]:
        picture[bar] = (60, 62, 66)
    path = clip_of(tmp_path / "bar.mkv", clip, codec="ffv1")
    done = run(path, "smile=2", "smooth-skin=2")
    smile = done.weights["smile"]
    assert max(smile[15:21]) == 0
    assert min(smile[:10] + smile[26:]) == 1
    assert only_fades(smile)
    assert min(done.weights["smooth-skin"]) == 1
    inside = tuple(slice(s.start + 3, s.stop - 3) for s in bar)
    assert done.changes(*inside)[15:21].max() == 0, "what covers the mouth is not the face"
    assert done.changes(*upper)[15:21].min() > 0.1, "skin is smoothed where it is seen"


def test_an_edit_that_was_left_out_is_told_with_its_reason(
    face: Face, clip_of: MAKE, tmp_path: Path
) -> None:
    from pipeline.run import edit

    clip = [face.moved(i) for i in range(16)]
    for picture in clip:
        picture[around(face.points[48:68], 7)] = (60, 62, 66)
    path = clip_of(tmp_path / "bar.mkv", clip, codec="ffv1")
    both = edit(EditRequest(path, ("smile", "smooth-skin")), tmp_path / "both.mkv")
    told: dict[str, Any] = both.frames[8]["faces"][0]
    assert told["edited"]
    assert told["weights"] == {"smile": 0.0, "smooth-skin": 1.0}
    assert told["causes"] == {"smile": "mouth covered"}
    assert "  frames 0–15 (0.00–0.60 s): mouth covered; no smile" in both.summary()
    (lapse,) = both.lapses
    assert (lapse.first_frame, lapse.last_frame, lapse.face) == (0, 15, 0)
    assert lapse.lost_s == pytest.approx(16 / 25 / 2, abs=0.01), "one of two edits is lacking"
    alone = edit(EditRequest(path, ("smile",)), tmp_path / "alone.mkv")
    assert alone.skipped() == {"mouth covered": 16}


def test_text_over_the_chin_leaves_the_smile(face: Face, clip_of: MAKE, tmp_path: Path) -> None:
    chin = face.points[48:60, 1].max() + 0.72 * (face.points[8, 1] - face.points[48:60, 1].max())
    clip = [face.moved(i) for i in range(16)]
    plain = run(clip_of(tmp_path / "plain.mkv", clip, codec="ffv1"), "smile=2")
    for picture in clip:
        for colour, width in (((0, 0, 0), 4), ((255, 255, 255), 1)):
            at = (int(face.points[8, 0]) - 62, int(chin) + 5)
            cv2.putText(
                picture, "I never said that", at, cv2.FONT_HERSHEY_DUPLEX, 0.42, colour, width, 16
            )
    done = run(clip_of(tmp_path / "text.mkv", clip, codec="ffv1"), "smile=2")
    assert min(done.weights["smile"]) == 1
    mouth = around(face.points[48:60])
    assert done.changes(*mouth).min() > 0.5 * plain.changes(*mouth).min()
    for before, after in zip(done.source, done.edited, strict=True):
        letters = before.planes[0] > 215
        letters[: int(face.points[48:60, 1].max()) + 4] = False
        moved = np.abs(before.planes[0].astype(int) - after.planes[0])[letters]
        assert letters.sum() > 100
        assert np.percentile(moved, 99) < 12, "print does not move with the chin"


@pytest.mark.parametrize("towards", [0, 255], ids=["black", "white"])
def test_an_edit_is_held_through_a_fade(
    face: Face, clip_of: MAKE, tmp_path: Path, towards: int
) -> None:
    left = np.concatenate([np.ones(8), np.linspace(1, 0, 13), np.zeros(6), np.linspace(0, 1, 13)])
    clip = [np.rint(face.moved(0) * a + towards * (1 - a)).astype(np.uint8) for a in left.tolist()]
    done = run(clip_of(tmp_path / "fade.mkv", clip, codec="ffv1"), "smile=2", "age=2")
    changes = done.changes(*around(face.points[17:68]))
    usual = changes[:8].mean()
    assert usual > 2
    seen = left > 0.2
    assert (changes[seen] / (usual * left[seen])).min() > 0.7, "it dims with the picture"
    assert (changes / usual < 1.3 * left + 0.05).all(), "and no less"
    for before, after, a in zip(done.source, done.edited, left, strict=True):
        if a == 0:
            assert all(map(np.array_equal, before.planes, after.planes))


def test_people_in_two_shots_between_pillars_are_two_tracks(
    face: Face, clip_of: MAKE, tmp_path: Path
) -> None:
    other = np.ascontiguousarray(face.picture[:, ::-1, [1, 2, 0]])
    other[:40] = (30, 60, 120)
    shots = [face.picture] * 12 + [other] * 12
    clip = []
    for picture in shots:
        wide = np.zeros((240, 600, 3), np.uint8)
        wide[:, 180:420] = picture
        clip.append(wide)
    path = clip_of(tmp_path / "pillars.mkv", clip, codec="ffv1")
    found = analyze(
        open_source(path), AnalyzeOptions(), device=resolve_device("cpu"), progress=Progress()
    )
    assert found.cuts == (12,)
    assert [(t.first_frame, t.end_frame) for t in found.tracks] == [(0, 12), (12, 24)]
