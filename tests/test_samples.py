"""The snippets in `samples/` run as they stand."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from pipeline.media.container.decode import VideoReader
from pipeline.media.container.probe import probe
from tests.conftest import FaceClip

ROOT = Path(__file__).resolve().parents[1]


def test_the_python_snippet_edits_a_clip(face_clip: FaceClip, tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    done = subprocess.run(
        [sys.executable, str(ROOT / "samples/edit_from_python.py"), str(face_clip.path), str(out)],
        check=False,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"10 of 10 frames edited: {out}\n"
    assert [p.name for p in tmp_path.iterdir()] == ["out.mp4"]


def test_the_sample_clip_is_what_its_script_makes() -> None:
    source = probe(ROOT / "samples" / "astronaut.mp4")
    assert (source.info.width, source.info.height) == (480, 480)
    assert [s.kind for s in source.others] == ["audio"]
    with VideoReader(source) as reader:
        assert sum(1 for _ in reader) == 75
        assert not reader.damage
