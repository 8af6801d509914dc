"""A sitter made into a bust: fitted head, skin and hair off the photograph."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from ...head.basis import Head
from ...head.raster import Floats, rasterise
from ...head.shading import vertex_normals
from .anatomy import TEETH, Anatomy
from .back import hair_back
from .hair import hair_front
from .matte import Matte, find_matte
from .pose import Posed, pose
from .sitters import SIDE, Sitter
from .studio import Bust, Stance, turned
from .surface import Surface, pruned
from .texture import covered_ears, skin_paint

_LOOKS: Final = ((-52, 0), (-30, -8), (0, -9), (0, 9), (30, 8), (52, 0))
"""Yaw and pitch of looks [degrees] that together see what any view may."""
_LOOK_SIDE, _LOOK_SCALE = 384, 85.0
"""Of a look [px], [px per head unit]: fine enough to meet every triangle or a neighbour of it."""

_SKIN_GLOSS, _WET_GLOSS = 0.05, 0.10


def make_bust(sitter: Sitter, head: Head, anatomy: Anatomy) -> Bust:
    """Return a sitter's bust, with the expression of the photograph.

    Args:
        sitter: photographed and fitted.
        head: the whole ICT head.
        anatomy: of it.
    """
    vertices = _shape(sitter, head, sitter.fit.expression[0])
    normals = vertex_normals(vertices, anatomy.triangles)
    posed = pose(sitter, vertices, normals, anatomy)
    matte = find_matte(sitter, posed, anatomy)
    shine = np.full(len(vertices), _SKIN_GLOSS, np.float32)
    shine[anatomy.inside] = _WET_GLOSS
    head_surface = Surface(
        vertices=vertices,
        triangles=anatomy.triangles,
        normals=_even_teeth(normals),
        paint=skin_paint(sitter, posed, matte, vertices, anatomy),
        gloss=shine,
        hidden=anatomy.inside,
    )
    points = vertices[anatomy.landmarks]
    return Bust(
        head=head_surface,
        skin=pruned(head_surface, _ever_seen(head_surface)),
        hair=_hair(sitter, posed, matte, anatomy),
        photograph=sitter.photograph,
        matte=np.zeros((SIDE, SIDE), np.float32) if matte is None else matte.large(SIDE),
        eyes=np.stack([points[36:42].mean(0), points[42:48].mean(0)]),
        chin=points[8],
        covered=covered_ears(posed, matte, vertices, anatomy),
    )


def _hair(
    sitter: Sitter, posed: Posed, matte: Matte | None, anatomy: Anatomy
) -> tuple[Surface, ...]:
    """Return the back and the front of the hair, if there is any."""
    if matte is None:
        return ()
    return hair_back(sitter, posed, matte, anatomy), hair_front(sitter, posed, matte)


def _ever_seen(surface: Surface) -> NDArray[np.bool_]:
    """Return which triangles (F,) some camera may see, and their neighbours."""
    seen = np.zeros(len(surface.triangles), bool)
    for yaw, pitch in _LOOKS:
        rotation = turned(Stance(yaw, pitch), 0)
        placed = surface.vertices @ rotation.T * np.float32(_LOOK_SCALE)
        placed[:, :2] += 0.5 * _LOOK_SIDE
        raster = rasterise(placed, surface.triangles, (_LOOK_SIDE, _LOOK_SIDE))
        seen[raster.triangle[raster.triangle >= 0]] = True
    touched = np.zeros(len(surface.vertices), bool)
    touched[surface.triangles[seen]] = True
    return np.asarray(touched[surface.triangles].any(1))


def resting(sitter: Sitter, head: Head) -> Floats:
    """Return the vertices (V, 3) of a sitter's head without any expression."""
    return _shape(sitter, head, np.zeros(len(head.expression)))


def _shape(sitter: Sitter, head: Head, expression: NDArray[np.floating]) -> Floats:
    identity = torch.as_tensor(sitter.fit.identity, dtype=torch.float32)
    shape = head.shape(identity, torch.as_tensor(expression, dtype=torch.float32))
    return np.asarray(shape.numpy(), np.float32)


def _even_teeth(normals: Floats) -> Floats:
    """Return normals with the teeth's turned ahead: each is smaller than a pixel, and their sides
    would be drawn as noise."""
    even = normals.copy()
    ahead = 0.35 * normals[slice(*TEETH)] + np.array([0, 0, 0.65], np.float32)
    even[slice(*TEETH)] = ahead / np.linalg.norm(ahead, axis=1, keepdims=True)
    return even
