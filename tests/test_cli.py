"""The command line itself: help, listings, what goes to which stream, presets, exit codes."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import av
import cv2
import pytest

from pipeline import arguments, cli, run, thread_limit
from pipeline.cli import main
from pipeline.config import load_preset
from pipeline.errors import (
    DeviceError,
    NoFaceError,
    OutputError,
    UsageError,
    VideoError,
    WeightsError,
)
from pipeline.progress import Progress
from pipeline.request import EditRequest
from pipeline.tracking.select import FaceChoice
from tests.conftest import Desk, FaceClip

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = ("edit", "analyze", "inspect", "preview", "attrs", "models", "doctor")


def python(code: str, *, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom pipeline.cli import main\n"
        "try:\n    main(['edit', '--help'])\nexcept SystemExit as e:\n    assert e.code == 0\n"
        "heavy = {'torch', 'cv2', 'av', 'numpy', 'scipy', 'dlib', 'tqdm', 'face_alignment', "
        "'msgspec'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = python(code)
    assert done.returncode == 0, done.stderr
    assert "--attr" in done.stdout


def test_a_usual_edit_imports_nothing_that_only_face_alignment_needs(desk: Desk) -> None:
    edit = ["edit", str(desk.clip), "--attr", "smile", "--quiet", "-o", str(desk.folder / "o.mp4")]
    code = (
        "import sys\nfrom pipeline.cli import main\n"
        f"assert main({edit!r}) == 0\n"
        "unused = {'face_alignment', 'numba', 'skimage'} & set(sys.modules)\n"
        "assert not unused, unused"
    )
    done = python(code, timeout=300)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    assert f"usage: visagist {command}" in capsys.readouterr().out


def test_the_overview_names_every_command_and_exit_code(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    assert all(f"\n    {command} " in shown for command in COMMANDS)
    errors = (VideoError, OutputError, WeightsError, DeviceError, NoFaceError)
    codes = [0, 1, 2, cli.EXIT_BUG, cli.EXIT_INTERRUPTED, *(e.exit_code for e in errors)]
    assert len(set(codes)) == len(codes)
    assert all(f"{code} " in shown.partition("exit codes:")[2] for code in codes)


def test_waiting_threads_do_not_spin_unless_asked_to(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for given, kept in (("", "PASSIVE"), ("ACTIVE", "ACTIVE")):
        monkeypatch.setenv("OMP_WAIT_POLICY", given)
        if not given:
            monkeypatch.delenv("OMP_WAIT_POLICY")
        assert main(["no-such-command"]) == 2
        assert os.environ["OMP_WAIT_POLICY"] == kept


def test_the_version_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out.startswith("visagist ")


def test_only_the_output_path_goes_to_stdout_and_progress_is_plain_lines(
    face_clip: FaceClip, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.mp4"
    options = ["--attr", "smile", "--analysis", str(face_clip.analysis)]
    assert main(["edit", str(face_clip.path), "-o", str(out), *options]) == 0
    shown = capsys.readouterr()
    assert shown.out == f"{out}\n"
    lines = shown.err.splitlines()
    time_and_speed = r"0:\d\d, \d+\.\d frames/s"
    assert any(
        re.fullmatch(rf"edit progress: 50%, 5 of 10 frames, {time_and_speed}, 0:\d\d left", line)
        for line in lines
    )
    assert "edit done: 10 frames" in lines
    assert "edited 10 of 10 frames, 1 face track" in lines
    assert "\r" not in shown.err


def test_quiet_says_nothing(
    face_clip: FaceClip, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--attr", "smile", "--analysis", str(face_clip.analysis), "--quiet"]
    out = str(tmp_path / "out.mp4")
    assert main(["edit", str(face_clip.path), "-o", out, *options]) == 0
    assert capsys.readouterr() == ("", "")


def test_a_terminal_gets_a_bar_that_is_closed_before_an_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)

    def fail(*_: object, progress: Progress, **__: object) -> None:
        progress.start("edit", 4)
        progress.advance(2)
        raise OutputError("the disk is full")

    monkeypatch.setattr(run, "edit", fail)
    assert main(["edit", "a.mp4", "--attr", "smile"]) == 4
    shown = capsys.readouterr().err
    assert "2/4" in shown
    assert shown.endswith("\nvisagist: error: the disk is full\n")


def test_the_output_is_named_after_the_edit_beside_the_input(
    face_clip: FaceClip, tmp_path: Path
) -> None:
    clip = tmp_path / "shot.mp4"
    clip.write_bytes(face_clip.path.read_bytes())
    options = ["--attr", "smile=0.5,age=0", "--analysis", str(face_clip.analysis), "--quiet"]
    assert main(["edit", str(clip), *options]) == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["shot-smile-age.mp4", "shot.mp4"]


def test_analyze_stores_what_edit_reads(
    face_clip: FaceClip, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = tmp_path / "shot.mp4"
    clip.write_bytes(face_clip.path.read_bytes())
    assert main(["analyze", str(clip)]) == 0
    shown = capsys.readouterr()
    stored = tmp_path / "shot.mp4.faces.json"
    assert shown.out == f"{stored}\n"
    assert "10 frames, 1 shot, 1 face" in shown.err
    assert stored.read_bytes() == face_clip.analysis.read_bytes()
    assert main(["analyze", str(clip)]) == 4
    assert "--overwrite" in capsys.readouterr().err


def test_analyze_takes_a_preset_and_a_flag_wins_over_it(
    face_clip: FaceClip, tmp_path: Path
) -> None:
    preset = tmp_path / "preset.toml"
    preset.write_text("max_gap_s = 0.3\ndetect_every_s = 1.5\ncrf = 20\n")
    stored = tmp_path / "faces.json"
    options = ["--config", str(preset), "--detect-every", "2", "-o", str(stored), "--quiet"]
    assert main(["analyze", str(face_clip.path), *options]) == 0
    made = json.loads(stored.read_text())["options"]
    assert (made["max_gap_s"], made["detect_every_s"]) == (0.3, 2)


@pytest.mark.parametrize("command", ["attrs", "models", "doctor"])
def test_listings_come_as_a_table_and_as_json(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command]) == 0
    table = capsys.readouterr().out.splitlines()
    assert main([command, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(table) == len(rows) + 1
    assert table[0].split("  ")[0] == next(iter(rows[0])).upper()
    assert all(
        str(next(iter(row.values()))) in line for row, line in zip(rows, table[1:], strict=True)
    )


def test_attributes_are_listed_with_their_limits(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["attrs", "--json"]) == 0
    rows = {row["attribute"]: row for row in json.loads(capsys.readouterr().out)}
    assert {"smile", "toothy-smile", "weight", "age", "smooth-skin"} <= set(rows)
    for row in rows.values():
        low, high = (float(part) for part in row["useful"].split(" … "))
        assert -3 <= low <= 0 < high <= 3
        assert row["what +1 does"]


def test_models_are_listed_with_licence_and_hash(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--json"]) == 0
    for row in json.loads(capsys.readouterr().out):
        assert row["licence"]
        assert row["source"]
        assert len(row["sha256"]) >= 16
        assert row["commercial use"] in ("yes", "no")


@pytest.mark.parametrize("library", ["torch", "av", "dlib", "cv2", "face_alignment"])
def test_doctor_names_a_missing_library_and_the_cure(library: str) -> None:
    code = (
        f"import sys\nsys.modules[{library!r}] = None\n"
        "from pipeline.cli import main\nsys.exit(main(['doctor', '--json']))"
    )
    done = python(code)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    missing = [row for row in json.loads(done.stdout) if row["state"] == "missing"]
    assert any(f"pip install {missing[0]['thing']}" in row["note"] for row in missing)


def test_a_missing_library_is_one_line_that_points_to_doctor() -> None:
    code = (
        "import sys\nsys.modules['av'] = None\nfrom pipeline.cli import main\n"
        "sys.exit(main(['edit', 'a.mp4', '--attr', 'smile']))"
    )
    done = python(code)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "`visagist doctor`" in done.stderr


def test_doctor_reports_damaged_weights(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline import loading

    def damaged() -> list[dict[str, str]]:
        raise WeightsError("the file x is damaged; reinstall")

    monkeypatch.setattr(loading, "embedded_weights", damaged)
    assert main(["doctor"]) == 1
    assert "the file x is damaged; reinstall" in capsys.readouterr().out


def test_a_bug_shows_its_trace_and_exits_70(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(run, "edit", fail)
    assert main(["edit", "a.mp4", "--attr", "smile"]) == 70
    shown = capsys.readouterr().err
    assert "Traceback" in shown
    assert "a bug in visagist, please report it: ZeroDivisionError: by zero" in shown


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes."),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        ImportError("libtorch.so: cannot allocate memory in static TLS block"),
        ImportError("libx.so: failed to map segment from shared object"),
        RuntimeError("could not create a primitive"),
        cv2.error("(-4:Insufficient memory) Failed to allocate 3000000000 bytes"),
        VideoError("the clip cannot be decoded"),
    ],
    ids=repr,
)
def test_running_out_of_memory_is_no_bug_and_no_fault_of_the_clip(
    error: Exception, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error from (MemoryError() if isinstance(error, VideoError) else None)

    monkeypatch.setattr(run, "edit", fail)
    assert main(["edit", "a.mp4", "--attr", "smile"]) == 1
    shown = capsys.readouterr().err
    assert shown.startswith("visagist: error: out of memory")
    assert "--batch-size 1" in shown


@pytest.mark.parametrize("is_wrapped", [False, True])
def test_running_out_of_threads_is_no_bug_and_no_fault_of_the_clip(
    is_wrapped: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        error = RuntimeError("can't start new thread")
        if not is_wrapped:
            raise error
        refused = av.error.BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        raise VideoError("the clip cannot be decoded") from refused

    monkeypatch.setattr(run, "edit", fail)
    assert main(["edit", "a.mp4", "--attr", "smile"]) == 1
    shown = capsys.readouterr().err
    assert shown.startswith("visagist: error: no more threads can be started")
    assert "the clip" not in shown
    assert "--threads 1" in shown


def test_what_the_system_refuses_is_no_bug(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "a\x1b[2Jb")

    monkeypatch.setattr(run, "edit", fail)
    assert main(["edit", "a.mp4", "--attr", "smile"]) == 1
    shown = capsys.readouterr().err
    assert shown.startswith(r"visagist: error: a\x1b[2Jb: Permission denied; it is closed to you")


def test_a_name_that_begins_with_a_dash_is_told_from_an_option(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(desk.folder)
    assert "write ./-clip.mp4" in desk.refused(2, "edit", "-clip.mp4", "--attr", "smile")
    assert "write ./-out.mp4" in desk.edit_refused(2, "-o", "-out.mp4")
    assert "./" not in desk.edit_refused(2, "--no-such-option")


def test_a_tilde_behind_an_equals_sign_is_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    given = ["--output=~/out.mp4", "--landmarks=~/a.npz", "--faces=reference:~/a.png"]
    options = arguments.parse(["edit", "a.mp4", "--attr", "smile", *given])
    assert options.output == tmp_path / "out.mp4"
    assert options.landmarks == str(tmp_path / "a.npz")
    assert FaceChoice.parse(options.faces).picture == tmp_path / "a.png"
    (tmp_path / "~").mkdir()
    (tmp_path / "~" / "out.mp4").touch()  # a folder that is really called so
    assert arguments.parse(["edit", "~/out.mp4"]).input == Path("~/out.mp4")


# Presets: a flag wins over the preset, the preset over the default.


def request(tmp_path: Path, preset: str, *flags: str) -> EditRequest:
    path = tmp_path / "preset.toml"
    path.write_text(preset)
    options = arguments.parse(["edit", "a.mp4", "--config", str(path), *flags])
    return arguments.request_of(options)


PRESET = """
attr = ["age=-0.5", "smile"]
strength = 0.7
smoothing_s = 0.2
blend = "alpha"
occlusion = false
detect_every_s = 1
codec = "ffv1"
crf = 20
"""


def test_a_preset_wins_over_the_defaults(tmp_path: Path) -> None:
    asked = request(tmp_path, PRESET)
    assert asked.attributes == ("age=-0.5", "smile")
    assert asked.strength == 0.7
    assert (asked.render.smoothing_s, asked.render.blend) == (0.2, "alpha")
    assert asked.render.occlusion is False
    assert asked.render.faces == "all"
    assert asked.analyze.detect_every_s == 1
    assert asked.analyze.max_gap_s == 0.5
    assert (asked.encode.codec, asked.encode.crf, asked.encode.pix_fmt) == ("ffv1", 20, None)


def test_a_flag_wins_over_the_preset(tmp_path: Path) -> None:
    flags = ["--attr", "weight", "--strength", "0", "--smoothing", "0", "--blend", "none"]
    flags += ["--detect-every", "0", "--codec", "libx264", "--crf", "0"]
    asked = request(tmp_path, PRESET, *flags)
    assert asked.attributes == ("weight",)
    assert asked.strength == 0
    assert (asked.render.smoothing_s, asked.render.blend) == (0, "none")
    assert asked.analyze.detect_every_s == 0
    assert (asked.encode.codec, asked.encode.crf) == ("libx264", 0)


def test_one_attribute_may_be_a_plain_text(tmp_path: Path) -> None:
    assert request(tmp_path, 'attr = "smile=0.5"').attributes == ("smile=0.5",)


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.toml")), ids=lambda p: p.name)
def test_every_preset_that_ships_makes_a_request(path: Path) -> None:
    more = [] if "attr" in load_preset(path) else ["--attr", "smile"]
    options = arguments.parse(["edit", "a.mp4", "--config", str(path), *more])
    assert arguments.request_of(options).attributes


@pytest.mark.parametrize("library", ["OMP_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"])
def test_networks_and_opencv_have_one_thread_whatever_the_machine_has(
    library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(thread_limit.VARIABLE, "")
    for other in ("OMP_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"):
        monkeypatch.setenv(other, "7")
    thread_limit.choose(None)
    assert os.environ[library] == "7"  # as the user has it
    thread_limit.choose(3)
    assert os.environ[library] == "1"
    assert (thread_limit.limit(), thread_limit.workers()) == (3, 3)
    monkeypatch.delenv(library)
    monkeypatch.setenv(thread_limit.VARIABLE, "")
    thread_limit.choose(None)
    assert os.environ[library] == "1"
    with pytest.raises(UsageError, match="--threads 0 is out of range"):
        thread_limit.choose(0)
