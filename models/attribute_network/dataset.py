"""Pairs of pictures that differ in one attribute: what the four tasks learn from and are measured
on.

A pair is a number. Which pictures it means follows from the number alone, so that runs are the same
however many threads fetch them, and none of the pairs has to be listed.

    rotate     face × light × ordered pairs of yaws: 100 · 20 · 42 = 84,000, as published
    light      face × yaw × ordered pairs of lights
    flash      face × yaw × light × one flash more
    accessory  face × capture × ordered pairs of what is worn
    complete   face × yaw × light; a black bar over the eyes is drawn when the pair is fetched
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..base import ModelError
from .bar import bars
from .network import SHAPES, Task
from .views import STATES, YAWS, Bytes, Split, Views

Ints = NDArray[np.int64]
Places = tuple[Ints, ...]
"""Rows of an array's first axes, one number per pair."""

_FARTHEST_DEG: Final = 45.0
_STRENGTHS: Final = (0.2, 1.5)
"""Of an added flash in training, in units of the turntable's."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Pairs that have been fetched."""

    source: Tensor
    """(N, C, S, S) uint8."""
    target: Tensor
    """(N, C, S, S) uint8."""
    one_hot: Tensor
    """(N, A) float32: the wanted attribute as the published network takes it."""
    continuous: Tensor
    """(N, A) float32: as the grown-up one does."""


@dataclass(frozen=True, slots=True)
class Meant:
    """Which pictures pairs mean."""

    rows: Ints
    """(N,) faces, as rows of the turntable's arrays."""
    source: Places
    target: Places
    wanted: Ints
    """(N,) number of the wanted yaw, light or thing worn; 0 where a task has one only."""


class Pairs:
    """The pairs of one task over the faces of one split."""

    def __init__(self, views: Views, task: Task, split: Split) -> None:
        """Count the pairs.

        Raises:
            ModelError: the turntable lacks what the task needs.
        """
        self.views, self.task, self.split = views, task, split
        self._rows = np.asarray(views.rows(split))
        lights = len(views.lights)
        if task == "accessory" and views.wearing is None:
            raise ModelError(
                f"the turntable {views.folder} has no faces that wear something, which the task "
                "'accessory' learns from; make one with accessories"
            )
        if task == "flash":
            if not views.colour:
                raise ModelError("the task 'flash' needs pictures in colour")
            self._flashes = np.flatnonzero(views.lights[:, 3] > 0)
        captures = 0 if views.wearing is None else views.wearing.shape[2]
        self._axes: tuple[int, ...] = {
            "rotate": (len(self._rows), lights, YAWS, YAWS - 1),
            "light": (len(self._rows), YAWS, lights, lights - 1),
            "flash": (len(self._rows), YAWS, lights, lights - 1),
            "accessory": (len(self._rows), captures, STATES, STATES - 1),
            "complete": (len(self._rows), YAWS, lights),
        }[task]

    def __len__(self) -> int:
        return int(np.prod(self._axes))

    @property
    def kinds(self) -> int:
        """How many attributes there are to choose from: the length of a one-hot vector."""
        return kinds_of(self.views, self.task)

    def meant(self, numbers: Tensor | Ints) -> Meant:
        """Return which pictures pairs (N,) mean."""
        at = np.unravel_index(np.asarray(numbers, np.int64), self._axes)
        face = self._rows[at[0]]
        if self.task == "complete":
            return Meant(face, (face, at[1], at[2]), (face, at[1], at[2]), np.zeros_like(face))
        other = at[3] + (at[3] >= at[2])
        if self.task == "rotate":
            return Meant(face, (face, at[2], at[1]), (face, other, at[1]), other)
        if self.task == "flash":
            flash = self._flashes[at[3] % len(self._flashes)]
            return Meant(face, (face, at[1], at[2]), (face, at[1], flash), flash)
        if self.task == "light":
            return Meant(face, (face, at[1], at[2]), (face, at[1], other), other)
        return Meant(face, (face, at[2], at[1]), (face, other, at[1]), other)

    def batch(self, numbers: Tensor | Ints, varied: torch.Generator | None = None) -> Batch:
        """Return pairs (N,) fetched from the disk.

        Args:
            numbers: which.
            varied: draws which pairs are mirrored, how strong an added flash is, how large a bar;
                None: none is mirrored, and flashes and bars are as they are.
        """
        meant = self.meant(numbers)
        arrays = self.views.wearing if self.task == "accessory" else self.views.views
        assert arrays is not None
        source, target = _fetched(arrays, meant.source), _fetched(arrays, meant.target)
        strengths = np.ones(len(source), np.float32)
        if self.task == "flash":
            strengths = _strengths(len(source), varied)
            dark = self.views.ambient
            ambient = _fetched(arrays, (*meant.source[:2], np.full_like(meant.rows, dark)))
            target = one_flash_more(source, target, ambient, strengths)
        if self.task == "complete":
            source = self._barred(source, meant, varied)
        batch = Batch(
            _channels_first(source),
            _channels_first(target),
            torch.eye(self.kinds)[torch.from_numpy(meant.wanted)],
            continuous(self.views, self.task, meant.wanted, strengths),
        )
        return batch if varied is None else _mirrored(batch, self.task, varied)

    def _barred(self, source: Bytes, meant: Meant, varied: torch.Generator | None) -> Bytes:
        eyes = self.views.eyes[meant.rows]
        yaws = meant.source[1]
        keep = 1 - bars(eyes, yaws, self.views.side, varied)
        if self.views.colour:
            keep = keep[..., None]
        return np.asarray(np.rint(source * keep), np.uint8)


def kinds_of(views: Views, task: Task) -> int:
    """Return how many attributes a task has to choose from on a turntable."""
    lights = len(views.lights)
    return {"rotate": YAWS, "light": lights, "flash": lights, "accessory": STATES, "complete": 1}[
        task
    ]


def continuous(views: Views, task: Task, wanted: Ints, strengths: NDArray[np.float32]) -> Tensor:
    """Return wanted attributes (N, A) float32 as the grown-up network takes them.

    rotate: the yaw in units of 45°. light: direction to the flash (x right, y down, z towards the
    camera) and its intensity; zeros for ambient light. flash: direction and strength of one more.
    accessory: how much of each of nothing, three pairs of glasses, three hats. complete: 1.

    Args:
        views: the turntable.
        task: which.
        wanted: (N,) numbers of yaws, lights or things worn.
        strengths: (N,) of added flashes.
    """
    if task == "rotate":
        return torch.from_numpy(views.yaw_deg[wanted, None] / np.float32(_FARTHEST_DEG))
    if task in ("light", "flash"):
        lights = views.lights[wanted].copy()
        lights[lights[:, 3] == 0] = 0
        if task == "flash":
            lights[:, 3] = strengths
        return torch.from_numpy(lights)
    if task == "accessory":
        return torch.eye(SHAPES[task].attributes)[torch.from_numpy(wanted)]
    return torch.ones(len(wanted), 1)


def one_flash_more(
    source: Bytes, flash: Bytes, ambient: Bytes, strengths: NDArray[np.float32]
) -> Bytes:
    """Return pictures with one flash more: light adds up, so it is exact in linear light.

    Args:
        source: (N, S, S, 3) sRGB levels, under any light.
        flash: the same faces under ambient light and the flash.
        ambient: the same faces under ambient light alone.
        strengths: (N,) of the flash; 1: as in `flash`.
    """
    added = _linear(flash) - _linear(ambient)
    return _encoded(_linear(source) + strengths[:, None, None, None] * added)


def _strengths(count: int, varied: torch.Generator | None) -> NDArray[np.float32]:
    if varied is None:
        return np.ones(count, np.float32)
    low, high = _STRENGTHS
    return (torch.rand(count, generator=varied) * (high - low) + low).numpy()


def _fetched(array: Bytes, at: Places) -> Bytes:
    """Return pictures (N, …) of a mapped array, read in the order of the file."""
    first = np.ravel_multi_index(at, array.shape[: len(at)])
    order = np.argsort(first, kind="stable")
    found = np.empty((len(first), *array.shape[len(at) :]), np.uint8)
    flat = array.reshape(-1, *array.shape[len(at) :])
    for index in order:
        found[index] = flat[first[index]]
    return found


def _channels_first(pictures: Bytes) -> Tensor:
    """Return (N, C, S, S) of (N, S, S) or (N, S, S, 3)."""
    tensor = torch.from_numpy(pictures)
    return tensor[:, None] if tensor.dim() == 3 else tensor.permute(0, 3, 1, 2).contiguous()


def _mirrored(batch: Batch, task: Task, varied: torch.Generator) -> Batch:
    """Return the batch with half of its pairs seen in a mirror, and what they want with them."""
    swap = torch.rand(len(batch.source), generator=varied) < 0.5
    source, target, wanted = batch.source.clone(), batch.target.clone(), batch.continuous.clone()
    source[swap], target[swap] = source[swap].flip(-1), target[swap].flip(-1)
    if task in ("rotate", "light", "flash"):
        wanted[swap, 0] *= -1
    return Batch(source, target, batch.one_hot, wanted)


def _table() -> NDArray[np.float32]:
    levels = np.arange(256) / 255
    return np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4).astype(
        np.float32
    )


_LINEAR: Final = _table()
"""Linear light of sRGB levels (IEC 61966-2-1)."""


def _linear(levels: Bytes) -> NDArray[np.float32]:
    return _LINEAR[levels]


def _encoded(light: NDArray[np.float32]) -> Bytes:
    light = np.clip(light, 0, 1)
    levels = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(levels * 255), np.uint8)
