"""Rows of two files brought together by the faces they are of, never by their places alone.

`encoder_recipe encode` orders faces by the text of their names (1, 10, 100, …), tables of ratings
by number: side by side they look alike and belong to other faces.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from ..base import ModelError

_SUFFIXES: Final = (".jpg", ".jpeg", ".png", ".webp")
_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one file."""

    where: str
    """What they are and the file, for messages: "labels in a.csv"."""
    count: int
    ids: tuple[str, ...] | None
    """The face of each row, as the file names it; None if it names none."""


@dataclass(frozen=True, slots=True)
class Join:
    """Which rows belong together, in the order of the first file."""

    first: tuple[int, ...]
    second: tuple[int, ...]
    ids: tuple[str, ...] | None
    """The faces of the pairs; None if neither file names them."""
    alone: tuple[str, ...]
    """Sentences: how many rows of which file have no partner, and their names."""


def joined(first: Rows, second: Rows, *, same_order: bool = False) -> Join:
    """Return the pairs of rows that are of the same face.

    `7.jpg`, `7.png` and `7` are one face. Folders count (`a/7.jpg`), unless only one of the files
    names them and each name stands there once.

    Args:
        first: decides the order.
        second: rows to be found for it.
        same_order: where a file names no faces, both hold the same ones in the same order, says the
            user. Where both name them, the names decide.

    Raises:
        ModelError: a file names no faces (and nobody says that the order is the same), names one
            twice, or not one face is in both.
    """
    if first.ids is None or second.ids is None:
        return _by_place(first, second, same_order=same_order)
    one, two = _keys(first, second)
    place = {key: row for row, key in enumerate(two)}
    pairs = [(row, place[key]) for row, key in enumerate(one) if key in place]
    if not pairs:
        raise ModelError(
            f"{first.where} and {second.where} have no face in common: "
            f"{_listed(first.ids)} against {_listed(second.ids)}"
        )
    known = set(one)
    alone = (
        _alone(first, [k not in place for k in one], second),
        _alone(second, [k not in known for k in two], first),
    )
    return Join(
        tuple(a for a, _ in pairs),
        tuple(b for _, b in pairs),
        tuple(first.ids[a] for a, _ in pairs),
        tuple(sentence for sentence in alone if sentence),
    )


def _by_place(first: Rows, second: Rows, *, same_order: bool) -> Join:
    nameless = " and ".join(rows.where for rows in (first, second) if rows.ids is None)
    if not same_order:
        raise ModelError(
            f"{nameless} do not say which face each row is of, and rows are joined by that, not by "
            "their places: name them (`files` in an .npz, as `encode` writes; a first column `id` "
            "in a .csv), or say with --same-order that both files hold the same faces in the same "
            "order"
        )
    if first.count != second.count:
        raise ModelError(
            f"{first.count} {first.where} but {second.count} {second.where}: not the same faces in "
            "the same order"
        )
    rows = tuple(range(first.count))
    return Join(rows, rows, first.ids or second.ids, ())


def _keys(first: Rows, second: Rows) -> tuple[list[str], list[str]]:
    """Return the names of both files' rows as they are compared.

    Raises:
        ModelError: a file names a face twice.
    """
    one, two = (_plain(rows.ids or ()) for rows in (first, second))
    for rows, keys in ((first, one), (second, two)):
        if double := _double(keys):
            raise ModelError(f"{rows.where} name faces more than once: {_listed(double)}")
    if any("/" in key for key in one) != any("/" in key for key in two):
        short = [[key.rpartition("/")[2] for key in keys] for keys in (one, two)]
        if not any(_double(keys) for keys in short):
            return short[0], short[1]
    return one, two


def _plain(ids: Iterable[str]) -> list[str]:
    names = (name.strip().replace("\\", "/") for name in ids)
    return [
        name[: -len(end)]
        if (end := next((s for s in _SUFFIXES if name.lower().endswith(s)), ""))
        else name
        for name in names
    ]


def _double(keys: Sequence[str]) -> list[str]:
    return [key for key, count in Counter(keys).items() if count > 1]


def _alone(rows: Rows, flags: Sequence[bool], other: Rows) -> str:
    assert rows.ids is not None
    names = [name for name, is_alone in zip(rows.ids, flags, strict=True) if is_alone]
    if not names:
        return ""
    return (
        f"{len(names)} of {rows.count} {rows.where} left out: no such face in {other.where} "
        f"({_listed(names)})"
    )


def _listed(names: Sequence[str]) -> str:
    more = f", … {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
