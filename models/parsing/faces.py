"""The rated faces and what is known of each: its picture, mesh, coarse parts, marks and strokes
made by hand."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ..base import ModelError
from ..training.face_folder import read_picture, read_points
from .regions import Floats, Layout

SIDE: Final = 256
"""Of label maps [px]; they cover a whole picture."""
GROUPS: Final = ("images", "pairs")
"""Single faces, and the same few faces at several levels of an attribute."""
_PICTURES: Final = Path(__file__).with_name("pictures.json")
"""By mark, the numbers of the pictures that carry it."""
_CORRECTIONS: Final = Path(__file__).with_name("corrections.json")
"""By picture, strokes as (label, x y x y …, what they cover, width)."""
_SHORT: Final = 25.0
"""Mean rating of "long-haired" (0-100) below which no hair hangs over the shoulders."""


@dataclass(frozen=True)
class Stroke:
    """A region that somebody drew over a picture."""

    label: str
    """What it shows; `?`: nobody can tell."""
    corners: NDArray[np.float64]
    """(P, 2) of the whole picture, 0-1."""
    over: str
    """Letters of the labels it covers; nothing: all."""
    width: float
    """Of a line [picture widths]; 0: a polygon."""


@dataclass(frozen=True)
class Face:
    """One picture."""

    picture: NDArray[np.uint8]
    """(2 * SIDE, 2 * SIDE, 3) RGB."""
    layout: Layout
    """At SIDE px."""
    parts: NDArray[np.uint8]
    """(SIDE, SIDE): 0 background, 1 hair, 2 skin, 3 clothes."""
    soft_hair: Floats
    """(SIDE, SIDE) 0-1."""
    person: Floats
    """(SIDE, SIDE) 0-1."""
    marks: frozenset[str]
    """What was seen in it: glasses, sunglasses, hats, beards, bald, shaven, short, held_out,
    dropped."""
    strokes: tuple[Stroke, ...]

    @cached_property
    def small(self) -> NDArray[np.uint8]:
        """The picture at SIDE px."""
        shrunk = cv2.resize(self.picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        return np.asarray(shrunk, np.uint8)


def read_faces(
    data: Path, group: str, *, held_out: bool | None = None
) -> Iterator[tuple[str, Face]]:
    """Yield names (`12.jpg`) and faces of a folder like data/omi in the order of its files; with
    `held_out` only those that are (not) held out.

    Raises:
        ModelError: a file is missing or laid out otherwise.
    """
    marks, strokes, short = marks_of_pictures(), _strokes(), _short_haired(data)
    arrays = _arrays(data / f"{group}_parts256.npz", ("names", "parts", "hair"))
    mattes = _arrays(data / f"{group}_person128.npz", ("names", "alpha"))
    person = dict(zip(mattes["names"].tolist(), mattes["alpha"], strict=True))
    names, mesh = read_points(data / f"{group}_landmarks478.npz")
    points = dict(zip(names, mesh[..., :2].numpy() * SIDE, strict=True))
    for k, name in enumerate(arrays["names"].tolist()):
        own = marks.get(_marked_as(name), frozenset())
        if held_out is not None and held_out != ("held_out" in own):
            continue
        stem = name.rsplit(".", 1)[0]
        yield (
            name,
            Face(
                _sized(read_picture(data / group / name)),
                Layout(points[name], SIDE),
                arrays["parts"][k],
                _enlarged(arrays["hair"][k]),
                _enlarged(person[name]),
                own | ({"short"} if stem in short else set()),
                strokes.get(stem, ()),
            ),
        )


def _sized(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    size = 2 * SIDE
    if len(picture) == size:
        return picture
    resized = cv2.resize(picture, (size, size), interpolation=cv2.INTER_CUBIC)
    return np.asarray(resized, np.uint8)


def _enlarged(share: NDArray[np.uint8]) -> Floats:
    wide = cv2.resize(share.astype(np.float32) / 255, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
    return np.asarray(wide, np.float32)


def _arrays(path: Path, keys: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    try:
        with np.load(path) as archive:
            return {key: archive[key] for key in keys}
    except (OSError, KeyError, ValueError) as e:
        raise ModelError(f"cannot read {path}: {e}; expected an .npz with {keys}") from e


def _marked_as(name: str) -> str:
    """`12` of 12.jpg, `pairs 1263` of 1263_age_0.jpg: levels of one face share their marks."""
    stem = name.rsplit(".", 1)[0]
    return stem if stem.isdigit() else f"pairs {stem.split('_')[0]}"


def marks_of_pictures() -> Mapping[str, frozenset[str]]:
    """Return what was seen in pictures: by stem (`12`; `pairs 1263` for all levels of one face) the
    marks of `Face.marks`."""
    table = json.loads(_PICTURES.read_text(encoding="utf-8"))
    of_face: dict[str, set[str]] = {}
    for prefix, part in (("", table["images"]), ("pairs ", table["pairs"])):
        for mark, numbers in part.items():
            for number in numbers:
                of_face.setdefault(f"{prefix}{number}", set()).add(mark)
    return {face: frozenset(marks) for face, marks in of_face.items()}


def _strokes() -> Mapping[str, tuple[Stroke, ...]]:
    table = json.loads(_CORRECTIONS.read_text(encoding="utf-8"))
    return {stem: tuple(_stroke(*entry) for entry in entries) for stem, entries in table.items()}


def _stroke(label: str, places: list[int], over: str = "", width: int = 0) -> Stroke:
    size = 2 * SIDE
    return Stroke(label, np.array(places, np.float64).reshape(-1, 2) / size, over, width / size)


def _short_haired(data: Path) -> frozenset[str]:
    path = data / "attribute_means.csv"
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        return frozenset(r["stimulus"] for r in rows if float(r["long-haired"]) < _SHORT)
    except (OSError, KeyError, ValueError) as e:
        raise ModelError(f"cannot read the ratings {path}: {e}") from e
