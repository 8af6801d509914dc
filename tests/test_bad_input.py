"""Bad input through the command line: one clear line, its exit code, and nothing lost or left."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest

import models.weights
from pipeline.cli import main

ROOT = Path(__file__).resolve().parents[1]


@dataclass
class Desk:
    """A folder with a clip of a face; remembers what lay there."""

    folder: Path
    clip: Path
    analysis: Path
    capture: pytest.CaptureFixture[str]

    def listing(self) -> dict[str, bytes]:
        return {
            p.relative_to(self.folder).as_posix(): p.read_bytes()
            for p in sorted(self.folder.rglob("*"))
            if p.is_file()
        }

    def refused(self, code: int, *arguments: str | Path) -> str:
        """Run, expect an exit code, one error line and an unchanged folder; return the line."""
        before = self.listing()
        assert main([str(a) for a in arguments]) == code
        shown = self.capture.readouterr()
        assert shown.out == ""
        errors = [line for line in shown.err.splitlines() if line.startswith("visagist: error: ")]
        assert len(errors) == 1, shown.err
        assert "Traceback" not in shown.err
        assert self.listing() == before, "inputs changed or files were left"
        return errors[0]

    def edit_refused(self, code: int, *more: str | Path) -> str:
        """Expect `edit` of the clip to be refused; the output would be out.mp4."""
        attr = [] if "--attr" in more else ["--attr", "smile"]
        output = [] if "-o" in more else ["-o", self.folder / "out.mp4"]
        return self.refused(code, "edit", self.clip, *output, *attr, *more)


@pytest.fixture
def desk(face_clip, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(face_clip.path.read_bytes())
    analysis = tmp_path / "clip.faces.json"
    analysis.write_bytes(face_clip.analysis.read_bytes())
    return Desk(tmp_path, clip, analysis, capsys)


# What is not a usable video


def _missing(folder: Path, _: Path) -> Path:
    return folder / "missing.mp4"


def _folder(folder: Path, _: Path) -> Path:
    (folder / "dir.mp4").mkdir()
    return folder / "dir.mp4"


def _text(folder: Path, _: Path) -> Path:
    (folder / "text.mp4").write_text("this is not a video\n" * 50)
    return folder / "text.mp4"


def _empty(folder: Path, _: Path) -> Path:
    (folder / "empty.mp4").write_bytes(b"")
    return folder / "empty.mp4"


def _sound(folder: Path, _: Path) -> Path:
    path = folder / "sound.m4a"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", 48_000, layout="mono")
        block = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        block.sample_rate, block.pts = 48_000, 0
        container.mux(stream.encode(block))
        container.mux(stream.encode(None))
    return path


def _no_frames(folder: Path, _: Path) -> Path:
    path = folder / "none.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", 25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.start_encoding()
        container.mux(stream.encode(None))
    return path


def _no_index(folder: Path, _: Path) -> Path:
    path = folder / "cut.mp4"
    with av.open(str(path), "w") as container:  # the index comes last, and is lost
        stream = container.add_stream("mpeg4", 25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.mux(stream.encode(av.VideoFrame(64, 48, "yuv420p")))
        container.mux(stream.encode(None))
    path.write_bytes(path.read_bytes()[:-300])
    return path


def _huge(folder: Path, _: Path) -> Path:
    # A picture header alone: 40000 x 40000 PNG, no pixels behind it.
    head = bytes.fromhex("89504e470d0a1a0a0000000d49484452") + (40_000).to_bytes(4, "big") * 2
    (folder / "huge.png").write_bytes(head + bytes.fromhex("0802000000") + b"\0" * 400)
    return folder / "huge.png"


UNUSABLE: dict[str, tuple[Callable[[Path, Path], Path], str]] = {
    "missing": (_missing, "no such file"),
    "folder": (_folder, "is not a file"),
    "text": (_text, "cannot be read as a video"),
    "empty": (_empty, "is empty"),
    "sound only": (_sound, "no video stream"),
    "no frames": (_no_frames, "not one frame"),
    "cut before its index": (_no_index, "cannot be read as a video"),
    "huge": (_huge, "larger than what is accepted"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_an_unusable_input_is_refused_by_every_command(desk: Desk, name: str) -> None:
    make, words = UNUSABLE[name]
    path = make(desk.folder, desk.clip)
    out = desk.folder / "out.mkv"
    assert words in desk.refused(3, "edit", path, "-o", out, "--attr", "smile")
    assert words in desk.refused(3, "analyze", path, "-o", desk.folder / "out.json")
    assert words in desk.refused(
        3, "inspect", path, "--frame", "0", "--attr", "smile", "-o", desk.folder / "pictures"
    )
    sheet = desk.folder / "sheet.png"
    assert words in desk.refused(3, "preview", path, "--attr", "smile", "-o", sheet)


# Damaged, odd and empty videos that can be used all the same


def _run(desk: Desk, clip: Path, *more: str) -> tuple[Path, dict[str, object], str]:
    """Edit without loss, expect success; return the output, the report and stderr."""
    out, report = desk.folder / "result.mkv", desk.folder / "result.json"
    options = ["--attr", "smile", "--codec", "ffv1", "--report", str(report)]
    before = clip.read_bytes()
    assert main(["edit", str(clip), "-o", str(out), *options, *more]) == 0
    assert clip.read_bytes() == before
    shown = desk.capture.readouterr()
    assert shown.out.strip() == str(out)
    return out, json.loads(report.read_text()), shown.err


def _decoded(path: Path) -> list[np.ndarray]:
    found = []
    with av.open(str(path)) as container:
        for packet in container.demux(video=0):
            try:
                found += [frame.to_ndarray() for frame in packet.decode()]
            except av.error.FFmpegError:
                continue
    return found


def test_one_frame_is_edited(desk: Desk, astronaut, clip_of: Callable[..., Path]) -> None:
    clip = clip_of(desk.folder / "one.mp4", astronaut[:1])
    out, report, _ = _run(desk, clip)
    assert report["counts"] == {"frames": 1, "edited": 1, "skipped": {}}
    assert len(_decoded(out)) == 1


def test_a_truncated_file_gives_what_it_holds_and_says_what_is_missing(
    desk: Desk, astronaut, clip_of: Callable[..., Path]
) -> None:
    whole = clip_of(desk.folder / "whole.mp4", astronaut)
    cut = desk.folder / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * 0.85)])
    out, report, said = _run(desk, cut)
    frames = report["counts"]["frames"]
    assert 1 <= frames < 10
    assert len(_decoded(out)) == frames
    assert any("cut off" in warning for warning in report["warnings"])
    assert "visagist: warning: " in said
    assert "cut off" in said


def test_corrupt_packets_cost_what_they_hold_and_are_reported(
    desk: Desk, astronaut, clip_of: Callable[..., Path]
) -> None:
    clip = clip_of(desk.folder / "noise.mp4", astronaut)
    with av.open(str(clip)) as container:
        packet = [p for p in container.demux(video=0) if p.size][4]
        place, size = packet.pos, packet.size
    data = bytearray(clip.read_bytes())
    data[place + 8 : place + size] = np.random.default_rng(1).bytes(size - 8)
    clip.write_bytes(data)
    out, report, said = _run(desk, clip)
    frames = report["counts"]["frames"]
    assert 8 <= frames <= 10
    assert len(_decoded(out)) == frames
    assert report["warnings"]
    assert "visagist: warning: " in said


@pytest.mark.parametrize("size", [(239, 237), (240, 239)])
def test_odd_sizes_stay_odd(
    desk: Desk, astronaut, clip_of: Callable[..., Path], size: tuple[int, int]
) -> None:
    width, height = size
    pictures = [p[:height, :width] for p in astronaut[:3]]
    clip = clip_of(desk.folder / "odd.mkv", pictures, codec="ffv1")
    out, report, _ = _run(desk, clip)
    with av.open(str(out)) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height) == size
    assert report["counts"]["edited"] == 3


def test_without_a_face_the_output_shows_the_input_and_that_is_said(
    desk: Desk, empty_clip: Path
) -> None:
    out, report, said = _run(desk, empty_clip)
    for a, b in zip(_decoded(out), _decoded(empty_clip), strict=True):
        np.testing.assert_array_equal(a, b)
    assert report["counts"] == {"frames": 6, "edited": 0, "skipped": {}}
    assert any("no face could be edited" in warning for warning in report["warnings"])
    assert "visagist: warning: no face could be edited" in said


def test_fail_if_unedited_exits_7_and_leaves_no_file(desk: Desk, empty_clip: Path) -> None:
    error = desk.refused(
        *(7, "edit", empty_clip, "--attr", "smile", "-o", desk.folder / "out.mp4"),
        *("--report", desk.folder / "r.json", "--fail-if-unedited"),
    )
    assert "no face found" in error


# Options that mean nothing


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--attr", "smlie"], "did you mean 'smile'? accepted: smile, toothy-smile"),
        (["--attr", "smile=4"], "strength 4 of 'smile' is out of range; accepted: -3 to 3"),
        (["--attr", "smile=nan"], "out of range"),
        (["--attr", "smile=lots"], "is not a number; try smile=1"),
        (["--attr", "smile", "--strength", "-9"], "out of range"),
        (["--attr", "smile", "--strength", "nan"], "out of range"),
        (["--attr", "smile", "--strength", "much"], "invalid float value"),
        (["--attr", ""], "unknown attribute ''"),
        (["--attr", "smile", "--blend", "posson"], "accepted: poisson, alpha, none"),
        (["--attr", "smile", "--editor", "gan"], "accepted: latent-transformer, direction"),
        (["--attr", "smile", "--faces", "leftmost"], "accepted: all, largest, left-right"),
        (["--attr", "smile", "--faces", "left-right:3"], "N must be below 1"),
        (["--attr", "smile", "--smoothing", "-1"], "smoothing_s -1 is out of range"),
        (["--attr", "smile", "--batch-size", "0"], "batch_size 0 is out of range"),
        (["--attr", "smile", "--max-gap", "nan"], "max_gap_s nan is out of range"),
        (["--attr", "smile", "--landmarks", "dlib"], "accepted: embedded, face-alignment"),
        (["--attr", "smile", "--overwrit"], "unrecognized arguments: --overwrit"),
    ],
    ids=lambda value: " ".join(value[-2:]) if isinstance(value, list) else "",
)
def test_an_option_that_means_nothing_is_refused_with_the_cure(
    desk: Desk, options: list[str], words: str
) -> None:
    assert words in desk.edit_refused(2, *options)


def test_nothing_to_change_is_refused(desk: Desk) -> None:
    error = desk.refused(2, "edit", desk.clip, "-o", desk.folder / "out.mp4")
    assert "give --attr NAME" in error


@pytest.mark.parametrize("arguments", [[], ["edit"], ["edti", "a.mp4"], ["inspect", "a.mp4"]])
def test_a_wrong_command_line_is_one_line_and_exit_2(desk: Desk, arguments: list[str]) -> None:
    assert "--help`" in desk.refused(2, *arguments)


@pytest.mark.parametrize("device", ["cuda", "cuda:63", "gpu", "meta"])
def test_a_device_that_is_not_there_is_an_error_and_never_replaced(
    desk: Desk, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    error = desk.edit_refused(6, "--device", device)
    assert repr(device) in error
    assert "cpu" in error


# Outputs


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
        ("out.mp4", ["--preset", "warp"], "preset warp"),
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


# Weights


class _Canary:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


DAMAGE = {
    "missing": lambda data, _: None,
    "truncated": lambda data, _: data[:-100],
    "one bit": lambda data, _: data[:-1] + bytes([data[-1] ^ 1]),
    "web page": lambda data, _: b"<!DOCTYPE html><html>not found</html>",
    "pickle": lambda data, canary: pickle.dumps(_Canary(canary)),
}


@pytest.fixture
def cards(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, models.weights.WeightCard]]:
    """Return the cards the program will see; a test may change them."""
    found = models.weights.embedded()
    monkeypatch.setattr(models.weights, "embedded", lambda: found)
    return found


@pytest.mark.parametrize("weights", ["portrait", "latent_transformer", "landmarks"])
@pytest.mark.parametrize("kind", DAMAGE)
def test_weights_that_are_not_what_they_should_be_are_refused_and_never_run(
    desk: Desk, cards, kind: str, weights: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    import dataclasses

    canary = tmp_path_factory.mktemp("canary") / "executed"
    card = cards[weights]
    bad = desk.folder / "weights.safetensors"
    data = DAMAGE[kind](card.path.read_bytes(), canary)
    if data is not None:
        bad.write_bytes(data)
    cards[weights] = dataclasses.replace(card, path=bad)
    error = desk.edit_refused(5, "--quiet")
    assert str(bad) in error
    if kind in ("web page", "pickle"):  # also without a hash to compare with
        cards[weights] = dataclasses.replace(card, path=bad, sha256=models.weights.sha256_of(bad))
        assert kind in desk.edit_refused(5, "--quiet")
    assert not canary.exists()


# The analysis file


def test_the_analysis_of_another_video_is_refused(
    desk: Desk, astronaut, clip_of: Callable[..., Path]
) -> None:
    other = clip_of(desk.folder / "other.mp4", astronaut[:4])
    error = desk.refused(
        *(3, "edit", other, "--attr", "smile", "-o", desk.folder / "out.mp4"),
        *("--analysis", desk.analysis),
    )
    assert "belongs to another video" in error


def test_a_damaged_analysis_file_is_refused_with_the_line(desk: Desk) -> None:
    lines = desk.analysis.read_text().splitlines()
    at = next(k for k, line in enumerate(lines) if '"frame": 3,' in line)
    desk.analysis.write_text(
        "\n".join([*lines[:at], lines[at].replace(":", "", 1), *lines[at + 1 :]])
    )
    assert f"line {at + 1}" in desk.edit_refused(3, "--analysis", desk.analysis)
    wrong = lines[at].replace('"detected"', '"guessed"')
    desk.analysis.write_text("\n".join([*lines[:at], wrong, *lines[at + 1 :]]))
    error = desk.edit_refused(3, "--analysis", desk.analysis)
    assert f"line {at + 1}" in error
    assert "'guessed'" in error


def test_something_else_given_as_analysis_is_refused(desk: Desk) -> None:
    assert "cannot read" in desk.edit_refused(3, "--analysis", desk.clip)
    other = desk.folder / "other.json"
    other.write_text("[1, 2]")
    assert "is not an analysis file" in desk.edit_refused(3, "--analysis", other)


def test_frames_that_do_not_exist_cannot_be_inspected(desk: Desk) -> None:
    for frame in ("10", "-1"):
        error = desk.refused(
            *(2, "inspect", desk.clip, "--attr", "smile", f"--frame={frame}"),
            *("--analysis", desk.analysis, "-o", desk.folder / "pictures"),
        )
        assert "has frames 0 to 9" in error


# Presets


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('blnd = "poisson"', "did you mean 'blend'?"),
        ("smoothing_s = 'a'", "is not a number"),
        ("occlusion = 1", "is not true or false"),
        ("batch_size = 2.5", "is not a whole number"),
        ("attr = [1]", "is not a list of texts"),
        ("smoothing_s = 99", "is out of range"),
        ("= 3", "cannot use the preset"),
    ],
)
def test_a_preset_that_means_nothing_is_refused(desk: Desk, text: str, words: str) -> None:
    preset = desk.folder / "preset.toml"
    preset.write_text(text)
    assert words in desk.edit_refused(2, "--config", preset)


def test_a_preset_that_is_missing_is_refused(desk: Desk) -> None:
    assert "cannot use the preset" in desk.edit_refused(2, "--config", desk.folder / "no.toml")
