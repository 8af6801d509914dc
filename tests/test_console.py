"""Streams that are closed, full, or take ASCII alone; names that are no text."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import console
from pipeline.cli import main

ROOT = Path(__file__).resolve().parents[1]
FULL = Path("/dev/full")

needs_full = pytest.mark.skipif(not FULL.exists(), reason="needs Linux's /dev/full")


def ascii_stream(monkeypatch: pytest.MonkeyPatch, name: str) -> io.BytesIO:
    written = io.BytesIO()
    stream = io.TextIOWrapper(written, encoding="ascii", errors="strict", write_through=True)
    monkeypatch.setattr(sys, name, stream)
    return written


@pytest.mark.parametrize("command", ["attrs", "models", "doctor"])
def test_listings_are_shown_by_a_terminal_of_ascii_alone(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = ascii_stream(monkeypatch, "stdout")
    assert main([command]) == 0
    assert b"\\u" not in written.getvalue()
    if command == "attrs":
        assert b"-2 ... 2" in written.getvalue()


def test_json_is_ascii_whatever_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    written = ascii_stream(monkeypatch, "stdout")
    assert main(["attrs", "--json"]) == 0
    assert any("…" in row["useful"] for row in json.loads(written.getvalue()))


def test_what_no_table_has_is_written_as_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    written = ascii_stream(monkeypatch, "stderr")
    console.prepare()
    console.tell("a – b … 漢")
    assert written.getvalue() == b"a - b ... \\u6f22\n"


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_a_name_that_is_no_text_is_shown_byte_by_byte(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding=encoding))
    console.prepare()
    console.show(os.fsdecode(b"\xff\xfe.mp4"))
    assert written.getvalue() == b"\xff\xfe.mp4\n"


@needs_full
def test_a_full_stdout_is_one_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with FULL.open("w", encoding="utf-8") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert main(["attrs"]) == 75  # as a full disk anywhere: try again later
    error = capsys.readouterr().err
    assert error.startswith("visagist: error: cannot write to standard output: No space left")
    assert len(error.splitlines()) == 1


@needs_full
def test_a_full_stderr_changes_no_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    with FULL.open("w", encoding="utf-8") as full:
        monkeypatch.setattr(sys, "stderr", full)
        assert main(["edit", "no-such-file.mp4", "--attr", "smile"]) == 3


def _shell(command: str) -> subprocess.CompletedProcess[str]:
    program = f"{sys.executable} -m pipeline"
    return subprocess.run(
        ["sh", "-c", command.format(program)], check=False, cwd=ROOT, capture_output=True, text=True
    )


@pytest.mark.skipif(os.name != "posix", reason="needs a POSIX shell")
@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("{} --version 2>&-", 0),
        ("{} --version >&- 2>&-", 0),
        ("{} edit no-such.mp4 --nonsense 2>&-", 2),
        pytest.param("{} --help >/dev/full", 75, marks=needs_full),
        pytest.param("{} --version >/dev/full", 75, marks=needs_full),
    ],
)
def test_the_exit_code_is_right_whatever_the_shell_closed(command: str, code: int) -> None:
    done = _shell(command)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="needs a POSIX shell")
def test_a_closed_stderr_is_never_the_output_file(tmp_path: Path) -> None:
    """The next file opened would get its number, and what libraries report."""
    opened = tmp_path / "opened"
    code = (
        "import os, sys\nfrom pipeline import console\nconsole.prepare()\n"
        f"file = open({str(opened)!r}, 'w')\nassert file.fileno() > 2\n"
        "os.write(2, b'what a library reports')\n"
    )
    command = f'{sys.executable} -c "$CODE" 2>&-'
    done = subprocess.run(
        ["sh", "-c", command], check=False, cwd=ROOT, env={**os.environ, "CODE": code}
    )
    assert done.returncode == 0
    assert opened.read_bytes() == b""
