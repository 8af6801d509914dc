"""The scripts of `samples/notebook` run as they stand, with public names only."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.packs.layers import shape_of
from pipeline import open_clip
from tests.conftest import FaceClip, Pictures, write_clip

NOTEBOOK = Path(__file__).resolve().parents[3] / "samples" / "notebook"
SCRIPTS = sorted(NOTEBOOK.glob("*.py"))


@pytest.fixture(scope="module")
def clip(face_clip: FaceClip, astronaut: Pictures, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Two frames of a face."""
    folder = tmp_path_factory.mktemp("two")
    return str(write_clip(folder / "two.mp4", astronaut[:2], sound=True))


def main_of(name: str) -> Callable[[list[str]], None]:
    spec = importlib.util.spec_from_file_location(f"notebook_{name}", NOTEBOOK / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    run: Callable[[list[str]], None] = module.main
    return run


def picture(path: Path) -> cv2.typing.MatLike:
    found = cv2.imread(str(path))
    assert found is not None
    return np.asarray(found, np.uint8)


def test_step_by_step(clip: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main_of("step_by_step")([clip, str(tmp_path / "smile.png")])
    before, after = np.split(picture(tmp_path / "smile.png"), 2, axis=1)
    assert (before != after).any()
    assert "frame 1 of 2: (240, 240, 3) uint8" in capsys.readouterr().out


def test_sweep(clip: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main_of("sweep")([clip, str(tmp_path / "sweep.png")])
    assert "smile=+0.0: 0.000 levels" in capsys.readouterr().out
    assert len({part.tobytes() for part in np.split(picture(tmp_path / "sweep.png"), 5, 1)}) == 5


def test_two_people(
    clip: str, astronaut: Pictures, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flipped = [np.ascontiguousarray(frame[:, ::-1]) for frame in astronaut[:2]]
    other = str(write_clip(tmp_path / "other.mp4", flipped))
    main_of("two_people")([clip, other, str(tmp_path / "people.png")])
    parts = np.split(picture(tmp_path / "people.png"), 5, axis=1)
    away = [np.abs(part.astype(float) - parts[0]).mean() for part in parts]
    assert away[0] == 0
    assert away == sorted(away)
    assert away[4] > 0


def test_codes_out_and_in(clip: str, tmp_path: Path) -> None:
    main_of("codes_out_and_in")([clip, str(tmp_path / "changed.mp4")])
    assert open_clip(tmp_path / "changed.mp4").frame_count == 2
    with np.load(tmp_path / "changed.npz") as archive:
        assert archive["files"].tolist() == ["0/0", "0/1"]


def test_reconstruction(clip: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main_of("reconstruction")([clip, str(tmp_path / "drawn.mp4")])
    assert "2 faces, 0.0" in capsys.readouterr().out
    assert picture(tmp_path / "drawn.png").shape == (128, 128, 3)


def test_published(clip: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main_of("published")([clip, str(tmp_path / "published.mp4")])
    found = re.search(r"2 faces, (\d+)% of what `edit` would replace", capsys.readouterr().out)
    assert found is not None
    assert 50 < int(found[1]) < 100, "without the forehead"
    before, after = (open_clip(path).frame(0) for path in (clip, tmp_path / "published.mp4"))
    assert np.abs(before.astype(float) - after).max() > 20


def test_train(clip: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    w = rng.standard_normal((200, *shape_of("mini"))).astype(np.float32)
    labels = w[:, 0, :1] + 0.1 * rng.standard_normal((200, 1)).astype(np.float32)
    np.savez(tmp_path / "codes.npz", w=w, labels=labels, names=np.array(["grin"]))
    main_of("train")([str(tmp_path / "codes.npz"), "grin", clip, str(tmp_path / "grin.png")])
    parts = np.split(picture(tmp_path / "grin.png"), 3, axis=1)
    assert all((part != parts[0]).any() for part in parts[1:])
    assert (tmp_path / "grin.safetensors").is_file()


def test_every_script_is_tried_and_none_asks_for_a_private_name() -> None:
    tried = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    assert {path.stem for path in SCRIPTS} <= tried
    for path in SCRIPTS:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            words = [node.attr] if isinstance(node, ast.Attribute) else []
            if isinstance(node, ast.ImportFrom) and node.module != "__future__":
                words += [*(node.module or "").split("."), *(alias.name for alias in node.names)]
                if (node.module or "").startswith("pipeline"):
                    assert node.module == "pipeline", f"{path.name} reaches into the program"
            assert not [word for word in words if word.startswith("_")], path.name
