"""A clip edited in pieces, in any order, is the clip edited at once on the same grid."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import pytest
import torch

from pipeline.cli import main
from pipeline.config import EncodeOptions
from pipeline.errors import UsageError
from pipeline.media.opening import open_sink
from pipeline.report import Report
from pipeline.request import EditRequest
from pipeline.run import edit
from pipeline.segments import chunk_grid, join_segments, write_segment
from pipeline.session import open_session
from tests.conftest import FaceClip

PIECE = 4
"""Frames: the last piece of ten frames is shorter."""
ACCOUNT = ("frames", "lapses", "damage", "tracks", "warnings")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def request_of(face_clip: FaceClip) -> Callable[..., EditRequest]:
    def made(**more: Any) -> EditRequest:
        asked = EditRequest(face_clip.path, ("smile",), analysis_path=face_clip.analysis)
        return dataclasses.replace(asked, **more)

    return made


def in_pieces(request: EditRequest, folder: Path, target: Path) -> Report:
    """Render every piece with a session of its own, the last one first, and join them."""
    session = open_session(request)
    frames = range(session.plan.start, session.plan.stop)
    segments = []
    for piece in reversed(chunk_grid(frames, PIECE)):
        alone = open_session(request)
        sink = open_sink(folder / "trial.mp4", alone.source, request.encode)
        path = folder / f"{piece.start}{sink.segment_ending}"
        facts = write_segment(alone, piece, path, sink)
        segments.append((path, json.loads(json.dumps(facts))))
    sink = open_sink(target, session.source, request.encode)
    (report,) = join_segments(session, segments[::-1], sink)
    return report


@pytest.mark.parametrize("frames", [None, "3-8"])
def test_pieces_joined_are_the_run_that_encodes_on_their_grid(
    request_of: Callable[..., EditRequest], tmp_path: Path, frames: str | None
) -> None:
    asked = request_of(frames=frames)
    on_grid = dataclasses.replace(asked, encode=EncodeOptions(chunk=PIECE))
    at_once = edit(on_grid, tmp_path / "whole.mp4")
    joined = in_pieces(asked, tmp_path, tmp_path / "joined.mp4")
    assert (tmp_path / "joined.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()
    assert [getattr(joined, name) for name in ACCOUNT] == [
        getattr(at_once, name) for name in ACCOUNT
    ]
    assert at_once.edited_frames == (10 if frames is None else 6)


def test_a_range_holds_the_frames_of_the_whole_edit(
    request_of: Callable[..., EditRequest], tmp_path: Path
) -> None:
    lossless = EncodeOptions(codec="ffv1")
    edit(request_of(encode=lossless), tmp_path / "whole.mkv")
    report = edit(request_of(encode=lossless, frames="3-8"), tmp_path / "part.mkv")
    whole, part = (planes_of(tmp_path / f"{name}.mkv") for name in ("whole", "part"))
    assert part == whole[3:9]
    assert [frame["frame"] for frame in report.frames] == list(range(3, 9))


def planes_of(path: Path) -> list[list[bytes]]:
    with av.open(str(path)) as container:
        return [[bytes(plane) for plane in f.planes] for f in container.decode(video=0)]


def test_only_faces_that_the_range_shows_are_prepared(
    request_of: Callable[..., EditRequest],
) -> None:
    plan = open_session(request_of()).plan
    (track,) = plan.tracks
    weights = track.weights.copy()
    weights[:5] = 0
    late = dataclasses.replace(track, weights=weights)
    assert plan.edits_any_of(late)
    assert plan.chunk(4, 6).edits_any_of(late)
    assert not plan.chunk(0, 5).edits_any_of(late)


def test_pieces_that_leave_frames_out_are_refused(
    request_of: Callable[..., EditRequest], tmp_path: Path
) -> None:
    session = open_session(request_of())
    sink = open_sink(tmp_path / "out.mp4", session.source, session.request.encode)
    facts = {"first": 0, "pts": [0, 1, 2]}
    with pytest.raises(UsageError, match="end before frame 3; the output has 10"):
        join_segments(session, [(tmp_path / "0.nut", facts)], sink)
    later = {"first": 4, "pts": list(range(6))}
    with pytest.raises(UsageError, match="frame 3 is due and the next segment begins with 4"):
        join_segments(session, [(tmp_path / "0.nut", facts), (tmp_path / "4.nut", later)], sink)


def test_a_grid_depends_on_the_number_of_frames_alone() -> None:
    assert chunk_grid(range(10), 4) == (range(4), range(4, 8), range(8, 10))
    assert chunk_grid(range(3, 9), 4) == (range(3, 7), range(7, 9))
    assert chunk_grid(range(5), 240) == (range(5),)
    with pytest.raises(UsageError, match="accepted: 1 and more"):
        chunk_grid(range(5), 0)


def test_frames_and_chunk_can_be_typed(face_clip: FaceClip, tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    options = ["--attr", "smile=0", "--analysis", str(face_clip.analysis), "-o", str(target)]
    typed = ["edit", str(face_clip.path), *options, "--frames", "2-6", "--chunk", "2", "--quiet"]
    assert main(typed) == 0
    with av.open(str(target)) as container:
        assert [packet.is_keyframe for packet in container.demux(video=0) if packet.size] == [
            *(True, False),
            *(True, False),
            True,
        ]
