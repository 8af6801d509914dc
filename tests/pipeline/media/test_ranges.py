"""Frames of a range are those of the whole run: planes, number, time, duration, and damage."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import VideoError
from pipeline.media.base import Source
from pipeline.media.container.ranges import RangeReader
from pipeline.media.damage import Damage
from pipeline.media.opening import open_source
from pipeline.types import Frame
from tests.pipeline.media.test_matrix import MPEG4_B, MPEG_WRAP_S, MS, SOUND, VARIABLE, moved, twice

MakeClip = Callable[..., Path]
GOP = {"crf": "30", "threads": "1", "g": "6"}
CLOSED = {"options": {**GOP, "bf": "2"}, "frames": 24}
OPEN = {
    "options": {"crf": "30", "threads": "1", "x264-params": "open-gop=1:keyint=6:bframes=2"},
    "frames": 24,
}
HEVC = "keyint=6:min-keyint=6:scenecut=0:bframes=3:b-adapt=0:log-level=0"


def hevc(more: str) -> dict[str, Any]:
    return {"codec": "libx265", "options": {"x265-params": f"{HEVC}:{more}"}, "frames": 24}


def every(codec: str, pix_fmt: str, **more: Any) -> dict[str, Any]:
    return {"codec": codec, "pix_fmt": pix_fmt, "options": {}, **more}


MPEG2 = {"codec": "mpeg2video", "options": {"bf": "2", "g": "6", "sc_threshold": "1000000000"}}
CLIPS: dict[str, tuple[str, dict[str, Any], Callable[[Path], Path] | None, bool]] = {
    "mp4 closed": (".mp4", {**CLOSED, **SOUND}, None, True),
    "mp4 open": (".mp4", OPEN, None, True),
    "mp4 varying": (
        ".mp4",
        {"pts": VARIABLE, "time_base": MS, "options": {**GOP, "g": "2"}},
        None,
        False,
    ),
    "mp4 edit list": (".mp4", {**CLOSED, **SOUND, "frames": 40}, moved(Fraction(-2, 5)), True),
    "mp4 open, edit list": (".mp4", {**OPEN, **SOUND, "frames": 40}, moved(Fraction(-2, 5)), True),
    "mp4 turned": (".mp4", {**CLOSED, "rotation_ccw": -90}, None, True),
    "mp4 hevc open": (".mp4", hevc("open-gop=1"), None, True),
    "mp4 hevc closed": (".mp4", hevc("open-gop=0"), None, True),
    "ts hevc open": (".ts", hevc("open-gop=1:repeat-headers=1"), None, True),
    "mkv open": (".mkv", {**OPEN, **SOUND}, None, True),
    "mkv twice": (".mkv", {**CLOSED, **SOUND}, twice, True),
    "mkv intra refresh": (
        ".mkv",
        {"options": {**GOP, "x264-params": "intra-refresh=1"}, "frames": 24},
        None,
        False,
    ),
    "ts closed": (".ts", {**CLOSED, **SOUND}, None, True),
    "ts open twice": (".ts", {**OPEN, **SOUND}, twice, True),
    "ts wraps": (".ts", {**CLOSED, **SOUND}, moved(MPEG_WRAP_S - Fraction(1, 2)), True),
    "ts mpeg2": (".ts", {**MPEG2, "frames": 24}, None, True),
    "mpg mpeg2": (".mpg", {**MPEG2, "frames": 24}, None, False),
    "mkv mpeg2": (".mkv", {**MPEG2, "frames": 24}, None, True),
    "flv": (".flv", CLOSED, None, True),
    "avi mpeg4": (".avi", {**MPEG4_B, "frames": 24}, None, False),
    "avi h264": (".avi", CLOSED, None, False),
    "h264 bare": (".h264", CLOSED, None, False),
    "webm vp8": (".webm", every("libvpx", "yuv420p", options={"g": "6"}, frames=24), None, True),
    "webm vp9": (
        ".webm",
        every("libvpx-vp9", "yuv420p", options={"g": "6", "cpu-used": "8"}, frames=24),
        None,
        True,
    ),
    "webm vp9 alpha": (
        ".webm",
        every("libvpx-vp9", "yuva420p", options={"g": "3", "auto-alt-ref": "0", "cpu-used": "8"}),
        None,
        False,
    ),
    "mp4 av1": (
        ".mp4",
        every("libsvtav1", "yuv420p", options={"preset": "12", "g": "6"}, frames=24),
        None,
        True,
    ),
    "mov prores": (".mov", every("prores_ks", "yuv422p10le"), None, True),
    "mov mjpeg": (".mov", every("mjpeg", "yuvj420p"), None, True),
    "mkv ffv1": (".mkv", every("ffv1", "yuv420p", options={"g": "4"}), None, True),
    "mkv ffv1 one key frame": (".mkv", every("ffv1", "yuv420p", options={"g": "99"}), None, False),
    "nut ticks of a frame": (".nut", CLOSED, None, False),
    "gif": (".gif", every("gif", "rgb8"), None, False),
    "y4m": (".y4m", every("wrapped_avframe", "yuv420p"), None, False),
}
"""Ending, fields of the clip, what is made of it, and whether decoding may begin late."""


def whole(source: Source) -> tuple[list[Frame], list[Damage]]:
    with source.frames() as reading:
        return list(reading), reading.damage


def check(source: Source, start: int, stop: int | None) -> bool:
    """Compare a range with the same frames of the whole run; return whether it began late."""
    frames, damage = whole(source)
    end = len(frames) if stop is None else stop
    times = [frame.pts for frame in frames]
    with source.frames(start, stop, times=times) as reading:
        got = list(reading)
    assert [f.index for f in got] == list(range(start, end))
    for before, after in zip(frames[start:end], got, strict=True):
        assert (after.pts, after.duration) == (before.pts, before.duration)
        for plane, same in zip(before.planes, after.planes, strict=True):
            np.testing.assert_array_equal(plane, same)
    inside = [d for d in damage if d.last_frame >= start and (stop is None or d.first_frame < stop)]
    assert bool(reading.damage) == bool(inside)
    assert {d.message for d in reading.damage} <= {d.message for d in inside}
    return isinstance(reading, RangeReader) and reading.began_late


@pytest.mark.parametrize("name", CLIPS)
def test_a_range_is_what_the_whole_run_gives(make_clip: MakeClip, name: str) -> None:
    suffix, fields, change, may_begin_late = CLIPS[name]
    path = make_clip(f"clip{suffix}", **fields)
    source = open_source(change(path) if change else path)
    count = len(whole(source)[0])
    ranges = [(0, 2), (1, 3), (count // 2, count // 2 + 1), (count - 5, count), (count - 3, None)]
    began_late = [check(source, start, stop) for start, stop in ranges]
    assert began_late[-1] == may_begin_late
