"""Everything beside the edited video: copied packet for packet, in sync, or named."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import pytest
from av.container import OutputContainer
from av.stream import Disposition

from pipeline.config import EncodeOptions
from pipeline.errors import OutputError, UsageError
from pipeline.media.container.copies import with_decoding_times
from pipeline.media.container.decode import VideoReader
from pipeline.media.container.encode import VideoWriter
from pipeline.media.container.fingerprint import fingerprint
from pipeline.media.container.inputs import is_cover
from pipeline.media.container.preflight import preflight_output
from pipeline.media.container.probe import probe
from tests.copying import copy_packets
from tests.pipeline.media.conftest import Tools

MakeClip = Callable[..., Path]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_all_streams_chapters_and_tags_are_kept(
    make_clip: MakeClip, tools: Tools, tmp_path: Path, suffix: str
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
    chapters: Any = container.chapters()
    return [
        (c["start"] * c["time_base"], c["end"] * c["time_base"], c["metadata"]["title"])
        for c in chapters
    ]


def test_audio_priming_and_a_late_video_keep_their_sync(
    make_clip: MakeClip, tools: Tools, tmp_path: Path
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
    make_clip: MakeClip, tools: Tools, tmp_path: Path
) -> None:
    source, target = make_clip("in.mp4", audio=("eng",)), tmp_path / "out.mkv"
    _, warnings = tools.transcode(source, target)
    video = tools.times(target)[0][0] - tools.times(source)[0][0]
    sound = tools.packets(target, "audio")[0].time_s - tools.packets(source, "audio")[0].time_s
    assert video > 0
    assert abs(video - sound) <= Fraction(1, 1000)
    assert any("begins" in w and "later" in w for w in warnings)


def test_streams_a_container_cannot_hold_are_errors_or_named(
    make_clip: MakeClip, tools: Tools, tmp_path: Path
) -> None:
    source = make_clip("in.mkv", subtitles=True)
    plan, _ = tools.transcode(source, tmp_path / "out.mp4")
    assert any(
        "subtitle stream 1 (subrip, fra) cannot be stored in mp4" in w for w in plan.warnings
    )
    spoken = make_clip("spoken.mp4", audio=("eng",))
    with pytest.raises(OutputError, match=r"audio stream 1 \(aac, eng\) cannot be stored in webm"):
        tools.transcode(spoken, tmp_path / "out.webm")


def test_an_attachment_travels_along(make_clip: MakeClip, tools: Tools, tmp_path: Path) -> None:
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


def test_frames_hidden_by_an_edit_list_stay_out_and_the_sound_stays_in_sync(
    make_clip: MakeClip, tools: Tools, tmp_path: Path
) -> None:
    whole = make_clip("whole.mp4", frames=30, audio=("eng",))
    # MP4 hides what lies before zero: an edit list.
    source = copy_packets(whole, tmp_path / "in.mp4", later_s=Fraction(-2, 5))
    target = tmp_path / "out.mp4"
    tools.transcode(source, target)
    with av.open(str(source)) as a, av.open(str(target)) as b:
        shown = [f.pts * f.time_base for f in a.decode(video=0)]
        assert shown == [f.pts * f.time_base for f in b.decode(video=0)]
    assert len(shown) == 20
    assert shown[0] == 0
    assert tools.packets(source, "audio") == tools.packets(target, "audio")


def test_time_code_and_phone_metadata_are_kept(
    make_clip: MakeClip, tools: Tools, tmp_path: Path
) -> None:
    tags = {"com.apple.quicktime.model": "a phone", "title": "A", "timecode": "01:02:03:04"}
    source = make_clip("in.mov", metadata=tags, muxer_options={"movflags": "use_metadata_tags"})
    target = tmp_path / "out.mov"
    _, warnings = tools.transcode(source, target)
    with av.open(str(target)) as container:
        assert tags.items() <= container.metadata.items()
        assert [s.type for s in container.streams] == ["video", "data"]
        assert container.streams[1].metadata["timecode"] == "01:02:03:04"
    assert warnings == []


def add_pictures(
    container: OutputContainer, stream: av.VideoStream, count: int, tools: Tools
) -> None:
    for index in range(count):
        image = tools.picture(stream.width, stream.height, index)
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        frame = frame.reformat(format=stream.pix_fmt)
        frame.pts = index
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def test_a_second_video_and_cover_art_are_copied(tools: Tools, tmp_path: Path) -> None:
    source, target = tmp_path / "in.mp4", tmp_path / "out.mp4"
    with av.open(str(source), "w") as container:
        main = container.add_stream("libx264", rate=25, width=64, height=48)
        second = container.add_stream("libx264", rate=30, width=96, height=64)
        cover = container.add_stream("mjpeg", rate=1, width=64, height=48)
        main.pix_fmt = second.pix_fmt = "yuv420p"
        cover.pix_fmt = "yuvj420p"
        main.disposition, cover.disposition = Disposition.default, Disposition.attached_pic
        for stream, count in ((main, 8), (second, 8), (cover, 1)):
            add_pictures(container, stream, count, tools)
    _, warnings = tools.transcode(source, target)
    assert tools.times(source) == tools.times(target)
    for position in (1, 2):
        assert tools.packets(source, "video", position) == tools.packets(target, "video", position)
    with av.open(str(target)) as container:
        assert container.streams.video[2].disposition == av.stream.Disposition.attached_pic
    (said,) = warnings
    assert "2 video streams: 0 (h264 64x48) is edited, 1 (h264 96x64) is copied" in said
    assert "--video-stream N" in said


def two_videos(path: Path, tools: Tools, frames: int = 6) -> Path:
    """Write two videos of different sizes, in MP4 after a cover."""
    with av.open(str(path), "w") as container:
        streams = []
        if path.suffix == ".mp4":
            cover = container.add_stream("mjpeg", rate=1, width=64, height=48)
            cover.pix_fmt, cover.disposition = "yuvj420p", Disposition.attached_pic
            streams.append((cover, 1))
        for width in (96, 64):
            video = container.add_stream("libx264", rate=25, width=width, height=48)
            video.pix_fmt = "yuv420p"
            streams.append((video, frames))
        for stream, count in streams:
            add_pictures(container, stream, count, tools)
    return path


@pytest.mark.parametrize("number", [0, 1])
def test_the_video_stream_asked_for_is_edited_and_the_other_copied(
    tools: Tools, tmp_path: Path, number: int
) -> None:
    source, target = two_videos(tmp_path / "in.mp4", tools), tmp_path / "out.mp4"
    found = probe(source, number)
    assert found.info.width == (96, 64)[number], "covers are not counted"
    assert found.warnings == ()
    plan = preflight_output(target, found, EncodeOptions())
    with VideoReader(found) as reader, VideoWriter(plan, threads=1) as writer:
        for frame in reader:
            writer.write(frame)
    assert writer.warnings == []
    for position in (0, 1):
        before, after = (tools.packets(path, "video", position) for path in (source, target))
        assert [p.time_s for p in before] == [p.time_s for p in after]
    with av.open(str(source)) as a, av.open(str(target)) as b:
        old, new = ([s.width for s in c.streams.video] for c in (a, b))
        assert old == new
        kept = [s.width != (96, 64)[number] for s in a.streams.video if not is_cover(s)]
    for position, is_kept in enumerate(kept):
        before, after = (tools.packets(path, "video", position) for path in (source, target))
        assert (before == after) == is_kept
    assert fingerprint(source, 0) != fingerprint(source, 1)


def test_the_video_asked_for_is_the_one_that_is_decoded_again(tools: Tools, tmp_path: Path) -> None:
    source, target = two_videos(tmp_path / "in.mp4", tools), tmp_path / "out.mkv"
    found = probe(source, 1)
    plan = preflight_output(target, found, EncodeOptions(codec="ffv1", verify="full"))
    with VideoReader(found) as reader, VideoWriter(plan, threads=1) as writer:
        for frame in reader:
            writer.write(frame)
    assert target.exists()


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".ts"])
def test_a_copied_video_with_b_frames_keeps_its_times_out_of_matroska(
    tools: Tools, tmp_path: Path, suffix: str
) -> None:
    """Which stores none to decode by, and FFmpeg does not know those of the first packets."""
    source, target = two_videos(tmp_path / "in.mkv", tools, frames=20), tmp_path / f"out{suffix}"
    _, warnings = tools.transcode(source, target)
    before, after = (tools.packets(path, "video", 1) for path in (source, target))
    shift = after[0].time_s - before[0].time_s
    assert [p.time_s - shift for p in after] == [p.time_s for p in before]
    assert shift == tools.times(target)[0][0] - tools.times(source)[0][0]
    assert not any("decoding time" in said for said in warnings)


def test_a_video_too_short_to_tell_its_decoding_times_gets_some() -> None:
    video = av.open(BytesIO(), "w", format="matroska").add_stream("libx264", rate=25)
    packets = []
    for pts in (0, 120, 80, 40):
        packet = av.Packet(1)
        packet.stream, packet.pts, packet.dts, packet.duration = video, pts, None, 40
        packets.append(packet)
    assert [p.dts for p in with_decoding_times(packets)] == [-80, -40, 0, 40]


def test_a_video_stream_that_is_not_there_is_an_error(tools: Tools, tmp_path: Path) -> None:
    source = two_videos(tmp_path / "in.mp4", tools)
    words = r"no video stream 2; there is 0: h264 96x48; 1: h264 64x48"
    with pytest.raises(UsageError, match=words):
        probe(source, 2)


def with_cover(path: Path, tools: Tools) -> Path:
    """Write a Matroska video with a cover and a font attached."""
    picture = av.VideoFrame.from_ndarray(tools.picture(32, 32, 0), format="rgb24")
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width = encoder.height = 32
    encoder.pix_fmt, encoder.time_base = "yuvj420p", Fraction(1, 25)
    jpeg = bytes(encoder.encode(picture.reformat(format="yuvj420p"))[0])
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, width=64, height=48)
        stream.pix_fmt = "yuv420p"
        container.add_attachment("poster.jpg", "image/jpeg", jpeg)
        container.add_attachment("font.ttf", "font/ttf", b"not really a font" * 20)
        for index in range(5):
            frame = av.VideoFrame.from_ndarray(tools.picture(64, 48, index), format="rgb24")
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(("suffix", "keeps"), [(".mkv", True), (".mp4", True), (".avi", False)])
def test_a_cover_stays_a_cover_or_is_named(
    tools: Tools, tmp_path: Path, suffix: str, keeps: bool
) -> None:
    source, target = with_cover(tmp_path / "in.mkv", tools), tmp_path / f"out{suffix}"
    _, warnings = tools.transcode(source, target)
    with av.open(str(source)) as before, av.open(str(target)) as after:
        pictures = [s for s in after.streams.video if is_cover(s)]
        assert len(after.streams.video) == 1 + keeps
        assert any("the cover in stream" in w for w in warnings) != keeps
        if keeps:
            old, new = (next(bytes(p) for p in c.demux(video=1) if p.size) for c in (before, after))
            assert old == new
        if suffix == ".mkv":
            assert pictures[0].metadata["filename"] == "poster.jpg"
            assert warnings == []


def test_a_cover_of_an_mp4_becomes_an_attachment_of_a_matroska_file(
    tools: Tools, tmp_path: Path
) -> None:
    source, target = two_videos(tmp_path / "in.mp4", tools), tmp_path / "out.mkv"
    tools.transcode(source, target)
    with av.open(str(target)) as container:
        assert [is_cover(s) for s in container.streams.video] == [False, False, True]
        assert container.streams.video[2].metadata["filename"] == "cover.jpg"


def test_languages_titles_and_marks_are_kept_or_named(
    make_clip: MakeClip, tools: Tools, tmp_path: Path
) -> None:
    plain = make_clip("plain.mkv", audio=("deu", "jpn"))
    source = tmp_path / "in.mkv"
    with av.open(str(plain)) as before, av.open(str(source), "w") as after:
        streams = [after.add_stream_from_template(s, opaque=True) for s in before.streams]
        for old, new in zip(before.streams, streams, strict=True):
            new.metadata.update(old.metadata)
        streams[2].metadata["title"] = "Commentary"
        streams[1].disposition = av.stream.Disposition.default
        streams[2].disposition = av.stream.Disposition.comment
        for packet in before.demux():
            if packet.size:
                packet.stream = streams[packet.stream.index]
                after.mux(packet)
    _, warnings = tools.transcode(source, tmp_path / "out.mkv")
    with av.open(str(source)) as a, av.open(str(tmp_path / "out.mkv")) as b:
        assert [s.disposition for s in a.streams] == [s.disposition for s in b.streams]
        assert [s.metadata.get("title") for s in b.streams] == [None, None, "Commentary"]
    assert warnings == []
    plan, _ = tools.transcode(source, tmp_path / "out.ts")
    said = " ".join(plan.warnings)
    assert "cannot store the title of stream 2 (Commentary)" in said
    assert "language" not in said


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_names_of_mp4_tracks_are_kept(
    make_clip: MakeClip, tools: Tools, tmp_path: Path, suffix: str
) -> None:
    plain, source = make_clip("plain.mp4", audio=("deu",)), tmp_path / "in.mp4"
    with av.open(str(plain)) as before, av.open(str(source), "w") as after:
        streams = [after.add_stream_from_template(s, opaque=True) for s in before.streams]
        for stream, name in zip(streams, ("Camera A", "Original sound"), strict=True):
            stream.metadata["title"] = name
        for packet in before.demux():
            if packet.size:
                packet.stream = streams[packet.stream.index]
                after.mux(packet)
    target = tmp_path / f"out{suffix}"
    _, warnings = tools.transcode(source, target)
    with av.open(str(target)) as container:
        names = [s.metadata.get("title") or s.metadata.get("name") for s in container.streams]
    assert names == ["Camera A", "Original sound"]
    assert not any("title" in w for w in warnings)
