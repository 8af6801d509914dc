"""The edited video: frames, times, formats, tags."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from pipeline.errors import OutputError
from pipeline.media.container import encoders
from pipeline.media.container.probe import probe
from tests.conftest import FaceClip
from tests.pipeline.media.conftest import Tools

MakeClip = Callable[..., Path]
ROOT = Path(__file__).resolve().parents[3]
VARIABLE = (0, 100, 133, 200, 201, 450, 451, 500, 900, 1000)
"""Irregular times [ticks of 1/1000 s]."""


@pytest.mark.parametrize(
    ("codec", "suffix"),
    [
        *[
            (codec, suffix)
            for codec in ("libx264", "libx265")
            for suffix in (".mp4", ".mkv", ".mov")
        ],
        *[(codec, suffix) for codec in ("libvpx-vp9", "libsvtav1") for suffix in (".mp4", ".mkv")],
        ("ffv1", ".mkv"),
    ],
)
def test_variable_times_and_duration_survive_every_modern_encoder(
    make_clip: MakeClip, tools: Tools, tmp_path: Path, suffix: str, codec: str
) -> None:
    source = make_clip(f"in{suffix}", pts=VARIABLE, time_base=Fraction(1, 1000))
    target = tmp_path / f"out{suffix}"
    tools.transcode(source, target, codec=codec)
    assert [t for t, _ in tools.times(target)] == [Fraction(p, 1000) for p in VARIABLE]
    if suffix == ".mp4":
        shown_s = 1 + tools.read(source)[-1].duration * probe(source).info.time_base
        assert probe(target).info.duration_s == pytest.approx(float(shown_s), abs=1e-6)


@pytest.mark.parametrize("rate", [Fraction(30000, 1001), Fraction(24000, 1001), Fraction(50)])
def test_rates_stay_exact(
    make_clip: MakeClip, tools: Tools, tmp_path: Path, rate: Fraction
) -> None:
    source, target = make_clip("in.mp4", rate=rate), tmp_path / "out.mp4"
    _, warnings = tools.transcode(source, target)
    assert tools.times(target) == tools.times(source)
    assert tools.times(target)[1][0] == 1 / rate
    assert probe(target).info.rate == rate
    assert warnings == []


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_rotation_aspect_and_colour_tags_are_kept(
    make_clip: MakeClip, tools: Tools, tmp_path: Path, suffix: str
) -> None:
    source = make_clip(f"in{suffix}", rotation_ccw=-90, aspect=Fraction(4, 3), tags=(1, 9, 16, 9))
    target = tmp_path / f"out{suffix}"
    _, warnings = tools.transcode(source, target)
    before, after = probe(source), probe(target)
    assert after.display_matrix == before.display_matrix
    assert after.sample_aspect == Fraction(4, 3)
    for name in ("color_range", "color_primaries", "color_transfer", "color_matrix"):
        assert getattr(after.info, name) == getattr(before.info, name), name
    assert warnings == []


def test_a_container_without_rotation_gets_upright_pixels(
    make_clip: MakeClip, tools: Tools, tmp_path: Path
) -> None:
    source, target = make_clip("in.mp4", rotation_ccw=-90), tmp_path / "out.avi"
    plan, _ = tools.transcode(source, target, codec="ffv1")
    assert plan.source.turn_deg == 0
    assert any("turned" in w for w in plan.warnings)
    for a, b in zip(tools.read(source), tools.read(target), strict=True):
        np.testing.assert_array_equal(a.planes[0], b.planes[0])


def test_ten_bit_422_stays_ten_bit_422(make_clip: MakeClip, tools: Tools, tmp_path: Path) -> None:
    source = make_clip("in.mp4", pix_fmt="yuv422p10le", tags=(1, 9, 16, 9))
    target = tmp_path / "out.mp4"
    _, warnings = tools.transcode(source, target)
    assert probe(target).info.pix_fmt == "yuv422p10le"
    worst = max(
        np.abs(a.planes[0].astype(int) - b.planes[0].astype(int)).mean()
        for a, b in zip(tools.read(source), tools.read(target), strict=True)
    )
    assert worst < 4  # of 1023: visually lossless
    assert warnings == []


def test_x264_writes_the_same_file_whatever_the_processor_can_do(
    face_clip: FaceClip, tools: Tools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_it_is, plainly = tmp_path / "a.mp4", tmp_path / "b.mp4"
    tools.transcode(face_clip.path, as_it_is)
    usual = encoders._particulars

    def without_its_fast_ways(*given: Any) -> dict[str, str]:
        return {"x264-params": f"{usual(*given).get('x264-params', 'threads=1')}:asm=0"}

    monkeypatch.setattr(encoders, "_particulars", without_its_fast_ways)
    tools.transcode(face_clip.path, plainly)
    assert as_it_is.read_bytes() == plainly.read_bytes()


def test_hdr_metadata_is_kept(make_clip: MakeClip, tools: Tools, tmp_path: Path) -> None:
    display = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
    source = make_clip(
        "in.mp4",
        codec="libx265",
        pix_fmt="yuv420p10le",
        tags=(1, 9, 16, 9),
        options={"x265-params": f"log-level=error:master-display={display}:max-cll=1000,400"},
    )
    before = probe(source).hdr
    assert before is not None
    assert before.light_level == (1000, 400)
    assert before.luminance == (Fraction(50, 10_000), Fraction(1000))
    for codec in ("libx265", "libx264"):
        target = tmp_path / f"{codec}.mp4"
        _, warnings = tools.transcode(source, target, codec=codec)
        assert probe(target).hdr == before
        assert warnings == []
    plan, _ = tools.transcode(source, tmp_path / "out.mkv", codec="ffv1")
    assert any("HDR" in w for w in plan.warnings)


def lossless_formats() -> list[str]:
    """Return every format ffv1 takes that the program can hold."""
    offered = [f.name for f in av.Codec("ffv1", "w").video_formats or []]
    return [name for name in offered if "f16" not in name and "f32" not in name]


@pytest.mark.parametrize("pix_fmt", lossless_formats())
def test_ffv1_returns_every_sample_of_every_format(
    tools: Tools, tmp_path: Path, pix_fmt: str
) -> None:
    source = tmp_path / "in.mkv"
    with av.open(str(source), "w") as container:
        stream = container.add_stream("ffv1", rate=25, width=45, height=33)
        stream.pix_fmt = pix_fmt
        for index in range(2):
            picture = av.VideoFrame.from_ndarray(tools.picture(45, 33, index), format="rgb24")
            picture = picture.reformat(format=pix_fmt)
            picture.pts = index
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    target = tmp_path / "out.mkv"
    _, warnings = tools.transcode(source, target)
    before, after = tools.read(source), tools.read(target)
    assert [f.encoding for f in before] == [f.encoding for f in after]
    for a, b in zip(before, after, strict=True):
        for p, q in zip(a.planes, b.planes, strict=True):
            np.testing.assert_array_equal(p, q)
    assert warnings == []


@pytest.mark.parametrize("codec", ["libx264", "libx265", "libvpx-vp9"])
def test_crf_zero_is_lossless(
    make_clip: MakeClip, tools: Tools, tmp_path: Path, codec: str
) -> None:
    source, target = make_clip("in.mkv", frames=4), tmp_path / "out.mkv"
    tools.transcode(source, target, codec=codec, crf=0)
    for a, b in zip(tools.read(source), tools.read(target), strict=True):
        for p, q in zip(a.planes, b.planes, strict=True):
            np.testing.assert_array_equal(p, q)


@pytest.mark.parametrize(
    ("codec", "suffix", "pix_fmt"),
    [
        ("prores_ks", ".mov", "yuv422p10le"),
        ("mpeg4", ".avi", "yuv420p"),
        ("mpeg4", ".mp4", "yuv420p"),
        ("mpeg2video", ".mpg", "yuv420p"),
        ("mjpeg", ".mov", "yuvj420p"),
        ("libvpx", ".webm", "yuv420p"),
        ("prores_ks", ".mov", "yuva444p10le"),
        ("png", ".mov", "rgb24"),
        ("png", ".mov", "rgba"),
        ("qtrle", ".mov", "argb"),
        ("qtrle", ".mov", "rgb24"),
        ("ffvhuff", ".avi", "yuv422p"),
        ("dnxhd", ".mov", "yuv422p"),
        ("utvideo", ".avi", "yuv420p"),
        ("rawvideo", ".avi", "yuv420p"),
        ("libx264rgb", ".mp4", "bgr24"),
    ],
)
def test_the_family_of_the_input_is_kept(
    make_clip: MakeClip, tools: Tools, tmp_path: Path, codec: str, suffix: str, pix_fmt: str
) -> None:
    options = {"profile": "dnxhr_sq"} if codec == "dnxhd" else {}
    size = {"width": 256, "height": 128} if codec == "dnxhd" else {}
    source = make_clip(f"in{suffix}", codec=codec, pix_fmt=pix_fmt, options=options, **size)
    target = tmp_path / f"out{suffix}"
    plan, _ = tools.transcode(source, target)
    before, after = probe(source), probe(target)
    assert after.info.codec == before.info.codec
    assert after.encoding == before.encoding
    found, wanted = tools.times(target), tools.times(source)
    shift = found[0][0] - wanted[0][0]
    assert [t - shift for t, _ in found] == [t for t, _ in wanted]
    if shift:
        assert any("begins" in w for w in plan.warnings) or suffix in (".mpg", ".avi")
    for a, b in zip(tools.read(source), tools.read(target), strict=True):
        for p, q in zip(a.planes, b.planes, strict=True):
            assert np.abs(p.astype(int) - q.astype(int)).mean() < 4 << (a.encoding.bits - 8)


def test_what_an_encoder_cannot_hold_is_named(
    make_clip: MakeClip, tools: Tools, tmp_path: Path
) -> None:
    source = make_clip("in.mkv", pix_fmt="yuv422p10le")
    plan, _ = tools.transcode(source, tmp_path / "out.mkv", codec="libvpx-vp9")
    assert any("bit depth (10 to 8)" in w for w in plan.warnings)
    plan, _ = tools.transcode(source, tmp_path / "out.mp4", codec="libsvtav1")
    assert plan.pix_fmt == "yuv420p10le"
    assert any("chroma resolution" in w for w in plan.warnings)


def test_rgb_into_yuv_keeps_the_colours(make_clip: MakeClip, tools: Tools, tmp_path: Path) -> None:
    from pipeline.imaging.color import frame_to_rgb

    source = make_clip("in.mov", codec="png", pix_fmt="rgb24", options={})
    target = tmp_path / "out.mp4"
    tools.transcode(source, target, codec="libx264", pix_fmt="yuv444p")
    for a, b in zip(tools.read(source), tools.read(target), strict=True):
        assert np.abs(frame_to_rgb(a) - frame_to_rgb(b)).mean() < 0.02


def test_variable_times_into_a_constant_rate_are_an_error_before_frame_one(
    make_clip: MakeClip, tools: Tools, tmp_path: Path
) -> None:
    source = make_clip("in.mp4", pts=VARIABLE, time_base=Fraction(1, 1000))
    for codec, name in (("mpeg2video", "out.mp4"), (None, "out.avi")):
        with pytest.raises(OutputError, match="constant frame rate only"):
            tools.transcode(source, tmp_path / name, codec=codec)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.mp4"]


TWICE = """
import sys
from pathlib import Path
from pipeline.config import EncodeOptions
from pipeline.media.container.decode import VideoReader
from pipeline.media.container.encode import VideoWriter
from pipeline.media.container.preflight import preflight_output
from pipeline.media.container.probe import probe
source = probe(Path(sys.argv[1]))
plan = preflight_output(Path(sys.argv[2]), source, EncodeOptions())
with VideoReader(source) as reader, VideoWriter(plan, threads=1) as writer:
    for frame in reader:
        writer.write(frame)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs glibc's MALLOC_PERTURB_")
def test_the_same_input_gives_the_same_bytes_whatever_lay_in_memory(
    make_clip: MakeClip, tmp_path: Path
) -> None:
    source = make_clip("in.mp4", frames=30, width=80)  # 5 macroblocks: not a multiple of 16
    made = []
    for filler in ("1", "170"):
        target = tmp_path / f"{filler}.mp4"
        command = [sys.executable, "-c", TWICE, str(source), str(target)]
        environment = {**os.environ, "MALLOC_PERTURB_": filler}
        subprocess.run(command, cwd=ROOT, env=environment, check=True, timeout=60)
        made.append(target.read_bytes())
    assert made[0] == made[1]


SCHEDULED = """
import os, sys
from pathlib import Path
from pipeline.config import EncodeOptions
from pipeline.media.opening import open_sink, open_source

source = open_source(Path(sys.argv[1]))
with source.frames() as frames, open_sink(
    Path(sys.argv[2]), source, EncodeOptions(codec="libsvtav1")
) as sink:
    for frame in frames:
        sink.write(frame)
        threads = [int(name) for name in os.listdir("/proc/self/task")]
        assert len(threads) > 4, "the encoder has its threads"
        assert {os.sched_getscheduler(t) for t in threads} == {os.SCHED_OTHER}
"""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="asks Linux of its threads")
def test_no_encoder_takes_the_processor_for_itself(face_clip: FaceClip, tmp_path: Path) -> None:
    command = [sys.executable, "-c", SCHEDULED, str(face_clip.path), str(tmp_path / "a.mp4")]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **PATHS}
    )
    assert done.returncode == 0, done.stderr


PATHS = {"PYTHONPATH": str(Path(__file__).parents[3])}
