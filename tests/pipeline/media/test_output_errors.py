"""Outputs that cannot be made are refused up front; failures leave nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import EncodeOptions
from pipeline.errors import OutputError
from pipeline.media.container.decode import VideoReader
from pipeline.media.container.encode import VideoWriter
from pipeline.media.container.file import OutputPlan, VideoFile
from pipeline.media.container.mux import Muxer
from pipeline.media.container.preflight import preflight_output
from pipeline.media.container.probe import probe
from pipeline.types import Frame

MakeClip = Callable[..., Path]
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def source(make_clip: MakeClip) -> VideoFile:
    return probe(make_clip("in.mp4"))


def plan_for(
    path: Path, source: VideoFile, *, overwrite: bool = False, **options: Any
) -> OutputPlan:
    return preflight_output(path, source, EncodeOptions(**options), overwrite=overwrite)


def write_all(plan: OutputPlan, then: Callable[[VideoWriter], object] = lambda _: None) -> None:
    """Pass all frames on, do something, leave the writer."""
    with VideoReader(plan.source) as reader, VideoWriter(plan, threads=1) as writer:
        for frame in reader:
            writer.write(frame)
        then(writer)


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_an_existing_file_is_kept_unless_overwriting_is_asked_for(
    source: VideoFile, tmp_path: Path
) -> None:
    target = tmp_path / "out.mp4"
    target.write_bytes(b"precious")
    with pytest.raises(OutputError, match=r"out\.mp4 exists; use --overwrite"):
        plan_for(target, source)
    plan_for(target, source, overwrite=True)
    assert target.read_bytes() == b"precious", "pre-flight must not touch the target"


@pytest.mark.parametrize("kind", ["same", "symlink", "hardlink"])
def test_the_input_is_never_the_output(source: VideoFile, tmp_path: Path, kind: str) -> None:
    target = source.path
    if kind == "symlink":
        target = tmp_path / "link.mp4"
        target.symlink_to(source.path)
    if kind == "hardlink":
        target = tmp_path / "hard.mp4"
        os.link(source.path, target)
    with pytest.raises(OutputError, match="is the input itself"):
        plan_for(target, source, overwrite=True)


def test_a_missing_or_unwritable_folder_is_an_error(source: VideoFile, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="does not exist; make it first"):
        plan_for(tmp_path / "no" / "out.mp4", source)
    with pytest.raises(OutputError, match="is a folder"):
        plan_for(tmp_path, source)
    if os.name == "posix" and os.geteuid() != 0:
        locked = tmp_path / "locked"
        locked.mkdir(mode=0o500)
        with pytest.raises(OutputError, match="cannot be written"):
            plan_for(locked / "out.mp4", source)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder nobody can write to")
def test_a_folder_that_takes_no_files_is_an_error(source: VideoFile) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        plan_for(Path("/proc/self/out.mp4"), source)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("out.xyz", {}, r"'\.xyz' names no video container; accepted are"),
        ("out", {}, "names no video container"),
        ("out.wav", {}, "wav cannot hold video"),
        ("out.mp4", {"codec": "h265"}, "unknown video encoder 'h265'; accepted are.*libx265"),
        ("out.mp4", {"codec": "aac"}, "unknown video encoder 'aac'"),
        ("out.mp4", {"codec": "ffvhuff"}, "mp4 cannot hold video of ffvhuff; it can hold libx264"),
        ("out.webm", {"codec": "libx264"}, "webm cannot hold video of libx264"),
        ("out.mp4", {"pix_fmt": "yuv410p"}, "'yuv410p'; accepted: yuv420p"),
        ("out.mp4", {"pix_fmt": "nonsense"}, "'nonsense'; accepted: yuv420p"),
        ("out.mp4", {"crf": 52}, "crf 52 is out of range for libx264; accepted: 0–51"),
        ("out.mkv", {"codec": "ffv1", "crf": 10}, "ffv1 has no crf"),
        ("out.mkv", {"codec": "ffv1", "preset": "slow"}, "ffv1 has no presets"),
        (
            *("out.mp4", {"preset": "warp"}),
            "libx264 has no preset 'warp'; accepted: ultrafast, .*placebo, or a number from 0 to 9",
        ),
        (
            *("out.mkv", {"codec": "libsvtav1", "preset": "fast"}),
            "libsvtav1 has no preset 'fast'; accepted: a number from -2 to 13",
        ),
    ],
)
def test_what_cannot_be_encoded_is_refused_before_the_first_frame(
    source: VideoFile, tmp_path: Path, name: str, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(OutputError, match=words):
        plan_for(tmp_path / name, source, **options)
    assert names(tmp_path) == ["in.mp4"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_leaving_by_an_exception_leaves_no_file(
    source: VideoFile, tmp_path: Path, error: type[BaseException]
) -> None:
    target = tmp_path / "out.mp4"
    target.write_bytes(b"before")
    plan = plan_for(target, source, overwrite=True)

    def fail(_: VideoWriter) -> None:
        raise error

    with pytest.raises(error):
        write_all(plan, fail)
    assert target.read_bytes() == b"before"
    assert names(tmp_path) == ["in.mp4", "out.mp4"]


def test_a_writer_without_frames_makes_no_file(source: VideoFile, tmp_path: Path) -> None:
    plan = plan_for(tmp_path / "out.mp4", source)
    with pytest.raises(OutputError, match="no frame was given"), VideoWriter(plan):
        pass
    assert names(tmp_path) == ["in.mp4"]


def test_a_target_that_appears_meanwhile_is_kept(source: VideoFile, tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    plan = plan_for(target, source)
    with pytest.raises(OutputError, match="appeared while it was being made"):
        write_all(plan, lambda _: target.write_bytes(b"someone else's"))
    assert target.read_bytes() == b"someone else's"
    assert names(tmp_path) == ["in.mp4", "out.mp4"]


def test_an_encoder_that_drops_a_frame_is_found_out(
    source: VideoFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_for(tmp_path / "out.mp4", source)
    encode = Muxer.encode

    def forgetful(muxer: Muxer, frame: Frame) -> None:
        if frame.index != 7:
            encode(muxer, frame)

    monkeypatch.setattr(Muxer, "encode", forgetful)
    with pytest.raises(OutputError, match="12 frames were given and 11 arrived"):
        write_all(plan)
    assert names(tmp_path) == ["in.mp4"]


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from pipeline.config import EncodeOptions
from pipeline.errors import OutputError
from pipeline.media.container.decode import VideoReader
from pipeline.media.container.encode import VideoWriter
from pipeline.media.container.mux import Muxer
from pipeline.media.container.file import OutputPlan
from pipeline.media.container.preflight import preflight_output
from pipeline.media.container.probe import probe
source = probe(Path(sys.argv[1]))
plan = preflight_output(Path(sys.argv[2]), source, EncodeOptions(codec="rawvideo"))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))
try:
    with VideoReader(source) as reader, VideoWriter(plan) as writer:
        for frame in reader:
            writer.write(frame)
except OutputError as e:
    print("OutputError", e)
"""


@pytest.mark.skipif(os.name != "posix", reason="needs a limit on file size")
def test_a_disk_that_runs_full_is_a_clean_error(source: VideoFile, tmp_path: Path) -> None:
    command = [sys.executable, "-c", FULL_DISK, str(source.path), str(tmp_path / "out.avi")]
    done = subprocess.run(
        command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("OutputError")
    assert "cannot be written" in done.stdout
    assert names(tmp_path) == ["in.mp4"]


KILLED = """
import sys, time
from pathlib import Path
from pipeline.config import EncodeOptions
from pipeline.media.container.decode import VideoReader
from pipeline.media.container.encode import VideoWriter
from pipeline.media.container.mux import Muxer
from pipeline.media.container.file import OutputPlan
from pipeline.media.container.preflight import preflight_output
from pipeline.media.container.probe import probe
source = probe(Path(sys.argv[1]))
plan = preflight_output(Path(sys.argv[2]), source, EncodeOptions())
with VideoReader(source) as reader, VideoWriter(plan) as writer:
    for frame in reader:
        writer.write(frame)
        print(frame.index, flush=True)
        time.sleep(0.05 if frame.index < 3 else 60)
"""


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_a_killed_run_leaves_nothing_that_looks_finished(source: VideoFile, tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(source.path), str(tmp_path / "out.mp4")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert run.stdout.readline().strip() == "0"
        time.sleep(0.2)
        run.send_signal(signal.SIGKILL)
    left = [n for n in names(tmp_path) if n != "in.mp4"]
    assert all(n.startswith(".out.visagist-") and ".part" in n for n in left)
    assert not (tmp_path / "out.mp4").exists()
