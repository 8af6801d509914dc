"""Files with several videos, and what is said before the first frame."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from pipeline.cli import main
from pipeline.config import load_preset
from tests.conftest import Pictures


@pytest.fixture
def two(tmp_path: Path, astronaut: Pictures) -> Path:
    """A video of noise, and a smaller one of a face."""
    path = tmp_path / "two.mp4"
    noise = np.random.default_rng(5).integers(60, 200, (4, 120, 160, 3)).astype(np.uint8)
    with av.open(str(path), "w") as container:
        videos = []
        for pictures in (noise, np.stack(astronaut[:4])):
            video = container.add_stream("libx264", 25, options={"crf": "16", "threads": "1"})
            video.height, video.width = pictures.shape[1:3]
            video.pix_fmt = "yuv420p"
            videos.append((video, pictures))
        for video, pictures in videos:
            for index, picture in enumerate(pictures):
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                frame.pts, frame.time_base = index, Fraction(1, 25)
                container.mux(video.encode(frame))
            container.mux(video.encode(None))
    return path


def payloads(path: Path, position: int) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(p) for p in container.demux(video=position) if p.size]


def run(*arguments: object) -> int:
    return main([str(a) for a in arguments])


def test_the_stream_asked_for_is_edited_with_its_own_analysis(
    two: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, analysis, report = (tmp_path / name for name in ("out.mp4", "a.json", "r.json"))
    common = ["--attr", "smile", "--analysis", analysis]
    assert run("edit", two, "-o", out, *common, "--video-stream", "1", "--report", report) == 0
    assert "video streams" not in capsys.readouterr().err, "who chooses knows"
    assert json.loads(report.read_text())["counts"]["edited"] == 4
    assert payloads(two, 0) == payloads(out, 0)
    assert payloads(two, 1) != payloads(out, 1)
    assert run("edit", two, "-o", tmp_path / "b.mp4", *common, "--video-stream", "0") == 3
    assert "belongs to another video or stream of it" in capsys.readouterr().err


def test_without_the_option_it_is_said_before_the_first_frame_and_once(
    two: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("edit", two, "-o", tmp_path / "out.mp4", "--attr", "smile") == 0
    said = capsys.readouterr().err.splitlines()
    (told,) = [line for line in said if "2 video streams" in line]
    assert said.index(told) < said.index("analyze done: 4 frames")
    assert "is edited" in told
    assert "--video-stream N" in told


@pytest.mark.parametrize("command", ["edit", "analyze", "preview", "inspect", "bench"])
def test_a_stream_that_is_not_there_is_named_by_every_command(
    two: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    more = {
        "analyze": [],
        "inspect": ["--attr", "smile", "--frame", "0"],
    }.get(command, ["--attr", "smile"])
    before = sorted(two.parent.iterdir())
    assert run(command, two, *more, "--video-stream", "2") == 2
    error = capsys.readouterr().err
    assert "no video stream 2; there is 0: h264 160x120; 1: h264 240x240" in error
    assert run(command, two, *more, "--video-stream", "-1") == 2
    assert sorted(two.parent.iterdir()) == before


def test_other_commands_look_at_the_stream_asked_for(
    two: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    preset = tmp_path / "preset.toml"
    preset.write_text('attr = ["smile"]\nvideo_stream = 1\n')
    assert load_preset(preset)["video_stream"] == 1
    assert run("analyze", two, "--config", preset) == 0
    assert "4 frames, 1 shot, 1 face" in capsys.readouterr().err
    assert run("inspect", two, "--config", preset, "--frame", "1", "-o", tmp_path / "f") == 0
    facts = json.loads((tmp_path / "f" / "frame.json").read_text())
    assert facts["faces"]
    capsys.readouterr()
    assert run("inspect", two, "--attr", "smile", "--frame", "1", "-o", tmp_path / "g") == 0
    assert "2 video streams" in capsys.readouterr().err


def test_a_default_output_that_cannot_be_like_the_input_is_said_at_once(
    tmp_path: Path,
    astronaut: Pictures,
    clip_of: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    clip = clip_of(tmp_path / "a.mkv", astronaut[:2], sound=True).rename(tmp_path / "a.webm")
    assert run("edit", clip, "--attr", "smile") == 0
    shown = capsys.readouterr()
    assert shown.out.strip() == str(tmp_path / "a-smile.mkv")
    assert "the output is an .mkv: .webm files cannot hold the sound (aac)" in shown.err
