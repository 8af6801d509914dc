"""Latent codes with labels, read from files and checked before anything is trained on them.

Codes: `.npy` (N, L, D) or (N, D), or `.npz` with `w` and, if it likes, `files` (N names of faces),
`labels` (N, A) and `names` (A names of labels). Labels: `.csv` with the names in the first line and
the faces in the first column, `.npz` with `labels` and the like, or `.npy` (N, A). They are classes
(0 and 1, or −1 and 1) or ratings on any scale. Codes and labels of two files are joined by face
(`joining.py`).
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..base import ModelError
from ..files import opened_whole
from .joining import Join, Rows, joined

_ID_COLUMNS: Final = frozenset(
    ("stimulus", "id", "ids", "image_id", "img_id", "name", "file", "files", "filename", "image")
) | {""}
"""First columns of a CSV that name a face instead of rating it; one that holds something else than
numbers does so whatever it is called."""

_IDS_IN_ARCHIVES: Final = ("files", "ids")

SHARPNESS: Final = 1.7
"""A rating z becomes the probability sigmoid(1.7 z): the logistic curve nearest to the normal
distribution's."""

TRAINED_SHARE: Final = 0.9
"""The first 90 % of a file are trained on, the last 10 % measured, as published."""


@dataclass(frozen=True, slots=True)
class LabelledCodes:
    """Codes with labels, checked."""

    w: Tensor
    """(N, L, D) float32."""
    labels: Tensor
    """(N, A) float32: classes 0 and 1, or ratings as they were given."""
    names: tuple[str, ...]
    """A label names."""
    faces: tuple[str, ...] = ()
    """N names of faces; empty if no file named them."""
    left_out: tuple[str, ...] = ()
    """Sentences on rows of the files that had no partner."""

    def rows(self, which: slice) -> LabelledCodes:
        """Return some of the codes with their labels."""
        return replace(self, w=self.w[which], labels=self.labels[which], faces=self.faces[which])

    @property
    def rated(self) -> bool:
        """Whether the labels are ratings rather than classes."""
        return not bool(((self.labels == 0) | (self.labels == 1)).all())

    @property
    def z(self) -> Tensor:
        """Labels (N, A) with mean 0 and standard deviation 1."""
        return (self.labels - self.labels.mean(0)) / self.labels.std(0, correction=0)

    @property
    def targets(self) -> Tensor:
        """What a classifier should say (N, A), 0 … 1: the class, or a rating on the logistic."""
        return torch.sigmoid(SHARPNESS * self.z) if self.rated else self.labels

    @property
    def classes(self) -> Tensor:
        """Labels (N, A) as 0 or 1; ratings are cut at their mean."""
        return (self.z > 0).float() if self.rated else self.labels

    def split(self, share: float = TRAINED_SHARE) -> tuple[LabelledCodes, LabelledCodes]:
        """Return the first part, to train on, and the rest, to measure.

        Raises:
            ModelError: too few codes for two parts, or a label that does not vary in the first.
        """
        cut = round(share * len(self.w))
        first, rest = self.rows(slice(cut)), self.rows(slice(cut, None))
        if not len(rest.w) or cut < 2:
            raise ModelError(f"{len(self.w)} codes are too few to train on 90 % and measure 10 %")
        check_labels(first.labels, first.names, "the first 90 % of the labels")
        return first, rest

    def column(self, name: str) -> int:
        """Return the index of a label, given its name or its index as text.

        Raises:
            ModelError: there is no such label.
        """
        if name in self.names:
            return self.names.index(name)
        if name.isdigit() and int(name) < len(self.names):
            return int(name)
        raise ModelError(f"no label {name!r}; there are {', '.join(self.names)}")

    def correlation(self, *, snap: float = 1.0) -> Tensor:
        """Return |ρ| (A, A) between labels: 0 where undefined, 1 from `snap` on."""
        rho = np.nan_to_num(np.corrcoef(self.labels.double().numpy(), rowvar=False))
        magnitude = torch.from_numpy(np.abs(np.atleast_2d(rho))).float()
        return torch.where(magnitude >= snap, torch.ones_like(magnitude), magnitude)


@dataclass(frozen=True, slots=True)
class _Labels:
    """A table of labels as it was read."""

    values: NDArray[np.generic]
    names: tuple[str, ...]
    faces: tuple[str, ...] | None


def read_labelled(
    codes: Path, labels: Path | None = None, *, same_order: bool = False
) -> LabelledCodes:
    """Return codes with labels, checked, in the order of the codes.

    Args:
        codes: file of codes.
        labels: file of labels; None: the labels beside the codes.
        same_order: the user says that both files hold the same faces in the same order.

    Raises:
        ModelError: a file is missing or of another kind, the rows of two files cannot be joined,
            shapes or lengths do not fit, a number is not finite, or a label never varies.
    """
    archive = _code_arrays(codes)
    w, faces = archive["w"], _faces_in(archive, codes)
    if labels is None:
        table = _labels_in(archive, codes)
        return replace(checked(w, table.values, table.names, where=str(codes)), faces=faces or ())
    table = _label_table(labels)
    pairs = joined(
        Rows(f"codes in {codes}", len(w), faces),
        Rows(f"rows of labels in {labels}", len(table.values), table.faces),
        same_order=same_order,
    )
    own, theirs = list(pairs.first), list(pairs.second)
    found = checked(w[own], table.values[theirs], table.names, where=str(codes))
    return replace(found, faces=pairs.ids or (), left_out=pairs.alone)


def read_codes(path: Path) -> Tensor:
    """Return codes (N, L, D) float32 without labels.

    Raises:
        ModelError: the file is missing, of another kind or shape, or a number is not finite.
    """
    return _checked_codes(_code_arrays(path)["w"], str(path))


def joined_codes(path: Path, others: Rows, *, same_order: bool = False) -> tuple[Tensor, Join]:
    """Return the codes (M, L, D) float32 of faces of which another file has rows, and which.

    Raises:
        ModelError: as `read_codes`, or the rows cannot be joined.
    """
    archive = _code_arrays(path)
    w, faces = archive["w"], _faces_in(archive, path)
    pairs = joined(Rows(f"codes in {path}", len(w), faces), others, same_order=same_order)
    return _checked_codes(w[list(pairs.first)], str(path)), pairs


def write_codes(path: Path, codes: LabelledCodes) -> None:
    """Write an .npz of codes with labels that `read_labelled` reads."""
    w, labels, names = codes.w.numpy(), codes.labels.numpy(), np.array(codes.names)
    with opened_whole(path) as file:
        if codes.faces:
            np.savez(file, w=w, labels=labels, names=names, files=np.array(codes.faces))
        else:
            np.savez(file, w=w, labels=labels, names=names)


def checked(
    w: NDArray[np.generic], labels: NDArray[np.generic], names: tuple[str, ...], *, where: str
) -> LabelledCodes:
    """Return codes with labels after checking both.

    Raises:
        ModelError: what is wrong, where, and what is accepted.
    """
    codes = _checked_codes(w, where)
    if labels.ndim != 2 or labels.dtype.kind not in "biuf":
        raise ModelError(f"labels have shape {labels.shape}, expected numbers (codes, labels)")
    if len(labels) != len(codes):
        raise ModelError(
            f"{len(codes)} codes but {len(labels)} rows of labels; they must be the same faces in "
            "the same order"
        )
    if len(names) != labels.shape[1] or len(set(names)) != len(names):
        raise ModelError(f"{labels.shape[1]} labels but the names {names}; each needs its own")
    table = torch.from_numpy(labels.astype(np.float32))
    _check_finite(table, "labels")
    if bool(((table == -1) | (table == 1)).all()):
        table = (table + 1) / 2
    check_labels(table, names, "the labels")
    return LabelledCodes(codes, table, names)


def check_labels(labels: Tensor, names: tuple[str, ...], where: str) -> None:
    """Refuse labels (N, A) of which one has the same value in every row.

    Raises:
        ModelError: the constant labels, by name.
    """
    constant = [n for n, column in zip(names, labels.T, strict=True) if (column == column[0]).all()]
    if constant:
        raise ModelError(
            f"{where} are constant for {', '.join(constant[:5])}: nothing can be learnt from them; "
            "leave these columns out or give more codes"
        )


def _checked_codes(w: NDArray[np.generic], where: str) -> Tensor:
    if w.ndim not in (2, 3) or w.dtype.kind not in "iuf" or 0 in w.shape:
        raise ModelError(
            f"{where} holds codes of shape {w.shape} {w.dtype}, expected numbers (N, L, D) or "
            "(N, D)"
        )
    codes = torch.from_numpy(w.astype(np.float32))
    _check_finite(codes, f"codes in {where}")
    return codes if codes.ndim == 3 else codes[:, None]


def _check_finite(values: Tensor, what: str) -> None:
    bad = ~values.flatten(1).isfinite().all(1)
    if bad.any():
        rows = bad.nonzero().flatten().tolist()
        raise ModelError(
            f"{what} are not finite in {len(rows)} rows, first in row {rows[0]}; leave these rows "
            "out"
        )


def _code_arrays(path: Path) -> dict[str, NDArray[np.generic]]:
    archive = _arrays(path)
    if "w" not in archive:
        raise ModelError(f"{path} holds {sorted(archive)}, expected codes under the name 'w'")
    return archive


def _arrays(path: Path) -> dict[str, NDArray[np.generic]]:
    """Return the arrays of an .npz, or the one of an .npy under the name 'w'."""
    try:
        found = np.load(path, allow_pickle=False)
        if isinstance(found, np.ndarray):
            return {"w": found}
        with found as archive:
            return {key: archive[key] for key in archive.files}
    except (OSError, ValueError, EOFError) as e:
        raise ModelError(f"{path} is no .npy or .npz file of numbers: {e}") from e


def _faces_in(archive: dict[str, NDArray[np.generic]], path: Path) -> tuple[str, ...] | None:
    """Return the names of the faces that an archive states, one per row; None if it states none.

    Raises:
        ModelError: not as many names as rows.
    """
    found = next((archive[key] for key in _IDS_IN_ARCHIVES if key in archive), None)
    if found is None:
        return None
    rows = len(archive[next(key for key in ("w", "labels") if key in archive)])
    if found.shape != (rows,):
        raise ModelError(f"{path} names faces {found.shape} for {rows} rows")
    return tuple(str(name) for name in found)


def _labels_in(archive: dict[str, NDArray[np.generic]], path: Path) -> _Labels:
    table = archive.get("labels")
    if table is None:
        raise ModelError(f"{path} holds no labels; give them with --labels FILE (.npy or .csv)")
    count = table.shape[-1] if table.ndim else 0
    names = tuple(str(name) for name in archive.get("names", np.arange(count)))
    return _Labels(table, names, _faces_in(archive, path) if table.ndim else None)


def _label_table(path: Path) -> _Labels:
    if path.suffix.lower() == ".csv":
        return _read_csv(path)
    archive = _arrays(path)
    if "labels" not in archive and "w" in archive:
        archive = {"labels": archive.pop("w"), **archive}
    if "labels" not in archive:
        raise ModelError(f"{path} holds {sorted(archive)}, expected an array under 'labels'")
    return _labels_in(archive, path)


def _read_csv(path: Path) -> _Labels:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            head, *rows = [row for row in csv.reader(file) if row] or [[]]
    except (OSError, UnicodeDecodeError) as e:
        raise ModelError(f"cannot read the labels {path}: {e}") from e
    if not rows:
        raise ModelError(f"{path} has no rows; expected names, then one line per face")
    has_faces = head[0].strip().lower() in _ID_COLUMNS or not any(_is_number(r[0]) for r in rows)
    first = 1 if has_faces else 0
    names = tuple(name.strip() for name in head[first:])
    try:
        table = np.array([[float(v) for v in row[first:]] for row in rows], np.float32)
    except ValueError as e:
        raise ModelError(f"{path} is no table of numbers under one line of names: {e}") from e
    return _Labels(table, names, tuple(row[0] for row in rows) if has_faces else None)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
