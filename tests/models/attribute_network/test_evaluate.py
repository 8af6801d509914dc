"""Retrieval ranks as a plain loop does, and an evaluation goes on where it was stopped."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from models.attribute_network import evaluate, retrieval
from models.attribute_network.__main__ import main
from models.attribute_network.dataset import Pairs
from models.attribute_network.files import save_trained
from models.attribute_network.identity import Aligned
from models.attribute_network.network import AttributeNetwork
from models.attribute_network.parts import Parts
from models.attribute_network.poses import train_poses
from models.attribute_network.published import Published
from models.attribute_network.retrieval import Faces, ranks, recalls, right, similarities, unit
from models.attribute_network.tables import Kept, Retrieval, by_turn
from models.attribute_network.views import open_views
from models.base import ModelError
from tests.models.attribute_network import small_turntable


def plain_ranks(
    queries: Tensor, pool: Tensor, wanted: Faces, faces: Faces, allowed: Tensor, light_too: bool
) -> list[int]:
    """The twin: sorts the pool by Euclidean distance for every query and counts down the list."""
    found = []
    for q in range(len(queries)):
        apart = [float((queries[q] - vector).norm()) for vector in pool]
        order = sorted(range(len(pool)), key=apart.__getitem__)
        listed = [p for p in order if allowed[q, p]]

        def is_right(p: int, q: int = q) -> bool:
            same = faces.face[p] == wanted.face[q] and faces.yaw[p] == wanted.yaw[q]
            return bool(same and (not light_too or faces.light[p] == wanted.light[q]))

        places = [place for place, p in enumerate(listed) if is_right(p)]
        found.append(places[0] if places else len(pool))
    return found


@pytest.mark.parametrize("light_too", [False, True])
def test_ranks_are_those_of_a_sorted_list(light_too: bool) -> None:
    generator = torch.Generator().manual_seed(3)
    shape = (4, 7, 3)
    faces = Faces(*(axis.reshape(-1) for axis in np.indices(shape)))
    pool = unit(torch.randn(84, 6, generator=generator))
    at = torch.randint(0, 84, (20,), generator=generator).numpy()
    wanted = faces.rows(at)
    queries = unit(pool[torch.from_numpy(at)] + 0.8 * torch.randn(20, 6, generator=generator))
    allowed = torch.rand(20, 84, generator=generator) < 0.6
    similar = similarities(queries, torch.split(pool, 10))
    fast = ranks(similar, right(wanted, faces, light_too=light_too), allowed)
    assert fast.tolist() == plain_ranks(queries, pool, wanted, faces, allowed, light_too)
    assert 84 in fast.tolist() or not light_too


def test_faces_that_all_look_alike_are_not_found() -> None:
    alike = torch.ones(2, 5)
    correct = torch.eye(5, dtype=torch.bool)[:2]
    assert ranks(alike, correct).tolist() == [4, 4]


def test_recall_is_the_share_of_queries_with_a_right_face_near_the_top() -> None:
    assert recalls(torch.tensor([0, 1, 4, 5, 19, 20, 500, 0])) == {
        "R@1": 25.0,
        "R@5": 50.0,
        "R@20": 75.0,
    }


@pytest.fixture(scope="module")
def turntable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A smaller one than the other tests': every face is drawn seven times."""
    return small_turntable.write(tmp_path_factory.mktemp("tables") / "T", train=2, count=2)


@pytest.fixture(scope="module")
def weights(turntable: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    grey, colour = (open_views(turntable, colour=c) for c in (False, True))
    save_trained(folder / "rotate.safetensors", Published(7), "rotate", grey, "{}")
    save_trained(folder / "grown.safetensors", AttributeNetwork("light"), "light", colour, "{}")
    return sorted(folder.iterdir())


def test_pool_and_queries_stand_for_the_faces_they_are_drawn_of(
    turntable: Path, tmp_path: Path
) -> None:
    views = open_views(turntable, colour=False)
    pairs = Pairs(views, "rotate", "test")
    numbers = torch.arange(0, len(pairs), 5)
    network = Published(7).eval()
    found = Retrieval(views, network, numbers, Kept(Parts(tmp_path, {})))
    batch, flat = pairs.batch(numbers), torch.cat([*found._pixels()])
    assert len(flat) == len(found.pool.face) == 2 * 7 * 2
    assert torch.equal(flat[torch.from_numpy(found.question.in_pool)], batch.source)
    target = right(found.question.wanted, found.pool, light_too=True).int().argmax(1)
    assert torch.equal(flat[target], batch.target)
    # A pool of the very pictures that are asked for: pixels find them, and every turn is there.
    similar = similarities(unit(batch.target), found._pixels())
    rank = ranks(similar, right(found.question.wanted, found.pool, light_too=True))
    assert recalls(rank)["R@1"] > 95
    assert set(by_turn(rank, found.question)) == {"1", "2", "3", "4", "5", "6"}


def test_one_command_writes_the_tables_and_the_picture_and_goes_on_after_a_kill(
    turntable: Path, tmp_path: Path, weights: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def command(name: str) -> list[str]:
        return [
            *("evaluate", "--turntable", str(turntable), "--weights", *map(str, weights)),
            *("--out", str(tmp_path / f"{name}.json"), "--pairs", "6", "--people", "1"),
        ]

    monkeypatch.setattr(evaluate, "recognisers", lambda _: [])
    monkeypatch.setattr(train_poses, "__kwdefaults__", {"steps": 10})
    assert main(command("whole")) == 0

    def killed(self: Retrieval, part: slice) -> object:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Retrieval, "_query", killed)
        with pytest.raises(KeyboardInterrupt):
            main(command("again"))
    assert len([*(tmp_path / "again.parts").rglob("pool-*.json")]) == 1
    assert main(command("again")) == 0
    whole = (tmp_path / "whole.json").read_bytes()
    assert (tmp_path / "again.json").read_bytes() == whole
    figures = json.loads(whole)
    assert set(figures["table2"]) == {
        "2-step, image",
        "2-step, our 2nd network",
        "ours, image",
        "ours, 2nd network",
    }
    assert figures["pool"] == 14
    assert figures["table1"]["grown light"]["colour128_first"] > 0
    assert cv2.imread(str(tmp_path / "whole.png")) is not None
    assert not (tmp_path / "whole.parts").exists()


def test_networks_that_cannot_be_measured_are_refused(
    turntable: Path, tmp_path: Path, weights: list[Path]
) -> None:
    def options(*files: Path, people: int | None = None) -> evaluate.Options:
        return evaluate.Options(turntable, files, tmp_path, people=people)

    with pytest.raises(ModelError, match="nothing to measure"):
        evaluate.evaluate(options())
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(weights[0].read_bytes())
    with pytest.raises(ModelError, match="one of each"):
        evaluate.evaluate(options(weights[0], copy))
    with pytest.raises(ModelError, match="2 test faces, 3 were asked for"):
        evaluate.evaluate(options(weights[1], people=3))


def test_faces_are_cut_with_the_eyes_where_recognisers_expect_them(turntable: Path) -> None:
    views = open_views(turntable, colour=True)
    middle = views.eyes[:, 3].mean(0)
    marked = torch.zeros(1, 3, 128, 128, dtype=torch.uint8)
    for x, y in middle.round().astype(int):
        marked[..., y - 1 : y + 2, x - 1 : x + 2] = 255
    cut = Aligned(views)(marked)[0, 0]
    for x in (96, 159):
        seen = cut[110:131, x - 10 : x + 11]
        assert seen.max() > 0.9
        row, column = divmod(int(seen.argmax()), 21)
        assert abs(row - 10) <= 5
        assert abs(column - 10) <= 5


def test_the_depths_are_those_of_the_paper() -> None:
    assert retrieval.DEPTHS == (1, 5, 20)
