"""Codes and labels: what is read, and what is refused before anything is trained on it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from models.base import ModelError
from models.training.codes import checked, read_codes, read_labelled

W = np.random.default_rng(0).standard_normal((6, 2, 3)).astype(np.float32)
LABELS = np.array([[0, 1], [1, 1], [1, 0], [0, 0], [1, 1], [0, 1]])


def with_nan() -> np.ndarray:
    w = W.copy()
    w[4, 1, 2] = np.nan
    return w


@pytest.mark.parametrize(
    ("w", "labels", "names", "words"),
    [
        (W[0, 0], LABELS, ("a", "b"), r"shape \(3,\) float32, expected numbers \(N, L, D\)"),
        (W.astype(str), LABELS, ("a", "b"), "expected numbers"),
        (with_nan(), LABELS, ("a", "b"), "not finite in 1 rows, first in row 4"),
        (W, np.where(LABELS, np.inf, np.nan), ("a", "b"), "labels are not finite in 6 rows"),
        (W, LABELS[:5], ("a", "b"), "6 codes but 5 rows of labels"),
        (W, LABELS[:, 0], ("a",), r"labels have shape \(6,\)"),
        (W, LABELS, ("a", "a"), "each needs its own"),
        (W, np.hstack([LABELS, np.ones((6, 1))]), ("a", "b", "hat"), "constant for hat"),
    ],
)  # fmt: skip
def test_bad_data_is_refused_with_the_reason(
    w: np.ndarray, labels: np.ndarray, names: tuple[str, ...], words: str
) -> None:
    with pytest.raises(ModelError, match=words):
        checked(w, labels, names, where="codes.npy")


def test_a_label_that_varies_only_in_the_held_out_tenth_is_refused() -> None:
    labels = np.zeros((20, 1))
    labels[-1] = 1
    codes = checked(np.random.default_rng(0).random((20, 4)), labels, ("hat",), where="x")
    with pytest.raises(ModelError, match="the first 90 % of the labels are constant for hat"):
        codes.split()


def test_classes_and_ratings_are_told_apart() -> None:
    plus_minus = checked(W, 2 * LABELS - 1, ("a", "b"), where="x")
    assert not plus_minus.rated
    assert torch.equal(plus_minus.targets, torch.from_numpy(LABELS).float())
    rated = checked(W, 30 + 7.0 * LABELS, ("a", "b"), where="x")
    assert rated.rated
    assert torch.equal(rated.classes, torch.from_numpy(LABELS).float())
    assert ((rated.targets > 0.5).float() == rated.classes).all()
    torch.testing.assert_close(rated.z.std(0, correction=0), torch.ones(2))


def test_correlation_is_numpys_and_snaps_to_one() -> None:
    codes = checked(W, np.hstack([LABELS, LABELS[:, :1]]), ("a", "b", "c"), where="x")
    np.testing.assert_allclose(
        codes.correlation(), np.abs(np.corrcoef(codes.labels.numpy().T)), atol=1e-6
    )
    assert codes.correlation(snap=0.1)[0, 2] == 1


def test_files_are_read_in_every_accepted_form(tmp_path: Path) -> None:
    np.save(tmp_path / "w.npy", W)
    np.save(tmp_path / "flat.npy", W[:, 0])
    np.save(tmp_path / "l.npy", LABELS)
    np.savez(tmp_path / "both.npz", w=W, labels=LABELS, names=["smile", "age"])
    lines = [f"f{n},{a},{b}" for n, (a, b) in enumerate(LABELS)]
    (tmp_path / "l.csv").write_text("\n".join(["id,smile,age", *lines]))
    assert read_codes(tmp_path / "flat.npy").shape == (6, 1, 3)
    for labels, names in (("l.npy", ("0", "1")), ("l.csv", ("smile", "age"))):
        codes = read_labelled(tmp_path / "w.npy", tmp_path / labels, same_order=True)
        assert codes.names == names
        np.testing.assert_array_equal(codes.labels, LABELS)
    both = read_labelled(tmp_path / "both.npz")
    assert (both.column("age"), both.column("1")) == (1, 1)
    with pytest.raises(ModelError, match="no label 'hat'; there are smile, age"):
        both.column("hat")


def test_files_of_another_kind_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "o.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    np.save(tmp_path / "w.npy", W)
    np.savez(tmp_path / "n.npz", x=W)
    (tmp_path / "bad.csv").write_text("a,b\n1,two\n")
    (tmp_path / "page.npy").write_text("<!DOCTYPE html>")
    for codes, labels, words in (
        ("o.npy", None, r"is no \.npy or \.npz file of numbers"),
        ("page.npy", None, r"is no \.npy or \.npz"),
        ("missing.npy", None, r"is no \.npy or \.npz"),
        ("n.npz", None, "expected codes under the name 'w'"),
        ("w.npy", None, "holds no labels"),
        ("w.npy", "bad.csv", "is no table of numbers"),
        ("w.npy", "missing.csv", "cannot read the labels"),
    ):
        with pytest.raises(ModelError, match=words):
            read_labelled(tmp_path / codes, tmp_path / labels if labels else None)
