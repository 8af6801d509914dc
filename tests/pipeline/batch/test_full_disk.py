"""A real batch on a full file system: try again later, no target; enlarged, it ends well."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import FaceClip
from tests.pipeline.batch.fakes import ROOT

MANIFEST = """version = 1
work = "work"
output = "out/{shot}{ext}"
[[shot]]
name = "a"
input = "a.mp4"
analysis = "a.json"
frames = "0-2"
attr = "smile"
"""
SIZES = ("8", "40", "64")
"""In kB: nothing fits, what is prepared does not, what is rendered does not."""


def may_mount() -> bool:
    """Whether this user may mount within a namespace of its own."""
    if shutil.which("unshare") is None:
        return False
    tried = ["unshare", "-rm", "sh", "-c", "mount -t tmpfs -o size=8k tmpfs /mnt"]
    return subprocess.run(tried, check=False, capture_output=True).returncode == 0


@pytest.mark.skipif(sys.platform != "linux" or not may_mount(), reason="needs `unshare -rm`")
def test_a_full_work_folder_is_try_again_later_and_once_it_is_larger_all_is_delivered(
    tmp_path: Path, face_clip: FaceClip
) -> None:
    shutil.copy(face_clip.path, tmp_path / "a.mp4")
    shutil.copy(face_clip.analysis, tmp_path / "a.json")
    (tmp_path / "reel.toml").write_text(MANIFEST)
    script = [sys.executable, "-m", "tests.pipeline.batch.full_disk", str(tmp_path), *SIZES]
    done = subprocess.run(
        ["unshare", "-rm", *script], check=False, cwd=ROOT, capture_output=True, text=True
    )
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["kb"] for one in told] == [int(size) for size in SIZES], done.stderr
    assert [one["codes"] for one in told] == [[75, 0]] * len(SIZES), told
    assert [one["before"] for one in told] == [{}] * len(SIZES)
    assert len({one["after"]["a.mp4"] for one in told}) == 1
    assert all("No space left on device" in one["said"] for one in told)
