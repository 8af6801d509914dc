"""Every frame, in order, with its time; and what is said when that is not possible."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from pipeline.errors import VideoError
from pipeline.media.container.decode import VideoReader
from pipeline.media.container.probe import probe
from pipeline.media.damage import Damage, summarize
from tests.pipeline.media.conftest import Tools

MakeClip = Callable[..., Path]
VARIABLE = (0, 100, 133, 200, 201, 450, 451, 500, 900, 1000)
"""Irregular times [ticks of 1/1000 s]."""


def plain_frames(path: Path) -> list[av.VideoFrame]:
    """Return what PyAV alone decodes."""
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def samples(frame: av.VideoFrame, plane: int) -> np.ndarray:
    memory = np.frombuffer(memoryview(frame.planes[plane]), np.uint8)
    line, width = frame.planes[plane].line_size, frame.planes[plane].width
    return memory.reshape(-1, line)[: frame.planes[plane].height, :width]


@pytest.mark.parametrize("size", [(64, 48), (67, 45)], ids=str)
def test_planes_and_times_are_the_decoders_own(
    make_clip: MakeClip, tools: Tools, size: tuple[int, int]
) -> None:
    path = make_clip("a.mkv", codec="ffv1", options={}, width=size[0], height=size[1])
    frames, oracle = tools.read(path), plain_frames(path)
    assert len(frames) == len(oracle) == 12
    for index, (ours, theirs) in enumerate(zip(frames, oracle, strict=True)):
        assert (ours.index, ours.pts, ours.duration) == (index, theirs.pts, theirs.duration)
        for k in range(3):
            np.testing.assert_array_equal(ours.planes[k], samples(theirs, k))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_variable_frame_times_are_read_exactly(
    make_clip: MakeClip, tools: Tools, suffix: str
) -> None:
    path = make_clip(f"a{suffix}", pts=VARIABLE, time_base=Fraction(1, 1000))
    base = probe(path).info.time_base
    assert [f.pts * base for f in tools.read(path)] == [Fraction(p, 1000) for p in VARIABLE]


def test_a_clip_that_begins_late_keeps_its_start(make_clip: MakeClip, tools: Tools) -> None:
    late = [p + 700 for p in VARIABLE]
    path = make_clip("a.mkv", pts=late, time_base=Fraction(1, 1000))
    assert [f.pts for f in tools.read(path)] == late


def test_avi_frames_come_in_order_though_it_stores_no_presentation_times(
    make_clip: MakeClip, tools: Tools
) -> None:
    path = make_clip("a.avi", options={"crf": "10", "bf": "2", "threads": "1"})
    with VideoReader(probe(path)) as reader:
        frames = list(reader)
    assert [f.pts for f in frames] == list(range(12))
    assert reader.warnings == []
    first = np.array([f.planes[0].mean() for f in frames])
    shown = np.array([samples(f, 0).mean() for f in plain_frames(path)])
    np.testing.assert_array_equal(first, shown)


def test_a_bare_stream_without_any_times_gets_them_from_its_rate(
    make_clip: MakeClip, tmp_path: Path
) -> None:
    path = make_clip("a.h264", options={"crf": "20", "bf": "0", "threads": "1"})
    source = probe(path)
    with VideoReader(source) as reader:
        stamps = [f.pts * source.info.time_base for f in reader]
    steps = {b - a for a, b in pairwise(stamps)}
    assert len(stamps) == 12
    assert len(steps) == 1
    assert min(steps) > 0


def test_a_turned_clip_comes_upright(make_clip: MakeClip, tools: Tools) -> None:
    path = make_clip("a.mp4", rotation_ccw=-90)
    frame, stored = tools.read(path)[0], samples(plain_frames(path)[0], 0)
    assert frame.planes[0].shape == (64, 48)
    # A clockwise quarter turn: the top-left corner goes to the top right.
    np.testing.assert_array_equal(frame.planes[0][:, -1], stored[0])


def test_a_file_cut_off_gives_what_it_holds_and_says_so(make_clip: MakeClip, tools: Tools) -> None:
    path = make_clip("a.mp4", frames=60, muxer_options={"movflags": "+faststart"})
    whole = tools.read(path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.7)])
    with VideoReader(probe(path)) as reader:
        frames = list(reader)
    assert 20 < len(frames) < 60
    assert any(damage.kind == "truncated" for damage in reader.damage)
    assert "announces 60 pictures" in reader.damage[-1].message
    np.testing.assert_array_equal(frames[0].planes[0], whole[0].planes[0])


def test_a_matroska_file_cut_off_is_noticed_by_its_length(make_clip: MakeClip) -> None:
    path = make_clip("a.mkv", frames=100)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.6)])
    with VideoReader(probe(path)) as reader:
        frames = list(reader)
    assert 20 < len(frames) < 100
    assert any(damage.kind == "truncated" for damage in reader.damage)


def test_an_mp4_that_lost_its_index_is_an_error(make_clip: MakeClip) -> None:
    path = make_clip("a.mp4", frames=60)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(VideoError, match="may lack its index"):
        probe(path)


@pytest.mark.parametrize("codec", ["libx264", "mjpeg", "ffv1"])
def test_damage_in_the_middle_costs_few_frames_and_is_reported(
    make_clip: MakeClip, codec: str
) -> None:
    fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    options = {"g": "10", "threads": "1"} if codec == "libx264" else {}
    path = make_clip("a.mkv", codec=codec, pix_fmt=fmt, options=options, frames=60)
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        hit = [p for p in container.demux(video=0) if p.size][30]
    start = hit.pos + hit.size // 3
    data[start : start + hit.size // 2] = bytes(
        255 - b for b in data[start : start + hit.size // 2]
    )
    path.write_bytes(bytes(data))
    with VideoReader(probe(path)) as reader:
        frames = list(reader)
    assert 50 <= len(frames) <= 60
    assert reader.damage, "damage must be reported"
    where = float(hit.pts * hit.time_base)
    assert min(abs(damage.where_s - where) for damage in reader.damage) < 0.5
    assert frames[-1].pts * reader.source.info.time_base == Fraction(59, 25)


def test_damage_is_said_in_one_sentence_with_its_frames() -> None:
    guessed = "a frame was decoded with guessed parts"
    damage = [
        Damage("concealed", guessed, 1.5, 37, 39, count=3),
        Damage("packet", "a packet could not be decoded: bad", 2.0, 50, 50),
        Damage("truncated", "the file announces 90 pictures and holds 60", 2.4, 60, 60),
    ]
    assert summarize(damage) == [
        (
            "the input is damaged at frames 37–39, 50 (from 1.50 s): the file announces 90 "
            f"pictures and holds 60; {guessed} (3 ×); a packet could not be decoded: bad"
        )
    ]
    assert summarize([]) == []


def test_a_damaged_input_gives_a_complete_output_of_what_was_left(
    make_clip: MakeClip, tools: Tools, tmp_path: Path
) -> None:
    options = {"movflags": "+faststart"}
    source = make_clip("in.mp4", frames=60, audio=("eng",), muxer_options=options)
    source.write_bytes(source.read_bytes()[: int(source.stat().st_size * 0.6)])
    left = tools.read(source)
    tools.transcode(source, tmp_path / "out.mp4")
    assert len(tools.read(tmp_path / "out.mp4")) == len(left) < 60
    assert len(tools.packets(tmp_path / "out.mp4", "audio")) > 10


def test_an_undamaged_file_has_no_damage(make_clip: MakeClip) -> None:
    for name in ("a.mp4", "a.mkv", "a.avi", "a.ts"):
        with VideoReader(probe(make_clip(name, frames=30))) as reader:
            assert len(list(reader)) == 30
        assert reader.damage == []
        assert reader.warnings == []


def test_a_size_that_changes_mid_stream_is_an_error(make_clip: MakeClip, tmp_path: Path) -> None:
    small = make_clip("small.ts", options={"crf": "20", "bf": "0"})
    large = make_clip("large.ts", options={"crf": "20", "bf": "0"}, width=96, height=80)
    joined = tmp_path / "joined.ts"
    joined.write_bytes(small.read_bytes() + large.read_bytes())
    with VideoReader(probe(joined)) as reader, pytest.raises(VideoError, match=r"96x80.*64x48"):
        list(reader)


def test_palette_pictures_are_converted_by_name(tmp_path: Path, tools: Tools) -> None:
    path = tmp_path / "a.gif"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("gif", rate=10, width=32, height=16)
        stream.pix_fmt = "rgb8"
        for index in range(3):
            frame = av.VideoFrame.from_ndarray(tools.picture(32, 16, index), format="rgb24")
            frame = frame.reformat(format="rgb8")
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    source = probe(path)
    frames = tools.read(path)
    assert len(frames) == 3
    assert any("converted from" in w for w in source.warnings) or source.info.pix_fmt == "bgra"
    assert frames[0].encoding.pix_fmt == "gbrap"


def test_a_reader_is_used_once_and_inside_with(make_clip: MakeClip) -> None:
    source = probe(make_clip("a.mp4", frames=2))
    with pytest.raises(RuntimeError, match="must be entered"):
        next(iter(VideoReader(source)))
    with VideoReader(source) as reader:
        list(reader)
        with pytest.raises(RuntimeError, match="iterated once"):
            list(reader)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")
def test_memory_does_not_grow_with_the_clip(make_clip: MakeClip) -> None:
    source = probe(make_clip("a.mkv", codec="mpeg4", options={}, width=640, height=360, frames=150))
    pages: list[int] = []
    with VideoReader(source) as reader:
        pages += [
            int(Path("/proc/self/statm").read_text().split()[1])
            for frame in reader
            if frame.index in (40, 149)
        ]
    # 109 frames of 640x360 are 36 MiB, or 9200 pages of 4 KiB.
    assert pages[1] - pages[0] < 3000
