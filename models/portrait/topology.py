"""Which vertices of the 478-point mesh the portrait's shape uses, and how they mirror. Only
training reads the mesh."""

from __future__ import annotations

from typing import Final

from ..topology68 import FLIP_68, MESH_TO_68

_MIDLINE: Final = (10, 151, 9, 6, 195, 1, 164, 18, 200, 199)
_LEFT: Final = (
    *(109, 67, 103, 54, 21, 127, 69, 104, 68, 55, 52, 145, 159, 230, 229, 119, 118, 117),
    *(116, 123, 50, 101, 36, 205, 203, 206, 216, 207, 187, 147, 192, 213, 138, 214, 212, 57),
    *(43, 202, 210, 204, 106, 194, 211, 32, 170, 176, 49, 48, 129, 198, 236, 122, 92, 165),
    *(186, 131, 80, 88),
)
_RIGHT: Final = (
    *(338, 297, 332, 284, 251, 356, 299, 333, 298, 285, 282, 374, 386, 450, 449, 348, 347, 346),
    *(345, 352, 280, 330, 266, 425, 423, 426, 436, 427, 411, 376, 416, 433, 367, 434, 432, 287),
    *(273, 422, 430, 424, 335, 418, 431, 262, 395, 400, 279, 278, 358, 420, 456, 351, 322, 391),
    *(410, 360, 310, 318),
)
"""Vertex by vertex the mirror images of those on the left."""

EXTRA_VERTICES: Final[tuple[int, ...]] = (
    *_MIDLINE,
    *(v for pair in zip(_LEFT, _RIGHT, strict=True) for v in pair),
)
"""Mesh vertices that follow the 68 in the shape model."""

MESH_VERTICES: Final[tuple[int, ...]] = (*MESH_TO_68, *EXTRA_VERTICES)
"""Mesh vertex of every shape vertex."""

FLIP_VERTICES: Final[tuple[int, ...]] = (
    *FLIP_68,
    *(68 + i for i in range(len(_MIDLINE))),
    *(68 + len(_MIDLINE) + (i ^ 1) for i in range(2 * len(_LEFT))),
)
"""Where every shape vertex lies in a mirrored face."""
