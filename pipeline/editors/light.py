"""Light: one more lamp on a face, from the left, the right, above or below, or less from there.

A head fitted to the points of a face says which way each place of it faces, and what nose, brow
and chin keep from it. What a lamp adds is a smooth picture of factors on the frame's own pixels, so
pores, hairs, grain and hue stay, and the face as a whole stays as bright as it was. Things before
the face keep their own light.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..imaging.lighting import found_light, lamp_at
from ..imaging.lit import Scene, drawn
from ..imaging.parsing import Region
from ..request import Edit
from ..types import AlignedBatch, CropRule, EditedBatch
from ._attribute import Attribute
from ._base import PARSING, Artefact, Change, Editor, EditorSpec, Kit, Shot, Work, in_part
from ._head import Head, head_of
from ._skin import frames_of

_LIT: frozenset[Region] = frozenset({"face", "hair", "ears", "neck"})


def _attribute(side: str, summary: str) -> Attribute:
    return Attribute(f"light-{side}", summary, low=-2.0, high=2.0, regions=_LIT)


SPEC = EditorSpec(
    name="light",
    summary="one more lamp on a face, large and soft, or less light from one side",
    attributes=(
        _attribute("left", "light from the picture's left; below 0 less comes from there"),
        _attribute("right", "light from the picture's right; below 0 less comes from there"),
        _attribute("top", "light from above; below 0 less comes from there"),
        _attribute("bottom", "light from below; below 0 less comes from there"),
    ),
    needs=frozenset({"head", PARSING}),
    crop=CropRule(side_eyes=4.6),
)

_LAMPS = {
    "light-left": lamp_at(-60, 20, radius_deg=22),
    "light-right": lamp_at(60, 20, radius_deg=22),
    "light-top": lamp_at(0, 56, radius_deg=22),
    "light-bottom": lamp_at(0, -46, radius_deg=26),
}
"""Where a photographer puts a key light: well to the side and somewhat high, or over the camera."""


@dataclass(frozen=True, slots=True, eq=False)
class Lighting:
    """What is known of a face over a shot: the head behind it in T frames, and its light.

    Coordinates are those of crops that begin at the frame's corner.
    """

    first_frame: int
    rows: NDArray[np.int64]
    """(frames of the track,) row of each frame below; −1 where there is no face."""
    identity: NDArray[np.float64]
    """(I,)"""
    scale: NDArray[np.float64]
    """(T,)"""
    rotation: NDArray[np.float64]
    """(T, 3, 3)"""
    shift: NDArray[np.float64]
    """(T, 2) [px]"""
    expression: NDArray[np.float64]
    """(T, E)"""
    light: NDArray[np.float64]
    """(3,) how the logarithm of the light that is there grows with normals."""


_FITTED = ("identity", "scale", "rotation", "shift", "expression")


class Light(Editor):
    """Lights faces; the lamps of edits in a row add up."""

    spec = SPEC

    @property
    def head(self) -> Head:
        """The network that knows heads."""
        return head_of(self.kit)

    def depends(self, shot: Shot, edit: Edit) -> Mapping[str, object]:
        """Return what an artefact depends on: whatever the edit, it is the same."""
        del edit
        return shot.facts()

    def prepare(self, shot: Shot, edit: Edit, work: Work) -> Artefact:
        """Return the head behind a face in every frame, and the light that falls on it already."""
        del edit
        track, frames = shot.track, frames_of(shot)
        batches = list(work.crops(frames))
        seen = np.flatnonzero(track.weights)
        rows = np.full(len(track), -1)
        rows[seen] = np.arange(len(seen))
        to_crop = np.linalg.inv(batches[0].crop_to_frame[0, :2, :2])
        points = track.landmarks[seen].astype(np.float64) @ to_crop.T
        identity = self.head.fit_identity(points)
        fit = self.head.fit_pose(points, identity)
        found = {name: np.asarray(getattr(fit, name)) for name in _FITTED}
        known = Lighting(track.first_frame, rows, light=np.zeros(3), **found)
        lit = []
        for batch in batches:
            lit += [self._scene(batch, n, known).skin() for n in range(len(batch))]
            work.step(len(lit), len(frames))
        normals, logs = (np.concatenate(parts) for parts in zip(*lit, strict=True))
        found |= {"rows": rows, "light": found_light(normals, logs)}
        return Artefact({name: torch.from_numpy(value) for name, value in found.items()})

    def opened(self, shot: Shot, artefact: Artefact) -> Lighting:
        """Return what is known of a face."""
        found = {name: tensor.numpy() for name, tensor in artefact.tensors.items()}
        return Lighting(shot.track.first_frame, **found)

    def apply(
        self, batch: AlignedBatch, edit: Edit, amount: Tensor, prepared: Lighting
    ) -> EditedBatch:
        """Return crops under one lamp."""
        return self.apply_row(batch, [edit], amount[None], prepared)

    def apply_row(
        self, batch: AlignedBatch, edits: Sequence[Edit], amounts: Tensor, prepared: Lighting
    ) -> EditedBatch:
        """Return crops under several lamps."""
        changes: list[Change | None] = []
        for n, strengths in enumerate(amounts.T.tolist()):
            lamps = [(_LAMPS[e.attribute], s) for e, s in zip(edits, strengths, strict=True) if s]
            change = None
            if lamps:
                change = drawn(self._scene(batch, n, prepared), lamps, prepared.light)
            changes.append(change)
        return in_part(batch, changes)

    def _scene(self, batch: AlignedBatch, n: int, known: Lighting) -> Scene:
        """Return one crop of a batch with the head behind its face."""
        assert batch.parsing is not None, "the passes tell what crops show where"
        row = int(known.rows[batch.frame_index[n] - known.first_frame])
        vertices = self.head.vertices(known, row).numpy()
        matrix = batch.crop_to_frame[n]
        vertices[:, :2] -= np.linalg.solve(matrix[:2, :2], matrix[:2, 2])
        return Scene.of(
            batch.images[n],
            batch.parsing[n : n + 1],
            batch.landmarks[n].cpu().numpy(),
            vertices,
            self.head.faces.numpy(),
            self.head.in_group("face", "eyes").float().numpy(),
        )


def build(kit: Kit) -> Light:
    """Return the editor."""
    return Light(kit)
