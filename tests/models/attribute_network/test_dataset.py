"""Pairs differ in one attribute and in nothing else, and folders that do not fit are refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models.attribute_network.dataset import Pairs, one_flash_more
from models.attribute_network.network import SHAPES, TASKS, Task
from models.attribute_network.views import Views, open_views
from models.base import ModelError
from models.training.steps import random_of

LIGHTS = 3


def counted(faces: int, lights: int) -> Views:
    """Views of a full-size turntable, of which only the sizes are looked at."""
    empty = np.zeros((1, 1), np.uint8)
    return Views(
        folder=Path("T"),
        colour=True,
        train=tuple(str(k) for k in range(faces)),
        test=("x",),
        yaw_deg=np.linspace(-45, 45, 7, dtype=np.float32),
        lights=np.ones((lights, 4), np.float32),
        eyes=np.zeros((1, 7, 2, 2), np.float32),
        views=empty,
        wearing=None,
        digest="",
    )


def test_turning_has_the_84000_pairs_of_the_paper_each_once() -> None:
    pairs = Pairs(counted(100, 20), "rotate", "train")
    assert len(pairs) == 84_000
    meant = pairs.meant(torch.arange(len(pairs)))
    (face, yaw, light), (same, other, alike) = meant.source, meant.target
    assert (face == same).all()
    assert (light == alike).all()
    assert (yaw != other).all()
    listed = np.stack([face, light, yaw, other], 1)
    assert len(np.unique(listed, axis=0)) == 84_000


def test_lights_and_bars_are_counted_likewise() -> None:
    views = counted(100, 20)
    assert len(Pairs(views, "light", "train")) == 100 * 7 * 20 * 19
    assert len(Pairs(views, "complete", "train")) == 100 * 7 * 20


@pytest.mark.parametrize("colour", [False, True])
def test_pairs_are_what_the_arrays_hold(turntable: Path, colour: bool) -> None:
    views = open_views(turntable, colour=colour)
    pairs = Pairs(views, "rotate", "test")
    numbers = torch.tensor([5, 0, len(pairs) - 1])
    batch, meant = pairs.batch(numbers), pairs.meant(numbers)
    for k in range(3):
        want = views.views[tuple(axis[k] for axis in meant.target)]
        got = batch.target[k].permute(1, 2, 0).numpy() if colour else batch.target[k, 0].numpy()
        assert np.array_equal(got, want)
    assert (meant.rows >= len(views.train)).all()
    assert torch.equal(batch.one_hot.argmax(1), torch.from_numpy(meant.wanted))
    assert torch.allclose(
        batch.continuous[:, 0] * 45, torch.from_numpy(views.yaw_deg[meant.wanted])
    )


@pytest.mark.parametrize("task", TASKS)
def test_a_batch_does_not_depend_on_how_it_is_fetched(turntable: Path, task: Task) -> None:
    pairs = Pairs(open_views(turntable, colour=True), task, "train")
    numbers = torch.tensor([3, 1, 2])
    whole = pairs.batch(numbers)
    for k, number in enumerate(numbers):
        alone = pairs.batch(number[None])
        assert torch.equal(whole.source[k], alone.source[0])
        assert torch.equal(whole.target[k], alone.target[0])
    assert whole.continuous.shape == (3, SHAPES[task].attributes)
    again = [pairs.batch(numbers, random_of(1, 2)) for _ in range(2)]
    assert torch.equal(again[0].source, again[1].source)
    assert torch.equal(again[0].continuous, again[1].continuous)


def test_in_a_mirror_faces_turn_the_other_way(turntable: Path) -> None:
    pairs = Pairs(open_views(turntable, colour=True), "rotate", "train")
    numbers = torch.arange(16)
    plain, varied = pairs.batch(numbers), pairs.batch(numbers, random_of(0))
    swapped = [not torch.equal(a, b) for a, b in zip(plain.source, varied.source, strict=True)]
    assert 2 < sum(swapped) < 14
    for k, swap in enumerate(swapped):
        seen = varied.source[k].flip(-1) if swap else varied.source[k]
        assert torch.equal(seen, plain.source[k])
        assert varied.continuous[k] == plain.continuous[k] * (-1 if swap else 1)


def test_the_bar_hides_both_eyes_and_only_them(turntable: Path) -> None:
    views = open_views(turntable, colour=True)
    batch = Pairs(views, "complete", "train").batch(torch.tensor([0, 4 * LIGHTS]))
    changed = (batch.source != batch.target).any(1)
    for k, yaw in enumerate((0, 4)):
        for x, y in views.eyes[0, yaw].round().astype(int):
            assert (batch.source[k, :, y - 3 : y + 4, x - 3 : x + 4] == 0).all()
        assert changed[k].float().mean() < 0.2
        assert not changed[k, 90:].any()


def test_one_flash_more_adds_light() -> None:
    ambient, flash = np.full((1, 2, 2, 3), 60, np.uint8), np.full((1, 2, 2, 3), 130, np.uint8)
    same = one_flash_more(ambient, flash, ambient, np.ones(1, np.float32))
    assert np.abs(same.astype(int) - flash).max() <= 1
    none = one_flash_more(flash, flash, ambient, np.zeros(1, np.float32))
    assert np.abs(none.astype(int) - flash).max() <= 1
    assert (one_flash_more(flash, flash, ambient, np.ones(1, np.float32)) > flash).all()


def _without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def _smaller(folder: Path) -> None:
    np.save(folder / "views_grey32.npy", np.zeros((8, 7, LIGHTS, 30, 30), np.uint8))


def _cut(folder: Path) -> None:
    path = folder / "views_grey32.npy"
    path.write_bytes(path.read_bytes()[:2000])


def _unfinished(folder: Path) -> None:
    (folder / "turntable.json").write_text(json.dumps({"done": [1, 2]}))


def _mixed(folder: Path) -> None:
    (folder / "ids.json").write_text(json.dumps({"train": [1, 2, 3, 4, 5, 6], "test": [6, 7]}))


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (_without("turntable.json"), "no turntable folder.*attribute_network turntable"),
        (_without("views_grey32.npy"), "lacks views_grey32.npy"),
        (_without("eyes.npy"), "lacks eyes.npy"),
        (_smaller, "pictures of another size"),
        (_cut, "damaged or cut short"),
        (_unfinished, "2 of 8 faces"),
        (_mixed, r"in `train` and in `test` \(6\)"),
    ],
)
def test_a_folder_that_does_not_fit_is_refused(
    turntable: Path, tmp_path: Path, harm: Callable[[Path], None], said: str
) -> None:
    folder = tmp_path / "T"
    shutil.copytree(turntable, folder, ignore=shutil.ignore_patterns("*128*"))
    assert len(open_views(folder, colour=False).train) == 6
    harm(folder)
    with pytest.raises(ModelError, match=said):
        open_views(folder, colour=False)


def test_tasks_that_a_turntable_cannot_teach_are_refused(turntable: Path) -> None:
    grey = open_views(turntable, colour=False)
    with pytest.raises(ModelError, match="in colour"):
        Pairs(grey, "flash", "train")
    with pytest.raises(ModelError, match="wear something"):
        Pairs(replace(grey, wearing=None), "accessory", "train")
    lit = grey.lights.copy()
    lit[:, 3] = 1
    with pytest.raises(ModelError, match="without a flash"):
        _ = replace(grey, lights=lit).ambient
