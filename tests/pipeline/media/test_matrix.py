"""Containers × codecs × oddities: frames, times, streams and tags of the output are the source's,
or a warning says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest

from pipeline.media.container.inputs import is_cover
from pipeline.media.container.probe import probe
from tests.copying import copy_packets
from tests.pipeline.media.conftest import Tools

MakeClip = Callable[..., Path]
MPEG_WRAP_S = Fraction(1 << 33, 90_000)
VARIABLE = (0, 100, 133, 200, 201, 450, 451, 500, 900, 1000)
MS = Fraction(1, 1000)
QUICK = {"crf": "30", "preset": "ultrafast", "threads": "1"}
B_FRAMES = {"crf": "30", "bf": "3", "threads": "1"}
OPEN_GOP = {"crf": "30", "threads": "1", "x264-params": "open-gop=1:keyint=5:bframes=2"}
SOUND = {"audio": ("eng",)}
MP2 = {"audio": ("eng",), "audio_codec": "mp2"}
AC3 = {"audio": ("eng",), "audio_codec": "ac3"}
PCM = {"audio": ("eng",), "audio_codec": "pcm_s16le"}
MPEG4_B = {"codec": "mpeg4", "options": {"bf": "2", "b_strategy": "0"}}
MPEG2 = {"codec": "mpeg2video", "options": {"bf": "2"}}
DNXHD = {
    "codec": "dnxhd",
    "pix_fmt": "yuv422p",
    "options": {"profile": "dnxhr_sq"},
    "width": 256,
    "height": 128,
    "frames": 3,
}
DV = {"codec": "dvvideo", "width": 720, "height": 576, "frames": 4, "options": {}}
TAGS = {"metadata": {"title": "A title"}, "chapters": True}


@dataclass(frozen=True)
class Row:
    """One clip, and where it goes."""

    suffix: str
    fields: dict[str, Any] = field(default_factory=dict)
    target: str = ""
    """Another ending than the source's."""
    change: Callable[[Path], Path] | None = None
    """Makes an odder file of the clip."""


def twice(path: Path) -> Path:
    joined = path.with_name(f"twice{path.suffix}")
    joined.write_bytes(path.read_bytes() * 2)
    return joined


def moved(by_s: Fraction) -> Callable[[Path], Path]:
    """Return what copies a file with all its times moved."""

    def move(path: Path) -> Path:
        target = path.with_name(f"moved{path.suffix}")
        return copy_packets(path, target, later_s=by_s, as_told=True)

    return move


def cut_sound(keep_s: float) -> Callable[[Path], Path]:
    """Return what copies a file without the sound after some time, or the picture after it."""

    def cut(path: Path) -> Path:
        target = path.with_name(f"cut{path.suffix}")
        with av.open(str(path)) as before, av.open(str(target), "w") as after:
            streams = [after.add_stream_from_template(s, opaque=True) for s in before.streams]
            kind = "audio" if keep_s > 0 else "video"
            for packet in before.demux():
                late = packet.size and packet.dts * packet.time_base >= abs(keep_s)
                if packet.size and not (late and packet.stream.type == kind):
                    packet.stream = streams[packet.stream.index]
                    after.mux(packet)
        return target

    return cut


ROWS = {
    "mp4 h264": Row(".mp4", {"options": QUICK, **SOUND, **TAGS}),
    "mp4 h264 B-frames": Row(".mp4", {"options": B_FRAMES, **SOUND}),
    "mp4 h264 open GOP": Row(".mp4", {"options": OPEN_GOP, "frames": 20}),
    "mp4 h264 varying": Row(".mp4", {"pts": VARIABLE, "time_base": MS, "options": B_FRAMES}),
    "mp4 h264 late": Row(".mp4", {"pts": range(1000, 1400, 40), "time_base": MS, **SOUND}),
    "mp4 h264 edit list": Row(
        ".mp4", {"frames": 25, "options": B_FRAMES, **SOUND}, change=moved(Fraction(-2, 5))
    ),
    "mp4 h264 turned": Row(".mp4", {"rotation_ccw": -90, "options": QUICK}),
    "mp4 h264 anamorphic": Row(".mp4", {"aspect": Fraction(4, 3), "options": QUICK}),
    "mp4 h264 two sounds, subtitles": Row(".mp4", {"audio": ("deu", "jpn"), "subtitles": True}),
    "mp4 h264 short sound": Row(".mp4", {"frames": 20, **SOUND}, change=cut_sound(0.4)),
    "mp4 h264 long sound": Row(
        ".mp4", {"frames": 20, "options": {"bf": "0", **QUICK}, **SOUND}, change=cut_sound(-0.4)
    ),
    "mp4 hevc": Row(".mp4", {"codec": "libx265", "options": {"x265-params": "log-level=0"}}),
    "mp4 vp9": Row(".mp4", {"codec": "libvpx-vp9", "options": {"cpu-used": "8"}, "frames": 6}),
    "mp4 av1": Row(".mp4", {"codec": "libsvtav1", "options": {"preset": "12"}, "frames": 6}),
    "mp4 mpeg4 B-frames": Row(".mp4", {**MPEG4_B, **SOUND}),
    "mov prores": Row(
        ".mov", {"codec": "prores_ks", "pix_fmt": "yuv422p10le", "options": {}, **PCM, **TAGS}
    ),
    "mov mjpeg": Row(".mov", {"codec": "mjpeg", "pix_fmt": "yuvj420p", "options": {}}),
    "mov dnxhd": Row(".mov", DNXHD),
    "mov dv": Row(".mov", DV),
    "mov png": Row(".mov", {"codec": "png", "pix_fmt": "rgb24", "options": {}}),
    "mkv h264": Row(".mkv", {"options": B_FRAMES, "subtitles": True, **SOUND, **TAGS}),
    "mkv h264 30000/1001": Row(".mkv", {"rate": Fraction(30_000, 1001), **SOUND}),
    "mkv h264 begins late": Row(".mkv", {"pts": range(700, 1100, 40), "time_base": MS}),
    "mkv h264 twice": Row(".mkv", {"options": B_FRAMES, **SOUND}, ".mp4", twice),
    "mkv hevc 10 bits": Row(
        ".mkv",
        {"codec": "libx265", "pix_fmt": "yuv420p10le", "options": {"x265-params": "log-level=0"}},
    ),
    "mkv ffv1 varying": Row(
        ".mkv", {"codec": "ffv1", "options": {}, "pts": VARIABLE, "time_base": MS}
    ),
    "mkv mpeg2": Row(".mkv", {**MPEG2, **AC3}),
    "webm vp8": Row(".webm", {"codec": "libvpx", "options": {}, "audio_codec": "libopus", **SOUND}),
    "webm vp9 alpha": Row(
        ".webm",
        {
            "codec": "libvpx-vp9",
            "pix_fmt": "yuva420p",
            "frames": 4,
            "options": {"auto-alt-ref": "0", "cpu-used": "8"},
        },
    ),
    "avi mpeg4 B-frames": Row(".avi", {**MPEG4_B, "audio_codec": "mp3", **SOUND}),
    "avi h264": Row(".avi", {"options": B_FRAMES}),
    "avi ffvhuff": Row(".avi", {"codec": "ffvhuff", "options": {}, **PCM}),
    "avi mpeg4 → mp4": Row(".avi", {**MPEG4_B, "audio_codec": "mp3", **SOUND}, ".mp4"),
    "ts h264": Row(".ts", {"options": B_FRAMES, **SOUND}),
    "ts h264 twice": Row(".ts", {"options": B_FRAMES, **SOUND}, change=twice),
    "ts h264 twice → mkv": Row(".ts", {"options": B_FRAMES, **SOUND}, ".mkv", twice),
    "ts h264 wraps": Row(
        ".ts",
        {"options": B_FRAMES, "frames": 30, **SOUND},
        change=moved(MPEG_WRAP_S - Fraction(1, 2)),
    ),
    "ts h264 wraps → mp4": Row(
        ".ts",
        {"options": B_FRAMES, "frames": 30, **SOUND},
        ".mp4",
        moved(MPEG_WRAP_S - Fraction(1, 2)),
    ),
    "ts h264 after 20 hours → mp4": Row(
        ".ts", {"options": B_FRAMES, **SOUND}, ".mp4", moved(Fraction(72_000))
    ),
    "ts hevc": Row(".ts", {"codec": "libx265", "options": {"x265-params": "log-level=0"}}),
    "ts mpeg2": Row(".ts", {**MPEG2, **MP2}),
    "m2ts h264": Row(".m2ts", {"options": QUICK, **AC3}),
    "flv h264": Row(".flv", {"options": B_FRAMES, **SOUND}),
    "flv flv1": Row(".flv", {"codec": "flv", "options": {}}),
    "mpg mpeg2": Row(".mpg", {**MPEG2, **MP2}),
    "mpg mpeg1": Row(".mpg", {"codec": "mpeg1video", "options": {}, **MP2}),
    "mpg mpeg2 twice → mkv": Row(".mpg", {**MPEG2, **MP2}, ".mkv", twice),
    "vob mpeg2": Row(".vob", {**MPEG2, **AC3, "options": {"flags": "+ilme+ildct"}}),
    "wmv wmv2": Row(".wmv", {"codec": "wmv2", "options": {}, "audio_codec": "mp3", **SOUND}),
    "asf h264 varying": Row(".asf", {"pts": VARIABLE, "time_base": MS, "options": QUICK}),
    "ogv vp8": Row(".ogv", {"codec": "libvpx", "options": {}}),
    "nut h264": Row(".nut", {"options": B_FRAMES, **SOUND}),
    "nut ffv1 varying": Row(
        ".nut", {"codec": "ffv1", "options": {}, "pts": VARIABLE, "time_base": MS}
    ),
    "dv": Row(".dv", DV),
    "mxf mpeg2": Row(".mxf", {**MPEG2, **PCM}),
    "3gp h264": Row(".3gp", {"options": QUICK, **SOUND}),
    "h264 bare": Row(".h264", {"options": B_FRAMES, "rate": Fraction(30)}),
    "h264 bare → mp4": Row(".h264", {"options": B_FRAMES, "rate": Fraction(30)}, ".mp4"),
    "hevc bare": Row(".hevc", {"codec": "libx265", "options": {"x265-params": "log-level=0"}}),
    "m2v bare": Row(".m2v", MPEG2),
    "gif → mp4": Row(".gif", {"codec": "gif", "pix_fmt": "rgb8", "options": {}}, ".mp4"),
    "y4m": Row(".y4m", {"codec": "wrapped_avframe", "options": {}}),
}


@dataclass(frozen=True)
class Told:
    """What plain PyAV finds in a file."""

    shown: list[Fraction]
    """When the frames are shown [s], as the program's reader has it."""
    tick_s: Fraction
    kinds: list[tuple[str, str, str]]
    """Kind, codec and language of the other streams."""
    sound_s: list[Fraction]
    title: str | None
    chapters: int


def told(tools: Any, path: Path) -> Told:
    found = probe(path)
    with av.open(str(path)) as container:
        others = [s for s in container.streams if s.index != found.stream_index]
        kinds: list[tuple[str, str, str]] = [
            (s.type, s.codec_context.codec.canonical_name, s.language or "und")
            for s in others
            if s.type in ("audio", "subtitle")
            or (isinstance(s, av.VideoStream) and not is_cover(s))
        ]
        title = {k.lower(): v for k, v in container.metadata.items()}.get("title")
        chapters = len(container.chapters())
    # Where time stamps begin before zero, all streams are moved to begin there.
    begin_s = sum(shift for _, shift in found.clock.shifts.get(found.stream_index, ())[:1])
    has_sound = any(kind == "audio" for kind, _, _ in kinds)
    return Told(
        [f.pts * found.info.time_base for f in tools.read(path)],
        found.info.time_base,
        kinds,
        [p.time_s + begin_s for p in tools.packets(path, "audio")] if has_sound else [],
        title,
        chapters,
    )


@pytest.mark.parametrize("name", ROWS)
def test_frames_times_streams_and_tags_are_the_sources_or_named(
    make_clip: MakeClip, tools: Tools, tmp_path: Path, name: str
) -> None:
    row = ROWS[name]
    source = make_clip(f"in{row.suffix}", **row.fields)
    source = row.change(source) if row.change else source
    target = tmp_path / f"out{row.target or row.suffix}"
    _, warnings = tools.transcode(source, target)
    said = " | ".join(warnings)
    before, after = told(tools, source), told(tools, target)

    plain_count = sum(1 for _ in decoded(source))
    assert len(before.shown) == len(after.shown) == plain_count
    shift = after.shown[0] - before.shown[0]
    tick_s = max(before.tick_s, after.tick_s)
    assert not shift or "begins" in said or abs(shift) <= tick_s, said
    worst = max(abs(b - a - shift) for a, b in zip(before.shown, after.shown, strict=True))
    assert worst <= tick_s
    assert min(b - a for a, b in pairwise(after.shown)) > tick_s / 2, "no frame of one tick"
    if row.change is twice:
        assert len(after.shown) == 24
        assert max(b - a for a, b in pairwise(after.shown)) == Fraction(1, 25)

    assert [kind[:2] for kind in before.kinds] == [kind[:2] for kind in after.kinds]
    for old, new in zip(before.kinds, after.kinds, strict=True):
        assert old[2] in (new[2], "und") or "language" in said, said
    if before.sound_s:
        slip = after.sound_s[0] - before.sound_s[0] - shift
        assert abs(slip) <= Fraction(1, 1000) + tick_s or "off against the video" in said, said
    assert before.title == after.title or "title" in said, said
    assert before.chapters == after.chapters or "chapters" in said, said


def decoded(path: Path) -> list[av.VideoFrame]:
    with av.open(str(path)) as container:
        return list(container.decode(video=0))
