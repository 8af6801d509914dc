"""Which vertices of the 478-point face mesh stand for the 68-point scheme, and how both mirror.

The 68 points: 0-16 jaw, 17-26 brows, 27-35 nose, 36-47 eyes, 48-59 outer lips, 60-67 inner lips;
the image's left (the subject's right) comes first. The jaw points are fixed mesh vertices, not the
visible contour: they stay on the same spot of the head when it turns.
"""

from __future__ import annotations

from typing import Final

MESH_TO_68: Final[tuple[int, ...]] = (
    *(162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389),
    *(71, 63, 105, 66, 107, 336, 296, 334, 293, 301),
    *(168, 197, 5, 4, 75, 97, 2, 326, 305),
    *(33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380),
    *(61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181),
    *(78, 82, 13, 312, 308, 317, 14, 87),
)
"""Mesh vertex of each of the 68 points."""

FLIP_68: Final[tuple[int, ...]] = (
    *range(16, -1, -1),
    *range(26, 16, -1),
    *(27, 28, 29, 30, 35, 34, 33, 32, 31),
    *(45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40),
    *(54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55),
    *(64, 63, 62, 61, 60, 67, 66, 65),
)
"""Where each of the 68 points lies in a mirrored image: `mirrored = points[list(FLIP_68)]` after x
-> W - 1 - x."""
