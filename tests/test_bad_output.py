"""Outputs that cannot be written are refused, and nothing existing is lost."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.cli import main
from tests.conftest import Desk

ROOT = Path(__file__).resolve().parents[1]


def test_an_existing_output_needs_overwrite(desk: Desk) -> None:
    out = desk.folder / "out.mp4"
    out.write_bytes(b"precious")
    assert "--overwrite" in desk.edit_refused(4)
    assert main(["edit", str(desk.clip), "-o", str(out), "--attr", "smile", "--overwrite"]) == 0
    assert out.stat().st_size > 1000


@pytest.mark.parametrize("kind", ["same", "symlink", "dots"])
def test_the_input_is_never_overwritten(desk: Desk, kind: str) -> None:
    out = desk.clip
    if kind == "symlink":
        out = desk.folder / "link.mp4"
        out.symlink_to(desk.clip)
    if kind == "dots":
        (desk.folder / "sub").mkdir()
        out = desk.folder / "sub" / ".." / "clip.mp4"
    assert "is the input itself" in desk.edit_refused(4, "-o", out, "--overwrite")
    for command in (
        ("analyze", desk.clip, "-o", out, "--overwrite"),
        ("preview", desk.clip, "--attr", "smile", "-o", out, "--overwrite"),
        ("preview", desk.clip, "--attr", "smile", "--side-by-side", "-o", out, "--overwrite"),
        ("inspect", desk.clip, "--attr", "smile", "--frame", "0", "-o", out, "--overwrite"),
    ):
        desk.refused(4, *command)


def test_a_report_never_overwrites_another_file_of_the_run(desk: Desk) -> None:
    for path in (desk.clip, desk.folder / "out.mp4", desk.analysis):
        error = desk.edit_refused(4, "--report", path, "--analysis", desk.analysis, "--overwrite")
        assert "give it another name" in error
    kept = desk.folder / "kept.json"
    kept.write_text("precious")
    assert "--overwrite" in desk.edit_refused(4, "--report", kept)


@pytest.mark.parametrize("option", ["-o", "--report", "--analysis"])
def test_a_folder_that_is_missing_is_named_before_the_first_frame(desk: Desk, option: str) -> None:
    path = desk.folder / "nowhere" / ("a.mp4" if option == "-o" else "a.json")
    assert "does not exist; make it first" in desk.edit_refused(4, option, path)


def test_a_folder_that_takes_no_files_is_an_error(desk: Desk) -> None:
    locked = Path("/proc/self")  # takes no new files from anybody, the administrator included
    if not locked.is_dir():
        pytest.skip("needs /proc")
    desk.edit_refused(4, "-o", locked / "out.mp4")
    desk.refused(4, "preview", desk.clip, "--attr", "smile", "-o", locked / "sheet.png")


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("out.webm", ["--codec", "libx264"], "webm"),
        ("out.mp4", ["--codec", "no-such-codec"], "no-such-codec"),
        ("out.mp4", ["--crf", "99"], "99"),
        ("out.mp4", ["--crf", "nan"], "nan"),
        ("out.mp4", ["--preset", "warp"], "no preset 'warp'; accepted: ultrafast"),
        ("out.mp4", ["--pix-fmt", "rainbow"], "rainbow"),
        ("out.xyz", [], "names no video container"),
        ("out", [], "names no video container"),
    ],
)
def test_an_output_that_cannot_be_encoded_is_refused_before_the_first_frame(
    desk: Desk, name: str, options: list[str], words: str
) -> None:
    assert words in desk.edit_refused(4, "-o", desk.folder / name, *options)


def _small_disk(code: str, limit: int) -> subprocess.CompletedProcess[str]:
    """Run Python where no file may grow beyond a limit: writing fails as on a full disk."""
    prelude = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit})); "
    )
    return subprocess.run(
        [sys.executable, "-c", prelude + code],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"},
    )


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX resource limits")
def test_a_disk_that_runs_full_is_one_clear_line_and_leaves_no_file(desk: Desk) -> None:
    before = desk.listing()
    # Pre-flight's small trial file fits under the limit, ten lossless frames do not.
    arguments = ["edit", str(desk.clip), "-o", str(desk.folder / "out.mkv"), "--attr", "smile"]
    arguments += ["--codec", "ffv1", "--analysis", str(desk.analysis), "--quiet"]
    code = f"import sys; from pipeline.cli import main; sys.exit(main({arguments!r}))"
    done = _small_disk(code, 100_000)
    assert done.returncode == 4, done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("visagist: error: ")
    assert "out.mkv" in done.stderr
    assert "free space" in done.stderr
    assert desk.listing() == before


@pytest.mark.parametrize(
    ("number", "code"), [(errno.ENOSPC, 75), (errno.EIO, 75), (errno.EROFS, 4), (errno.EACCES, 4)]
)
def test_what_may_be_well_later_has_an_exit_code_of_its_own(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, number: int, code: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("models.files._flush", refuse)
    assert os.strerror(number) in desk.edit_refused(code, "-o", desk.folder / "out.mp4")


@pytest.mark.parametrize("command", ["-o", "--report", "--analysis", "inspect", "preview"])
def test_a_name_that_is_too_long_is_told_as_that(desk: Desk, command: str) -> None:
    name = desk.folder / f"{'n' * 300}.mp4"
    if command in ("inspect", "preview"):
        name = name.with_suffix(".png" if command == "preview" else "")
        more = ["--frame", "0"] if command == "inspect" else []
        error = desk.refused(4, command, desk.clip, "--attr", "smile", "-o", name, *more)
    else:
        error = desk.edit_refused(3 if command == "--analysis" else 4, command, name)
    assert str(name) in error
    assert "File name too long" in error
    assert "codec" not in error
