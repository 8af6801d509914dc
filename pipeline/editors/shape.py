"""Shape: jaw, nose, eyes and lips made smaller or larger by moving the frame's own pixels.

No network: where each part is and how large it is on this face say its own landmarks, also how far
it is foreshortened on a turned head, because every point moves by a share of its own distance from
the middle of its part. What stands before the face keeps its place, and so do glasses and clothes:
the pull ends beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..imaging.sampling import blurred, grown
from ..imaging.warping import moved_part, nodes, radial_pull, swelling_pull
from ..parsing import Parsing
from ..request import Edit
from ..types import AlignedBatch, EditedBatch
from ._attribute import Attribute
from ._base import Editor, EditorSpec, Kit

SPEC = EditorSpec(
    name="shape",
    summary="makes parts of a face smaller or larger by moving its own pixels",
    attributes=(
        Attribute(
            "jaw",
            "lower face wider; below 0 it is slimmer",
            aliases=("jaw-width", "face-width"),
            low=-2.0,
            high=2.0,
        ),
        Attribute(
            "nose",
            "nose larger; below 0 it is smaller, in width and length",
            aliases=("nose-size",),
            low=-2.0,
            high=2.0,
        ),
        Attribute(
            "eyes-size",
            "eyes larger; below 0 they are smaller",
            aliases=("eye-size",),
            low=-2.0,
            high=2.0,
            needs=frozenset({"eyes"}),
        ),
        Attribute(
            "lips",
            "lips fuller; below 0 they are thinner",
            aliases=("lip-size",),
            low=-2.0,
            high=2.0,
            needs=frozenset({"mouth"}),
        ),
    ),
)

_CELLS_PER_SIDE = 40
_HELD_GROWTH, _HELD_SOFTNESS = 1 / 32, 1 / 48
"""How far what holds its place is grown, and sigma of its edge [sides of the parsing's grid]."""
_EYES, _INNER_LIPS, _NOSE = slice(36, 48), slice(60, 68), slice(27, 36)


class Shape(Editor):
    """Moves the pixels of parts of a face; edits in a row are one move."""

    spec = SPEC

    def apply(
        self, batch: AlignedBatch, edit: Edit, amount: Tensor, prepared: object
    ) -> EditedBatch:
        """Return crops with one part changed."""
        return self.apply_row(batch, (edit,), amount[None], prepared)

    def apply_row(
        self, batch: AlignedBatch, edits: Sequence[Edit], amounts: Tensor, prepared: object
    ) -> EditedBatch:
        """Return crops with some parts changed: their pulls are added up, and the pixels are
        fetched once."""
        del prepared
        cell = max(1, batch.images.shape[-1] // _CELLS_PER_SIDE)
        return EditedBatch(
            batch, *moved_part(batch.images, pull_of(batch, edits, amounts, cell), cell)
        )


def pull_of(batch: AlignedBatch, edits: Sequence[Edit], amounts: Tensor, cell: int) -> Tensor:
    """Return the pull (N, 2, Q, Q) of some edits of amounts (E, N) on every `cell`-th pixel."""
    at = nodes(batch.images.shape[-1], cell, batch.landmarks)
    count = round(len(at) ** 0.5)
    face = _Face.of(batch.landmarks)
    everywhere = at.expand(len(batch), -1, -1)
    pull = sum(
        (_PULLS[e.attribute](face, a, everywhere) for e, a in zip(edits, amounts, strict=True)),
        start=torch.zeros_like(everywhere),
    )
    field = pull.transpose(1, 2).reshape(len(batch), 2, count, count)
    return field * _free(batch, at, cell)


@dataclass(frozen=True, slots=True)
class _Face:
    """N faces in the crop: points, size, and the direction along the line of the eyes."""

    points: Tensor
    """(N, 68, 2) [px]."""
    unit: Tensor
    """(N,) [px], about the distance between the outer eye corners of a frontal head."""
    across: Tensor
    """(N, 1, 2) unit vector along the eyes."""
    down: Tensor
    """(N, 1, 2) unit vector across it."""

    @staticmethod
    def of(points: Tensor) -> _Face:
        """Return the faces of landmarks (N, 68, 2)."""
        eyes = points[:, 45] - points[:, 36]
        length = torch.linalg.vector_norm(eyes, dim=-1)
        height = points[:, [48, 54]].mean(1) - points[:, [36, 45]].mean(1)
        # On a turned head the eyes draw together, but the face stays as high.
        unit = torch.maximum(length, 1.3 * torch.linalg.vector_norm(height, dim=-1))
        across = (eyes / length.clamp(min=1e-3)[:, None])[:, None]
        return _Face(points, unit, across, across.flip(-1) * across.new_tensor([-1.0, 1.0]))

    def along(self, offset: Tensor, axis: Tensor) -> Tensor:
        """Return the part of vectors (N, P, 2) that lies along an axis."""
        return (offset * axis).sum(-1, keepdim=True) * axis


# Shares of its own distance by which a part moves at strength 1.
_JAW, _NOSE_WIDTH, _NOSE_LENGTH, _EYE, _LIP = 0.07, 0.09, 0.03, 0.08, 0.2

_JAW_SHARES = (0.0, 0.06, 0.25, 0.55, 0.85, 1.0, 0.9, 0.5, 0.0)
"""How much of the move each point of the jaw takes, from the ear to the chin."""
_JAW_REACH, _NOSE_REACH, _LIP_REACH = 0.6, 0.42, 0.38
"""How far the influence of a point goes [units of a face]."""


def _jaw_pull(face: _Face, amount: Tensor, at: Tensor) -> Tensor:
    points = face.points
    jaw, still = points[:, :17], points[:, 17:]
    middle = points[:, [27, 33]].mean(1, keepdim=True)
    shares = points.new_tensor(_JAW_SHARES + _JAW_SHARES[-2::-1])[:, None]
    offset = face.along(jaw - middle, face.across)
    moves = _JAW * amount[:, None, None] * shares * offset
    centres = torch.cat([jaw, still], 1)
    return radial_pull(centres, _padded(moves, centres), _JAW_REACH * face.unit, at)


def _nose_pull(face: _Face, amount: Tensor, at: Tensor) -> Tensor:
    points = face.points
    nose, root, base = points[:, _NOSE], points[:, 27:28], points[:, 33:34]
    wings = points[:, [31, 35]]
    # The wings bulge beyond the points at their base.
    outer = wings + 0.25 * (wings - base)
    upper = outer + 0.22 * (root - base)
    moved = torch.cat([nose, outer, upper], 1)
    width = _NOSE_WIDTH * face.along(moved - base, face.across)
    # Of the bridge and the tip only the height: they lie before the face, not beside its middle.
    width[:, :4] = 0
    length = _NOSE_LENGTH * face.along(moved - root, face.down)
    moves = amount[:, None, None] * (width + length)
    cheeks = wings + 1.1 * (wings - base)
    still = torch.cat([cheeks, points[:, _EYES], points[:, 48:60], points[:, [21, 22]]], 1)
    centres = torch.cat([moved, still], 1)
    return radial_pull(centres, _padded(moves, centres), _NOSE_REACH * face.unit, at)


def _eyes_pull(face: _Face, amount: Tensor, at: Tensor) -> Tensor:
    pull = torch.zeros_like(at)
    for begin in (36, 42):
        eye = face.points[:, begin : begin + 6]
        centre = eye.mean(1)
        half = torch.linalg.vector_norm(eye[:, 3] - eye[:, 0], dim=-1)[:, None, None] / 2
        axes = torch.cat([1.05 * half * face.across, 0.85 * half * face.down], 1)
        pull = pull + swelling_pull(centre, axes, _EYE * amount, 2.0, at)
    return pull


def _lips_pull(face: _Face, amount: Tensor, at: Tensor) -> Tensor:
    points = face.points
    outer, inner = points[:, 48:60], points[:, _INNER_LIPS]
    thickness = outer - inner[:, _FACING].mean(2)
    moves = _LIP * amount[:, None, None] * face.along(thickness, face.down)
    moves[:, [0, 6]] = 0
    still = torch.cat([inner[:, [1, 2, 3, 5, 6, 7]], points[:, 31:36], points[:, 6:11]], 1)
    centres = torch.cat([outer, still], 1)
    return radial_pull(centres, _padded(moves, centres), _LIP_REACH * face.unit, at)


_FACING = [[0, 0], [0, 1], [1, 1], [2, 2], [3, 3], [3, 4], [4, 4], [4, 5], [5, 5], [6, 6], [7, 7]]
_FACING.append([7, 0])
"""The inner points of the lips that the outer ones face, by pairs whose middle counts."""

_PULLS: dict[str, Callable[[_Face, Tensor, Tensor], Tensor]] = {
    "jaw": _jaw_pull,
    "nose": _nose_pull,
    "eyes-size": _eyes_pull,
    "lips": _lips_pull,
}


def _padded(moves: Tensor, centres: Tensor) -> Tensor:
    """Return moves of the first centres, with 0 for the others."""
    rest = centres.shape[1] - moves.shape[1]
    return torch.cat([moves, moves.new_zeros(len(moves), rest, 2)], 1)


def _free(batch: AlignedBatch, at: Tensor, cell: int) -> Tensor:
    """Return how free each node is to move, (N, 1, Q, Q) 0–1: not at the border of the crop, nor
    where there is something before the face, or cloth."""
    side = batch.images.shape[-1]
    count = round(len(at) ** 0.5)
    line = torch.minimum(at, side - 1 - at).amin(-1).reshape(1, 1, count, count) / (0.06 * side)
    free = line.clamp(0, 1)
    if batch.parsing is None:
        return free
    whole = slice(0, (count - 1) * cell + 1)
    return free * (1 - batch.parsing.sampled(_held(batch.parsing), whole, whole, cell))


def _held(parsing: Parsing) -> Tensor:
    """Return what holds its place, on the parsing's grid (N, 1, G, G) 0–1."""
    shares = parsing.of("front", "glasses", "clothes")
    # Grown before it is softened: a rim is thinner than the way from node to node.
    reach = max(round(_HELD_GROWTH * shares.shape[-1]), 1)
    return blurred(grown(shares, reach), _HELD_SOFTNESS * shares.shape[-1]).clamp(0, 1)


def build(kit: Kit) -> Shape:
    """Return the editor."""
    return Shape(kit)
