"""What the vertices of the whole ICT head are, and what the turntable uses of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ...head.basis import Head
from ...head.raster import Floats, Ints

FACE_END: Final = 6706
"""The front of the face, without ears."""
SKIN_END: Final = 11_248
SOCKETS: Final = (11_248, 14_062)
GUMS: Final = (14_062, 17_039)
TEETH: Final = (17_039, 21_451)
EYEBALLS: Final = (21_451, 24_591)
"""Behind them lie films and lashes, which are too fine to be drawn."""

_INSIDE: Final[tuple[tuple[tuple[int, int], tuple[float, float, float]], ...]] = (
    (SOCKETS, (0.09, 0.025, 0.02)),
    (GUMS, (0.24, 0.07, 0.065)),
    (TEETH, (0.52, 0.46, 0.37)),
    (EYEBALLS, (0.42, 0.38, 0.36)),
)
"""Linear albedo of what a photograph hides within mouth and lids."""


@dataclass(frozen=True, slots=True, eq=False)
class Anatomy:
    """The whole head's vertices by what they are."""

    triangles: Ints
    """(F, 3) of all that is drawn."""
    face: NDArray[np.bool_]
    """(V,) the front of the face, without ears; so on below."""
    ears: NDArray[np.bool_]
    scalp: NDArray[np.bool_]
    neck: NDArray[np.bool_]
    inside: NDArray[np.bool_]
    """Mouth and eyes."""
    drawn: NDArray[np.bool_]
    """What any of the triangles uses."""
    mirror: Ints
    """(V,) the vertex of the other side."""
    landmarks: Ints
    """(68,)"""
    edges: sp.csr_matrix
    """(V, V) 1 where two vertices share an edge."""
    within: Floats
    """(V, 3) linear albedo of what lies within mouth and lids, 0 elsewhere."""

    @staticmethod
    def of(head: Head) -> Anatomy:
        """Return the anatomy of the whole head (`models.head.ict.read_ict`)."""
        count = len(head.neutral)
        number = np.arange(count)
        groups = {name: head.in_group(name).numpy() for name in ("face", "ears", "scalp", "neck")}
        triangles = head.faces.numpy().astype(np.int32)
        triangles = triangles[(triangles < EYEBALLS[1]).all(1)]
        within = np.zeros((count, 3), np.float32)
        for (start, end), albedo in _INSIDE:
            within[start:end] = albedo
        sides = triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
        ones = np.ones(len(sides), np.float32)
        edges = sp.coo_matrix((ones, (sides[:, 0], sides[:, 1])), (count, count))
        both = (edges + edges.T).tocsr()
        both.data[:] = 1
        drawn = np.zeros(count, bool)
        drawn[triangles] = True
        return Anatomy(
            triangles=triangles,
            **groups,
            inside=(number >= SKIN_END) & (number < EYEBALLS[1]),
            drawn=drawn,
            mirror=head.mirror.numpy().astype(np.int32),
            landmarks=head.landmarks68.numpy().astype(np.int32),
            edges=both,
            within=within,
        )

    def smoothed(self, values: Floats, rounds: int) -> Floats:
        """Return values (V,) or (V, C) averaged with their neighbours some times."""
        degree = np.maximum(np.asarray(self.edges.sum(1)).ravel(), 1).astype(np.float32)
        degree = degree.reshape(-1, *[1] * (values.ndim - 1))
        for _ in range(rounds):
            values = 0.5 * values + 0.5 * (self.edges @ values) / degree
        return values.astype(np.float32)
