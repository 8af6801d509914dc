"""`--threads` bounds the threads of a run; no number of cores or threads changes a byte."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from pipeline import thread_limit
from pipeline.config import EncodeOptions
from pipeline.media.opening import is_encoder, open_sink, open_source
from tests.conftest import FaceClip, write_clip

ROOT = Path(__file__).resolve().parents[1]
BESIDE = 3
"""Threads that read, write and wait: the decoder's, the encoder's and the main one."""
RUN = """
import os, sys
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(sys.argv[1])])
from pipeline.cli import main
sys.exit(main(sys.argv[2:]))
"""


def edited(clip: FaceClip, target: Path, *, cores: int, threads: int) -> int:
    """Edit a few frames in a process of its own; return the most threads it had, 0 if unknown."""
    asked = ["--attr", "smile", "--analysis", clip.analysis, "--frames", "2-5", "--quiet"]
    line = [cores, "edit", clip.path, *asked, "--threads", threads, "-o", target]
    environment = {k: v for k, v in os.environ.items() if k != thread_limit.VARIABLE}
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, *map(str, line)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    tasks, most = Path(f"/proc/{process.pid}/task"), 0
    while process.poll() is None:
        if tasks.is_dir():
            most = max(most, len(list(tasks.iterdir())))
        time.sleep(0.005)
    assert process.returncode == 0
    return most


def test_a_run_keeps_to_its_threads_and_makes_the_same_file_whatever_they_are(
    face_clip: FaceClip, tmp_path: Path
) -> None:
    for cores, threads in ((1, 1), (2, 2)):
        target = tmp_path / f"{cores}-{threads}.mp4"
        assert edited(face_clip, target, cores=cores, threads=threads) <= threads + BESIDE
    files = {path.read_bytes() for path in tmp_path.glob("*.mp4")}
    assert len(files) == 1


@pytest.mark.parametrize("codec", ["libx264", "libx265", "libsvtav1", "libvpx-vp9", "ffv1"])
def test_an_encoder_writes_the_same_whatever_the_limit(
    codec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not is_encoder(codec):
        pytest.skip(f"FFmpeg here has no encoder {codec}")
    noise = np.random.default_rng(3).integers(0, 255, (4, 72, 128, 3)).astype(np.uint8)
    pictures = [np.repeat(np.repeat(picture, 2, 0), 2, 1) for picture in noise]
    source = open_source(write_clip(tmp_path / "in.mp4", pictures))
    assert source.info.rate == Fraction(25)
    files = set()
    for number in ("", "1", "3"):
        monkeypatch.setenv(thread_limit.VARIABLE, number)
        target = tmp_path / f"{number or 'free'}.mkv"
        sink = open_sink(target, source, EncodeOptions(codec=codec))
        with sink, source.frames() as reading:
            for frame in reading:
                sink.write(frame)
        files.add(target.read_bytes())
    assert len(files) == 1
