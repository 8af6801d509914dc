"""The folder T: what it is made from, how far it is, and its arrays.

Each sitter's pictures are a file of their own until all are there: written whole, so one that is
there is done, and a run that was killed goes on after it. Then the arrays are put together, one
sitter after the other, and the parts are removed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from ...base import ModelError
from ...files import opened_whole, remove_leftovers, write_whole
from .captures import Captures
from .lighting import lamps
from .studio import SIDE, SMALL, YAWS, small_grey
from .worn import STATES

FORMAT: Final = "visagist-turntable-1"
_TRAIN_SHARE: Final = 100 / 249
_PAPER: Final = 249
_FACTS: Final = "turntable.json"
_PARTS: Final = "parts"


@dataclass(frozen=True, slots=True)
class Options:
    """What decides the pictures."""

    faces: int | None
    """How many; None: all that can sit."""
    seed: int
    captures: int
    """How often each thing is worn."""


@dataclass(frozen=True, slots=True)
class Split:
    """Who is learnt from and who is measured on, as numbers of data/omi."""

    train: tuple[int, ...]
    test: tuple[int, ...]

    @property
    def order(self) -> tuple[int, ...]:
        """Return all in the order of the arrays."""
        return self.train + self.test

    @staticmethod
    def of(numbers: Sequence[int]) -> Split:
        """Return the paper's split of the first 249: 100 to learn from. Fewer are split alike; more
        are all learnt from, so that what is measured stays the same.

        Raises:
            ModelError: there are fewer than two.
        """
        if len(numbers) < 2:
            raise ModelError(
                f"{len(numbers)} faces cannot be split into those that are learnt from and those "
                "that are measured on; ask for at least 2"
            )
        first = numbers[:_PAPER]
        cut = min(max(round(len(first) * _TRAIN_SHARE), 1), len(first) - 1)
        return Split((*first[:cut], *numbers[_PAPER:]), tuple(first[cut:]))


class Folder:
    """A turntable that is being made, or is there."""

    def __init__(self, path: Path, options: Options, split: Split, inputs: dict[str, str]) -> None:
        """Begin the folder, or go on with it.

        Args:
            path: where; made if it is not there.
            options: what decides the pictures.
            split: of the faces.
            inputs: SHA-256 of what they are made from, by name.

        Raises:
            ModelError: something else lies there, or a turntable made otherwise.
        """
        self.path, self.split = path, split
        self._facts: dict[str, object] = {
            "format": FORMAT,
            "options": asdict(options),
            "inputs": inputs,
            "counts": {
                "train": len(split.train), "test": len(split.test), "yaws": len(YAWS),
                "lights": len(lamps()), "states": len(STATES), "captures": options.captures,
            },
        }  # fmt: skip
        self._captures = options.captures
        _check_same(path, self._facts)
        try:
            (path / _PARTS).mkdir(parents=True, exist_ok=True)
            remove_leftovers(path / _PARTS)
            remove_leftovers(path)
        except OSError as e:
            raise ModelError(
                f"cannot write into {path}: {e.strerror or e}; choose another --out"
            ) from e
        self._say()

    def missing(self) -> list[int]:
        """Return who has not been photographed yet."""
        if self.finished:
            return []
        return [number for number in self.split.order if not self._part(number).exists()]

    @property
    def finished(self) -> bool:
        """Whether all arrays are there."""
        return all((self.path / f"{name}.npy").exists() for name in _ARRAYS)

    def keep(self, number: int, taken: Captures) -> None:
        """Write the pictures of a sitter."""
        with opened_whole(self._part(number)) as file:
            np.savez(file, views=taken.views, wearing=taken.wearing, eyes=taken.eyes)
        self._say()

    def put_together(self, told: Callable[[str], None]) -> None:
        """Write the arrays from the parts, then remove these."""
        write_whole(
            self.path / "ids.json",
            json.dumps({"train": self.split.train, "test": self.split.test}, indent=1) + "\n",
        )
        self._save("yaw_deg", np.array(YAWS, np.float32))
        self._save("lights", lamps())
        self._save("eyes", np.stack(list(self._each("eyes"))))
        count = len(self.split.order)
        views = (count, len(YAWS), len(lamps()))
        wearing = (count, len(STATES), self._captures)
        for key, lead in (("views", views), ("wearing", wearing)):
            told(f"putting {key} together")
            colour, grey = (*lead, SIDE, SIDE, 3), (*lead, SMALL, SMALL)
            self._stream(f"{key}_grey32", grey, (small_grey(p) for p in self._each(key)))
            self._stream(f"{key}_colour128", colour, self._each(key))
        for number in self.split.order:
            self._part(number).unlink(missing_ok=True)
        self._say()

    def _each(self, key: str) -> Iterator[NDArray[np.uint8]]:
        for number in self.split.order:
            path = self._part(number)
            try:
                with np.load(path) as part:
                    yield part[key]
            except (OSError, EOFError, ValueError, KeyError, BadZipFile) as e:
                raise ModelError(
                    f"{path} is damaged ({e}); remove it and repeat the command: it goes on"
                ) from e

    def _stream(
        self, name: str, shape: tuple[int, ...], pieces: Iterable[NDArray[np.uint8]]
    ) -> None:
        """Write an array from its pieces along the first axis."""
        with opened_whole(self.path / f"{name}.npy") as file:
            header = {"descr": "|u1", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            for piece in pieces:
                file.write(np.ascontiguousarray(piece).data)

    def _save(self, name: str, array: NDArray[np.generic]) -> None:
        with opened_whole(self.path / f"{name}.npy") as file:
            np.save(file, array)

    def _part(self, number: int) -> Path:
        return self.path / _PARTS / f"{number}.npz"

    def _say(self) -> None:
        """Write how far it is."""
        left = {*self.missing()}
        done = [number for number in self.split.order if number not in left]
        write_whole(self.path / _FACTS, json.dumps({**self._facts, "done": done}, indent=1) + "\n")


def check_options(path: Path, options: Options) -> None:
    """Raise a ModelError unless a turntable may be made, or gone on with, at a place; before the
    data are looked at, which takes longer."""
    begun = (path / _FACTS).exists()
    if not begun and path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise ModelError(
            f"{path} holds something that is no turntable; name a new or an empty folder with --out"
        )
    _check_same(path, {"format": FORMAT, "options": asdict(options)})


def _check_same(path: Path, facts: dict[str, object]) -> None:
    """Raise a ModelError if a turntable that was begun states other facts."""
    stated = path / _FACTS
    if not stated.exists():
        return
    try:
        found = json.loads(stated.read_text(encoding="utf-8"))
        same = {key: found[key] for key in facts}
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise ModelError(
            f"{stated} cannot be read ({e}); remove {path} or name another --out"
        ) from e
    for key, wanted in facts.items():
        if same[key] != wanted:
            raise ModelError(
                f"{path} is a turntable made with other {key}: {_difference(same[key], wanted)}; "
                "name another --out, or repeat the command it was begun with"
            )


_ARRAYS: Final = (
    "yaw_deg", "lights", "eyes", "views_grey32", "wearing_grey32", "views_colour128",
    "wearing_colour128",
)  # fmt: skip


def _difference(there: object, wanted: object) -> str:
    """Return the entries that differ: `seed 1 instead of 0`."""
    if not isinstance(there, dict) or not isinstance(wanted, dict):
        return f"{there} instead of {wanted}"
    keys = sorted(key for key in {*there, *wanted} if there.get(key) != wanted.get(key))
    return ", ".join(f"{key} {there.get(key)} instead of {wanted.get(key)}" for key in keys[:3])


def sha256(paths: Iterable[Path]) -> str:
    """Return the SHA-256 of files, one after the other.

    Raises:
        ModelError: one cannot be read.
    """
    digest = hashlib.sha256()
    for path in paths:
        try:
            with path.open("rb") as file:
                while block := file.read(1 << 20):
                    digest.update(block)
        except OSError as e:
            raise ModelError(f"cannot read {path}: {e.strerror}; the data folder lacks it") from e
    return digest.hexdigest()
