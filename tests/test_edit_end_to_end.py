"""Whole runs on a short clip of a face: what must stay stays exactly, what should change does."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pipeline.cli import main
from pipeline.imaging.geometry import transform
from pipeline.mattes import Mattes
from pipeline.media.container.decode import VideoReader
from pipeline.media.container.probe import probe
from pipeline.progress import Stopwatch
from pipeline.request import EditRequest
from pipeline.session import Session, open_session
from pipeline.types import AlignedBatch, EditedBatch, Frame
from tests.conftest import FaceClip, Pictures


def planes(path: Path) -> list[tuple[NDArray[np.uint8], ...]]:
    """Return the decoded samples of every frame, by PyAV alone."""
    found: list[tuple[NDArray[np.uint8], ...]] = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            assert frame.format.name == "yuv420p"
            samples = np.asarray(frame.to_ndarray(), np.uint8)
            h, w = frame.height, frame.width
            chroma = samples[h:].reshape(2, h // 2, w // 2)
            found.append((samples[:h], chroma[0], chroma[1]))
    return found


def same(a: list[tuple[NDArray[np.uint8], ...]], b: list[tuple[NDArray[np.uint8], ...]]) -> bool:
    return len(a) == len(b) and all(
        np.array_equal(p, q) for x, y in zip(a, b, strict=True) for p, q in zip(x, y, strict=True)
    )


def times(path: Path, kind: str = "video") -> list[tuple[float, float]]:
    with av.open(str(path)) as container:
        stream = next(s for s in container.streams if s.type == kind)
        return sorted(
            (float(p.pts * p.time_base), float((p.duration or 0) * p.time_base))
            for p in container.demux(stream)
            if p.size
        )


def payloads(path: Path, kind: str) -> list[str]:
    with av.open(str(path)) as container:
        stream = next(s for s in container.streams if s.type == kind)
        return [hashlib.sha256(bytes(p)).hexdigest() for p in container.demux(stream) if p.size]


@pytest.fixture(scope="module")
def frames(face_clip: FaceClip) -> list[Frame]:
    with VideoReader(probe(face_clip.path)) as reader:
        return list(reader)


@pytest.fixture(scope="module")
def session(face_clip: FaceClip) -> Session:
    request = EditRequest(face_clip.path, ("smile=1.5",), analysis_path=face_clip.analysis)
    return open_session(request)


@pytest.fixture(scope="module")
def edited(session: Session, frames: list[Frame]) -> list[Frame]:
    return [result.frame for result in session.render(session.plan, frames)]


def cropped(session: Session, frames: list[Frame]) -> list[EditedBatch]:
    return [face for frame in frames for face in session.look(frame).faces]


def run(face_clip: FaceClip, output: Path, *more: str) -> Path:
    analysis = ["--analysis", str(face_clip.analysis)]
    code = main(["edit", str(face_clip.path), "-o", str(output), "--quiet", *analysis, *more])
    assert code == 0
    return output


def test_strength_zero_written_without_loss_gives_every_sample_back(
    face_clip: FaceClip, tmp_path: Path
) -> None:
    names = ("smile", "toothy-smile", "weight", "age", "smooth-skin", "light-left", "light-top")
    every = [f"--attr={a}=0" for a in names]
    out = run(face_clip, tmp_path / "out.mkv", "--codec", "ffv1", *every)
    assert same(planes(out), planes(face_clip.path))


def test_a_lossless_edit_changes_the_mouth_and_nothing_outside_the_mask(
    face_clip: FaceClip, session: Session, frames: list[Frame], tmp_path: Path
) -> None:
    out = run(face_clip, tmp_path / "out.mkv", "--codec", "ffv1", "--attr", "smile=1.5")
    before, after = planes(face_clip.path), planes(out)
    edits = cropped(session, frames)
    crops = [edit.source for edit in edits]
    masks = [m for e in edits for m in zip(e.source.frame_index, e.masks, strict=True)]
    places = {int(f): m for b in crops for f, m in zip(b.frame_index, b.crop_to_frame, strict=True)}
    assert len(masks) == len(frames)
    for index, mask in masks:
        y, x = np.nonzero(mask[0].numpy() > 0)
        at = np.round(transform(places[int(index)], np.column_stack([x, y]))).astype(int)
        allowed = np.zeros((240, 240), bool)
        inside = ((at >= 0) & (at < 240)).all(1)
        allowed[at[inside, 1], at[inside, 0]] = True
        # A chroma sample belongs to four pixels: it may change if one of them may.
        block = allowed.reshape(120, 2, 120, 2).any((1, 3))
        for plane, (a, b) in enumerate(zip(before[index], after[index], strict=True)):
            may = allowed if plane == 0 else block
            assert not ((a != b) & ~may).any(), f"frame {index}, plane {plane}"
        mouth = session.plan.tracks[0].landmarks[int(index), 48:68]
        (x0, y0), (x1, y1) = mouth.min(0).astype(int), mouth.max(0).astype(int)
        change = np.abs(after[index][0][y0:y1, x0:x1].astype(int) - before[index][0][y0:y1, x0:x1])
        assert change.mean() > 3


def test_frame_count_times_and_sound_are_those_of_the_input(
    face_clip: FaceClip, tmp_path: Path
) -> None:
    out = run(face_clip, tmp_path / "out.mp4", "--attr", "smile")
    assert times(out) == times(face_clip.path)
    assert payloads(out, "audio") == payloads(face_clip.path, "audio")
    assert times(out, "audio") == times(face_clip.path, "audio")


def test_two_runs_give_the_same_file(face_clip: FaceClip, tmp_path: Path) -> None:
    outputs = [run(face_clip, tmp_path / f"{k}.mp4", "--attr", "smile") for k in range(2)]
    assert outputs[0].read_bytes() == outputs[1].read_bytes()


BATCH_TOLERANCE = 2e-3
"""Of images in [-1, 1] and masks in 0-1: a batch sums in another order than its rows alone."""
STEP_TOLERANCE = 2 / 32
"""Of images, for a pixel in a thousand: OpenCV looks up pictures at places in steps of 1/32 px, and
a place between two steps may be rounded to either."""


def test_crops_edited_together_differ_from_crops_edited_alone_by_rounding_only(
    session: Session, frames: list[Frame]
) -> None:
    single = [edit for frame in frames[:4] for edit in cropped(session, [frame])]
    alone = [edit.source for edit in single]
    joined = AlignedBatch(
        torch.cat([b.images for b in alone]),
        np.concatenate([b.crop_to_frame for b in alone]),
        torch.cat([b.landmarks for b in alone]),
        np.concatenate([b.frame_index for b in alone]),
        np.concatenate([b.track_id for b in alone]),
        torch.cat([b.weights for b in alone]),
    )
    rendering = session.rendering(session.plan)
    with torch.inference_mode():
        mattes = {frame.index: Mattes() for frame in frames}
        edits = rendering.groups[0].edited(joined, rendering.protection, Stopwatch(), mattes)
        together = next(edits).whole()
    for n, one in enumerate(single):
        apart = (one.images[0] - together.images[n]).abs().amax(0)
        assert (apart > BATCH_TOLERANCE).float().mean() <= 1e-3
        assert apart.max() <= STEP_TOLERANCE
        assert (one.masks[0] - together.masks[n]).abs().max() <= BATCH_TOLERANCE


def test_frames_of_a_clip_come_out_once_and_in_order_while_the_input_stays_untouched(
    frames: list[Frame], edited: list[Frame]
) -> None:
    assert [f.index for f in edited] == list(range(10))
    assert [f.pts for f in edited] == [f.pts for f in frames]


def test_a_stored_analysis_is_reused_and_not_made_again(
    face_clip: FaceClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = tmp_path / "faces.json"
    first = ["edit", str(face_clip.path), "--attr", "smile", "--quiet", "--analysis", str(stored)]
    assert main([*first, "-o", str(tmp_path / "a.mp4")]) == 0
    written = stored.read_bytes()

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("the clip was analyzed again")

    monkeypatch.setattr("pipeline.session.analyze", fail)
    assert main([*first, "-o", str(tmp_path / "b.mp4")]) == 0
    assert stored.read_bytes() == written
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_a_frame_corrected_by_hand_is_used_exactly_as_corrected(
    face_clip: FaceClip, tmp_path: Path
) -> None:
    stored = json.loads(face_clip.analysis.read_text())
    line = stored["tracks"][0]["frames"][4]
    line["landmarks"] = [[x + 7.0, y - 3.0] for x, y in line["landmarks"]]
    line["state"] = "manual"
    corrected = tmp_path / "corrected.json"
    corrected.write_text(json.dumps(stored))
    request = EditRequest(face_clip.path, ("smile",), analysis_path=corrected)
    track = open_session(request).plan.tracks[0]
    np.testing.assert_allclose(track.landmarks[4], line["landmarks"], atol=1e-4)


@pytest.fixture(scope="module")
def pair(
    clip_of: Callable[..., Path], astronaut: Pictures, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    doubled = [np.concatenate([p, p], axis=1) for p in astronaut[:6]]
    return clip_of(tmp_path_factory.mktemp("pair") / "pair.mp4", doubled)


def test_of_two_faces_only_the_chosen_one_is_edited(pair: Path, tmp_path: Path) -> None:
    stored = tmp_path / "faces.json"
    base = ["edit", str(pair), "--attr", "smile=1.5", "--codec", "ffv1", "--quiet"]
    base += ["--analysis", str(stored)]
    before = planes(pair)
    for name, mine, other in (
        ("left-right:0", np.s_[:, :240], np.s_[:, 240:]),
        ("right-left:0", np.s_[:, 240:], np.s_[:, :240]),
    ):
        out, report = tmp_path / f"{name[:4]}.mkv", tmp_path / f"{name[:4]}.json"
        more = ["-o", str(out), "--faces", name, "--report", str(report)]
        assert main([*base, *more]) == 0
        after = planes(out)
        assert all(
            np.array_equal(a[0][other], b[0][other]) for a, b in zip(before, after, strict=True)
        )
        assert all((a[0][mine] != b[0][mine]).any() for a, b in zip(before, after, strict=True))
        assert len(json.loads(report.read_text())["tracks"]) == 1


def test_a_face_in_some_frames_is_edited_there_and_the_others_pass_untouched(
    clip_of: Callable[..., Path], astronaut: Pictures, tmp_path: Path
) -> None:
    grey = [np.full_like(astronaut[0], 128)] * 6
    clip = clip_of(tmp_path / "some.mp4", [*grey, *astronaut])
    out, report = tmp_path / "out.mkv", tmp_path / "report.json"
    options = ["--attr", "smile=1.5", "--codec", "ffv1", "--report", str(report), "--quiet"]
    assert main(["edit", str(clip), "-o", str(out), *options]) == 0
    before, after = planes(clip), planes(out)
    assert same(before[:6], after[:6])
    told = json.loads(report.read_text())
    assert [len(f["faces"]) for f in told["frames"][:6]] == [0] * 6
    assert told["counts"]["frames"] == 16
    assert 5 <= told["counts"]["edited"] <= 10
    changed = [(a[0] != b[0]).any() for a, b in zip(before, after, strict=True)]
    said = [any(face["edited"] for face in f["faces"]) for f in told["frames"]]
    assert changed == said


def test_an_analysed_clip_is_not_encoded_again_and_gives_the_same_frames(
    face_clip: FaceClip, frames: list[Frame], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = open_session(EditRequest(face_clip.path, ("smile",), cache=tmp_path / "other"))
    results = list(fresh.render(fresh.plan, frames[:2]))
    before = face_clip.analysis.read_bytes()
    request = EditRequest(face_clip.path, ("smile",), analysis_path=face_clip.analysis)
    assert open_session(request).plan.artefacts
    monkeypatch.setattr("pipeline.editors.latent.look_at", lambda *_, **__: pytest.fail("again"))
    stored = open_session(request)
    for a, b in zip(results, stored.render(stored.plan, frames[:2]), strict=True):
        for p, q in zip(a.frame.planes, b.frame.planes, strict=True):
            np.testing.assert_array_equal(p, q)
    assert face_clip.analysis.read_bytes() == before


def test_strength_0_is_no_failure_and_is_told_as_what_it_is(
    face_clip: FaceClip, tmp_path: Path
) -> None:
    report = tmp_path / "r.json"
    options = ("--attr", "smile=0", "--fail-if-unedited", "--report", str(report))
    run(face_clip, tmp_path / "out.mp4", *options)
    faces = [face for frame in json.loads(report.read_text())["frames"] for face in frame["faces"]]
    assert faces
    assert {face["skipped"] for face in faces} == {"the edit changes nothing"}
