"""Inputs no output can be like: what is made of them, and what is said before the first frame."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from pipeline.config import EncodeOptions
from pipeline.errors import OutputError, VideoError
from pipeline.media.container.preflight import default_ending, preflight_output
from pipeline.media.container.probe import probe
from tests.pipeline.media.conftest import Tools

MakeClip = Callable[..., Path]


def animation(
    path: Path, tools: Tools, size: tuple[int, int] = (64, 48), codec: str = "gif"
) -> Path:
    """Write a GIF or APNG of four pictures."""
    pix_fmt = "rgb8" if codec == "gif" else "rgba"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10, width=size[0], height=size[1])
        assert isinstance(stream, av.VideoStream)
        stream.pix_fmt = pix_fmt
        for index in range(4):
            frame = av.VideoFrame.from_ndarray(tools.picture(*size, index), format="rgb24")
            frame = frame.reformat(format=pix_fmt)
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("codec", ["gif", "apng"])
def test_an_animation_becomes_what_phones_play(tools: Tools, tmp_path: Path, codec: str) -> None:
    source = animation(tmp_path / f"in.{codec}", tools, codec=codec)
    plan, _ = tools.transcode(source, tmp_path / "out.mp4")
    assert probe(tmp_path / "out.mp4").info.pix_fmt == "yuv420p"
    assert any("--pix-fmt yuv444p keeps more" in w for w in plan.warnings)
    plan, _ = tools.transcode(source, tmp_path / "more.mp4", pix_fmt="yuv444p")
    assert plan.pix_fmt == "yuv444p"
    plan, _ = tools.transcode(source, tmp_path / "all.mkv", codec="ffv1")
    assert plan.pix_fmt in ("bgra", "gbrap")


def test_an_animation_of_odd_size_keeps_its_size(tools: Tools, tmp_path: Path) -> None:
    source = animation(tmp_path / "in.gif", tools, (63, 47))
    plan, _ = tools.transcode(source, tmp_path / "out.mp4")
    assert plan.pix_fmt == "yuv444p"


def test_other_rgb_sources_keep_their_chroma(
    make_clip: MakeClip, tools: Tools, tmp_path: Path
) -> None:
    source = make_clip("in.mov", codec="png", pix_fmt="rgb24", options={}, frames=3)
    plan, _ = tools.transcode(source, tmp_path / "out.mp4", codec="libx264")
    assert plan.pix_fmt == "yuv444p"


def test_an_animated_webp_is_called_that(tmp_path: Path) -> None:
    path = tmp_path / "in.webp"
    with av.open(str(path), "w", format="webp") as container:
        stream = container.add_stream("libwebp_anim", rate=10, width=32, height=32)
        stream.pix_fmt = "yuv420p"
        for index in range(3):
            frame = av.VideoFrame.from_ndarray(
                np.full((32, 32, 3), 60 * index, np.uint8), format="rgb24"
            )
            frame.pts = index
            container.mux(stream.encode(frame.reformat(format="yuv420p")))
        container.mux(stream.encode(None))
    assert path.read_bytes()[12:16] == b"VP8X"
    with pytest.raises(VideoError, match=r"animated WebP, which FFmpeg does not read; convert"):
        probe(path)


def test_ogg_holds_no_h264_and_gets_what_it_holds(
    make_clip: MakeClip, tools: Tools, tmp_path: Path
) -> None:
    source = make_clip("in.mp4")
    words = r"ogv cannot hold video of libx264; it can hold libvpx\. Or write \.mkv"
    with pytest.raises(OutputError, match=words):
        preflight_output(tmp_path / "out.ogv", probe(source), EncodeOptions(codec="libx264"))
    _, warnings = tools.transcode(source, tmp_path / "out.ogv")
    assert [at for at, _ in tools.times(tmp_path / "out.ogv")] == [
        at for at, _ in tools.times(source)
    ]
    assert "few players show libvpx in ogv; .mkv is the safer choice" in warnings
    again = tmp_path / "again.ogv"
    assert tools.transcode(tmp_path / "out.ogv", again)[1] == []
    assert probe(again).info.codec == "vp8"


@pytest.mark.parametrize(
    ("name", "fields", "ending", "words"),
    [
        ("a.mp4", {}, ".mp4", ""),
        ("a.dv", {"codec": "dvvideo", "width": 720, "height": 576, "frames": 2}, ".dv", ""),
        ("a.h264", {}, ".h264", ""),
        ("a.gif", {"codec": "gif", "pix_fmt": "rgb8"}, ".mp4", ""),
        ("a.y4m", {"codec": "wrapped_avframe"}, ".y4m", ""),
    ],
)
def test_the_default_ending_is_the_inputs_where_that_is_possible(
    make_clip: MakeClip, name: str, fields: dict[str, object], ending: str, words: str
) -> None:
    found = probe(make_clip(name, **{"options": {}, **fields}))
    own, why = default_ending(found, EncodeOptions())
    assert own == ending
    assert words in why
    assert bool(why) == bool(words)


def test_the_default_ending_changes_with_what_cannot_be_written(
    make_clip: MakeClip, tmp_path: Path
) -> None:
    def of(name: str) -> tuple[str, str]:
        path = make_clip("a.mkv", audio=("eng",)).rename(tmp_path / name)
        return default_ending(probe(path), EncodeOptions())

    assert of("a.webm") == (
        ".mkv",
        "the output is an .mkv: .webm files cannot hold the sound (aac)",
    )
    assert of("a.ogv")[0] == ".mkv"
    assert "no container of the ending .xyz can be written" in of("a.xyz")[1]
    assert "has no ending" in of("a")[1]


def transparent(make_clip: MakeClip, codec: str) -> Path:
    return make_clip(
        "in.webm", codec=codec, pix_fmt="yuva420p", options={"auto-alt-ref": "0"}, frames=4
    )


@pytest.mark.parametrize("codec", ["libvpx-vp9", "libvpx"])
def test_the_transparency_of_webm_is_kept(
    make_clip: MakeClip, tools: Tools, tmp_path: Path, codec: str
) -> None:
    source = transparent(make_clip, codec)
    found = probe(source)
    assert found.encoding.pix_fmt == "yuva420p"
    for name in ("out.webm", "out.mkv"):
        plan, warnings = tools.transcode(source, tmp_path / name)
        assert plan.pix_fmt == "yuva420p"
        assert not any("alpha" in w or "transparen" in w for w in warnings)
        for a, b in zip(tools.read(source), tools.read(tmp_path / name), strict=True):
            assert len(a.planes) == len(b.planes) == 4
            assert np.abs(a.planes[3].astype(int) - b.planes[3]).mean() < 2
    plan, _ = tools.transcode(source, tmp_path / "out.mkv", codec="ffv1", overwrite=True)
    assert plan.pix_fmt == "yuva420p"
    plan, _ = tools.transcode(source, tmp_path / "out.mp4", codec="libvpx-vp9")
    assert any("loses the alpha channel" in w for w in plan.warnings)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("out.dv", r"audio stream 1 \(aac, eng\) cannot be stored in dv; write out\.mkv"),
        ("out.webm", r"audio stream 1 \(aac, eng\) cannot be stored in webm; write out\.mkv"),
    ],
)
def test_a_refusal_says_what_to_write(
    make_clip: MakeClip, tmp_path: Path, name: str, words: str
) -> None:
    source = probe(make_clip("in.mp4", audio=("eng",), rate=Fraction(24)))
    with pytest.raises(OutputError, match=words):
        preflight_output(tmp_path / name, source, EncodeOptions())


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "out.dv",
            r"720x576 at 25 frames/s or .* 4:1:1; write out\.mkv; or choose another --codec",
        ),
        ("out.m1v", r"23\.976, 24, 25, .* frames/s; write out\.mkv"),
    ],
)
def test_what_an_encoder_takes_is_said(
    make_clip: MakeClip, tmp_path: Path, name: str, words: str
) -> None:
    source = probe(make_clip("in.mp4", rate=Fraction(12)))
    with pytest.raises(OutputError, match=words) as refused:
        preflight_output(tmp_path / name, source, EncodeOptions())
    assert "check the encoder's options" not in str(refused.value)
