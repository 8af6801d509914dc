"""The prepare pass: what editors make once for every face of a shot, before anything is rendered.

What is in the store is not made again. Work that is stopped goes on from its last checkpoint.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch

from ..artefacts import Store
from ..editors import Artefact, Editor, Shot, Work
from ..media.base import Reading
from ..media.threads import in_order, prefetch
from ..parsing import Parsing
from ..progress import Progress
from ..request import Edit
from ..types import AlignedBatch, FaceTrack, Frame
from .crops import Crops

T = TypeVar("T")
STAGE = "prepare"
Frames = Callable[[int, int], Reading]
"""Gives the frames of the clip from one to another."""


def prepared(
    editor: Editor, edit: Edit, keys: Mapping[int, str], work: ShotWork
) -> dict[int, Artefact]:
    """Return what an editor needs to know of every face, by track: kept already, or made now.

    Args:
        editor: that prepares.
        edit: what is asked of it.
        keys: of the artefacts, by track; one for each of the work's shots.
        work: on all shots.
    """
    kept = {track: work.store.get(key) for track, key in keys.items()}
    artefacts = {track: artefact for track, artefact in kept.items() if artefact is not None}
    missing = tuple(shot for shot in work.shots if shot.key not in artefacts)
    if not missing:
        work.progress.skip(STAGE)
        return artefacts
    made = editor.prepare_all(missing, edit, dataclasses.replace(work, shots=missing, keys=keys))
    for track, artefact in made.items():
        facts = {"what": editor.spec.name, **artefact.facts}
        work.store.put(keys[track], dataclasses.replace(artefact, facts=facts))
    work.progress.finish()
    return artefacts | made


@dataclass(frozen=True, slots=True, eq=False)
class ShotWork:
    """The work on some faces of one clip: see `editors.Work`."""

    shots: tuple[Shot, ...]
    frames: Frames
    frame_count: int
    crop: Crops
    store: Store
    progress: Progress
    keys: Mapping[int, str] = dataclasses.field(default_factory=dict)
    """Of the artefacts, by track."""

    @property
    def device(self) -> torch.device:
        """Where crops are."""
        return self.crop.device

    def of(self, shot: Shot) -> Work:
        """Return the work on one of several faces."""
        return dataclasses.replace(self, shots=(shot,))

    def crops(self, frames: Collection[int] | None = None) -> Iterator[AlignedBatch]:
        """Yield the crops of the shot, or of some frames of the clip, in order, on the device."""
        (shot,) = self.shots
        chosen = _rows(shot.track, frames)
        spanned = np.flatnonzero(chosen.weights) + chosen.first_frame
        cut = self.crop.cutter([chosen])
        if not spanned.size:
            return
        with self.frames(int(spanned[0]), int(spanned[-1]) + 1) as opened:
            for chunk in self.crop.chunks(opened):
                yield from (self._ready(batch) for batch in cut(chunk)[1])

    def parsed(self, batch: AlignedBatch, *, wider: float) -> Parsing | None:
        """Return what crops show in a square so many times as large; None if nobody knows."""
        return self.crop.parsed(batch, wider=wider).parsing

    def looked(
        self,
        look: Callable[[AlignedBatch], Sequence[T]],
        frames: Mapping[int, Collection[int]],
    ) -> Iterator[T]:
        """Yield what `look` says of the crops of some frames by track, in any order: one pass over
        the clip for all of them, on several threads."""
        cut = self.crop.cutter([_rows(shot.track, frames[shot.key]) for shot in self.shots])
        looked_at = {frame for shot in self.shots for frame in frames[shot.key]}
        self.progress.start(STAGE, self.frame_count)

        def seen(chunk: list[Frame]) -> list[T]:
            batches = (self._ready(batch) for batch in cut(chunk)[1])
            return [
                said
                for batch in batches
                for _, part in self.crop.halving(look, batch)
                for said in part
            ]

        with self.frames(0, self.frame_count) as opened, prefetch(opened) as ahead:
            passing = self.crop.chunks(f for f in self._counted(ahead) if f.index in looked_at)
            with in_order(seen, passing, workers=self.crop.workers) as parts:
                for part in parts:
                    yield from part

    def restored(self) -> Artefact | None:
        """Return the state at the last checkpoint; None at the beginning."""
        (shot,) = self.shots
        return self.store.restored(self.keys[shot.key])

    def checkpoint(self, state: Artefact) -> None:
        """Keep a state to go on from."""
        (shot,) = self.shots
        self.store.checkpoint(self.keys[shot.key], state)

    def step(self, done: int, total: int) -> None:
        """Say how far the work is."""
        self.progress.at(STAGE, done, total)

    def _ready(self, batch: AlignedBatch) -> AlignedBatch:
        return self.crop.parsed(batch.to(self.device))

    def _counted(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        for frame in frames:
            self.progress.advance(1)
            yield frame


def _rows(track: FaceTrack, frames: Collection[int] | None) -> FaceTrack:
    """Return a track with weight only in some frames of the clip."""
    if frames is None:
        return track
    rows = [frame - track.first_frame for frame in frames]
    weights = np.zeros_like(track.weights)
    weights[rows] = track.weights[rows]
    return dataclasses.replace(track, weights=weights)
