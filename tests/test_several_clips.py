"""Several clips in one process: each is edited or named, and the others go on."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from pipeline.cli import main


@pytest.fixture
def clips(empty_clip: Path, tmp_path: Path) -> list[Path]:
    return [Path(shutil.copy(empty_clip, tmp_path / f"{name}.mp4")) for name in "ab"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def edit(clips: list[Path], *more: object) -> int:
    return main(["edit", *map(str, clips), "--attr", "smile=0", "--quiet", *map(str, more)])


def test_all_are_written_and_one_number_rises_over_them(
    clips: list[Path], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert edit(clips, "--output-dir", folder, "--progress", "farm") == 0
    assert sorted(path.name for path in folder.iterdir()) == ["a-smile.mp4", "b-smile.mp4"]
    numbers = [int(found) for found in re.findall(r"Progress: (\d+)%", capsys.readouterr().out)]
    assert numbers == sorted(numbers)
    assert numbers[-1] == 100


def test_one_that_fails_is_named_and_the_others_are_written(
    clips: list[Path], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = clips[0].with_name("missing.mp4")
    assert edit([clips[0], missing, clips[1]], "--output-dir", folder) == 8
    assert len(list(folder.iterdir())) == 2
    error = capsys.readouterr().err
    assert "missing.mp4: no such file" in error
    assert "1 of 3 clips failed" in error


def test_if_all_fail_the_first_says_how(clips: list[Path], folder: Path) -> None:
    missing = [clip.with_name(f"no-{clip.name}") for clip in clips]
    assert edit(missing, "--output-dir", folder) == 3


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["-o", "x.mp4"], "--output is for one clip; 2 were given"),
        (["--report", "x.json"], "--report is for one clip"),
        (["-o", "x.mp4", "--output-dir", "."], "give one of them"),
    ],
)
def test_what_is_for_one_clip_is_refused(
    clips: list[Path], more: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert edit(clips, *more) == 2
    assert words in capsys.readouterr().err


def test_two_outputs_of_one_name_are_refused_before_anything_is_written(
    clips: list[Path], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "deep").mkdir()
    twin = Path(shutil.copy(clips[0], folder / "deep" / "A.mp4"))
    assert edit([*clips, twin], "--output-dir", folder) == 2
    assert "would be written to one file" in capsys.readouterr().err
    assert [path.name for path in folder.iterdir()] == ["deep"]
