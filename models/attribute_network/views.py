"""The pictures of a turntable folder, opened without being read: what training and tables look at.

Arrays stay on the disk and are mapped; a batch copies what it needs. Everything that a later step
would stumble over is checked here: parts that are missing or unfinished, pictures of another size,
arrays that do not fit each other, splits that overlap.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from ..base import ModelError, command

Split = Literal["train", "test"]
Bytes = NDArray[np.uint8]
GREY_SIDE: Final = 32
COLOUR_SIDE: Final = 128
YAWS: Final = 7
"""Poses of every face, −45° to 45°."""
STATES: Final = 7
"""What a face wears: nothing, three pairs of glasses, three hats."""

_MAKE: Final = f"make it with {command('attribute_network')} turntable"


@dataclass(frozen=True, slots=True, eq=False)
class Views:
    """A turntable's pictures, of one colour and size."""

    folder: Path
    colour: bool
    """128² RGB; else 32² grey."""
    train: tuple[str, ...]
    """Faces to learn from, in the order of the arrays, which hold them first."""
    test: tuple[str, ...]
    """Faces to measure on, behind them."""
    yaw_deg: NDArray[np.float32]
    """(7,)"""
    lights: NDArray[np.float32]
    """(L, 4): direction to the light (x right, y down, z towards the camera), intensity of the
    flash; 0: ambient light only."""
    eyes: NDArray[np.float32]
    """(faces, 7, 2, 2) places of both eyes, x and y [px of 128²]."""
    views: Bytes
    """(faces, 7, L, S, S) or (faces, 7, L, S, S, 3), mapped."""
    wearing: Bytes | None
    """(faces, 7 states, K captures, S, S) or with 3 channels behind, mapped; None: not made."""
    digest: str
    """Of the options and inputs that the turntable was made with."""

    @property
    def side(self) -> int:
        """Side of the pictures [px]."""
        return COLOUR_SIDE if self.colour else GREY_SIDE

    def rows(self, split: Split) -> range:
        """Return the rows of the arrays that hold a split."""
        return range(len(self.train)) if split == "train" else self._test_rows

    @property
    def _test_rows(self) -> range:
        return range(len(self.train), len(self.train) + len(self.test))

    @property
    def ambient(self) -> int:
        """Number of the light without a flash.

        Raises:
            ModelError: every light is a flash.
        """
        dark = np.flatnonzero(self.lights[:, 3] == 0)
        if not len(dark):
            raise ModelError(
                f"{self.folder / 'lights.npy'} has no light without a flash (intensity 0), from "
                f"which another light is told; {_MAKE}"
            )
        return int(dark[0])


def open_views(folder: Path, *, colour: bool) -> Views:
    """Return the pictures of a turntable folder.

    Args:
        folder: as `turntable --out` wrote it.
        colour: 128² RGB instead of 32² grey.

    Raises:
        ModelError: it lacks a part, is unfinished, or its parts do not fit each other.
    """
    facts = _json(folder / "turntable.json")
    train, test = _splits(folder)
    faces = len(train) + len(test)
    yaws, lights, eyes = (_array(folder, name) for name in ("yaw_deg", "lights", "eyes"))
    _expect(folder / "yaw_deg.npy", yaws, (YAWS,))
    _expect(folder / "lights.npy", lights, (len(lights), 4))
    _expect(folder / "eyes.npy", eyes, (faces, YAWS, 2, 2))
    kind, side = ("colour128", COLOUR_SIDE) if colour else ("grey32", GREY_SIDE)
    picture = (side, side, 3) if colour else (side, side)
    views = _array(folder, f"views_{kind}")
    _expect(folder / f"views_{kind}.npy", views, (faces, YAWS, len(lights), *picture))
    wearing = None
    if (folder / f"wearing_{kind}.npy").exists():
        wearing = _array(folder, f"wearing_{kind}")
        captures = wearing.shape[2] if wearing.ndim > 2 else 0
        _expect(folder / f"wearing_{kind}.npy", wearing, (faces, STATES, captures, *picture))
    _check_finished(folder, facts, faces)
    return Views(
        folder=folder,
        colour=colour,
        train=train,
        test=test,
        yaw_deg=np.asarray(yaws, np.float32),
        lights=np.asarray(lights, np.float32),
        eyes=np.asarray(eyes, np.float32),
        views=views,
        wearing=wearing,
        digest=_digest(facts, train, test),
    )


def _splits(folder: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    path = folder / "ids.json"
    ids = _json(path)
    splits = [ids.get(name) for name in ("train", "test")]
    if not all(isinstance(names, list) and names for names in splits):
        raise ModelError(f"{path} does not list the faces of `train` and `test`; {_MAKE}")
    train, test = (tuple(str(name) for name in names or ()) for names in splits)
    if both := sorted({*train} & {*test}):
        raise ModelError(
            f"{path} has faces in `train` and in `test` ({', '.join(both[:3])}): what is learnt "
            f"would be measured on itself; {_MAKE}"
        )
    return train, test


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as e:
        raise ModelError(
            f"{path.parent} is no turntable folder: {path.name} cannot be read ({e.strerror}); "
            f"{_MAKE}"
        ) from e
    except ValueError as e:
        raise ModelError(f"{path} is damaged: {e}; {_MAKE}") from e
    if not isinstance(found, dict):
        raise ModelError(f"{path} holds no table of facts; {_MAKE}")
    return found


def _array(folder: Path, name: str) -> NDArray[Any]:
    path = folder / f"{name}.npy"
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]
    except OSError as e:
        raise ModelError(f"{folder} lacks {path.name}, which holds its {name}; {_MAKE}") from e
    except ValueError as e:
        raise ModelError(f"{path} is damaged or cut short: {e}; {_MAKE}") from e


def _expect(path: Path, found: NDArray[Any], shape: tuple[int, ...]) -> None:
    if found.shape != shape:
        raise ModelError(
            f"{path} is of shape {found.shape}, expected {shape}: pictures of another size, or of "
            f"another turntable than the files beside it; {_MAKE}"
        )


def _check_finished(folder: Path, facts: dict[str, Any], faces: int) -> None:
    done = facts.get("done")
    if isinstance(done, list) and len(done) < faces:
        raise ModelError(
            f"the turntable in {folder} is unfinished: {len(done)} of {faces} faces are there; "
            "repeat the command that makes it, it goes on"
        )


def _digest(facts: dict[str, Any], train: tuple[str, ...], test: tuple[str, ...]) -> str:
    """Return a short hash of what decides a turntable's pictures; not of how far it is."""
    decides = {key: value for key, value in facts.items() if key != "done"}
    text = json.dumps([decides, train, test], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
