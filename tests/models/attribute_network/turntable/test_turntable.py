"""A tiny turntable from a data folder made here: what it holds, going on, and bad input."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.attribute_network.__main__ import main
from models.attribute_network.turntable import make
from models.attribute_network.turntable.folder import Options, Split
from models.attribute_network.turntable.make import make_turntable
from models.attribute_network.views import open_views
from models.base import ModelError
from models.head.ict import read_ict

from .small_data import NUMBERS, write_data

OPTIONS = Options(faces=2, seed=5, captures=1)


def quiet(_: str) -> None:
    """Hear nothing."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("made") / "data")


@pytest.fixture(scope="module", autouse=True)
def read_once() -> Iterator[None]:
    """Read a head once for all: that takes longer than most of what is tested."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(make, "read_ict", cache(read_ict))
        yield


@pytest.fixture(scope="module")
def turntable(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made") / "T"
    make_turntable(data, out, OPTIONS, told=quiet)
    return out


def test_holds_the_arrays_that_training_reads(turntable: Path) -> None:
    arrays = {path.stem: np.load(path, mmap_mode="r") for path in turntable.glob("*.npy")}
    shapes = {name: (array.shape, array.dtype.name) for name, array in arrays.items()}
    assert shapes == {
        "views_grey32": ((2, 7, 20, 32, 32), "uint8"),
        "views_colour128": ((2, 7, 20, 128, 128, 3), "uint8"),
        "wearing_grey32": ((2, 7, 1, 32, 32), "uint8"),
        "wearing_colour128": ((2, 7, 1, 128, 128, 3), "uint8"),
        "yaw_deg": ((7,), "float32"),
        "lights": ((20, 4), "float32"),
        "eyes": ((2, 7, 2, 2), "float32"),
    }
    ids = json.loads((turntable / "ids.json").read_text())
    assert ids == {"train": [1], "test": [2]}
    assert json.loads((turntable / "turntable.json").read_text())["done"] == [1, 2]
    assert not list((turntable / "parts").iterdir())
    assert "not MultiPIE" in (turntable / "CARD.md").read_text()
    assert cv2.imread(str(turntable / "sheet.png")).shape == (2 * 128, 21 * 128, 3)


@pytest.mark.parametrize("colour", [False, True])
def test_training_opens_it(turntable: Path, *, colour: bool) -> None:
    views = open_views(turntable, colour=colour)
    assert (views.train, views.test) == (("1",), ("2",))
    assert views.ambient == 0
    assert views.wearing is not None
    np.testing.assert_array_equal(views.yaw_deg, [-45, -30, -15, 0, 15, 30, 45])


def test_eyes_lie_level_and_a_positive_yaw_turns_to_the_right(turntable: Path) -> None:
    eyes = np.load(turntable / "eyes.npy")
    np.testing.assert_allclose(eyes[..., 1].mean(-1), 0.42 * 128 - 0.5, atol=4)
    apart = eyes[:, :, 1, 0] - eyes[:, :, 0, 0]
    assert (apart[:, 3] > apart[:, 0]).all()
    assert (apart[:, 3] > apart[:, 6]).all()
    # Turned to the right, the eye on the right lies nearer to the edge of the head there.
    middle = eyes[..., 0].mean(-1)
    assert (middle[:, 6] > middle[:, 3]).all()
    assert (middle[:, 3] > middle[:, 0]).all()


def test_a_flash_lights_its_own_side_and_ambient_light_neither(turntable: Path) -> None:
    views = np.load(turntable / "views_colour128.npy").astype(float)[:, 3].mean(-1)
    lights = np.load(turntable / "lights.npy")
    np.testing.assert_allclose(np.linalg.norm(lights[:, :3], axis=1), 1, atol=1e-6)
    assert lights[0, 3] == 0
    face = views[:, :, 55:100, 40:88]
    lean = face[..., 24:].mean((-1, -2)) - face[..., :24].mean((-1, -2))
    assert (np.abs(lean[:, 0]) < 6).all()
    assert (lean[:, lights[:, 0] > 0.5] > 10).all()
    assert (lean[:, lights[:, 0] < -0.5] < -10).all()
    assert (views[:, 1:] >= views[:, :1] - 1).all()  # light only adds up


def test_things_worn_are_seen_where_they_belong(turntable: Path) -> None:
    wearing = np.load(turntable / "wearing_colour128.npy").astype(float)[:, :, 0]
    changed = np.abs(wearing - wearing[:, :1]).mean(-1)
    for glasses in (1, 2, 3):
        assert (changed[:, glasses, 40:70].mean((1, 2)) > 1).all()
        assert (changed[:, glasses, 100:].max((1, 2)) < 40).all()
    for hat in (4, 5, 6):
        assert (changed[:, hat, :25, 40:88].mean((1, 2)) > 15).all()
    assert wearing[:, 3, 50:58].mean() < wearing[:, 1, 50:58].mean() - 5  # dark lenses


def test_goes_on_after_a_break_and_makes_the_same_to_the_bit(
    data: Path, turntable: Path, tmp_path: Path
) -> None:
    out = tmp_path / "T"

    def broken(_: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_turntable(data, out, OPTIONS, told=broken)
    assert json.loads((out / "turntable.json").read_text())["done"] == [1]
    (out / "parts" / "2.npz").write_bytes(b"")  # nobody wrote that: parts are whole or not there
    with pytest.raises(ModelError, match=r"2\.npz is damaged .*remove it and repeat"):
        make_turntable(data, out, OPTIONS, told=quiet)
    (out / "parts" / "2.npz").unlink()
    make_turntable(data, out, OPTIONS, told=quiet)
    names = sorted(path.name for path in turntable.iterdir() if path.is_file())
    assert sorted(path.name for path in out.iterdir() if path.is_file()) == names
    for name in names:
        assert (out / name).read_bytes() == (turntable / name).read_bytes(), name


def test_a_finished_one_is_not_made_again(data: Path, turntable: Path) -> None:
    before = (turntable / "views_grey32.npy").stat().st_mtime_ns
    said: list[str] = []
    assert make_turntable(data, turntable, OPTIONS, told=said.append)["test"] == 1
    assert not said
    assert (turntable / "views_grey32.npy").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (Options(2, 6, 1), "other options: seed 5 instead of 6"),
        (Options(2, 5, 2), "other options: captures 1 instead of 2"),
        (Options(4, 5, 1), "other options: faces 2 instead of 4"),
    ],
)
def test_a_turntable_made_otherwise_is_not_touched(
    data: Path, turntable: Path, options: Options, said: str
) -> None:
    with pytest.raises(ModelError, match=said):
        make_turntable(data, turntable, options, told=quiet)


def test_more_faces_than_there_are(data: Path, tmp_path: Path) -> None:
    said = rf"has {len(NUMBERS)} faces that can sit .* and 249 were asked for"
    with pytest.raises(ModelError, match=said):
        make_turntable(data, tmp_path / "T", Options(249, 0, 1), told=quiet)


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ("ict/ict_face_light.npz", "lacks ict/ict_face_light.npz; take the whole"),
        ("omi/images_landmarks478.npz", "lacks omi/images_landmarks478.npz; take"),
        ("omi/images_parts256.npz", "lacks omi/images_parts256.npz; take the whole"),
        ("omi/images/2.jpg", r"cannot read .*2\.jpg: No such file .*lacks it"),
    ],
)
def test_a_data_folder_that_lacks_a_part(data: Path, tmp_path: Path, part: str, said: str) -> None:
    torn = tmp_path / "data"
    shutil.copytree(data, torn)
    (torn / part).unlink()
    with pytest.raises(ModelError, match=said):
        make_turntable(torn, tmp_path / "T", OPTIONS, told=quiet)


def test_a_folder_of_something_else_is_not_written_into(data: Path, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(ModelError, match="holds something that is no turntable"):
        make_turntable(data, tmp_path, OPTIONS, told=quiet)


def test_the_command_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["turntable", "--data", str(tmp_path / "no"), "--out", str(tmp_path / "T")]) == 1
    assert "there is no data folder" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["turntable", "--data", str(tmp_path), "--out", str(tmp_path), "--faces", "0"])


def test_the_split_is_the_papers_and_more_faces_are_learnt_from() -> None:
    paper = Split.of(range(249))
    assert (len(paper.train), len(paper.test)) == (100, 149)
    assert paper.train == tuple(range(100))
    larger = Split.of(range(400))
    assert larger.test == paper.test
    assert larger.train == (*range(100), *range(249, 400))
    with pytest.raises(ModelError, match="ask for at least 2"):
        Split.of([7])
