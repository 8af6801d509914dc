"""Trainings learn, go on after a kill bit for bit, and know what they belong to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from models.attribute_network import train
from models.attribute_network.__main__ import main
from models.attribute_network.dataset import Pairs
from models.attribute_network.drawing import draw, small_grey, squared_error
from models.attribute_network.files import Kind, check_fair, load_trained, save_trained
from models.attribute_network.network import AttributeNetwork, Task
from models.attribute_network.published import Published
from models.attribute_network.views import open_views
from models.base import ModelError
from models.training.steps import Progress
from tests.models.attribute_network import small_turntable


def _quiet(progress: Progress) -> None:
    del progress


def errors(net: Published | AttributeNetwork, pairs: Pairs) -> tuple[float, float, float]:
    """Squared errors per pixel at 32² grey: unchanged, first stage, both."""
    batch = pairs.batch(torch.arange(0, len(pairs), max(1, len(pairs) // 24)))
    drawn, target = draw(net, batch), small_grey(batch.target)
    pictures = (batch.source, drawn.first, drawn.second)
    unchanged, first, second = (squared_error(small_grey(p), target).mean() for p in pictures)
    return float(unchanged), float(first), float(second)


@pytest.mark.parametrize(
    ("task", "kind", "steps", "rate"),
    [("complete", "published", (20, 40), 1e-5), ("rotate", "grown", (16, 24), 2e-3)],
)
def test_a_tiny_training_learns_and_the_second_stage_helps(
    turntable: Path, task: Task, kind: Kind, steps: tuple[int, int], rate: float
) -> None:
    views = open_views(turntable, colour=kind == "grown")
    recipe = train.Recipe(task, kind, steps, rate, batch=4, average=0.9)
    net = train.train(views, recipe, _quiet)
    unchanged, first, second = errors(net, Pairs(views, task, "train"))
    assert second < first < unchanged


@pytest.mark.parametrize("kind", ["published", "grown"])
def test_a_run_that_was_stopped_in_either_stage_goes_on_bit_for_bit(
    turntable: Path, tmp_path: Path, kind: Kind
) -> None:
    views = open_views(turntable, colour=kind == "grown")
    recipe = train.Recipe("complete", kind, (4, 4), 1e-5, batch=2)
    whole = train.train(views, recipe, _quiet)
    kept, reports = tmp_path / "run.safetensors", 0

    def stop(progress: Progress) -> None:
        nonlocal reports
        reports += 1
        if reports in (1, 4):
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "_EVERY", 2)
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                train.train(views, recipe, stop, checkpoint=kept)
        resumed = train.train(views, recipe, stop, checkpoint=kept)
    for (name, a), b in zip(whole.state_dict().items(), resumed.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


def other_task(recipe: train.Recipe, folder: Path) -> tuple[train.Recipe, Path]:
    return replace(recipe, task="light"), folder


def other_turntable(recipe: train.Recipe, folder: Path) -> tuple[train.Recipe, Path]:
    return recipe, small_turntable.write(folder.parent / "other", train=2, test=1, count=2)


@pytest.mark.parametrize(
    ("other", "said"),
    [(other_task, "task complete, now light"), (other_turntable, "turntable [0-9a-f]+, now")],
)
def test_a_checkpoint_of_another_run_is_refused(
    turntable: Path,
    tmp_path: Path,
    other: Callable[[train.Recipe, Path], tuple[train.Recipe, Path]],
    said: str,
) -> None:
    recipe = train.Recipe("complete", "published", (2, 2), 1e-6, batch=2)
    kept = tmp_path / "run.safetensors"
    train.train(open_views(turntable, colour=False), recipe, _quiet, checkpoint=kept)
    recipe, folder = other(recipe, tmp_path / "T" if other is other_turntable else turntable)
    with pytest.raises(ModelError, match=said):
        train.train(open_views(folder, colour=False), recipe, _quiet, checkpoint=kept)


def test_the_rate_rises_stays_and_falls_to_nothing() -> None:
    recipe = train.Recipe("rotate", "published", (1000, 1000), 2.0)
    rates = [train.rate_at(recipe, step, 1000) for step in (0, 99, 500, 800, 999)]
    assert rates[0] < rates[1] == rates[2] == 2.0
    assert 2.0 > rates[3] > rates[4] > 0
    assert rates[4] < 0.01


def test_the_command_writes_a_network_that_says_what_it_is(
    turntable: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "light.safetensors"
    task: Task = "light"
    command = ["train", "--task", task, "--network", "grown", "--turntable", str(turntable)]
    assert main([*command, "--out", str(out), "--steps", "1", "1", "--batch", "2"]) == 0
    trained = load_trained(out)
    assert (trained.kind, trained.task) == ("grown", "light")
    assert [path.name for path in tmp_path.iterdir()] == ["light.safetensors"]
    views = open_views(turntable, colour=True)
    check_fair(trained, out, views)
    with pytest.raises(ModelError, match="trained on 1 of the faces"):
        check_fair(trained, out, replace(views, test=(views.train[0],)))
    with pytest.raises(ModelError, match="other yaws or lights"):
        check_fair(trained, out, replace(views, yaw_deg=views.yaw_deg * 2))
    capsys.readouterr()
    assert main([*command[:-1], str(tmp_path), "--out", str(out)]) == 1
    assert "no turntable folder" in capsys.readouterr().err


def test_the_published_network_does_not_add_flashes(turntable: Path) -> None:
    views = open_views(turntable, colour=True)
    recipe = train.Recipe("flash", "published", (1, 1), 1e-6)
    with pytest.raises(ModelError, match="no task 'flash'"):
        train.train(views, recipe, _quiet)


def test_what_is_saved_comes_back(turntable: Path, tmp_path: Path) -> None:
    views = open_views(turntable, colour=False)
    net = Published(7)
    save_trained(tmp_path / "n.safetensors", net, "rotate", views, "{}")
    again = load_trained(tmp_path / "n.safetensors")
    assert again.faces == frozenset(views.train)
    for name, value in net.state_dict().items():
        assert torch.equal(again.network.state_dict()[name], value)
