"""What a run may write: never what it reads, never a device, never several files for one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline import EditRequest, analyze_to_file, edit, inspect, preview, side_by_side
from pipeline.cli import main
from pipeline.errors import OutputError
from pipeline.files import scratch_beside
from pipeline.media.container.probe import probe
from pipeline.report import Report
from pipeline.targets import check_target
from tests.conftest import Desk

ROOT = Path(__file__).resolve().parents[1]

posix = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX files")


def outputs(desk: Desk, path: Path) -> dict[str, list[object]]:
    """Every command that writes a file, told to write it there."""
    attr = ("--attr", "smile")
    return {
        "edit": ["edit", desk.clip, *attr, "-o", path],
        "report": ["edit", desk.clip, *attr, "-o", desk.folder / "o.mp4", "--report", path],
        "analyze": ["analyze", desk.clip, "-o", path],
        "preview": ["preview", desk.clip, *attr, "-o", path],
        "side by side": ["preview", desk.clip, *attr, "--side-by-side", "-o", path],
        "bench": ["bench", desk.clip, *attr, "--json", path],
    }


COMMANDS = ("edit", "report", "analyze", "preview", "side by side", "bench")


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_replaces_what_it_reads(desk: Desk, command: str) -> None:
    picture, preset = desk.folder / "face.png", desk.folder / "preset.toml"
    cv2.imwrite(str(picture), np.zeros((8, 8, 3), np.uint8))
    preset.write_text("detect_every_s = 0.5\n")
    marks = desk.folder / "marks.json"
    marks.write_text("{}")
    link = desk.folder / "link.png"
    link.symlink_to("face.png")
    read = {"--landmarks": marks, "--config": preset}
    if command != "analyze":
        read |= {"--faces": picture, "--analysis": desk.analysis}
    for option, file in read.items():
        target = link if file == picture else file
        if command == "preview" and target.suffix != ".png":
            continue  # a sheet is a .png whatever else
        given = f"reference:{file}" if option == "--faces" else file
        words = [*outputs(desk, target)[command], option, given, "--overwrite"]
        error = desk.refused(4, *words)
        assert "of this run; give it another name" in error, error
    assert "the input itself" in desk.refused(
        4, *outputs(desk, desk.clip)["bench" if command == "preview" else command], "--overwrite"
    )


def test_one_run_does_not_write_two_things_to_one_file(desk: Desk) -> None:
    out = desk.folder / "new.mp4"
    assert "is the output of this run" in desk.edit_refused(4, "-o", out, "--report", out)
    new = desk.folder / "new.json"
    error = desk.edit_refused(4, "--analysis", new, "--report", new)
    assert "the report" in error
    assert "is the analysis file of this run" in error


@pytest.mark.parametrize("file", ["a.mp4", "a.json", "a.png"])
def test_nothing_is_written_among_weights(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    home = desk.folder / "home"
    (home / "weights").mkdir(parents=True)
    monkeypatch.setenv("VISAGIST_HOME", str(home))
    command = {"a.mp4": "edit", "a.json": "report", "a.png": "preview"}[file]
    target = home / "weights" / file
    assert "in the store of imported weights" in desk.refused(4, *outputs(desk, target)[command])
    link = desk.folder / "link.json"
    link.symlink_to(ROOT / "models" / "mini" / "weights.toml")
    error = desk.refused(4, *outputs(desk, link)["report"], "--overwrite")
    assert "in a folder of the program" in error


def test_pictures_of_a_frame_replace_nothing_the_run_reads(desk: Desk) -> None:
    folder = desk.folder / "frames"
    folder.mkdir()
    picture = folder / "frame.png"
    cv2.imwrite(str(picture), np.zeros((8, 8, 3), np.uint8))
    words = ["inspect", desk.clip, "--attr", "smile", "--frame", "0", "-o", folder, "--overwrite"]
    assert "the reference picture" in desk.refused(4, *words, "--faces", f"reference:{picture}")
    new = folder / "frame.json"
    assert "the analysis file" in desk.refused(4, *words, "--analysis", new)
    picture.unlink()
    (folder / "mask.png").symlink_to(desk.clip)
    assert "the input itself" in desk.refused(4, *words)


@posix
@pytest.mark.parametrize("command", [*COMMANDS, "inspect"])
def test_devices_and_pipes_are_never_replaced(desk: Desk, command: str) -> None:
    suffix = {"preview": ".png", "edit": ".mp4", "side by side": ".mp4"}.get(command, ".json")
    pipe, null = desk.folder / f"pipe{suffix}", desk.folder / f"null{suffix}"
    if command == "inspect":
        folder = desk.folder / "frames"
        folder.mkdir()
        pipe, null = folder / "frame.json", folder / "mask.png"
    os.mkfifo(pipe)
    null.symlink_to("/dev/null")
    for target in (pipe, null):
        words = ["inspect", desk.clip, "--attr", "smile", "--frame", "0", "-o", target.parent]
        words = words if command == "inspect" else outputs(desk, target)[command]
        assert "not an ordinary file" in desk.refused(4, *words, "--overwrite")
    assert pipe.is_fifo()


@posix
def test_an_open_stream_is_not_taken_for_the_file_behind_it(tmp_path: Path) -> None:
    """`--report /dev/stdout > log` would replace the log."""
    if not Path("/dev/fd").exists():
        pytest.skip("needs /dev/fd")
    link = tmp_path / "link"
    with (tmp_path / "log").open("w") as log:
        link.symlink_to(f"/dev/fd/{log.fileno()}")
        for path in (Path(f"/dev/fd/{log.fileno()}"), link):
            with pytest.raises(OutputError, match="not an ordinary file"):
                check_target(path, "the report", taken={}, overwrite=True)


@posix
def test_a_link_to_nothing_and_a_ring_of_links_are_refused(tmp_path: Path) -> None:
    (tmp_path / "lost").symlink_to("nowhere")
    (tmp_path / "ring").symlink_to("ring")
    for name in ("lost", "ring"):
        with pytest.raises(OutputError, match="which does not exist"):
            check_target(tmp_path / name, "the report", taken={})
    with pytest.raises(OutputError, match="does not exist; make it first"):
        check_target(tmp_path / "ring" / "x", "the report", taken={})
    with pytest.raises(OutputError, match=r"cannot write the report .*: File name too long"):
        check_target(tmp_path / ("n" * 300), "the report", taken={})


@posix
def test_a_write_protected_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() == 0:  # the administrator may write everything: what others may, by the mode

        def access(path: Path, mode: int) -> bool:
            return path.is_dir() or bool(path.stat().st_mode >> 6 & mode)

        monkeypatch.setattr(os, "access", access)
    path = tmp_path / "x.json"
    path.touch(0o400)
    with pytest.raises(OutputError, match="write-protected"):
        check_target(path, "the report", taken={}, overwrite=True)


@pytest.mark.parametrize(
    "name", ["x.mpd", "x.m3u8", "x.chk", "x.xml", "x.png", "x%03d.jpg", "x.webp", "x.rtp", "x.tee"]
)
def test_an_output_of_several_files_is_refused_before_one_is_written(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    here = desk.folder / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    for neighbour in ("init-stream0.m4s", "chunk-stream0-00001.m4s", "x0.ts", "x.m4s"):
        (desk.folder / neighbour).write_text("precious")
        (here / neighbour).write_text("precious")
    error = desk.edit_refused(4, "-o", desk.folder / name, "--overwrite")
    assert ".mp4" in error
    left = {path.name for path in desk.folder.iterdir()} - {path.name for path in here.iterdir()}
    assert left == {"here", "clip.mp4", "clip.faces.json"}


@pytest.mark.parametrize("name", ["-out.mp4", "pipe:1.mp4", "concat:a|b.mp4", "file:a.mp4"])
def test_a_path_is_a_path_whatever_it_looks_like(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(desk.folder)
    clip = Path(f"in-{name}")
    desk.clip.rename(clip)
    words = ["edit", "--attr", "smile", "--analysis", str(desk.analysis), f"--output={name}"]
    assert main([*words, "--quiet", "--", str(clip)]) == 0
    assert len(probe(desk.folder / name).others) == 1
    assert desk.capture.readouterr().out == ""


def test_an_address_and_a_dash_are_no_outputs(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(desk.folder)
    assert "does not exist" in desk.edit_refused(4, "-o", "http://localhost/out.mp4")
    assert "names no video container" in desk.edit_refused(4, "-o", "-")


@posix
def test_an_output_that_is_a_link_is_written_through(desk: Desk) -> None:
    (desk.folder / "store").mkdir()
    real, link = desk.folder / "store" / "real.mp4", desk.folder / "link.mp4"
    real.write_text("old")
    real.chmod(0o640)
    link.symlink_to("store/real.mp4")
    assert "exists; use --overwrite" in desk.edit_refused(4, "-o", link)
    words = ["edit", desk.clip, "-o", link, "--attr", "smile", "--analysis", desk.analysis]
    assert main([*map(str, words), "--overwrite", "--quiet"]) == 0
    assert link.is_symlink()
    assert len(probe(real).others) == 1
    assert real.stat().st_mode & 0o777 == 0o640


def test_figures_are_not_replaced_unasked(desk: Desk) -> None:
    kept = desk.folder / "kept.json"
    kept.write_text("precious")
    assert "--overwrite" in desk.refused(4, "bench", desk.clip, "--json", kept)
    assert "--overwrite" in desk.refused(4, "bench", "poisson", "--json", kept)


def test_the_python_interface_checks_the_same(desk: Desk) -> None:
    request = EditRequest(desk.clip, ("smile",))
    before = desk.listing()
    for run in (
        lambda path: edit(request, path, overwrite=True),
        lambda path: edit(request, desk.folder / "o.mp4", report_path=path, overwrite=True),
        lambda path: analyze_to_file(desk.clip, path, overwrite=True),
        lambda path: side_by_side(request, path, overwrite=True),
        lambda path: inspect(request, 0, path, overwrite=True),
        lambda path: preview(request, path, overwrite=True),
    ):
        with pytest.raises(OutputError):
            run(desk.clip)
    assert desk.listing() == before


@pytest.mark.parametrize(
    ("error", "code"), [(OSError(28, "No space left"), 75), (KeyboardInterrupt(), 130)]
)
def test_what_was_written_before_a_run_failed_is_named(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    def fail(*_: object, **__: object) -> None:
        if isinstance(error, OSError):
            raise OutputError("the report cannot be written") from error
        raise error

    monkeypatch.setattr(Report, "save", fail)
    out = desk.folder / "out.mp4"
    words = [*outputs(desk, desk.folder / "r.json")["report"], "--analysis", desk.analysis]
    words[words.index("-o") + 1] = out
    assert main([*map(str, words), "--quiet"]) == code
    told = desk.capture.readouterr().err.splitlines()
    assert told[-1].endswith(f"written before that, and whole: {out}")
    assert len(probe(out).others) == 1


@posix
def test_what_a_killed_run_left_is_removed_by_the_next_and_said(desk: Desk) -> None:
    with scratch_beside(desk.folder / "out.mp4", ".mp4") as beside:
        left, living = beside.with_name(beside.name.replace(".out.", ".old.")), beside
        left.write_bytes(b"half a video")
        words = ["edit", desk.clip, "--attr", "smile", "--analysis", desk.analysis, "--quiet"]
        assert main([str(word) for word in words]) == 0
        assert living.exists()
    assert not left.exists()
    told = desk.capture.readouterr().err
    assert told == f"visagist: warning: removed {left}, left of a run that was cut off\n"


@posix
def test_a_reader_that_leaves_makes_no_failure_of_a_whole_output(desk: Desk) -> None:
    out = desk.folder / "out.mp4"
    reader, writer = os.pipe()
    os.close(reader)
    words = ["edit", desk.clip, "-o", out, "--attr", "smile", "--analysis", desk.analysis]
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", *map(str, words)],
        check=False,
        cwd=ROOT,
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    os.close(writer)
    assert done.returncode == 0, done.stderr
    assert "error" not in done.stderr
    assert "Broken" not in done.stderr
    assert len(probe(out).others) == 1
