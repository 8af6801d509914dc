"""Which vertices of the 478-point mesh the portrait's shape uses, and how they mirror. Only
training reads the mesh."""

from __future__ import annotations

from typing import Final

from ..topology68 import FLIP_68, MESH_TO_68

_MIDLINE: Final = (10, 151, 9, 6, 195, 1, 164, 18, 200, 199)
_LEFT_RIGHT: Final = (
    *(
        (109, 338),
        (67, 297),
        (103, 332),
        (54, 284),
        (21, 251),
        (127, 356),
        (69, 299),
        (104, 333),
        (68, 298),
    ),
    *(
        (55, 285),
        (52, 282),
        (145, 374),
        (159, 386),
        (230, 450),
        (229, 449),
        (119, 348),
        (118, 347),
        (117, 346),
    ),
    *(
        (116, 345),
        (123, 352),
        (50, 280),
        (101, 330),
        (36, 266),
        (205, 425),
        (203, 423),
        (206, 426),
        (216, 436),
    ),
    *(
        (207, 427),
        (187, 411),
        (147, 376),
        (192, 416),
        (213, 433),
        (138, 367),
        (214, 434),
        (212, 432),
        (57, 287),
    ),
    *(
        (43, 273),
        (202, 422),
        (210, 430),
        (204, 424),
        (106, 335),
        (194, 418),
        (211, 431),
        (32, 262),
        (170, 395),
    ),
    *(
        (176, 400),
        (49, 279),
        (48, 278),
        (129, 358),
        (198, 420),
        (236, 456),
        (122, 351),
        (92, 322),
        (165, 391),
    ),
    *((186, 410), (131, 360), (80, 310), (88, 318)),
)

EXTRA_VERTICES: Final[tuple[int, ...]] = (*_MIDLINE, *(v for pair in _LEFT_RIGHT for v in pair))
"""Mesh vertices that follow the 68 in the shape model."""

MESH_VERTICES: Final[tuple[int, ...]] = (*MESH_TO_68, *EXTRA_VERTICES)
"""Mesh vertex of every shape vertex."""

FLIP_VERTICES: Final[tuple[int, ...]] = (
    *FLIP_68,
    *(68 + i for i in range(len(_MIDLINE))),
    *(68 + len(_MIDLINE) + (i ^ 1) for i in range(2 * len(_LEFT_RIGHT))),
)
"""Where every shape vertex lies in a mirrored face."""
