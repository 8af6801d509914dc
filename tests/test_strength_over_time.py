"""A strength that changes over a shot: every frame is that of the constant it has there."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import av
import numpy as np
import pytest

from pipeline.cli import main
from pipeline.contact_sheet import preview
from pipeline.curve_text import read_curve
from pipeline.media.container.probe import probe
from pipeline.request import Edit, EditRequest
from pipeline.session import Session
from pipeline.types import Frame
from tests.conftest import FaceClip

from .routes import frames_of, rendered, samples, session_of

CURVE = "0:0 2:0 4:1.5@hold 7:0.8@smooth 9:0"


@pytest.fixture(scope="module")
def frames(face_clip: FaceClip) -> list[Frame]:
    return frames_of(face_clip.path)


@pytest.fixture(scope="module", params=["portrait", "mini"])
def session(request: pytest.FixtureRequest, face_clip: FaceClip) -> Session:
    own = {"pack": request.param, "batch_size": 1}
    return session_of(face_clip.path, face_clip.analysis, attributes=(f"smile={CURVE}",), **own)


def test_a_frame_is_that_of_its_constant_and_that_of_the_source_at_0(
    session: Session, frames: list[Frame]
) -> None:
    found = rendered(session, frames)
    for index in (0, 1, 2, 9):
        assert np.array_equal(found[index], samples(frames[index]))
    for strength, wanted in ((1.5, range(4, 7)), (0.8, range(7, 8))):
        plan = session.plan.with_edits([Edit("smile", strength)])
        part = [frames[index] for index in wanted]
        for frame, result in zip(part, session.render(plan, part), strict=True):
            assert np.array_equal(found[frame.index], samples(result.frame))
            assert not np.array_equal(found[frame.index], samples(frame))


def test_any_chunks_are_the_same_to_the_bit(session: Session, frames: list[Frame]) -> None:
    whole = rendered(session, frames)
    parts = [rendered(session, frames[a:b]) for a, b in itertools.pairwise([0, 1, 5, 8, 10])]
    for a, b in zip(whole, itertools.chain(*parts), strict=True):
        assert np.array_equal(a, b)


def test_several_edits_have_a_curve_each(face_clip: FaceClip, frames: list[Frame]) -> None:
    both = session_of(
        face_clip.path,
        face_clip.analysis,
        attributes=("smile=0:1 4:1@hold 5:0", "lips=0:0@hold 5:1"),
        batch_size=1,
    )
    found = rendered(both, frames)
    for index, edit in ((2, Edit("smile", 1.0)), (7, Edit("lips", 1.0))):
        plan = both.plan.with_edits([edit])
        (alone,) = both.render(plan, [frames[index]])
        assert np.array_equal(found[index], samples(alone.frame))


def test_the_report_tells_the_curve_and_no_lapse_where_nothing_was_asked(
    face_clip: FaceClip, tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    run = ["edit", str(face_clip.path), "-o", str(tmp_path / "out.mp4"), "--quiet"]
    curve = "{curve K x1001 0 L x1008 0.5}"
    asked = ["--attr", f"smile={curve},lips=0.2", "--first-frame", "1001"]
    more = ["--analysis", str(face_clip.analysis), "--report", str(report)]
    assert main([*run, *asked, *more]) == 0
    told = json.loads(report.read_text())
    assert told["options"]["attributes"][0]["strength"] == "0:0@hold 7:0.5"
    assert told["lapses"] == []
    strengths = [frame["faces"][0]["strengths"]["smile"] for frame in told["frames"]]
    assert strengths == [0.0] * 7 + [0.5] * 3


def test_the_whole_at_0_is_no_failure(face_clip: FaceClip, tmp_path: Path) -> None:
    run = ["edit", str(face_clip.path), "-o", str(tmp_path / "out.mp4"), "--quiet"]
    asked = ["--attr", "smile=0:0 90:0 95:1", "--fail-if-unedited"]
    assert main([*run, *asked, "--analysis", str(face_clip.analysis)]) == 0


def test_a_sheet_has_the_curve_below_it(face_clip: FaceClip, tmp_path: Path) -> None:
    def height(attribute: str) -> int:
        request = EditRequest(face_clip.path, (attribute,), analysis_path=face_clip.analysis)
        picture = preview(request, tmp_path / f"{len(attribute)}.png", count=2, factors=(0.0, 1.0))
        with av.open(str(picture)) as opened:
            return opened.streams.video[0].height

    assert height("smile=0:0 9:1") > height("smile=1") + 60


def test_a_clip_s_timecode_is_known(tmp_path: Path) -> None:
    path = tmp_path / "shot.mov"
    with av.open(str(path), "w") as container:
        container.metadata["timecode"] = "01:00:10:00"
        stream = container.add_stream("mpeg4", 25)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(3):
            picture = np.full((48, 64, 3), 90, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    assert probe(path).timecode == "01:00:10:00"


def test_a_key_at_a_timecode_needs_one(
    face_clip: FaceClip, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.mp4"
    attribute = "smile=01:00:00:00:0 01:00:01:00:1"
    assert main(["edit", str(face_clip.path), "-o", str(out), "--attr", attribute]) == 2
    assert "the key 01:00:00:00:0 is at a timecode" in capsys.readouterr().err
    assert read_curve(attribute.partition("=")[2]).keys[1].value == 1.0
