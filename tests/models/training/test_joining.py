"""Rows of two files are joined by the faces they are of; by their places only if the user says
so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.base import ModelError
from models.training.codes import LabelledCodes, checked, read_labelled, write_codes
from models.training.joining import Rows, joined

FACES = [str(n) for n in range(1, 121)]
"""A table of ratings is in this order; a folder of pictures in that of the text."""
RATINGS = np.random.default_rng(0).standard_normal(120)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Codes that hold the rating of their face, ordered as `encode` orders them, and ratings."""
    by_text = sorted(FACES)
    rating = dict(zip(FACES, RATINGS, strict=True))
    w = np.array([[[rating[face], 1.0]] for face in by_text], np.float32)
    names = np.array([f"{face}.jpg" for face in by_text])
    np.savez(tmp_path / "codes.npz", w=w, files=names)
    rows = [f"{face},{rating[face]}" for face in FACES]
    (tmp_path / "ratings.csv").write_text("\n".join(["stimulus,smile", *rows]))
    return tmp_path / "codes.npz", tmp_path / "ratings.csv"


def correlation(codes: LabelledCodes) -> float:
    return float(np.corrcoef(codes.w[:, 0, 0], codes.labels[:, 0])[0, 1])


def test_codes_and_ratings_are_joined_by_face_and_not_by_place(files: tuple[Path, Path]) -> None:
    found = read_labelled(*files)
    assert correlation(found) > 0.999
    assert found.faces[:3] == ("1.jpg", "10.jpg", "100.jpg")
    assert found.left_out == ()


def test_rows_without_a_partner_are_counted_and_named(files: tuple[Path, Path]) -> None:
    codes, ratings = files
    lines = ratings.read_text().split("\n")
    ratings.write_text("\n".join([*lines[:-7], "901,1.5"]))
    found = read_labelled(codes, ratings)
    assert (len(found.w), len(found.faces)) == (113, 113)
    assert correlation(found) > 0.999
    without_rating, without_code = found.left_out
    assert "7 of 120 codes" in without_rating
    assert "(114.jpg, 115.jpg, 116.jpg, 117.jpg, 118.jpg, … 2 more)" in without_rating
    assert "1 of 114 rows of labels" in without_code
    assert "(901)" in without_code


def test_a_join_by_place_is_an_error_unless_it_is_asked_for(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    codes, ratings = files
    np.save(tmp_path / "labels.npy", RATINGS[:, None])
    np.save(tmp_path / "w.npy", np.load(codes)["w"])
    for one, two, nameless in (
        (codes, tmp_path / "labels.npy", "rows of labels in .*labels.npy do not say which face"),
        (tmp_path / "w.npy", ratings, "codes in .*w.npy do not say which face"),
        (tmp_path / "w.npy", tmp_path / "labels.npy", "w.npy and rows of labels in .*labels.npy"),
    ):
        with pytest.raises(ModelError, match=nameless):
            read_labelled(one, two)
        assert len(read_labelled(one, two, same_order=True).w) == 120
    assert correlation(read_labelled(codes, ratings, same_order=True)) > 0.999, "names decide"
    np.save(tmp_path / "labels.npy", RATINGS[5:, None])
    with pytest.raises(ModelError, match=r"120 codes in .* but 115 rows of labels in "):
        read_labelled(tmp_path / "w.npy", tmp_path / "labels.npy", same_order=True)


def rows(*ids: str) -> Rows:
    return Rows("rows", len(ids), ids)


@pytest.mark.parametrize(
    ("first", "second", "pairs"),
    [
        (rows("b.jpg", "a.JPG"), rows("a.png", "b"), [(0, 1), (1, 0)]),
        (rows("x/1.jpg", "x/2.jpg"), rows("2", "3"), [(1, 0)]),
        (rows("x/1.jpg", "y/1.jpg"), rows("y/1", "x/2"), [(1, 0)]),
        (rows("x\\1.jpg"), rows("x/1"), [(0, 0)]),
        (rows("v1.5"), rows("v1.5"), [(0, 0)]),
    ],
)
def test_names_are_compared_without_suffix_and_folders_where_these_tell_nothing(
    first: Rows, second: Rows, pairs: list[tuple[int, int]]
) -> None:
    found = joined(first, second)
    assert list(zip(found.first, found.second, strict=True)) == pairs


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        (rows("1.jpg", "1.png"), rows("1"), r"name faces more than once: 1$"),
        (rows("1"), rows("2", "2"), r"name faces more than once: 2$"),
        (rows("x/1.jpg", "y/1.jpg"), rows("1"), "have no face in common: x/1.jpg, y/1.jpg"),
        (rows("1"), rows("001"), "have no face in common: 1 against 001"),
    ],
)
def test_what_cannot_be_joined_is_named(first: Rows, second: Rows, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        joined(first, second)


def test_faces_stay_with_codes_that_are_written(tmp_path: Path) -> None:
    w, labels = np.random.default_rng(1).random((4, 2, 3)), np.arange(4.0)[:, None]
    plain = checked(w, labels, ("age",), where="x")
    write_codes(
        tmp_path / "a.npz", LabelledCodes(plain.w, plain.labels, plain.names, tuple("dcba"))
    )
    (tmp_path / "b.csv").write_text("id,smile\na,1\nb,2\nc,3\nd,4\n")
    found = read_labelled(tmp_path / "a.npz", tmp_path / "b.csv")
    assert found.labels[:, 0].tolist() == [4, 3, 2, 1]
    assert read_labelled(tmp_path / "a.npz").faces == ("d", "c", "b", "a")
    np.savez(tmp_path / "c.npz", w=w, labels=labels, files=["a", "b"])
    with pytest.raises(ModelError, match=r"names faces \(2,\) for 4 rows"):
        read_labelled(tmp_path / "c.npz")


def test_a_first_column_that_is_no_number_names_faces(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", w=np.random.default_rng(1).random((2, 3)), ids=["p", "q"])
    (tmp_path / "l.csv").write_text("who,smile\nq,0\np,1\n")
    assert read_labelled(tmp_path / "w.npz", tmp_path / "l.csv").labels[:, 0].tolist() == [1, 0]
