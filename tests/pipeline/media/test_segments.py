"""Pieces encoded anywhere and joined are the file that one run on the same grid writes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from pipeline.config import EncodeOptions
from pipeline.errors import OutputError
from pipeline.media.base import JoiningSink, Source
from pipeline.media.opening import is_encoder, open_sink, open_source
from pipeline.types import Frame
from tests.pipeline.media.conftest import Tools

MakeClip = Callable[..., Path]
VARIABLE = (0, 1000, 1500, 3500, 4500, 5000, 6200, 7000, 8000, 9000, 9500)
"""Irregular times [ticks of 1/25000 s]."""
OPEN_GOP = {"crf": "30", "threads": "1", "x264-params": "open-gop=1:keyint=4:bframes=2"}
SOURCE: dict[str, Any] = {
    "frames": len(VARIABLE),
    "audio": ("eng",),
    "options": OPEN_GOP,
}
VARYING = {**SOURCE, "pts": VARIABLE, "time_base": Fraction(1, 25000)}
CODECS = [
    ("libx264", "yuv420p", ".mp4"),
    ("libx264", "yuv422p10le", ".mov"),
    ("libx264", "yuv420p", ".ts"),
    ("libx265", "yuv420p", ".mp4"),
    ("libx265", "yuv420p10le", ".mkv"),
    ("prores_ks", "yuv422p10le", ".mov"),
    ("dnxhd", "yuv422p", ".mov"),
    ("ffv1", "yuv420p", ".mkv"),
    ("libsvtav1", "yuv420p", ".mp4"),
    ("libvpx-vp9", "yuv420p", ".mkv"),
    ("mpeg4", "yuv420p", ".mp4"),
]
Segments = list[tuple[Path, dict[str, Any]]]


@dataclass(frozen=True)
class Clip:
    """A clip that has been opened, and the times of its frames."""

    source: Source
    pts: list[int]

    @classmethod
    def of(cls, path: Path) -> Clip:
        source = open_source(path)
        with source.frames() as frames:
            return cls(source, [frame.pts for frame in frames])

    def frames(self, chosen: range) -> list[Frame]:
        with self.source.frames(chosen.start, chosen.stop, times=self.pts) as frames:
            return list(frames)

    def cut(self, target: Path, size: int, options: EncodeOptions) -> Path:
        """Encode all frames in one run that begins anew every `size` frames."""
        sink = open_sink(target, self.source, options)
        sink.cut(size, self.pts)
        with sink:
            for frame in self.frames(range(len(self.pts))):
                sink.write(frame)
        return target

    def segments(self, folder: Path, grid: Sequence[range], sink: JoiningSink) -> Segments:
        """Encode pieces, the last first, each read by itself."""
        made = []
        for piece in reversed(grid):
            segment = sink.segment(folder / f"{piece.start}{sink.segment_ending}")
            with segment:
                for frame in self.frames(piece):
                    segment.write(frame)
            facts = json.loads(json.dumps(segment.facts))
            made.append((folder / f"{piece.start}{sink.segment_ending}", facts))
        return made[::-1]


def grid_of(count: int, size: int) -> list[range]:
    return [range(count)[at : at + size] for at in range(0, count, size)]


def decoded(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


@pytest.mark.parametrize("fields", [SOURCE, VARYING], ids=["constant", "varying"])
@pytest.mark.parametrize(("codec", "pix_fmt", "suffix"), CODECS, ids=str)
def test_joined_pieces_are_the_file_of_one_run(
    make_clip: MakeClip,
    tools: Tools,
    tmp_path: Path,
    fields: dict[str, Any],
    codec: str,
    pix_fmt: str,
    suffix: str,
) -> None:
    if not is_encoder(codec):
        pytest.skip(f"FFmpeg here has no encoder {codec}")
    wide = {"width": 256, "height": 128} if codec == "dnxhd" else {}
    path = make_clip("in.mp4", **fields, **wide)
    clip, count = Clip.of(path), len(VARIABLE)
    options = EncodeOptions(codec=codec, pix_fmt=pix_fmt)
    for size in (1, 5) if codec == "libx264" else (5,):  # its last piece is of one frame
        whole = clip.cut(tmp_path / f"whole{size}{suffix}", size, options)
        sink = open_sink(tmp_path / f"joined{size}{suffix}", clip.source, options)
        segments = clip.segments(tmp_path, grid_of(count, size), sink)
        with sink:
            sink.join(segments)
        assert sink.path.read_bytes() == whole.read_bytes(), size
    assert decoded(sink.path) == count
    after, before = tools.times(sink.path), tools.times(path)
    begin = after[0][0] - before[0][0]
    rounding = Fraction(1, 2000) if suffix == ".mkv" else 0
    for (shown, _), (given, _) in zip(after, before, strict=True):
        assert abs(shown - begin - given) <= rounding
    if suffix != ".ts":  # which wraps the packets of sound
        sound = [packet.payload for packet in tools.packets(sink.path, "audio")]
        assert sound == [packet.payload for packet in tools.packets(path, "audio")]


def test_one_piece_of_all_frames_holds_what_a_run_without_grid_writes(
    make_clip: MakeClip, tools: Tools, tmp_path: Path
) -> None:
    clip = Clip.of(make_clip("in.mp4", **VARYING))
    cut = clip.cut(tmp_path / "cut.mp4", 100, EncodeOptions())
    plain = open_sink(tmp_path / "plain.mp4", clip.source, EncodeOptions())
    with plain:
        for frame in clip.frames(range(len(clip.pts))):
            plain.write(frame)
    assert tools.packets(cut, "video") == tools.packets(plain.path, "video")


@pytest.fixture
def clip(make_clip: MakeClip) -> Clip:
    return Clip.of(make_clip("in.mp4", frames=6, audio=("eng",)))


def sink_for(clip: Clip, path: Path, **options: Any) -> JoiningSink:
    return open_sink(path, clip.source, EncodeOptions(**options))


def test_segments_made_with_other_options_are_refused(clip: Clip, tmp_path: Path) -> None:
    segments = clip.segments(tmp_path, grid_of(6, 3), sink_for(clip, tmp_path / "a.mp4", crf=20))
    sink = sink_for(clip, tmp_path / "b.mp4", crf=21)
    with pytest.raises(OutputError, match="option crf 20, the output takes 21"), sink:
        sink.join(segments)
    assert not sink.path.exists()


def test_a_damaged_segment_is_refused(clip: Clip, tmp_path: Path) -> None:
    sink = sink_for(clip, tmp_path / "out.mp4")
    segments = clip.segments(tmp_path, grid_of(6, 3), sink)
    whole = segments[1][0].read_bytes()
    segments[1][0].write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(OutputError, match="is damaged"), sink:
        sink.join(segments)
    assert not sink.path.exists()


def test_segments_out_of_order_are_refused(clip: Clip, tmp_path: Path) -> None:
    sink = sink_for(clip, tmp_path / "out.mp4")
    segments = clip.segments(tmp_path, grid_of(6, 3), sink)
    with pytest.raises(OutputError, match="not given in order"), sink:
        sink.join(segments[::-1])


def test_a_segment_that_fails_is_not_there(clip: Clip, tmp_path: Path) -> None:
    sink, piece = sink_for(clip, tmp_path / "out.mp4"), range(1)
    with pytest.raises(OutputError, match="0 frames were given"):
        clip.segments(tmp_path, [piece[:0]], sink)
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_the_same_frames_make_the_same_file_each_time(
    clip: Clip, tmp_path: Path, suffix: str
) -> None:
    first, second = (
        clip.cut(tmp_path / f"{name}{suffix}", 3, EncodeOptions()) for name in ("a", "b")
    )
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("chosen", [range(20, 30), range(40, 50), range(1)])
def test_a_part_holds_its_frames_with_the_sound_heard_with_them(
    make_clip: MakeClip, tools: Tools, tmp_path: Path, chosen: range, suffix: str
) -> None:
    path = make_clip(f"in{suffix}", frames=50, audio=("eng",), metadata={"timecode": "01:00:10:00"})
    clip = Clip.of(path)
    sink = open_sink(tmp_path / f"part{suffix}", clip.source, EncodeOptions())
    sink.take(chosen, clip.pts)
    with sink:
        for frame in clip.frames(chosen):
            sink.write(frame)
    frame_s, packet_s = Fraction(1, 25), Fraction(1024, 48000)
    assert [shown for shown, _ in tools.times(sink.path)] == [
        number * frame_s for number in range(len(chosen))
    ]
    begin, end = chosen.start * frame_s, chosen.stop * frame_s
    heard, known = tools.packets(sink.path, "audio"), tools.packets(path, "audio")
    first = round((heard[0].time_s + begin - known[0].time_s) / packet_s)
    given = known[first : first + len(heard)]
    assert [packet.payload for packet in heard] == [packet.payload for packet in given]
    assert end - packet_s <= given[-1].time_s < end
    assert begin - 2 * packet_s <= given[0].time_s <= begin + packet_s / 2 + Fraction(1, 1000)
    for after, before in zip(heard, given, strict=True):  # in time with the picture
        assert abs(after.time_s - (before.time_s - begin)) <= Fraction(1, 1000)
    made = open_source(sink.path)
    assert made.timecode == f"01:00:{10 + chosen.start // 25:02}:{chosen.start % 25:02}"
