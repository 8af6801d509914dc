"""The face set is split by number and checked before anything is trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.base import ModelError
from models.mini.data import read_mini_data

from .faces import write_data


def test_faces_are_held_out_by_their_numbers(tmp_path: Path) -> None:
    data = read_mini_data(write_data(tmp_path / "faces", faces=21, level_faces=6))

    assert set(data.held.names) == {"10.jpg", "20.jpg"}
    assert len(data.train) == 19
    assert {name.split("_")[0] for name in data.levels_held.names} == {"1", "6"}
    assert list(data.levels.names[:3]) == ["2_age_0.jpg", "2_age_1.jpg", "2_age_2.jpg"]


def test_ratings_are_standardised_over_the_faces_learnt_from(tmp_path: Path) -> None:
    data = read_mini_data(write_data(tmp_path / "faces", faces=21))

    assert data.attributes == ("happy", "age")
    assert data.ratings.mean(0).abs().max() < 1e-6
    np.testing.assert_allclose(data.ratings.std(0, correction=0), 1, rtol=1e-5)
    # 3n for n = 9 and 19, in units of the others.
    ages = 3.0 * np.array([n for n in range(21) if n not in (9, 19)])
    wanted = (np.array([27.0, 57.0]) - ages.mean()) / ages.std()
    np.testing.assert_allclose(data.ratings_held[:, 1], wanted, rtol=1e-4)


def _without(folder: Path, name: str) -> None:
    (folder / name).unlink()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("images/3.jpg", r"cannot read the picture .*3\.jpg"),
        ("attribute_means.csv", "no ratings at"),
        ("images_landmarks478.npz", "no mesh points at"),
        ("pairs/2_age_1.jpg", r"cannot read the picture .*2_age_1\.jpg"),
    ],
)
def test_a_missing_file_is_named_before_the_first_step(
    tmp_path: Path, name: str, message: str
) -> None:
    folder = write_data(tmp_path / "faces")
    _without(folder, name)

    with pytest.raises(ModelError, match=message):
        read_mini_data(folder)


def test_mesh_points_that_are_not_finite_are_refused_with_the_picture(tmp_path: Path) -> None:
    folder = write_data(tmp_path / "faces")
    path = folder / "images_landmarks478.npz"
    with np.load(path) as archive:
        names, points = archive["names"], archive["points"]
    points[4, 100] = np.nan
    np.savez(path, names=names, points=points)

    with pytest.raises(ModelError, match=r"points of 5\.jpg are not finite"):
        read_mini_data(folder)


def test_a_face_without_all_three_levels_is_refused(tmp_path: Path) -> None:
    folder = write_data(tmp_path / "faces")
    path = folder / "pairs_landmarks478.npz"
    with np.load(path) as archive:
        names, points = archive["names"], archive["points"]
    np.savez(path, names=names[1:], points=points[1:])

    with pytest.raises(ModelError, match=r"face 1 of age .* has levels \['1', '2'\]"):
        read_mini_data(folder)
