"""Finding faces: the detector on a real portrait, the finder's logic with a scripted network."""

from __future__ import annotations

import dataclasses
import json
import sys
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from pipeline.config import AnalyzeOptions
from pipeline.errors import AnalysisError, UsageError, WeightsError
from pipeline.imaging.color import frame_of_rgb
from pipeline.imaging.geometry import box_iou
from pipeline.loading import load_finder
from pipeline.tracking import detect, detector
from pipeline.tracking.following import make_face
from pipeline.tracking.landmark_files import FileFinder
from pipeline.types import Face, Frame

SAMPLE = Path(__file__).resolve().parents[3] / "samples/astronaut.mp4"
BLANK = np.zeros((100, 200, 3), np.uint8)


@pytest.fixture(scope="module")
def portrait() -> np.ndarray:
    """First frame of the sample clip: one face, NASA's portrait of Eileen Collins."""
    found, frame = cv2.VideoCapture(str(SAMPLE)).read()
    assert found
    return np.ascontiguousarray(frame[..., ::-1])


@pytest.fixture(scope="module")
def finder() -> detect.FaceFinder:
    return load_finder(AnalyzeOptions(), torch.device("cpu"), rate=24.0)


def _frame(picture: np.ndarray, index: int = 0) -> Frame:
    return dataclasses.replace(frame_of_rgb(picture), index=index)


def _find(
    finder: detect.FaceFinder, picture: np.ndarray, index: int = 0, previous: Sequence[Face] = ()
) -> list[Face]:
    """The faces of one frame."""
    (faces,) = finder.find([_frame(picture, index)], previous)
    return faces


@dataclass
class Estimate:
    points: np.ndarray
    score: np.ndarray
    mouth_score: np.ndarray
    eyes_score: np.ndarray


def _square(box: Sequence[float]) -> np.ndarray:
    """68 points that fill a box."""
    t = np.linspace(0, 1, 68)
    x0, y0, x1, y1 = box
    points = np.stack([x0 + (x1 - x0) * t, y0 + (y1 - y0) * t[::-1]], axis=1)
    return points.astype(np.float32)


@dataclass
class Scripted:
    """A landmark network that answers what it is told."""

    move: Callable[[np.ndarray], np.ndarray] = np.copy
    score: float = 0.9
    calls: list[str] = field(default_factory=list)

    def _answer(self, points: np.ndarray) -> Estimate:
        scores = np.full(len(points), self.score, np.float32)
        return Estimate(points.astype(np.float32), scores, scores, scores)

    def from_boxes(self, frames: Sequence[Frame], boxes: np.ndarray) -> Estimate:
        self.calls.append("boxes")
        return self._answer(np.stack([_square(b) for b in boxes]))

    def from_points(self, frames: Sequence[Frame], points: np.ndarray) -> Estimate:
        self.calls.append("points")
        return self._answer(self.move(points))

    def glance(self, frames: Sequence[Frame], points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        answer = self.from_points(frames, points)
        self.calls[-1:] = ["glance"]
        return answer.points, answer.score


def _boxes(monkeypatch: pytest.MonkeyPatch, *boxes: Sequence[float]) -> list[bool]:
    """Make the detector answer `boxes`; return the list of whether each search was thorough."""
    asked: list[bool] = []

    def find(frame: Frame, side: int, *, thorough: bool) -> np.ndarray:
        asked.append(thorough)
        return np.array(boxes, np.float32).reshape(-1, 4)

    monkeypatch.setattr(detect, "find_boxes", find)
    return asked


LEFT, RIGHT = (10, 10, 60, 60), (120, 20, 170, 70)


def test_the_sample_face_is_found_and_trusted(
    portrait: np.ndarray, finder: detect.FaceFinder
) -> None:
    faces = _find(finder, portrait)
    assert len(faces) == 1
    points = faces[0].landmarks
    assert faces[0].score > 0.5
    # eyes above nose above mouth above chin, and left of the picture first
    heights = [points[36:48, 1].mean(), points[30, 1], points[48:68, 1].mean(), points[8, 1]]
    assert heights == sorted(heights)
    assert points[36, 0] < points[45, 0]


@pytest.mark.parametrize("turn_deg", [-35, 35])
def test_a_tilted_face_is_found(
    portrait: np.ndarray, finder: detect.FaceFinder, turn_deg: int
) -> None:
    upright = _find(finder, portrait)[0].landmarks
    middle = upright.mean(axis=0)
    matrix = cv2.getRotationMatrix2D((float(middle[0]), float(middle[1])), turn_deg, 1.0)
    size = (portrait.shape[1], portrait.shape[0])
    turned = np.asarray(cv2.warpAffine(portrait, matrix, size), dtype=np.uint8)
    faces = _find(finder, turned)
    assert len(faces) == 1
    expected = upright @ matrix[:, :2].T + matrix[:, 2]
    eyes = np.linalg.norm(upright[36] - upright[45])
    assert np.linalg.norm(faces[0].landmarks - expected, axis=1).mean() < 0.06 * eyes


def test_a_small_face_in_a_large_frame_is_found_by_the_thorough_search(
    portrait: np.ndarray, finder: detect.FaceFinder
) -> None:
    box = _find(finder, portrait)[0].box
    # a face of 100 px in a frame of 1600 is 30 px wide when searched first
    ratio = 100 / float(box[2] - box[0])
    small = cv2.resize(portrait, None, fx=ratio, fy=ratio, interpolation=cv2.INTER_AREA)
    frame = np.full((900, 1600, 3), 128, np.uint8)
    frame[300 : 300 + small.shape[0], 700 : 700 + small.shape[1]] = small
    assert len(detector.find_boxes(_frame(frame), 480, thorough=False)) == 0
    assert len(detector.find_boxes(_frame(frame), 480, thorough=True)) == 1


def test_a_large_face_does_not_hide_a_small_one(
    portrait: np.ndarray, finder: detect.FaceFinder
) -> None:
    box = _find(finder, portrait)[0].box
    frame = np.full((900, 1600, 3), 128, np.uint8)
    for width, x, y in ((350, 0, 0), (90, 1200, 300)):
        ratio = width / float(box[2] - box[0])
        copy = cv2.resize(portrait, None, fx=ratio, fy=ratio, interpolation=cv2.INTER_AREA)
        copy = copy[: 900 - y, : 1600 - x]
        frame[y : y + copy.shape[0], x : x + copy.shape[1]] = copy
    widths = sorted(float(f.box[2] - f.box[0]) for f in _find(finder, frame))
    assert widths == pytest.approx([90, 350], rel=0.1)


def test_a_tiny_face_in_a_small_frame_is_found(
    portrait: np.ndarray, finder: detect.FaceFinder
) -> None:
    box = _find(finder, portrait)[0].box
    ratio = 45 / float(box[2] - box[0])
    small = cv2.resize(portrait, None, fx=ratio, fy=ratio, interpolation=cv2.INTER_AREA)
    faces = _find(finder, np.ascontiguousarray(small))
    assert [float(f.box[2] - f.box[0]) for f in faces] == pytest.approx([45], rel=0.1)


def test_a_frame_without_a_face_gives_none(finder: detect.FaceFinder) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    assert _find(finder, noise) == []


def test_a_followed_face_keeps_its_place_from_frame_to_frame(
    portrait: np.ndarray, finder: detect.FaceFinder
) -> None:
    first = _find(finder, portrait)
    moved = np.roll(portrait, (3, 5), axis=(0, 1))
    second = _find(finder, moved, 1, first)
    shift = (second[0].landmarks - first[0].landmarks).mean(axis=0)
    assert shift == pytest.approx([5, 3], abs=0.7)


def test_a_followed_face_needs_no_search(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = _boxes(monkeypatch, LEFT)
    finder = detect.EmbeddedFinder(Scripted())
    faces = _find(finder, BLANK)
    _find(finder, BLANK, 1, faces)
    assert asked == [True]


def test_a_new_face_is_found_at_the_next_keyframe_beside_the_old(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    finder = detect.EmbeddedFinder(Scripted(), detect.DetectOptions(every=4))
    _boxes(monkeypatch, LEFT)
    faces = _find(finder, BLANK)
    _boxes(monkeypatch, RIGHT, LEFT)
    counts = []
    for index in range(1, 6):
        faces = _find(finder, BLANK, index, faces)
        counts.append(len(faces))
    assert counts == [1, 1, 1, 2, 2]
    assert faces[0].box[0] == pytest.approx(10)  # the old face stays first


def test_a_lost_face_is_searched_for_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = _boxes(monkeypatch, RIGHT)
    finder = detect.EmbeddedFinder(Scripted(move=lambda p: p + 80))
    previous = [make_face(4, _square(LEFT), 0.9)]
    faces = _find(finder, BLANK, 5, previous)
    assert asked == [False]
    assert [f.box[0] for f in faces] == [120]


@pytest.mark.parametrize(
    "move",
    [lambda p: p + 60, lambda p: (p - 35) * 2 + 35, lambda p: (p - 35) * 0.5 + 35],
    ids=["jumped", "grown", "shrunk"],
)
def test_points_that_leap_are_not_the_same_face(
    monkeypatch: pytest.MonkeyPatch, move: Callable[[np.ndarray], np.ndarray]
) -> None:
    _boxes(monkeypatch)
    finder = detect.EmbeddedFinder(Scripted(move=move))
    assert _find(finder, BLANK, 5, [make_face(4, _square(LEFT), 0.9)]) == []


def test_what_the_network_does_not_believe_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    _boxes(monkeypatch, LEFT)
    assert _find(detect.EmbeddedFinder(Scripted(score=0.05)), BLANK, 0, []) == []


def test_two_followed_faces_never_end_on_one_person(monkeypatch: pytest.MonkeyPatch) -> None:
    _boxes(monkeypatch)
    finder = detect.EmbeddedFinder(Scripted(move=lambda p: np.repeat(p[:1], len(p), axis=0)))
    near = (30, 10, 80, 60)
    previous = [make_face(0, _square(b), 0.9) for b in (LEFT, near)]
    assert len(_find(finder, BLANK, 1, previous)) == 1


def test_without_a_face_the_slow_search_runs_only_now_and_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = _boxes(monkeypatch)
    finder = detect.EmbeddedFinder(Scripted(), detect.DetectOptions(every=3))
    for index in range(6):
        _find(finder, BLANK, index, [])
    assert asked == [True, False, False, True, False, False]


def test_beside_a_followed_face_the_slow_search_runs_rarely(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = _boxes(monkeypatch, LEFT)
    finder = detect.EmbeddedFinder(Scripted(), detect.DetectOptions(every=2))
    faces: list[Face] = []
    for index in range(10):
        faces = _find(finder, BLANK, index, faces)
    assert asked == [True, False, True, False, True]


@pytest.mark.parametrize(
    ("a", "b", "overlap"),
    [
        ((0, 0, 2, 2), (0, 0, 2, 2), 1.0),
        ((0, 0, 2, 2), (1, 0, 3, 2), 1 / 3),
        ((0, 0, 2, 2), (2, 2, 4, 4), 0.0),
        ((0, 0, 0, 0), (0, 0, 0, 0), 0.0),
    ],
    ids=["same", "half", "touching", "empty"],
)
def test_overlap_is_shared_area_over_joint_area(
    a: Sequence[float], b: Sequence[float], overlap: float
) -> None:
    assert box_iou(np.array(a, np.float32), np.array(b, np.float32)) == pytest.approx(overlap)


def _moving(place: Callable[[int], float]) -> Scripted:
    """Answers with a face that is `place(frame index)` px right of LEFT, lost beyond 100 px."""

    class Moving(Scripted):
        def from_points(self, frames: Sequence[Frame], points: np.ndarray) -> Estimate:
            self.calls.append(f"points of {len(frames)}")
            x = np.array([place(f.index) for f in frames], np.float32)
            answer = self._answer(_square(LEFT) + np.stack([x, 0 * x], axis=1)[:, None])
            answer.score[x > 100] = 0.0
            return answer

    return Moving()


WAYS: dict[str, Callable[[int], float]] = {
    "still": lambda i: 0.05 * i,
    "evenly": lambda i: 2.0 * i,
    "jumping": lambda i: 10.0 * (i // 4),
    "fast": lambda i: 8.0 * i,
}


def _boxes_of(found: Sequence[Sequence[Face]]) -> list[list[float]]:
    return [[float(f.box[0]) for f in faces] for faces in found]


def test_frames_searched_ahead_are_not_searched_again(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = [_frame(BLANK, index) for index in range(10)]
    ways = []
    for ahead in (False, True):
        asked = _boxes(monkeypatch, LEFT)
        finder = detect.EmbeddedFinder(Scripted(), detect.DetectOptions(every=2))
        for frame in frames if ahead else []:
            finder.prepare(frame)
        found = finder.find(frames, [])
        ways.append((asked, _boxes_of(found)))
    assert ways[0] == ways[1]
    assert ways[0][0] == [True, False, True, False, True]


def test_without_a_face_a_frame_searched_ahead_is_searched_thoroughly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = _boxes(monkeypatch)
    finder = detect.EmbeddedFinder(Scripted(), detect.DetectOptions(every=3))
    frames = [_frame(BLANK, index) for index in range(2, 5)]
    for frame in frames:
        finder.prepare(frame)
    assert asked == [False]
    finder.find(frames, [])
    assert asked == [False, False, True, False]


def test_a_box_around_a_followed_face_is_not_looked_into(monkeypatch: pytest.MonkeyPatch) -> None:
    _boxes(monkeypatch, (12, 8, 66, 62), RIGHT)
    network = Scripted()
    start = [make_face(0, _square(b), 0.9) for b in (LEFT, RIGHT)]
    assert len(_find(detect.EmbeddedFinder(network), BLANK, 12, start)) == 2
    assert network.calls == ["points", "points"]


@pytest.mark.parametrize("way", list(WAYS))
def test_frames_looked_at_together_show_what_they_show_one_by_one(
    monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    _boxes(monkeypatch, LEFT)
    frames = [_frame(BLANK, index) for index in range(1, 20)]
    start = [make_face(0, _square(LEFT), 0.9)]
    together = detect.EmbeddedFinder(_moving(WAYS[way])).find(frames, start)
    alone: list[list[Face]] = []
    finder = detect.EmbeddedFinder(_moving(WAYS[way]))
    for frame in frames:
        alone += finder.find([frame], alone[-1] if alone else start)
    assert _boxes_of(together) == _boxes_of(alone)
    assert [f[0].frame_index for f in together] == list(range(1, 20))


def test_a_face_that_is_not_where_it_was_expected_is_looked_at_again() -> None:
    start = [make_face(0, _square(LEFT), 0.9)]  # 50 px wide
    frames = [_frame(BLANK, index) for index in range(1, 7)]
    evenly, jumping = _moving(WAYS["evenly"]), _moving(WAYS["jumping"])
    detect.EmbeddedFinder(evenly).find(frames, start)
    assert evenly.calls == ["glance", "points of 6"]
    detect.EmbeddedFinder(jumping).find(frames, start)
    assert jumping.calls == ["glance", "points of 6", "points of 5"]


def test_a_face_lost_among_others_leaves_them_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Covered(Scripted):
        """The face on the left is covered from frame 3 on."""

        def from_points(self, frames: Sequence[Frame], points: np.ndarray) -> Estimate:
            answer = self._answer(points)
            covered = np.array([f.index >= 3 for f in frames]) & (points[:, 0, 0] < 100)
            answer.score[covered] = 0.0
            return answer

    asked = _boxes(monkeypatch)
    start = [make_face(0, _square(b), 0.9) for b in (LEFT, RIGHT)]
    frames = [_frame(BLANK, index) for index in range(1, 7)]
    found = detect.EmbeddedFinder(Covered()).find(frames, start)
    assert _boxes_of(found) == [[10, 120], [10, 120], [120], [120], [120], [120]]
    assert asked == [False], "who is lost is searched for where it was lost"


def test_frames_together_give_the_landmarks_of_one_by_one(
    portrait: np.ndarray, finder: detect.FaceFinder
) -> None:
    frames = [_frame(np.roll(portrait, (k, 2 * k), axis=(0, 1)), k) for k in range(1, 7)]
    start = _find(finder, portrait)
    together = finder.find(frames, start)
    last = start
    for frame, (face,) in zip(frames, together, strict=True):
        (last,) = finder.find([frame], last)
        off = np.linalg.norm(face.landmarks - last[0].landmarks, axis=1)
        eyes = np.linalg.norm(face.landmarks[36] - face.landmarks[45])
        assert off.mean() < 0.01 * eyes


MESH = list(range(68))


def test_landmarks_come_from_an_npz_file(tmp_path: Path) -> None:
    points = np.random.default_rng(0).random((4, 478, 3), np.float32) * 100
    points[3] = np.nan
    found = np.array([True, False, True, True])
    np.savez(tmp_path / "l.npz", points=points, found=found)
    finder = FileFinder.load(tmp_path / "l.npz", mesh_to_68=MESH[::-1])
    assert [len(_find(finder, BLANK, i, [])) for i in range(5)] == [1, 0, 1, 0, 0]
    assert np.array_equal(_find(finder, BLANK, 2, [])[0].landmarks, points[2, 67::-1, :2])


def test_several_faces_of_a_frame_come_from_a_json_file(tmp_path: Path) -> None:
    entry = {"frame": 7, "landmarks": _square(LEFT).tolist(), "score": 0.7}
    other = {"frame": 7, "landmarks": _square(RIGHT).tolist()}
    (tmp_path / "l.json").write_text(json.dumps({"faces": [entry, other]}))
    faces = FileFinder.load(tmp_path / "l.json", mesh_to_68=MESH).find([_frame(BLANK, 7)], [])[0]
    assert [f.score for f in faces] == [0.7, 1.0]
    assert np.array_equal(faces[1].landmarks, _square(RIGHT))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.npz", None, "does not exist"),
        ("a.txt", b"1 2 3", "ending '.txt'"),
        ("a.npz", b"not a zip", "cannot be read"),
        ("a.json", b"{", "cannot be read"),
        ("b.json", b'{"faces": [{"frame": 0, "landmarks": [[1, 2]]}]}', "68 pairs"),
        ("c.json", b'{"points": []}', "faces"),
        ("d.json", b"[1]", "cannot be read"),
    ],
    ids=["missing", "ending", "npz", "json", "shape", "key", "list"],
)
def test_a_bad_landmark_file_is_named(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(AnalysisError, match=message):
        FileFinder.load(tmp_path / name, mesh_to_68=MESH)


def test_points_of_another_count_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "five.npz", points=np.zeros((3, 5, 2)))
    with pytest.raises(AnalysisError, match=r"\(3, 5, 2\)"):
        FileFinder.load(tmp_path / "five.npz", mesh_to_68=MESH)


def _package(network: Callable[..., object]) -> types.ModuleType:
    """A stand-in for the face-alignment package."""
    package = types.ModuleType("face_alignment")
    package.LandmarksType = types.SimpleNamespace(TWO_D=1)  # type: ignore[attr-defined]
    package.FaceAlignment = network  # type: ignore[attr-defined]
    return package


def test_a_broken_face_alignment_package_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "face_alignment", None)
    with pytest.raises(UsageError, match="`pip install face-alignment`"):
        detect.FaceAlignmentFinder.load("cpu")


def test_missing_fan_weights_say_where_to_put_them(monkeypatch: pytest.MonkeyPatch) -> None:
    class Offline:
        def __init__(self, *args: object, **kwargs: object) -> None:
            raise OSError("no route to host")

    monkeypatch.setitem(sys.modules, "face_alignment", _package(Offline))
    with pytest.raises(WeightsError, match=r"no route to host.*checkpoints.*embedded"):
        detect.FaceAlignmentFinder.load("cpu")


def test_fan_points_and_peaks_become_faces(monkeypatch: pytest.MonkeyPatch) -> None:
    peaks = np.full(68, 0.8, np.float32)
    peaks[48:] = 0.2

    class Network:
        def __init__(self, kind: int, device: str, flip_input: bool, compile: bool) -> None:  # noqa: A002
            assert not compile

        def get_landmarks_from_image(self, image: np.ndarray, **_: object) -> tuple[object, ...]:
            return ([_square(LEFT)], [peaks], None) if image.any() else (None, None, None)

    monkeypatch.setitem(sys.modules, "face_alignment", _package(Network))
    finder = detect.FaceAlignmentFinder.load("cpu")
    assert _find(finder, BLANK) == []
    face: Face = _find(finder, BLANK + 1, 3, [])[0]
    assert face.frame_index == 3
    assert np.array_equal(face.landmarks, _square(LEFT))
    assert face.region_scores == pytest.approx((0.2, 0.8))


def _no_turned(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Make no head lie on its side; return the list of whether each such search was thorough."""
    asked: list[bool] = []

    def find(frame: Frame, side: int, *, thorough: bool) -> np.ndarray:
        asked.append(thorough)
        return np.zeros((0, 4))

    monkeypatch.setattr(detect, "find_turned", find)
    return asked


def test_a_clip_without_a_face_is_searched_at_a_bounded_cost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked, turned = _boxes(monkeypatch), _no_turned(monkeypatch)
    finder = detect.EmbeddedFinder(Scripted(), detect.DetectOptions(every=12))
    for first in range(0, 240, 8):
        frames = [_frame(BLANK, first + k) for k in range(8)]
        for frame in frames:
            finder.prepare(frame)
        finder.find(frames, [])
    assert len(asked) <= 240 / 3 + 240 / 24, "a search every third frame, and thorough ones"
    assert sum(asked) == 240 / 12
    assert len(turned) == 240 / 12
    assert sum(turned) == 3, "at the start and every fourth second"


def test_where_every_frame_may_be_a_cut_thorough_searches_stay_rare(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = _boxes(monkeypatch, LEFT)
    finder = detect.EmbeddedFinder(Scripted(), detect.DetectOptions(every=12))
    faces: list[Face] = []
    for index in range(48):
        frame = _frame(BLANK, index)
        finder.prepare(frame, may_be_cut=True)
        (faces,) = finder.find([frame], faces)
    assert sum(asked) <= 48 / 4 + 2
    assert len(faces) == 1


def test_over_a_cut_a_face_seen_badly_is_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    _boxes(monkeypatch)
    _no_turned(monkeypatch)
    start = [make_face(4, _square(LEFT), 0.9)]
    for score, cut, count in ((0.3, False, 1), (0.3, True, 0), (0.9, True, 1)):
        finder = detect.EmbeddedFinder(Scripted(score=score))
        frame = _frame(BLANK, 5)
        finder.prepare(frame, may_be_cut=cut)
        assert len(finder.find([frame], start)[0]) == count


def test_a_cut_is_searched_whatever_the_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = _boxes(monkeypatch, LEFT, RIGHT)
    finder = detect.EmbeddedFinder(Scripted(), detect.DetectOptions(every=12))
    frames = [_frame(BLANK, index) for index in range(1, 9)]
    for frame in frames:
        finder.prepare(frame, may_be_cut=frame.index == 5)
    found = finder.find(frames, [make_face(0, _square(LEFT), 0.9)])
    assert [len(faces) for faces in found] == [1] * 4 + [2] * 4
    assert asked == [True]


def test_a_newcomer_is_followed_back_to_the_frames_before_the_search(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Comes(Scripted):
        """The face on the right is there from frame 3 on."""

        def from_points(self, frames: Sequence[Frame], points: np.ndarray) -> Estimate:
            answer = self._answer(points)
            answer.score[np.array([f.index < 3 for f in frames]) & (points[:, 0, 0] > 100)] = 0.0
            return answer

    _boxes(monkeypatch, LEFT, RIGHT)
    finder = detect.EmbeddedFinder(Comes(), detect.DetectOptions(every=8))
    frames = [_frame(BLANK, index) for index in range(1, 10)]
    found = finder.find(frames, [make_face(0, _square(LEFT), 0.9)])
    assert [len(faces) for faces in found] == [1] * 7 + [2] * 2
    back = finder.looked_back()
    assert [b.face.frame_index for b in back] == [7, 6, 5, 4, 3]
    assert {float(b.face.box[0]) for b in back} == {120.0}
    assert finder.looked_back() == []


def test_a_lost_face_is_looked_for_near_its_last_place_ever_more_rarely(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _boxes(monkeypatch)
    _no_turned(monkeypatch)
    asked: list[tuple[int, float]] = []

    def near(frame: Frame, place: np.ndarray, reach: float) -> np.ndarray:
        asked.append((frame.index, reach))
        return np.zeros((0, 4))

    monkeypatch.setattr(detect, "find_near", near)
    finder = detect.EmbeddedFinder(Scripted(score=0.0), detect.DetectOptions(every=12))
    faces: list[Face] = [make_face(4, _square(LEFT), 0.9)]
    for index in range(5, 120):
        faces = _find(finder, BLANK, index, faces)
    assert [index - 5 for index, _ in asked] == [0, 1, 2, 4, 8, 16, 32]
    reaches = [reach for _, reach in asked]
    assert reaches == sorted(reaches)
    assert reaches[0] >= 1.4, "two distances between the eyes"


def test_frames_that_do_not_follow_on_begin_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    _boxes(monkeypatch, LEFT)
    finder = detect.EmbeddedFinder(Scripted(), detect.DetectOptions(every=4))
    _find(finder, BLANK, 3)
    _find(finder, BLANK, 8)
    assert finder.looked_back() == []
