"""Who is judged by whom: no face is judged by what was learnt from it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

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


@pytest.fixture(scope="module")
def in_folds(folder: Path) -> Evaluation:
    return read_evaluation(folder, learnt_from_rated=True)


def owners(evaluation: Evaluation) -> list[set[str]]:
    return [
        {path.stem for faces, rows in group.sets for path in (faces.paths[row] for row in rows)}
        for group in evaluation.groups
    ]


def test_a_pack_that_knows_all_rated_faces_is_judged_on_the_others(in_folds: Evaluation) -> None:
    assert [len(group) for group in in_folds.groups] == [8] * 5
    people = [{name.split("_")[0] for name in names} for names in owners(in_folds)]
    assert sorted(p for group in people for p in group) == [str(2000 + n) for n in range(PEOPLE)]
    shown = {name.split("_")[1] for name in set.union(*owners(in_folds))}
    assert shown == {"familiar", "memorable"}
    assert len(in_folds.ratings) == len(list(in_folds.rated_faces())) == 63
    assert in_folds.identity_facts["metric"] == "learnt from levels"
    assert len({id(group.identity) for group in in_folds.groups}) == 5, "one metric per fold"


def test_a_pack_that_held_rated_faces_out_is_judged_on_them_too(folder: Path) -> None:
    evaluation = read_evaluation(folder, learnt_from_rated=False)
    (names,) = owners(evaluation)
    assert {n for n in names if "_" not in n} == {"10", "20", "30", "40", "50", "60", "70"}
    assert {n.split("_")[0] for n in names if "_" in n} == {"2000", "2005"}
    fitted = {path.stem for path in evaluation._rated.paths}
    assert not fitted & names


def test_fewer_faces_are_as_many_of_each_group(in_folds: Evaluation) -> None:
    assert [len(group) for group in limited(in_folds.groups, 11)] == [2] * 5
    assert limited(in_folds.groups, 100) == in_folds.groups
    with pytest.raises(ModelError, match="--faces 3 is fewer than the 5 groups"):
        limited(in_folds.groups, 3)
