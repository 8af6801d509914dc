"""Unusable, damaged and odd videos: one clear line or the best that can be made of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from pipeline.cli import main
from tests.conftest import Desk, Pictures


def _missing(folder: Path, _: Path) -> Path:
    return folder / "missing.mp4"


def _folder(folder: Path, _: Path) -> Path:
    (folder / "dir.mp4").mkdir()
    return folder / "dir.mp4"


def _text(folder: Path, _: Path) -> Path:
    (folder / "text.mp4").write_text("this is not a video\n" * 50)
    return folder / "text.mp4"


def _empty(folder: Path, _: Path) -> Path:
    (folder / "empty.mp4").write_bytes(b"")
    return folder / "empty.mp4"


def _sound(folder: Path, _: Path) -> Path:
    path = folder / "sound.m4a"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", 48_000, layout="mono")
        block = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        block.sample_rate, block.pts = 48_000, 0
        container.mux(stream.encode(block))
        container.mux(stream.encode(None))
    return path


def _no_frames(folder: Path, _: Path) -> Path:
    path = folder / "none.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", 25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.start_encoding()
        container.mux(stream.encode(None))
    return path


def _no_index(folder: Path, _: Path) -> Path:
    path = folder / "cut.mp4"
    with av.open(str(path), "w") as container:  # the index comes last, and is lost
        stream = container.add_stream("mpeg4", 25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.mux(stream.encode(av.VideoFrame(64, 48, "yuv420p")))
        container.mux(stream.encode(None))
    path.write_bytes(path.read_bytes()[:-300])
    return path


def _huge(folder: Path, _: Path) -> Path:
    # A picture header alone: 40000 x 40000 PNG, no pixels behind it.
    head = bytes.fromhex("89504e470d0a1a0a0000000d49484452") + (40_000).to_bytes(4, "big") * 2
    (folder / "huge.png").write_bytes(head + bytes.fromhex("0802000000") + b"\0" * 400)
    return folder / "huge.png"


UNUSABLE: dict[str, tuple[Callable[[Path, Path], Path], str]] = {
    "missing": (_missing, "no such file"),
    "folder": (_folder, "is not a file"),
    "text": (_text, "cannot be read as a video"),
    "empty": (_empty, "is empty"),
    "sound only": (_sound, "no video stream"),
    "no frames": (_no_frames, "not one frame"),
    "cut before its index": (_no_index, "cannot be read as a video"),
    "huge": (_huge, "larger than what is accepted"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_an_unusable_input_is_refused_by_every_command(desk: Desk, name: str) -> None:
    make, words = UNUSABLE[name]
    path = make(desk.folder, desk.clip)
    out = desk.folder / "out.mkv"
    assert words in desk.refused(3, "edit", path, "-o", out, "--attr", "smile")
    assert words in desk.refused(3, "analyze", path, "-o", desk.folder / "out.json")
    assert words in desk.refused(
        3, "inspect", path, "--frame", "0", "--attr", "smile", "-o", desk.folder / "pictures"
    )
    sheet = desk.folder / "sheet.png"
    assert words in desk.refused(3, "preview", path, "--attr", "smile", "-o", sheet)


# Damaged, odd and empty videos that can be used all the same


def _run(desk: Desk, clip: Path, *more: str) -> tuple[Path, dict[str, Any], str]:
    """Edit without loss, expect success; return the output, the report and stderr."""
    out, report = desk.folder / "result.mkv", desk.folder / "result.json"
    options = ["--attr", "smile", "--codec", "ffv1", "--report", str(report)]
    before = clip.read_bytes()
    assert main(["edit", str(clip), "-o", str(out), *options, *more]) == 0
    assert clip.read_bytes() == before
    shown = desk.capture.readouterr()
    assert shown.out.strip() == str(out)
    return out, json.loads(report.read_text()), shown.err


def _decoded(path: Path) -> list[np.ndarray]:
    found = []
    with av.open(str(path)) as container:
        for packet in container.demux(video=0):
            try:
                found += [frame.to_ndarray() for frame in packet.decode()]
            except av.error.FFmpegError:
                continue
    return found


def test_one_frame_is_edited(desk: Desk, astronaut: Pictures, clip_of: Callable[..., Path]) -> None:
    clip = clip_of(desk.folder / "one.mp4", astronaut[:1])
    out, report, _ = _run(desk, clip)
    assert report["counts"] == {"frames": 1, "edited": 1, "skipped": {}}
    assert len(_decoded(out)) == 1


def test_a_truncated_file_gives_what_it_holds_and_says_what_is_missing(
    desk: Desk, astronaut: Pictures, clip_of: Callable[..., Path]
) -> None:
    whole = clip_of(desk.folder / "whole.mp4", astronaut)
    cut = desk.folder / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * 0.85)])
    out, report, said = _run(desk, cut)
    frames = report["counts"]["frames"]
    assert 1 <= frames < 10
    assert len(_decoded(out)) == frames
    assert any("cut off" in warning for warning in report["warnings"])
    assert "visagist: warning: " in said
    assert "cut off" in said
    assert main(["analyze", str(cut)]) == 0
    assert "cut off" in desk.capture.readouterr().err


def test_corrupt_packets_cost_what_they_hold_and_are_reported(
    desk: Desk, astronaut: Pictures, clip_of: Callable[..., Path]
) -> None:
    clip = clip_of(desk.folder / "noise.mp4", astronaut)
    with av.open(str(clip)) as container:
        packet = [p for p in container.demux(video=0) if p.size][4]
        place, size = packet.pos, packet.size
    data = bytearray(clip.read_bytes())
    data[place + 8 : place + size] = np.random.default_rng(1).bytes(size - 8)
    clip.write_bytes(data)
    out, report, said = _run(desk, clip)
    frames = report["counts"]["frames"]
    assert 8 <= frames <= 10
    assert len(_decoded(out)) == frames
    assert report["warnings"]
    assert "visagist: warning: " in said


@pytest.mark.parametrize("size", [(239, 237), (240, 239)])
def test_odd_sizes_stay_odd(
    desk: Desk, astronaut: Pictures, clip_of: Callable[..., Path], size: tuple[int, int]
) -> None:
    width, height = size
    pictures = [p[:height, :width] for p in astronaut[:3]]
    clip = clip_of(desk.folder / "odd.mkv", pictures, codec="ffv1")
    out, report, _ = _run(desk, clip)
    with av.open(str(out)) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height) == size
    assert report["counts"]["edited"] == 3


def test_without_a_face_the_output_shows_the_input_and_that_is_said(
    desk: Desk, empty_clip: Path
) -> None:
    out, report, said = _run(desk, empty_clip)
    for a, b in zip(_decoded(out), _decoded(empty_clip), strict=True):
        np.testing.assert_array_equal(a, b)
    assert report["counts"] == {"frames": 6, "edited": 0, "skipped": {}}
    assert any("no face could be edited" in warning for warning in report["warnings"])
    assert "visagist: warning: no face could be edited" in said


def test_fail_if_unedited_exits_7_and_leaves_no_file(desk: Desk, empty_clip: Path) -> None:
    error = desk.refused(
        *(7, "edit", empty_clip, "--attr", "smile", "-o", desk.folder / "out.mp4"),
        "--fail-if-unedited",
    )
    assert "no face found" in error


def test_fail_if_unedited_still_writes_the_report_that_says_why(
    desk: Desk, empty_clip: Path
) -> None:
    out, report = desk.folder / "out.mp4", desk.folder / "r.json"
    options = ["--attr", "smile", "-o", str(out), "--report", str(report), "--fail-if-unedited"]
    assert main(["edit", str(empty_clip), *options]) == 7
    assert not out.exists()
    told = json.loads(report.read_text())
    assert told["output"] == ""
    assert told["counts"] == {"frames": 6, "edited": 0, "skipped": {}}
    assert "edit" in told["seconds"]
