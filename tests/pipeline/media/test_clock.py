"""Time goes on whatever the stamps do, sound with the picture; rates are what the stamps show."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import pytest

from pipeline.media.container.decode import VideoReader
from pipeline.media.container.probe import probe
from tests.copying import copy_packets
from tests.pipeline.media.conftest import Tools

MakeClip = Callable[..., Path]
MPEG_WRAP_S = Fraction(1 << 33, 90_000)
OPEN = {"crf": "20", "threads": "1"}
"""With B-frames, as x264 makes them by default."""


def joined(path: Path, *parts: Path) -> Path:
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def later(source: Path, path: Path, by_s: Fraction, muxer: str) -> Path:
    return copy_packets(source, path, later_s=by_s, muxer=muxer, as_told=True)


def check_even(tools: Tools, path: Path, frames: int, packets: int) -> None:
    """Expect frames of 25 a second without a gap, and sound beside them from begin to end."""
    shown = [at for at, _ in tools.times(path)]
    assert len(shown) == frames
    assert {round(float(b - a), 3) for a, b in pairwise(shown)} == {0.04}
    sound = [p.time_s for p in tools.packets(path, "audio")]
    assert len(sound) == packets
    assert max(b - a for a, b in pairwise(sound)) < Fraction(1, 20)
    assert abs(sound[-1] - shown[-1]) < Fraction(1, 10)
    assert abs(sound[0] - shown[0]) < Fraction(1, 10)


@pytest.mark.parametrize("suffix", [".mp4", ".ts"])
def test_transport_streams_appended_play_one_after_the_other(
    make_clip: MakeClip, tools: Tools, tmp_path: Path, suffix: str
) -> None:
    once = make_clip("once.ts", frames=20, audio=("eng",), options=OPEN)
    source = joined(tmp_path / "in.ts", once, once, once)
    count = len(tools.packets(once, "audio"))
    with VideoReader(probe(source)) as reader:
        assert len(list(reader)) == 60
    assert reader.damage == [], "joining hurts no packet"
    target = tmp_path / f"out{suffix}"
    _, warnings = tools.transcode(source, target)
    check_even(tools, target, 60, 3 * count)
    (said,) = [w for w in warnings if "time stamps" in w or "moved" in w]
    assert "jump 2 times, first at 0.8" in said


def test_the_sound_of_every_part_stays_beside_its_pictures(
    make_clip: MakeClip, tools: Tools, tmp_path: Path
) -> None:
    once = make_clip("once.ts", frames=20, audio=("eng",), options=OPEN)
    silent = make_clip("silent.ts", frames=20, options=OPEN)
    source = joined(tmp_path / "in.ts", once, silent, once)
    target = tmp_path / "out.mp4"
    tools.transcode(source, target)
    before = [p.time_s for p in tools.packets(once, "audio")]
    after = [p.time_s for p in tools.packets(target, "audio")]
    shift = tools.times(target)[0][0] - tools.times(once)[0][0]
    expected = [*before, *(t + Fraction(8, 5) for t in before)]
    worst = max(abs(b - a - shift) for a, b in zip(expected, after, strict=True))
    assert worst < Fraction(1, 1000)


@pytest.mark.parametrize("suffix", [".mpg", ".ts"])
def test_constant_rates_stay_constant_over_a_jump(
    make_clip: MakeClip, tools: Tools, tmp_path: Path, suffix: str
) -> None:
    settings = {"frames": 20, "audio": ("eng",), "codec": "mpeg2video", "options": {}}
    once = make_clip(f"once{suffix}", audio_codec="mp2", **settings)
    source = joined(tmp_path / f"in{suffix}", once, once)
    with VideoReader(probe(source)) as reader:
        stamps = [f.pts for f in reader]
    assert {b - a for a, b in pairwise(stamps)} == {3600}
    assert reader.warnings == []
    tools.transcode(source, tmp_path / "out.mp4")  # MPEG-2 takes a constant rate only
    check_even(tools, tmp_path / "out.mp4", 40, 2 * len(tools.packets(once, "audio")))


def test_a_joined_matroska_file_goes_on_too(
    make_clip: MakeClip, tools: Tools, tmp_path: Path
) -> None:
    once = make_clip("once.mkv", frames=20, audio=("eng",))
    source = joined(tmp_path / "in.mkv", once, once)
    tools.transcode(source, tmp_path / "out.mp4")
    check_even(tools, tmp_path / "out.mp4", 40, 2 * len(tools.packets(once, "audio")))


@pytest.mark.parametrize(("suffix", "muxer"), [(".ts", "mpegts"), (".mpg", "mpeg")])
def test_stamps_that_wrap_around_are_seamless(
    make_clip: MakeClip, tools: Tools, tmp_path: Path, suffix: str, muxer: str
) -> None:
    settings = {"frames": 40, "audio": ("eng",), "codec": "mpeg2video", "options": {}}
    once = make_clip("once.ts", audio_codec="mp2", **settings)
    source = later(once, tmp_path / f"in{suffix}", MPEG_WRAP_S - Fraction(4, 5), muxer)
    _, warnings = tools.transcode(source, tmp_path / "out.mp4")
    check_even(tools, tmp_path / "out.mp4", 40, len(tools.packets(once, "audio")))
    assert tools.times(tmp_path / "out.mp4")[0][0] == 0, "MP4 hides what comes before zero"
    assert not any("jump" in w for w in warnings)


def test_a_jump_to_before_the_first_stamp_is_one_back(make_clip: MakeClip, tmp_path: Path) -> None:
    once = make_clip("once.ts", frames=20, audio=("eng",))
    late = later(once, tmp_path / "late.ts", Fraction(1000), "mpegts")
    (said,) = probe(joined(tmp_path / "in.ts", late, once)).clock.warnings
    assert "back by 1000." in said


def test_a_recording_from_before_its_stamps_wrap_is_whole(
    make_clip: MakeClip, tmp_path: Path
) -> None:
    clip = make_clip("in.ts", frames=40, audio=("eng",))
    source = later(clip, tmp_path / "late.ts", MPEG_WRAP_S - 8, "mpegts")
    found = probe(source)
    assert "before zero" in " ".join(found.clock.warnings), "FFmpeg counts up to the wrap"
    with VideoReader(found) as reader:
        assert sum(1 for _ in reader) == 40
    assert reader.damage == []


def test_a_leap_of_hours_is_closed_where_players_close_it(
    make_clip: MakeClip, tools: Tools, tmp_path: Path
) -> None:
    once = make_clip("once.ts", frames=20, audio=("eng",), options=OPEN)
    second = later(once, tmp_path / "second.ts", Fraction(7200), "mpegts")
    source = joined(tmp_path / "in.ts", once, second)
    target = tmp_path / "out.mp4"
    with VideoReader(probe(source)) as reader:
        list(reader)
    assert not any("ends" in damage.message for damage in reader.damage)
    _, warnings = tools.transcode(source, target)
    check_even(tools, target, 40, 2 * len(tools.packets(once, "audio")))
    assert any("jump once at 0.80 s, ahead by 7199.20 s" in w for w in warnings)


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_a_pause_is_kept_and_said(
    make_clip: MakeClip, tools: Tools, tmp_path: Path, suffix: str
) -> None:
    stamps = [0, 40, 80, 120, 7_200_000, 7_200_040, 7_200_080]
    source = make_clip(f"in{suffix}", pts=stamps, time_base=Fraction(1, 1000))
    _, warnings = tools.transcode(source, tmp_path / f"out{suffix}")
    assert [at for at, _ in tools.times(tmp_path / f"out{suffix}")] == [
        Fraction(t, 1000) for t in stamps
    ]
    assert any("stands still for 7200 s" in w for w in warnings)
    assert probe(source).info.rate == 25


def test_a_few_seconds_ahead_are_a_pause_in_a_transport_stream_too(
    make_clip: MakeClip, tools: Tools, tmp_path: Path
) -> None:
    once = make_clip("once.ts", frames=20, audio=("eng",), options=OPEN)
    second = later(once, tmp_path / "second.ts", Fraction(5), "mpegts")
    source = joined(tmp_path / "in.ts", once, second)
    steps = sorted(b.pts - a.pts for a, b in pairwise(tools.read(source)))
    assert steps[:-1] == [3600] * 38
    assert steps[-1] > 4 * 90_000


def test_dv_plays_at_the_rate_of_its_frames(
    make_clip: MakeClip, tools: Tools, tmp_path: Path
) -> None:
    size = {"width": 720, "height": 576, "frames": 4}
    source = make_clip("in.dv", codec="dvvideo", options={}, **size)
    with av.open(str(source)) as container:
        assert container.streams.video[0].average_rate == 60_000, "what makes DV awkward"
    assert probe(source).info.rate == 25
    for suffix in (".dv", ".mov", ".mp4", ".mkv"):
        tools.transcode(source, tmp_path / f"out{suffix}")
        assert [at for at, _ in tools.times(tmp_path / f"out{suffix}")] == [
            Fraction(k, 25) for k in range(4)
        ]


@pytest.mark.parametrize("suffix", [".h264", ".mp4", ".mkv", ".mov"])
def test_a_bare_stream_keeps_the_rate_of_its_headers(
    make_clip: MakeClip, tools: Tools, tmp_path: Path, suffix: str
) -> None:
    source = make_clip("in.h264", rate=Fraction(30), options=OPEN)
    found = probe(source)
    assert found.info.rate == 30
    with VideoReader(found) as reader:
        assert [f.pts * found.info.time_base for f in reader] == [
            Fraction(k, 30) for k in range(12)
        ]
    assert reader.warnings == []
    target = tmp_path / f"out{suffix}"
    tools.transcode(source, target)
    made = probe(target)
    assert made.info.rate == 30
    with VideoReader(made) as reader:
        shown = [f.pts * made.info.time_base for f in reader]
    assert all(abs(t - Fraction(k, 30)) <= Fraction(1, 2000) for k, t in enumerate(shown))


def test_a_bare_stream_cannot_hold_varying_times(
    make_clip: MakeClip, tools: Tools, tmp_path: Path
) -> None:
    source = make_clip("in.mp4", pts=(0, 100, 133, 200, 450), time_base=Fraction(1, 1000))
    with pytest.raises(Exception, match=r"constant frame rate only.*write out\.mkv"):
        tools.transcode(source, tmp_path / "out.h264")


def packed_like_xvid(make_clip: MakeClip, name: str) -> Path:
    """Return an AVI with B-frames, of which FFmpeg knows when only some frames are shown."""
    options = {"bf": "2", "flags": "+qscale", "global_quality": "236", "b_strategy": "0"}
    return make_clip(name, codec="mpeg4", options=options, audio=("eng",), audio_codec="mp3")


@pytest.mark.parametrize("suffix", [".avi", ".mp4", ".mkv"])
def test_b_frames_in_avi_come_one_after_the_other(
    make_clip: MakeClip, tools: Tools, tmp_path: Path, suffix: str
) -> None:
    source = packed_like_xvid(make_clip, "in.avi")
    with av.open(str(source)) as container:
        plain = [f.time for f in container.decode(video=0)]
    found = probe(source)
    with VideoReader(found) as reader:
        stamps = [float(f.pts * found.info.time_base) for f in reader]
    assert stamps == pytest.approx(plain), "as FFmpeg reads it"
    assert reader.warnings == []
    target = tmp_path / f"out{suffix}"
    tools.transcode(source, target)
    with av.open(str(target)) as container:
        made = [f.time for f in container.decode(video=0)]
    assert made == pytest.approx(plain, abs=0.001)
    sound = [tools.packets(path, "audio")[0].time_s for path in (source, target)]
    assert abs(sound[1] - sound[0]) < Fraction(3, 100)


def test_rates_of_odd_headers(make_clip: MakeClip) -> None:
    for name, rate in (("a.mkv", Fraction(30_000, 1001)), ("b.ts", Fraction(24_000, 1001))):
        assert probe(make_clip(name, rate=rate, frames=24)).info.rate == rate
    varying = make_clip("v.mkv", pts=(0, 40, 80, 120, 900), time_base=Fraction(1, 1000))
    assert probe(varying).info.rate == 25, "the pause does not count"


def test_stamps_that_stand_still_are_no_stamps(
    make_clip: MakeClip, tools: Tools, tmp_path: Path
) -> None:
    once, stuck = make_clip("once.mkv", options={"bf": "0"}), tmp_path / "in.mkv"
    with av.open(str(once)) as before, av.open(str(stuck), "w") as after:
        stream = after.add_stream_from_template(before.streams.video[0], opaque=True)
        for packet in before.demux():
            if packet.size:
                packet.pts = packet.dts = 0
                packet.stream = stream
                after.mux(packet)
    _, warnings = tools.transcode(stuck, tmp_path / "out.mp4")
    assert [at for at, _ in tools.times(tmp_path / "out.mp4")] == [
        Fraction(k, 25) for k in range(12)
    ]
    assert "all frames have one time stamp; they are shown evenly" in warnings


def test_motion_jpeg_without_a_container_has_whole_frames_for_ticks(make_clip: MakeClip) -> None:
    info = probe(make_clip("a.mjpeg", codec="mjpeg", pix_fmt="yuvj420p", options={})).info
    assert (info.rate, info.time_base) == (Fraction(25), Fraction(1, 25))


def test_a_bare_stream_is_not_called_cut_off(make_clip: MakeClip) -> None:
    for name, codec in (("a.m2v", "mpeg2video"), ("a.h264", "libx264"), ("a.mjpeg", "mjpeg")):
        pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        path = make_clip(name, codec=codec, pix_fmt=pix_fmt, options={}, frames=60)
        with VideoReader(probe(path)) as reader:
            assert len(list(reader)) == 60
        assert reader.damage == []
