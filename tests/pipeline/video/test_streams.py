"""Everything beside the edited video: copied packet for packet, in sync, or named."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import pytest

from pipeline.errors import OutputError

MakeClip = Callable[..., Path]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_all_streams_chapters_and_tags_are_kept(
    make_clip: MakeClip, tools, tmp_path: Path, suffix: str
) -> None:
    source = make_clip(
        f"in{suffix}",
        audio=("deu", "eng"),
        audio_codec="aac" if suffix == ".mp4" else "flac",
        subtitles=True,
        chapters=True,
        metadata={"title": "A title", "comment": "kept"},
    )
    target = tmp_path / f"out{suffix}"
    _, warnings = tools.transcode(source, target)
    for kind, count in (("audio", 2), ("subtitle", 1)):
        for k in range(count):
            assert tools.packets(source, kind, k) == tools.packets(target, kind, k), (kind, k)
    assert tools.times(source) == tools.times(target)
    with av.open(str(source)) as a, av.open(str(target)) as b:
        assert [s.language for s in a.streams][1:] == [s.language for s in b.streams][1:]
        assert [s.disposition for s in a.streams] == [s.disposition for s in b.streams]
        assert chapter_list(a) == chapter_list(b)
        assert {k.lower(): v for k, v in b.metadata.items()}["title"] == "A title"
        assert {k.lower(): v for k, v in b.metadata.items()}["comment"] == "kept"
    assert warnings == []


def chapter_list(container: av.container.Container) -> list[tuple[Fraction, Fraction, str]]:
    return [
        (c["start"] * c["time_base"], c["end"] * c["time_base"], c["metadata"]["title"])
        for c in container.chapters()
    ]


def test_audio_priming_and_a_late_video_keep_their_sync(
    make_clip: MakeClip, tools, tmp_path: Path
) -> None:
    late = [1000 + 40 * k for k in range(12)]
    source = make_clip("in.mp4", audio=("eng",), pts=late, time_base=Fraction(1, 1000))
    target = tmp_path / "out.mp4"
    tools.transcode(source, target)
    before, after = tools.packets(source, "audio"), tools.packets(target, "audio")
    assert before[0].time_s < 0, "AAC in MP4 begins with priming samples before zero"
    assert before == after
    assert tools.times(source) == tools.times(target)
    assert tools.times(source)[0][0] == 1


def test_a_container_without_negative_times_shifts_everything_alike_and_says_so(
    make_clip: MakeClip, tools, tmp_path: Path
) -> None:
    source, target = make_clip("in.mp4", audio=("eng",)), tmp_path / "out.mkv"
    _, warnings = tools.transcode(source, target)
    video = tools.times(target)[0][0] - tools.times(source)[0][0]
    sound = tools.packets(target, "audio")[0].time_s - tools.packets(source, "audio")[0].time_s
    assert video > 0
    assert abs(video - sound) <= Fraction(1, 1000)
    assert any("begins" in w and "later" in w for w in warnings)


def test_streams_a_container_cannot_hold_are_errors_or_named(
    make_clip: MakeClip, tools, tmp_path: Path
) -> None:
    source = make_clip("in.mkv", subtitles=True)
    plan, _ = tools.transcode(source, tmp_path / "out.mp4")
    assert any(
        "subtitle stream 1 (subrip, fra) cannot be stored in mp4" in w for w in plan.warnings
    )
    spoken = make_clip("spoken.mp4", audio=("eng",))
    with pytest.raises(OutputError, match=r"audio stream 1 \(aac, eng\) cannot be stored in webm"):
        tools.transcode(spoken, tmp_path / "out.webm")


def test_an_attachment_travels_along(make_clip: MakeClip, tools, tmp_path: Path) -> None:
    source = tmp_path / "in.mkv"
    with av.open(str(source), "w") as container:
        stream = container.add_stream("libx264", rate=25, width=64, height=48)
        stream.pix_fmt = "yuv420p"
        container.add_attachment("font.ttf", "font/ttf", b"not really a font" * 20)
        for index in range(5):
            frame = av.VideoFrame.from_ndarray(tools.picture(64, 48, index), format="rgb24")
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    target = tmp_path / "out.mkv"
    tools.transcode(source, target)
    with av.open(str(target)) as container:
        (attachment,) = container.streams.attachments
        assert attachment.name == "font.ttf"
        assert attachment.data == b"not really a font" * 20


def remuxed(source: Path, target: Path, earlier_s: Fraction) -> Path:
    """Copy all packets to earlier times: MP4 then hides what lies before zero (an edit list)."""
    with av.open(str(source)) as before, av.open(str(target), "w") as after:
        streams = [after.add_stream_from_template(s, opaque=True) for s in before.streams]
        for packet in before.demux():
            if packet.size:
                ticks = int(earlier_s / packet.time_base)
                packet.pts, packet.dts = packet.pts - ticks, packet.dts - ticks
                packet.stream = streams[packet.stream.index]
                after.mux(packet)
    return target


def test_frames_hidden_by_an_edit_list_stay_out_and_the_sound_stays_in_sync(
    make_clip: MakeClip, tools, tmp_path: Path
) -> None:
    whole = make_clip("whole.mp4", frames=30, audio=("eng",))
    source = remuxed(whole, tmp_path / "in.mp4", Fraction(2, 5))
    target = tmp_path / "out.mp4"
    tools.transcode(source, target)
    with av.open(str(source)) as a, av.open(str(target)) as b:
        shown = [f.pts * f.time_base for f in a.decode(video=0)]
        assert shown == [f.pts * f.time_base for f in b.decode(video=0)]
    assert len(shown) == 20
    assert shown[0] == 0
    assert tools.packets(source, "audio") == tools.packets(target, "audio")


def test_time_code_and_phone_metadata_are_kept(make_clip: MakeClip, tools, tmp_path: Path) -> None:
    tags = {"com.apple.quicktime.model": "a phone", "title": "A", "timecode": "01:02:03:04"}
    source = make_clip("in.mov", metadata=tags, muxer_options={"movflags": "use_metadata_tags"})
    target = tmp_path / "out.mov"
    _, warnings = tools.transcode(source, target)
    with av.open(str(target)) as container:
        assert tags.items() <= container.metadata.items()
        assert [s.type for s in container.streams] == ["video", "data"]
        assert container.streams[1].metadata["timecode"] == "01:02:03:04"
    assert warnings == []


def test_a_second_video_and_cover_art_are_copied(tools, tmp_path: Path) -> None:
    source, target = tmp_path / "in.mp4", tmp_path / "out.mp4"
    with av.open(str(source), "w") as container:
        main = container.add_stream("libx264", rate=25, width=64, height=48)
        second = container.add_stream("libx264", rate=30, width=96, height=64)
        cover = container.add_stream("mjpeg", rate=1, width=64, height=48)
        main.pix_fmt = second.pix_fmt = "yuv420p"
        cover.pix_fmt = "yuvj420p"
        main.disposition, cover.disposition = 1, 1 << 10
        for stream, count in ((main, 8), (second, 8), (cover, 1)):
            for index in range(count):
                image = tools.picture(stream.width, stream.height, index)
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                frame = frame.reformat(format=stream.pix_fmt)
                frame.pts = index
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    _, warnings = tools.transcode(source, target)
    assert tools.times(source) == tools.times(target)
    for position in (1, 2):
        assert tools.packets(source, "video", position) == tools.packets(target, "video", position)
    assert warnings == []
