"""A sitter made into a bust: fitted head, skin and hair off the photograph."""

from __future__ import annotations

import numpy as np
import torch

from ..head.basis import Head
from ..head.raster import Floats
from ..head.shading import vertex_normals
from .anatomy import TEETH, Anatomy
from .hair import grow_hair
from .matte import find_matte
from .pose import pose
from .sitters import SIDE, Sitter
from .studio import Bust
from .surface import Surface
from .texture import skin_paint

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
    skin = Surface(
        vertices=vertices,
        triangles=anatomy.triangles,
        normals=_even_teeth(normals),
        paint=skin_paint(sitter, posed, matte, vertices, anatomy),
        gloss=shine,
        hidden=anatomy.inside,
    )
    points = vertices[anatomy.landmarks]
    return Bust(
        skin=skin,
        hair=() if matte is None else grow_hair(sitter, posed, matte),
        photograph=sitter.photograph,
        matte=np.zeros((SIDE, SIDE), np.float32) if matte is None else matte.large(SIDE),
        eyes=np.stack([points[36:42].mean(0), points[42:48].mean(0)]),
        chin=points[8],
    )


def resting(sitter: Sitter, head: Head) -> Floats:
    """Return the vertices (V, 3) of a sitter's head without any expression."""
    return _shape(sitter, head, np.zeros(len(head.expression)))


def _shape(sitter: Sitter, head: Head, expression: np.ndarray) -> Floats:
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
