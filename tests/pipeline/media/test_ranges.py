"""Frames of a range are those of the whole run: planes, number, time, duration, and damage."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from pipeline.errors import VideoError
from pipeline.media.base import Source
from pipeline.media.container.source import RangeReader
from pipeline.media.container.starts import WHOLE
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
        True,
    ),
    "mkv varying by a tick": (
        ".mkv",
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
    "nut": (".nut", CLOSED, None, True),
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
    inside = [
        d for d in damage if d.last_frame >= start and (end == len(frames) or d.first_frame < end)
    ]
    assert bool(reading.damage) == bool(inside)
    assert {d.message for d in reading.damage} <= {d.message for d in inside}
    return isinstance(reading, RangeReader) and reading._reader.entry != WHOLE


@pytest.mark.parametrize("name", CLIPS)
def test_a_range_is_what_the_whole_run_gives(make_clip: MakeClip, name: str) -> None:
    suffix, fields, change, may_begin_late = CLIPS[name]
    path = make_clip(f"clip{suffix}", **fields)
    source = open_source(change(path) if change else path)
    count = len(whole(source)[0])
    ranges = [(0, 2), (1, 3), (count // 2, count // 2 + 1), (count - 5, count), (count - 3, None)]
    began_late = [check(source, start, stop) for start, stop in ranges]
    assert began_late[-1] == may_begin_late


def hit(path: Path, number: int) -> None:
    """Turn over the middle half of a stored picture."""
    with av.open(str(path)) as container:
        packet = [p for p in container.demux(video=0) if p.size][number]
    data = bytearray(path.read_bytes())
    half = slice(packet.pos + packet.size // 4, packet.pos + 3 * packet.size // 4)
    data[half] = bytes(byte ^ 0x55 for byte in data[half])
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("name", "number"),
    [("mp4 closed", 8), ("mp4 open", 12), ("mkv mpeg2", 13), ("webm vp8", 9)],
)
def test_damage_is_that_of_the_range_wherever_it_lies(
    make_clip: MakeClip, name: str, number: int
) -> None:
    suffix, fields, _, _ = CLIPS[name]
    path = make_clip(f"clip{suffix}", **fields)
    hit(path, number)
    source = open_source(path)
    frames, damage = whole(source)
    assert damage
    for start in range(0, len(frames), 4):
        check(source, start, min(start + 4, len(frames)))


def test_a_range_beyond_damage_does_not_wait_for_it(make_clip: MakeClip) -> None:
    path = make_clip("clip.mkv", **CLOSED)
    hit(path, 2)
    source = open_source(path)
    assert whole(source)[1]
    assert check(source, 14, 20)
    assert not check(source, 3, 5)


def marked_as_starts(path: Path) -> Path:
    """Copy a file with every packet marked as a key frame."""
    target = path.with_name(f"marked{path.suffix}")
    with av.open(str(path)) as before, av.open(str(target), "w") as after:
        copy = after.add_stream_from_template(before.streams.video[0], opaque=True)
        for packet in before.demux(video=0):
            if packet.size:
                packet.stream, packet.is_keyframe = copy, True
                after.mux(packet)
    return target


@pytest.mark.parametrize("codec", ["libx264", "ffv1", "mpeg2video", "libvpx"])
def test_marks_of_the_container_are_not_believed(make_clip: MakeClip, codec: str) -> None:
    options = {"g": "99", **({"crf": "30"} if codec == "libx264" else {})}
    source = open_source(marked_as_starts(make_clip("a.mkv", codec=codec, options=options)))
    assert not check(source, 7, 10)


def test_stamps_that_were_moved_are_the_same_in_a_range(make_clip: MakeClip) -> None:
    path = make_clip("a.mkv", codec="prores_ks", pix_fmt="yuv422p10le", options={})
    twice_stamped = path.with_name("b.mkv")
    with av.open(str(path)) as before, av.open(str(twice_stamped), "w") as after:
        copy = after.add_stream_from_template(before.streams.video[0], opaque=True)
        for packet in before.demux(video=0):
            if packet.size:
                number = packet.pts // 40
                packet.pts = packet.dts = number if number < 6 else number - 1
                packet.stream, packet.time_base = copy, MS
                after.mux(packet)
    check(open_source(twice_stamped), 8, 10)


def test_without_times_a_range_is_counted(make_clip: MakeClip) -> None:
    source = open_source(make_clip("a.mp4", **CLOSED))
    with source.frames(7, 9) as reading:
        assert [frame.index for frame in reading] == [7, 8]
    with source.frames(20, 99) as reading:
        assert [frame.index for frame in reading] == [20, 21, 22, 23]
    with source.frames(5, 5) as reading:
        assert list(reading) == []


@pytest.mark.parametrize(("start", "stop"), [(7, 9), (20, None)])
def test_other_times_than_the_clips_are_refused(
    make_clip: MakeClip, start: int, stop: int | None
) -> None:
    source = open_source(make_clip("a.mp4", **CLOSED))
    times = [frame.pts for frame in whole(source)[0]]
    later = 0 if stop is None else 1
    for changed in ([*times[:-1], times[-1] + 1], [*times, times[-1] + 512], times[:-1]):
        others = [time + later for time in changed]
        with (
            source.frames(start, stop, times=others) as reading,
            pytest.raises(VideoError, match="changed since it was opened"),
        ):
            list(reading)


@pytest.mark.parametrize(("start", "stop"), [(-1, 3), (3, 2)])
def test_what_is_no_range_is_refused(make_clip: MakeClip, start: int, stop: int) -> None:
    source = open_source(make_clip("a.mp4", **CLOSED))
    with pytest.raises(ValueError, match="accepted: 0 <= start <= stop"):
        source.frames(start, stop)
