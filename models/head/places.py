"""Where on the model the 68 points of this program lie: found again on faces.

The model's own 68 vertices follow other hands: along the jaw its points lie up to a centimetre from
those of `topology68`. Heads are fitted to many faces; what is left over on average says where on
the surface each point should have been.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from ..topology68 import FLIP_68, MESH_TO_68
from ..training.face_folder import read_points
from .basis import Head
from .fit import fit_head

_ROUNDS: Final = 6
_REACH: Final = 6
"""How many edges a point may walk in a round: never from one lip to the other."""
_FACES: Final = 160


def read_faces(data: Path) -> NDArray[np.float64]:
    """Return 68 points (N, 68, 2) [px of 512] of faces of `data/omi`, each with its mirror image.

    Raises:
        ModelError: `images_landmarks478.npz` is not there or not readable.
    """
    _, mesh = read_points(data / "images_landmarks478.npz")
    step = max(1, len(mesh) // _FACES)
    points = mesh[::step, MESH_TO_68, :2].double().numpy() * 512
    mirrored = points[:, FLIP_68] * (-1, 1) + (512, 0)
    return np.concatenate([points, mirrored])


def find_places(head: Head, faces: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the vertices (68,) of `head` on which the points of faces (N, 68, 2) lie."""
    state = {name: tensor.clone() for name, tensor in head.state_dict().items()}
    neighbours = _neighbours(head)
    for _ in range(_ROUNDS):
        current = Head(state)
        off = _left_over(current, faces)
        places = state["landmarks68"].numpy()
        moved = _walked(head, places, off, neighbours)
        moved = _symmetric(head, moved)
        state["landmarks68"] = torch.from_numpy(moved)
        state["contour"][:, 0] = state["landmarks68"][:17]
    return moved


def _left_over(head: Head, faces: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far points lie from the fitted ones on average (68, 2), in the head's own x, y."""
    model, off = head.points, []
    for points in faces[:, None]:
        fit = fit_head(points, None, model)
        shape = model.neutral[:68] + np.tensordot(fit.identity, model.identity[:, :68], 1)
        shape = shape + np.tensordot(fit.expression[0], model.expression[:, :68], 1)
        seen = (points[0] - fit.shift[0]) / fit.scale[0]
        off.append((seen - shape @ fit.rotation[0, :2].T) @ fit.rotation[0, :2, :2])
    return np.asarray(np.mean(off, 0))


def _neighbours(head: Head) -> list[set[int]]:
    beside: list[set[int]] = [set() for _ in head.neutral]
    for a, b, c in head.faces.tolist():
        beside[a] |= {b, c}
        beside[b] |= {a, c}
        beside[c] |= {a, b}
    return beside


def _walked(
    head: Head, places: NDArray[np.int64], off: NDArray[np.float64], beside: list[set[int]]
) -> NDArray[np.int64]:
    """Return the vertices of the skin, seen from in front, nearest to places that should move."""
    neutral = head.neutral.numpy()
    skin = head.in_group("face", "ears").numpy()
    in_front = skin & (head.normals(head.neutral)[:, 2].numpy() > -0.3)
    out = places.copy()
    for point, (place, move) in enumerate(zip(places, off, strict=True)):
        near = {int(place)}
        for _ in range(_REACH):
            near |= {v for u in near for v in beside[u]}
        candidates = np.array(sorted(v for v in near if in_front[v]))
        wanted = neutral[place, :2] + move
        out[point] = candidates[((neutral[candidates, :2] - wanted) ** 2).sum(-1).argmin()]
    return out


def _symmetric(head: Head, places: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return places whose right half mirrors the left one; those in the middle stay there."""
    mirror, out = head.mirror.numpy(), places.copy()
    for point, other in enumerate(FLIP_68):
        if point < other:
            out[other] = mirror[out[point]]
    return out
