"""Direction files and commands: what is read, bound, refused, fitted and written."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models.base import WeightsError
from models.directions import (
    BoundDirection,
    DirectionMover,
    load_direction,
    read_ready,
    save_direction,
)
from models.directions.__main__ import main
from models.packs.layers import codes_of
from models.packs.packfile import read_pack_file


@pytest.mark.parametrize("shape", [(8,), (1, 8), (5, 8), (1, 5, 8)])
def test_ready_directions_are_read_in_every_published_shape(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    values = np.random.default_rng(0).standard_normal(shape)
    np.save(tmp_path / "d.npy", values)
    torch.save(torch.from_numpy(values), tmp_path / "d.pt")
    expected = torch.from_numpy(values).float().view(-1, 8)
    for name in ("d.npy", "d.pt"):
        assert torch.equal(read_ready(tmp_path / name), expected)


class Bomb:
    """Leaves a mark when unpickled the usual way."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.mark,))


def test_files_that_are_no_directions_are_refused_unopened(tmp_path: Path) -> None:
    bomb = Bomb(tmp_path / "mark")
    np.save(tmp_path / "objects.npy", np.array([bomb], dtype=object), allow_pickle=True)
    torch.save(bomb, tmp_path / "bomb.pt")
    np.save(tmp_path / "picture.npy", np.ones((3, 8, 8)))
    np.save(tmp_path / "nan.npy", np.full(8, np.nan))
    torch.save({"a": torch.ones(3)}, tmp_path / "dict.pt")
    for name, words in (
        ("objects.npy", "Python objects"),
        ("bomb.pt", "is refused"),
        ("picture.npy", r"is no direction: shape \(3, 8, 8\)"),
        ("nan.npy", "is no direction"),
        ("dict.pt", "holds a dict, expected one array"),
        ("missing.npy", "cannot read"),
    ):
        with pytest.raises(WeightsError, match=words):
            read_ready(tmp_path / name)
    assert not bomb.mark.exists()


def test_a_direction_is_kept_with_the_generator_it_moves(tmp_path: Path) -> None:
    notes = (("licence", "CC0"),)
    bound = BoundDirection(torch.ones(1, 8), "abc", "smile", "direction", -2.0, (0, 3), notes)
    save_direction(tmp_path / "d.safetensors", bound)
    read = load_direction(tmp_path / "d.safetensors")
    assert (read.generator, read.attribute, read.unit, read.rows) == ("abc", "smile", -2.0, (0, 3))
    moved = DirectionMover(read.vector, 4, rows=read.rows, unit=read.unit)(
        torch.zeros(1, 4, 8), torch.ones(1)
    )
    assert moved[0, :, 0].tolist() == [-2, -2, -2, 0]
    with pytest.raises(WeightsError, match="needs the id of its generator"):
        save_direction(tmp_path / "e.safetensors", BoundDirection(torch.ones(1, 8), ""))


@pytest.fixture
def codes(tmp_path: Path) -> Path:
    """600 rated codes: smile and age lie along the first two axes of layer 0, correlated."""
    random = np.random.default_rng(3)
    z = random.standard_normal((600, 2))
    z[:, 1] = 0.6 * z[:, 0] + 0.8 * z[:, 1]
    w = 0.1 * random.standard_normal((600, 3, 6))
    w[:, 0, :2] += 2 * z
    points = np.zeros((600, 68, 2))
    points[:, 14:17, 0] = 10
    points[:, 30, 0] = 5 + z[:, 0]
    files = np.array([f"{n}.jpg" for n in range(600)])
    np.savez(tmp_path / "codes.npz", w=w, files=files, labels=50 + 9 * z, names=["smile", "age"])
    np.savez(tmp_path / "landmarks.npz", points=points[::-1], names=files[::-1])
    return tmp_path / "codes.npz"


@pytest.fixture
def run(codes: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    """Run a command on the codes; return what it told."""

    def command(name: str, out: Path, *more: str) -> dict[str, Any]:
        given = ["--codes", str(codes)] if name.startswith("fit") else []
        assert main([name, *more, *given, "--generator", "portrait", "--out", str(out)]) == 0
        told: dict[str, Any] = json.loads(capsys.readouterr().out)
        assert json.loads(out.with_suffix(".json").read_text()) == told
        return told

    return command


def test_fit_boundary_is_calibrated_and_holds_a_condition(tmp_path: Path, run: Any) -> None:
    age, smile = tmp_path / "age.safetensors", tmp_path / "smile.safetensors"
    told = run("fit-boundary", age, "--attr", "age", "--share", "0.2")
    assert told["accuracy"]["validated"] > 0.9
    along_age = load_direction(age)
    step = along_age.unit * along_age.vector
    assert step[0, 1].item() == pytest.approx(2.0, abs=0.4), "one unit is one SD of the rating"
    more = ["--attr", "smile", "--share", "0.2", "--invert"]
    held = run("fit-boundary", smile, *more, "--hold", "age")
    assert held == run("fit-boundary", smile, *more, "--condition", str(age))
    along_smile = load_direction(smile)
    assert along_smile.unit < 0
    assert (along_smile.vector * along_age.vector).sum().abs() < 1e-5


def test_a_generator_is_named_by_its_id_or_by_a_pack(
    tmp_path: Path, codes: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISAGIST_HOME", str(tmp_path))
    brought = tmp_path / "packs" / "mine"
    brought.mkdir(parents=True)
    (brought / "pack.toml").write_text(f'[generator]\nid = "{"c" * 16}"\n')
    out = tmp_path / "d.safetensors"
    command = ["fit-boundary", "--codes", str(codes), "--attr", "age", "--out", str(out)]
    for text, wanted in (
        ("0123456789abcdef", "0123456789abcdef"),
        ("portrait", codes_of("portrait")),
        ("mini", read_pack_file(Path(__file__).parents[3] / "models" / "mini").generator.id),
        ("mine", "c" * 16),
        (str(brought), "c" * 16),
    ):
        assert main([*command, "--generator", text]) == 0
        assert load_direction(out).generator == wanted
    (brought / "pack.toml").write_text("")
    capsys.readouterr()
    for text, told in (
        ("minni", "no generator 'minni'; accepted: an id .* or a pack: portrait, mini, mine"),
        ("mine", "pack.toml does not say the id of its generator"),
    ):
        assert main([*command, "--generator", text]) == 1
        assert re.search(told, capsys.readouterr().err)


def test_fit_pca_names_components_by_ratings(tmp_path: Path, run: Any) -> None:
    told = run("fit-pca", tmp_path / "pca.safetensors", "--count", "4", "--attr", "smile")
    assert told["variance_explained"] > 0.9
    direction = load_direction(tmp_path / "pca.smile.safetensors")
    assert direction.editor == "pca"
    step = direction.unit * direction.vector
    assert step[0, 0] > 1.0


def test_fit_yaw_finds_the_axis_that_turns(
    tmp_path: Path, run: Any, codes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, landmarks = tmp_path / "yaw.safetensors", tmp_path / "landmarks.npz"
    run("fit-yaw", out, "--landmarks", str(landmarks), "--share", "0.1")
    assert load_direction(out).vector[0, 0] > 0.9
    with np.load(landmarks) as found:
        points, names = found["points"], found["names"]
    more = ["--codes", str(codes), "--generator", "portrait", "--out", str(out)]
    command = ["fit-yaw", "--landmarks", str(landmarks), *more]
    np.savez(landmarks, points=points[2:], names=names[2:])
    assert main([*command, "--share", "0.1"]) == 0
    said = capsys.readouterr()
    assert re.search(r"2 of 600 codes in .* \((0|598).jpg, (1|599).jpg\)", said.err)
    assert len(json.loads(said.out)["left_out"]) == 1
    np.savez(landmarks, points=points)
    assert main(command) == 1
    assert "do not say which face each row is of" in capsys.readouterr().err


def test_bind_takes_the_usual_layers_of_a_ready_direction(tmp_path: Path, run: Any) -> None:
    np.save(tmp_path / "smile.npy", np.ones((18, 512)))
    out = tmp_path / "bound.safetensors"
    run("bind", out, str(tmp_path / "smile.npy"))
    direction = load_direction(out)
    assert direction.generator == codes_of("portrait")
    assert (direction.rows, direction.attribute) == ((0, 6), "smile")
