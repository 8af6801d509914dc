"""Turn: the head turned about its neck by moving the clip's own pixels.

A head fitted to the points of the face says where each spot of the skin goes; hair goes along with
the skull under it. What comes into view at one side is stretched from what is beside it. The room
stands still behind (see `stages.room`), and the neck takes the turn less and less towards the
shoulders.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from ..imaging.filling import spread_in
from ..imaging.front import wears_glasses
from ..imaging.parsing import REGIONS
from ..imaging.warping import moved_part
from ..request import Edit
from ..types import AlignedBatch, CropRule, EditedBatch
from ._attribute import Attribute
from ._base import PARSING, Artefact, Editor, EditorSpec, Kit, Shot, Work
from ._head import Floats, Turned, head_of

SPEC = EditorSpec(
    name="turn",
    summary="turns a head about its neck by moving the clip's own pixels",
    attributes=(
        Attribute(
            "turn",
            "the head turned by ten degrees to the picture's right; below 0 to the left; what of a "
            "busy room it uncovers is torn here and there",
            aliases=("yaw",),
            low=-1.5,
            high=1.5,
            experimental=True,
            regions=frozenset(REGIONS),
            needs=frozenset({"mouth", "eyes"}),
        ),
    ),
    needs=frozenset({"head", PARSING}),
    crop=CropRule(side_eyes=5.0),
    last=True,
)

_CPU = torch.device("cpu")
_UNIT_DEG = 12.5
"""Of the fitted head: what is seen is less, about ten, since outlines are smoothed."""
_LOOKED_AT = 12
"""Frames of a shot by which a head is known."""
_CELLS_PER_SIDE = 160
_REACH = 0.22
"""How far beyond the bare head of the model hair goes along [outer eye distances of a mean head]:
there exp(-1) of it is left."""
_SOFT, _WIDE = 0.02, 0.12
"""Sigmas by which the field is smoothed [outer eye distances of a mean head]: in general, and along
the outline and the jaw, where it folds or tears: they lie elsewhere on this head than on the fitted
one."""
_NEARER = 0.25
"""How much farther forward something is that weighs e times as much there [outer eye distances of a
mean head]."""
_SKULL = 0.98
"""Share of the turn from which on a place belongs to the skull, and not to the neck."""
_RIM = 0.16
"""How far within the skull's outline the field is smoothed more [outer eye distances of a mean
head]: there exp(-1) of it is."""
_BORDER = 0.08
"""Over which share of the grid, towards its border, the field fades: beyond it nobody knows what
the crop shows."""


class Turn(Editor):
    """Turns heads."""

    spec = SPEC

    def __init__(self, kit: Kit) -> None:
        super().__init__(kit)
        self._head = head_of(kit)

    def depends(self, shot: Shot, edit: Edit) -> Mapping[str, object]:
        """Return what the identity depends on."""
        return shot.facts()

    def prepare(self, shot: Shot, edit: Edit, work: Work) -> Artefact:
        """Return the identity of the head, one for the shot, and whether it wears glasses."""
        del edit
        rows = np.flatnonzero(shot.track.weights) + shot.track.first_frame
        if not len(rows):
            return Artefact()
        chosen = rows[np.linspace(0, len(rows) - 1, min(_LOOKED_AT, len(rows))).round().astype(int)]
        points, rims = [], []
        for batch in work.crops(np.unique(chosen).tolist()):
            points.append(batch.landmarks.cpu().double().numpy())
            if batch.parsing is not None:
                rims += wears_glasses(batch.parsing.to(_CPU), batch.landmarks.cpu()).tolist()
            work.step(sum(map(len, points)), len(chosen))
        identity = self._head.fit_identity(np.concatenate(points))
        return Artefact(
            {"identity": torch.from_numpy(identity)},
            {"glasses": 2 * sum(rims) > len(rims)},
        )

    def apply(self, batch: AlignedBatch, edit: Edit, amount: Tensor, prepared: Any) -> EditedBatch:
        """Return crops with the heads turned."""
        side = batch.images.shape[-1]
        cell = max(1, side // _CELLS_PER_SIDE)
        count = -(-(side - 1) // cell) + 1
        field = np.zeros((len(batch), 2, count, count), np.float32)
        points = batch.landmarks.cpu().double().numpy()
        for n, degrees in enumerate((_UNIT_DEG * amount).tolist()):
            if degrees and "identity" in prepared.tensors:
                identity = prepared.tensors["identity"].numpy()
                glasses = bool(prepared.facts["glasses"])
                found = self._head.turn(points[n], identity, degrees, cell, count, glasses=glasses)
                field[n] = _field(found, cell) * (1 - _held(batch, n, found, cell))
        pull = torch.from_numpy(field).to(batch.images.device) * _known(batch, cell, count)
        return EditedBatch(batch, *moved_part(batch.images, pull, cell))


def _field(found: Turned, cell: int) -> Floats:
    """Return the pull (2, Q, Q) [px] of a turned head and of the hair round it."""
    unit, known = found.scale / cell, found.known.astype(np.float32)
    seen = spread_in(cv2.merge([*cv2.split(found.pull / np.float32(cell)), found.depth]), known)
    pull, depth = np.ascontiguousarray(seen[..., :2]), seen[..., 2]
    away = cv2.distanceTransform((~found.head).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    beside = np.exp(-np.square(away / np.float32(_REACH * unit)))
    pull *= beside[..., None]
    soft = cv2.GaussianBlur(pull, (0, 0), max(_SOFT * unit, 0.5))
    wide = cv2.GaussianBlur(pull, (0, 0), _WIDE * unit)
    # Before the neck what is nearer decides: the chin goes as far as it should, the neck gives way.
    weight = np.exp(beside * np.clip(depth, 0, 2) / np.float32(_NEARER)).astype(np.float32)
    layers = cv2.merge([*cv2.split(pull * weight[..., None]), weight])
    layers = cv2.GaussianBlur(layers, (0, 0), _WIDE * unit)
    neck = (found.head & (found.share < _SKULL)).astype(np.float32)
    neck = np.clip(3 * cv2.GaussianBlur(neck, (0, 0), _WIDE * unit), 0, 1)[..., None]
    wide += neck * (layers[..., :2] / layers[..., 2:] - wide)
    skull = (found.head & (found.share >= _SKULL)).view(np.uint8)
    inside = cv2.distanceTransform(skull, cv2.DIST_L2, cv2.DIST_MASK_5)
    soft += np.exp(-np.square(inside / np.float32(_RIM * unit)))[..., None] * (wide - soft)
    return np.ascontiguousarray(np.moveaxis(soft, 2, 0) * np.float32(cell))


def _held(batch: AlignedBatch, n: int, found: Turned, cell: int) -> Floats:
    """Return where clothes lie that do not turn with the skull, collars and the like, (Q, Q) 0–1:
    a hat does, and so does what the chin comes to lie before."""
    if batch.parsing is None:
        return np.zeros(found.head.shape, np.float32)
    whole = slice(0, (len(found.head) - 1) * cell + 1)
    clothes = batch.parsing[n : n + 1].share("clothes", rows=whole, columns=whole, step=cell)
    points = batch.landmarks[n].cpu().double().numpy()
    down = points[[48, 54]].mean(0) - points[[36, 45]].mean(0)
    line = np.arange(len(found.head)) * cell
    below = (line - points[48:60, 0].mean()) * down[0]
    below = below + ((line - points[48:60, 1].mean()) * down[1])[:, None] > 0
    held = clothes[0, 0].cpu().numpy() * below * (1 - found.share)
    return np.asarray(cv2.GaussianBlur(held, (0, 0), _SOFT * found.scale / cell), np.float32)


def _known(batch: AlignedBatch, cell: int, count: int) -> Tensor:
    """Return 1 where it is known what nodes show, less towards the border of the parsing's grid and
    of the crop, (N, 1, Q, Q)."""
    side = batch.images.shape[-1]
    line = torch.arange(count, dtype=torch.float32, device=batch.images.device) * cell
    near = torch.minimum(line, side - 1 - line) / (_BORDER * side)
    known = torch.minimum(near[:, None], near[None]).clamp(0, 1).expand(len(batch), 1, -1, -1)
    if batch.parsing is None:
        return known
    across, down, at = batch.parsing.crop_to_grid.to(line).unbind(-1)
    place = line[None, None] * across[:, :, None, None]
    place = place + line[:, None] * down[:, :, None, None] + at[:, :, None, None]
    inside = ((1 - place.abs()) / _BORDER).clamp(0, 1).amin(1, keepdim=True)
    smooth: Tensor = known * inside * inside * (3 - 2 * inside)
    return smooth


def build(kit: Kit) -> Turn:
    """Return the editor."""
    return Turn(kit)
