"""Several edits of one shot: each of its own face, and the file encoded once."""

from __future__ import annotations

import json
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.cli import main
from tests.conftest import Pictures

HEAD = """version = 1
output = "{shot}{ext}"
[defaults]
input = "two.mkv"
chunk = 1
codec = "ffv1"
"""
LEFT, RIGHT = 'faces = "0"\nattr = "smile"', 'faces = "1"\nattr = "wrinkles"'
FRAMES = 2


def write_two(path: Path, pictures: Pictures) -> None:
    """Write a lossless clip of the same face twice, side by side."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", 25)
        assert isinstance(stream, av.VideoStream)
        height, width = pictures[0].shape[:2]
        stream.width, stream.height, stream.pix_fmt = 2 * width, height, "yuv444p"
        for picture in pictures[:FRAMES]:
            both = np.ascontiguousarray(np.concatenate([picture, picture[:, ::-1]], axis=1))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(both, format="rgb24")))
        container.mux(stream.encode(None))


def planes_of(path: Path) -> NDArray[np.uint8]:
    """Return all frames as they are stored, (T, 3, H, W)."""
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray() for frame in container.decode(video=0)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, astronaut: Pictures) -> Path:
    folder = tmp_path_factory.mktemp("two")
    write_two(folder / "two.mkv", astronaut)
    return folder


def run(folder: Path, *shots: str) -> tuple[int, dict[str, int]]:
    """Run a batch; return its exit code and how many units were made for every shot."""
    (folder / "reel.toml").write_text(HEAD + "".join(f"[[shot]]\n{shot}\n" for shot in shots))
    code = main(["run", str(folder / "reel.toml"), "--on", "here", "--overwrite"])
    report = json.loads((folder / "reel.work" / "report.json").read_text())
    return code, {shot["shot"]: shot["made"] for shot in report["shots"]}


def shot(name: str, *edits: str, more: str = "") -> str:
    return "\n[[shot.edit]]\n".join([f'name = "{name}"\n{more}', *edits])


def test_each_face_has_its_own_edit_and_one_that_changes_is_made_alone(folder: Path) -> None:
    shots = [shot("both", LEFT, RIGHT), shot("left", LEFT), shot("right", RIGHT)]
    assert run(folder, *shots) == (0, {"both": 5, "left": 4, "right": 4})
    names = ("two", "both", "left", "right")
    plate, both, left, right = (planes_of(folder / f"{name}.mkv") for name in names)
    middle = plate.shape[-1] // 2
    for alone, face, rest in (
        (left, slice(0, middle), slice(middle, None)),
        (right, slice(middle, None), slice(0, middle)),
    ):
        assert (both[..., face] == alone[..., face]).all()
        assert (alone[..., face] != plate[..., face]).any()
        assert (alone[..., rest] == plate[..., rest]).all()


def test_another_second_edit_makes_the_shot_anew_but_not_its_analysis(folder: Path) -> None:
    assert run(folder, shot("both", LEFT, RIGHT))[0] == 0
    older = RIGHT + "\nstrength = 0.5"
    assert run(folder, shot("both", LEFT, older)) == (0, {"both": 3})  # two chunks and the target
    assert run(folder, shot("both", LEFT, RIGHT)) == (0, {"both": 1})


def test_an_edit_that_changes_nobody_is_named_or_left_out(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cv2.imwrite(str(folder / "white.png"), np.full((240, 480), 255, np.uint8))
    held = f'{RIGHT}\nholdout = "white.png"'
    code, _ = run(folder, shot("held", LEFT, held))
    assert code == 7
    assert "two.mkv by edit 1 (wrinkles of faces 1)" in capsys.readouterr().err
    for how in ("skip", "warn"):
        code, _ = run(folder, shot("held", LEFT, held, more=f'on-unedited = "{how}"'))
        assert (code, capsys.readouterr().err.count("failed")) == (0, 0)
    left, held_out = planes_of(folder / "left.mkv"), planes_of(folder / "held.mkv")
    assert (left == held_out).all()
    off = f"{RIGHT}\nstrength = 0"
    assert run(folder, shot("off", LEFT, off))[0] == 0  # nothing is asked of the second
    assert (planes_of(folder / "off.mkv") == left).all()


def test_what_an_edit_cannot_have_of_its_own_is_told_in_its_line(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "small.toml").write_text("crf = 30\n")
    run(folder, shot("both", LEFT, f'{RIGHT}\nconfig = "small.toml"'))
    assert "line 16: shot 'both', edit 1: config" in capsys.readouterr().err
    run(folder, shot("both", LEFT, RIGHT.replace("wrinkles", "wrinkels")))
    assert "line 15: shot 'both', edit 1: attr: unknown attribute" in capsys.readouterr().err
