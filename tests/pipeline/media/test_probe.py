"""What is found in files, and what is said of files that cannot be used."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import pytest

from pipeline.errors import VideoError
from pipeline.media.container.probe import probe

MakeClip = Callable[..., Path]


def test_a_turned_anamorphic_clip_is_described_upright(make_clip: MakeClip) -> None:
    path = make_clip("a.mp4", rotation_ccw=-90, aspect=Fraction(4, 3), tags=(2, 5, 6, 5))
    source = probe(path)
    assert (source.info.width, source.info.height) == (48, 64)
    assert source.info.rotation_deg == 90
    assert source.info.pixel_aspect == Fraction(3, 4)
    assert source.stored_size == (64, 48)
    assert source.encoding.full_range
    assert source.encoding.matrix == "bt601"
    assert source.info.color_primaries == 5


def test_rate_and_time_base_are_exact(make_clip: MakeClip) -> None:
    info = probe(make_clip("a.mp4", rate=Fraction(30000, 1001))).info
    assert info.rate == Fraction(30000, 1001)
    assert info.time_base == Fraction(1, 30000)


@pytest.mark.parametrize(("size", "matrix"), [((64, 48), "bt601"), ((1280, 720), "bt709")])
def test_an_untagged_matrix_is_guessed_by_size(
    make_clip: MakeClip, size: tuple[int, int], matrix: str
) -> None:
    path = make_clip("a.mp4", width=size[0], height=size[1], frames=1)
    assert probe(path).encoding.matrix == matrix


def test_other_streams_are_listed(make_clip: MakeClip) -> None:
    source = probe(make_clip("a.mp4", audio=("deu", "eng"), subtitles=True))
    assert [(s.kind, s.codec, s.language) for s in source.others] == [
        ("audio", "aac", "deu"),
        ("audio", "aac", "eng"),
        ("subtitle", "mov_text", "fra"),
    ]


def test_a_mirrored_picture_is_kept_as_stored_with_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, width=64, height=48)
        stream.pix_fmt = "yuv420p"
        stream.set_display_rotation(0, hflip=True)
        frame = av.VideoFrame(64, 48, "yuv420p")
        frame.pts = 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    source = probe(path)
    assert source.info.rotation_deg == 0
    assert source.display_matrix[0] == -65536
    assert any("mirrors" in w for w in source.warnings)


def test_an_interlaced_clip_is_named(make_clip: MakeClip) -> None:
    options = {"flags": "+ilme+ildct", "threads": "1"}
    path = make_clip("a.mpg", codec="mpeg2video", options=options, frames=3)
    assert any("interlaced" in w for w in probe(path).warnings)


def test_what_lies_in_the_pictures_and_cannot_be_written_again_is_named(
    make_clip: MakeClip,
) -> None:
    options = {"x264-params": "frame-packing=3", "threads": "1"}
    assert "the mark of a stereoscopic picture is not carried over" in (
        probe(make_clip("a.mp4", options=options)).warnings
    )


@pytest.mark.parametrize("angle", [-90, 90, 180])
def test_the_turn_is_found_even_where_side_data_cannot_be_listed(
    make_clip: MakeClip, monkeypatch: pytest.MonkeyPatch, angle: int
) -> None:
    path = make_clip("a.mp4", rotation_ccw=angle)
    expected = probe(path).display_matrix
    monkeypatch.setattr("pipeline.media.container.pictures._side_data", lambda frame: {})
    assert probe(path).display_matrix == expected != ()
    assert probe(path).turn_deg == -angle % 360


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"nope\.mp4: no such file"):
        probe(tmp_path / "nope.mp4")


def test_an_address_is_not_opened() -> None:
    with pytest.raises(VideoError, match="only local video files"):
        probe(Path("http://localhost/clip.mp4"))


def test_a_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="is not a file"):
        probe(tmp_path)


def test_an_empty_file_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.touch()
    with pytest.raises(VideoError, match=r"empty \(0 bytes\)"):
        probe(path)


@pytest.mark.parametrize("name", ["a.mp4", "a.txt", "a.bin"])
def test_a_text_file_is_no_video_whatever_its_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("This is a letter, not a film.\n" * 50)
    with pytest.raises(VideoError, match="cannot be read as a video"):
        probe(path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nseg.ts\n#EXT-X-ENDLIST\n"),
        ("a.ffconcat", "ffconcat version 1.0\nfile seg.ts\n"),
    ],
)
def test_playlists_that_reach_for_other_files_are_refused(
    make_clip: MakeClip, tmp_path: Path, name: str, text: str
) -> None:
    make_clip("seg.ts")
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(VideoError, match="except playlists"):
        probe(path)


def test_audio_alone_is_an_error_that_names_what_was_found(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame(format="s16", layout="mono", samples=800)
        frame.sample_rate, frame.pts = 8000, 0
        container.mux(stream.encode(frame))
    with pytest.raises(VideoError, match=r"no video stream \(found: audio\)"):
        probe(path)


def test_a_clip_without_frames_is_an_error(make_clip: MakeClip) -> None:
    with pytest.raises(VideoError, match=r"not one frame|cannot be read"):
        probe(make_clip("a.mkv", frames=0))


def test_one_frame_is_enough(make_clip: MakeClip) -> None:
    assert probe(make_clip("a.mp4", frames=1)).info.width == 64


def test_huge_pictures_are_refused_before_memory_is_taken(tmp_path: Path) -> None:
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)

    def chunk(kind: bytes, body: bytes) -> bytes:
        check = zlib.crc32(kind + body).to_bytes(4, "big")
        return len(body).to_bytes(4, "big") + kind + body + check

    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
    path = tmp_path / "bomb.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + data + chunk(b"IEND", b""))
    with pytest.raises(VideoError, match="larger than what is accepted"):
        probe(path)


def test_a_container_that_announces_too_large_a_picture_is_refused(
    make_clip: MakeClip, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_clip("a.mp4")
    monkeypatch.setattr("pipeline.media.container.inputs.MAX_SIDE_PX", 60)
    with pytest.raises(VideoError, match="pictures of 64x48 px are too large; accepted are up to"):
        probe(path)
