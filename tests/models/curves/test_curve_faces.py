"""Which faces are judged: none that a pack has learnt from."""

from __future__ import annotations

import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from models.base import ModelError
from models.curves.curve_faces import Evaluation, limited, read_evaluation

LEVELS = ("age", "familiar", "gender", "memorable", "outgoing", "weight")
PEOPLE = 10


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """70 rated faces and 10 people at three levels of six attributes, drawn as noise of 24 px."""
    out, random = tmp_path_factory.mktemp("faces"), np.random.default_rng(0)
    rated = [f"{n}.jpg" for n in range(1, 71)]
    levels = [f"{2000 + n}_{a}_{i}.jpg" for n in range(PEOPLE) for a in LEVELS for i in (0, 1, 2)]
    for kind, names in (("images", rated), ("pairs", levels)):
        (out / kind).mkdir()
        for name in names:
            cv2.imwrite(str(out / kind / name), random.integers(0, 255, (24, 24, 3), np.uint8))
        points = random.random((len(names), 478, 3), np.float32)
        np.savez(out / f"{kind}_landmarks478.npz", names=names, points=points)
    rows = [f"{n},{a:.3f},{b:.3f}" for n, (a, b) in enumerate(random.random((70, 2)), start=1)]
    (out / "attribute_means.csv").write_text("\n".join(["stimulus,happy,age", *rows]))
    return out


class Brightness:
    """A recogniser that only sees how bright a picture is."""

    name, other_person = "brightness", 0.6

    def distances(self, a: Tensor, b: Tensor) -> Tensor:
        return (a.mean((1, 2, 3)) - b.mean((1, 2, 3))).abs()


@pytest.fixture(scope="module")
def of_levels(folder: Path) -> Evaluation:
    return read_evaluation(folder, learnt_from_rated=True, identity=Brightness())


def pictures(evaluation: Evaluation) -> set[str]:
    return {faces.paths[row].stem for faces, rows in evaluation.sets for row in rows}


def test_a_pack_that_knows_all_rated_faces_is_judged_on_the_others(of_levels: Evaluation) -> None:
    assert len(of_levels) == 40
    assert {name.split("_")[0] for name in pictures(of_levels)} == {
        str(2000 + n) for n in range(PEOPLE)
    }
    assert {name.split("_")[1] for name in pictures(of_levels)} == {"familiar", "memorable"}
    assert len(of_levels.ratings) == len(list(of_levels.rated_faces())) == 63


def test_the_recogniser_is_named_with_its_measure_of_other_people(of_levels: Evaluation) -> None:
    facts = of_levels.identity_facts
    assert facts["recogniser"] == "brightness"
    images = torch.stack([picture for picture, _ in of_levels.sets[0][0].pictures()])
    mean = images.mean((1, 2, 3))
    apart = [abs(float(a - b)) for a, b in itertools.combinations(mean, 2)]
    assert facts["between_people"] == pytest.approx(sum(apart) / len(apart), rel=1e-4)


def test_a_pack_that_held_rated_faces_out_is_judged_on_them_too(folder: Path) -> None:
    evaluation = read_evaluation(folder, learnt_from_rated=False, identity=Brightness())
    names = pictures(evaluation)
    assert {n for n in names if "_" not in n} == {"10", "20", "30", "40", "50", "60", "70"}
    assert {n.split("_")[0] for n in names if "_" in n} == {"2000", "2005"}
    fitted = {path.stem for path in evaluation._rated.paths}
    assert not fitted & names


def test_fewer_pictures_are_drawn_of_all(of_levels: Evaluation) -> None:
    assert sum(len(rows) for _, rows in limited(of_levels.sets, 11)) == 11
    assert limited(of_levels.sets, 100) == of_levels.sets
    with pytest.raises(ModelError, match="--faces 0"):
        limited(of_levels.sets, 0)
