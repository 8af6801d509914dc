"""Edits of latent codes, by movers of any kind: w' = w + α·T(w) with a transformer, w' = w + α·d
with a direction.

What a code holds of texture is one for the whole shot, so it cannot flicker (see `_codes`). Edits
that follow each other are drawn at once: the face model renders what lies between the code before
the first and the code after the last of them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..attribute_text import check_level, row_window
from ..causes import Shares
from ..curves import values
from ..keyframes import Curve
from ..request import Edit
from ..types import AlignedBatch, EditedBatch, FaceTrack
from ._attribute import FACE
from ._base import FACE_MODEL, Artefact, Editor, EditorSpec, Kit, Shot, Work
from ._codes import SampledCodes, ShotCodes, frames_of, gather, hold, look_at, sampled
from ._face_model import Codes, Mover, Pack
from ._levels import Reached, reached


@dataclass(frozen=True, slots=True)
class LatentOptions:
    """How codes are moved."""

    mover: str = "latent-transformer"
    """Name of a kind of mover: the same for every face (`direction`, `pca`), or asked for each by a
    network."""
    rows: str = ""
    """Of the codes, that alone move: `2-5`, or `3`; '': those that the mover moves."""

    level: str = ""
    """What the pack's classifier is to say of the face, 0–1, at strength 1; '': nothing, a strength
    is what it is."""

    def __post_init__(self) -> None:
        row_window(self.rows)
        check_level(self.level)

    @classmethod
    def of(cls, edit: Edit) -> LatentOptions:
        """Return the options of an edit."""
        return cls(**dict(edit.options))  # type: ignore[arg-type]  # checked when it was resolved

    def mover_of(self, pack: Pack, attribute: str) -> Mover:
        """Return what moves codes of a pack along an attribute.

        Raises:
            UsageError: the pack has no such mover, or rows.
            WeightsError: its file cannot be used.
        """
        return pack.mover(self.mover, attribute, row_window(self.rows))


SPEC = EditorSpec(
    name="latent",
    summary="moves the code of a face: w' = w + α·T(w), or along one direction for every face",
    needs=frozenset({FACE_MODEL}),
    options=LatentOptions,
)

_LEVELS = 64
"""Parts of a curve's range to whose ends its strengths are rounded, for the account of a run."""
_REMEMBERED = 64
"""Moved codes remembered: of the batches that recur, one for each track and share of the edit."""


class Latent(Editor):
    """Moves codes and renders the difference."""

    spec = SPEC

    def __init__(self, kit: Kit) -> None:
        super().__init__(kit)
        self._pack = kit.face_model
        self._model = self._pack.model
        self._regions = {a.name: a.regions for a in self._pack.attributes}
        self._spans = {a.name: (a.low, a.high) for a in self._pack.attributes}
        # Threads share it: each step is whole, and at worst one code is moved twice.
        self._moved: dict[tuple[object, ...], Tensor] = {}
        self._reached: dict[tuple[object, ...], Reached] = {}

    def depends(self, shot: Shot, edit: Edit) -> Mapping[str, object]:
        """Return what the codes depend on: whatever the edit, they are the same."""
        del edit
        rule, track = self._model.codes, shot.track
        looked_at = dataclasses.replace(shot, track=self._watched(shot))
        return {
            "codes": rule.version,
            "span": [track.first_frame, track.end_frame],
            "clip": shot.clip,
            "face": looked_at.digest(),
        }

    def prepare_all(self, shots: Sequence[Shot], edit: Edit, work: Work) -> dict[int, Artefact]:
        """Return the codes of all faces, found in one pass over the clip."""
        del edit
        rule = self._model.codes
        coded = {
            shot.key: frames_of(
                sampled(shot.track, shot.times, rate_hz=rule.samples_hz, most=rule.most_samples)
            )
            for shot in shots
        }
        samples = work.looked(
            lambda batch: look_at(batch, self._model, coded=coded),
            {shot.key: frames_of(self._watched(shot)) for shot in shots},
        )
        return {track: codes.kept() for track, codes in gather(samples, self._model).items()}

    def opened(self, shot: Shot, artefact: Artefact) -> ShotCodes:
        """Return the code of every frame of the shot."""
        return hold(self._watched(shot), SampledCodes.of(artefact), shot.times, self._model)

    def limits(self, shot: Shot, edit: Edit, prepared: Any) -> Mapping[str, Shares]:
        """Return what the face model leaves of an edit in every frame, as if it were the only one;
        of a curve to the nearest of some strengths."""
        strength, rows = edit.strength, slice(shot.track.first_frame, shot.track.end_frame)
        if not isinstance(strength, Curve):
            return self._left(edit, strength, prepared, slice(None))
        found = values(strength, shot.times)[rows]
        low, high = float(found.min()), float(found.max())
        step = (high - low) / _LEVELS
        levels = np.rint((found - low) / step) if step else np.zeros(len(found))
        shares: dict[str, Shares] = {}
        for level in np.unique(levels):
            frames = np.flatnonzero(levels == level)
            left = self._left(edit, low + float(level) * step, prepared, frames)
            for cause, share in left.items():
                shares.setdefault(cause, np.ones(len(found), np.float32))[frames] = share
        return shares

    def _left(
        self, edit: Edit, strength: float, prepared: ShotCodes, rows: slice | NDArray[np.intp]
    ) -> dict[str, Shares]:
        """Return what the face model leaves of an edit of one strength in some frames of a shot."""
        device = self.kit.device
        w, state = prepared.w[None].to(device), prepared.state[rows].to(device)
        codes = Codes(w=w, state=state[:1])
        with torch.inference_mode():
            after = self._after(codes, [edit], w.new_full((1, 1), strength), prepared)
            left = self._model.limits(w[0], after.w[0], state)
        return {cause: share.float().cpu().numpy() for cause, share in left.items()}

    def apply(self, batch: AlignedBatch, edit: Edit, amount: Tensor, prepared: Any) -> EditedBatch:
        """Return crops with one edit."""
        return self.apply_row(batch, [edit], amount[None], prepared)

    def apply_row(
        self, batch: AlignedBatch, edits: Sequence[Edit], amounts: Tensor, prepared: Any
    ) -> EditedBatch:
        """Return crops with all edits, rendered once."""
        with self.kit.clock.time("edit / move"):
            before, after = self.moved(batch, edits, amounts, prepared)
        regions = FACE.union(*(self._regions.get(edit.attribute, FACE) for edit in edits))
        with self.kit.clock.time("edit / render"):
            return self._model.render(batch, before, after, regions)

    def moved(
        self, batch: AlignedBatch, edits: Sequence[Edit], amounts: Tensor, codes: ShotCodes
    ) -> tuple[Codes, Codes]:
        """Return the codes of N crops before and after the edits.

        Where the codes of a shot stand still, so do the moved ones, for each share of the edits.
        """
        before = codes.at(batch)
        if codes.moving.numel():
            return before, self._after(before, edits, amounts, codes)
        key = (id(codes), tuple(edits), amounts.cpu().numpy().tobytes())
        if (w := self._moved.get(key)) is None:
            if len(self._moved) >= _REMEMBERED:
                self._moved.clear()
            w = self._moved[key] = self._after(before, edits, amounts, codes).w
        return before, Codes(w=w, state=before.state)

    def _after(
        self, codes: Codes, edits: Sequence[Edit], amounts: Tensor, shot: ShotCodes
    ) -> Codes:
        w = codes.w
        for edit, amount in zip(edits, amounts, strict=True):
            options = LatentOptions.of(edit)
            share = amount * self.reached(edit, shot).strength if options.level else amount
            w = options.mover_of(self._pack, edit.attribute)(w, share)
        return Codes(w=w, state=codes.state)

    def reached(self, edit: Edit, shot: ShotCodes) -> Reached:
        """Return how far an edit with a level moves a face: once for its shot, by the code of the
        shot as it is before any edit, so that it does not flicker."""
        key = (id(shot), edit.attribute, edit.options)
        if (found := self._reached.get(key)) is None:
            options = LatentOptions.of(edit)
            move = options.mover_of(self._pack, edit.attribute)
            read = self._pack.reader(edit.attribute)
            span = self._spans.get(edit.attribute, (-3.0, 3.0))
            with torch.inference_mode():
                w = shot.w[None].to(self.kit.device)
                found = self._reached[key] = reached(float(options.level), w, move, read, span)
        return found

    def views(
        self, batch: AlignedBatch, edits: Sequence[Edit], amounts: Tensor, codes: ShotCodes
    ) -> dict[str, Tensor]:
        """Return what the codes hold, (N, 3, S, S) in [-1, 1]: as found and as moved."""
        there = batch.to(self.kit.device)
        before, after = self.moved(there, edits, amounts.to(self.kit.device), codes)
        shown = {"reconstruction": before, "reconstruction-edited": after}
        names = list(shown) if len(edits) else ["reconstruction"]
        return {name: self._model.reconstruct(shown[name]) for name in names}

    def hidden(self, batch: AlignedBatch, codes: ShotCodes) -> Tensor | None:
        """Return what is in front of the faces (N, 1, S, S) 0–1, by the codes of their shot; crops
        and what is returned are on the CPU."""
        there = batch.to(self.kit.device)
        found = self._model.hidden(there, codes.at(there))
        return None if found is None else found.cpu()

    def _watched(self, shot: Shot) -> FaceTrack:
        """Return the track with weight only in the frames that are looked at."""
        rule = self._model.codes
        return sampled(shot.track, shot.times, rate_hz=rule.states_hz or rule.samples_hz)


def build(kit: Kit) -> Latent:
    """Return the editor."""
    return Latent(kit)
