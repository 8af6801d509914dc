"""The ICT Face Model as a `Head`: the whole of it, or a light one with fewer vertices and modes.

ICT Face Model Light, USC Institute for Creative Technologies, 2020, MIT licence: 26,719 vertices in
centimetres, y up, z forward, 100 modes of identity, 57 expressions.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor

from ..base import ModelError
from ..reading.arrays import read_npz
from .basis import GROUPS, Head

EXPRESSIONS: Final = (
    *("browDown_L", "browDown_R", "browInnerUp_L", "browInnerUp_R", "browOuterUp_L"),
    *("browOuterUp_R", "eyeBlink_L", "eyeBlink_R", "eyeWide_L", "eyeWide_R", "jawOpen"),
    *("jawLeft", "jawRight", "mouthSmile_L", "mouthSmile_R", "mouthFrown_L", "mouthFrown_R"),
    *("mouthPucker", "mouthStretch_L", "mouthStretch_R", "mouthUpperUp_L", "mouthUpperUp_R"),
    *("mouthLowerDown_L", "mouthLowerDown_R", "mouthClose", "mouthRollLower", "mouthRollUpper"),
)
"""Those that 68 points tell apart, and that a light head keeps."""

LANDMARKS: Final = (
    *(
        265,
        1049,
        1893,
        229,
        748,
        770,
        2199,
        1496,
        965,
        3710,
        4390,
        3011,
        2989,
        2470,
        4093,
        3269,
        2506,
    ),
    *(1704, 494, 1031, 2041, 2006, 4206, 4237, 3251, 2735, 3909),
    *(977, 4527, 4839, 4857, 4559, 2087, 5, 4281, 5024),
    *(1507, 1542, 1537, 620, 1518, 1512, 2861, 3751, 3756, 3721, 3726, 3732),
    *(519, 5720, 2081, 0, 4275, 6225, 2760, 6357, 6480, 5518, 5976, 5852),
    *(5920, 6037, 5533, 6541, 6425, 6486, 5519, 5982),
)
"""Vertices of the whole model on which the 68 points of this program lie, as `places` finds them
(`python -m models.head --data DIR/ict --places DIR/omi`). The model's own 68 follow other hands:
heads fitted to those were off by 0.034 head units on average, to these by 0.0075."""

_CM: Final = 8.918
"""Centimetres of the model in one head unit: its outer eye corners are so far apart."""
_EYES_Y, _NECK_Z = 3.432, 0.5
"""Height of the eyes; how far forward the axis lies about which the head turns, a centimetre and a
half behind the openings of the ears [cm of the model]."""
_VERTICES: Final = 26_719
_SKIN, _EARS, _FACE = 11_248, 8_160, 6_706
"""The surface of face, ears, scalp and neck comes first; of it the front of the face, then ears."""
_SCLERAS: Final = ((21_451, 22_221), (23_021, 23_791))
_MOST_BYTES: Final = 1 << 28


def read_ict(path: Path) -> Head:
    """Return the whole model, all modes and expressions, from its .npz.

    Args:
        path: `ict_face_light.npz`: neutral (V, 3), identity (100, V, 3), expression (57, V, 3)
            [cm], expression_names (57,), faces (F, 4).

    Raises:
        ModelError: the file cannot be read, lacks an array, or holds another mesh.
    """
    arrays = _arrays(path)
    neutral = (arrays["neutral"].astype(np.float64) - (0, _EYES_Y, _NECK_Z)) / _CM
    front = _in_picture(neutral)
    group = _groups(arrays["neutral"].astype(np.float64))
    skin = torch.from_numpy(group == GROUPS.index("face"))
    landmarks = np.array(LANDMARKS)
    return Head(
        {
            "neutral": torch.from_numpy(front),
            "identity": torch.from_numpy(_in_picture(arrays["identity"].astype(np.float32) / _CM)),
            "expression": torch.from_numpy(
                _in_picture(arrays["expression"].astype(np.float32) / _CM)
            ),
            "faces": torch.from_numpy(_triangles(arrays["faces"].astype(np.int64))),
            "landmarks68": torch.from_numpy(landmarks),
            "contour": torch.from_numpy(_contour(front, skin.numpy(), landmarks)),
            "group": torch.from_numpy(group),
            "mirror": torch.from_numpy(_mirror(front, group)),
            "names": _as_bytes(arrays["expression_names"].tolist()),
        }
    )


def _arrays(path: Path) -> dict[str, NDArray[np.generic]]:
    wanted = ("neutral", "identity", "expression", "expression_names", "faces")
    try:
        with path.open("rb") as file:
            arrays = read_npz(file, most=_MOST_BYTES, names=wanted, texts=True)
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as e:
        raise ModelError(f"cannot read {path}: {e}; expected ict_face_light.npz") from e
    if missing := [name for name in wanted if name not in arrays]:
        raise ModelError(f"{path} lacks {', '.join(missing)}; expected ict_face_light.npz")
    if arrays["neutral"].shape != (_VERTICES, 3):
        raise ModelError(
            f"{path} holds a mesh of shape {arrays['neutral'].shape}; "
            f"the ICT Face Model Light has {_VERTICES} vertices"
        )
    return arrays


def _as_bytes(names: Sequence[str]) -> Tensor:
    return torch.tensor(list("\n".join(names).encode()), dtype=torch.uint8)


def _in_picture(points: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return points or moves (..., 3) with y down."""
    return np.ascontiguousarray(points * (1, -1, 1), np.float32)


def _triangles(quads: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return triangles of quads (F, 4), turned round: with y down the other side is outside."""
    first = quads[:, [0, 2, 1]]
    second = quads[quads[:, 3] >= 0][:, [0, 3, 2]]
    return np.concatenate([first, second])


def _mirror(neutral: NDArray[np.float32], group: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the vertex of the same group nearest to every vertex's mirror image."""
    out = np.arange(len(neutral))
    for members in (np.flatnonzero(group == number) for number in np.unique(group)):
        tree = cKDTree(neutral[members])
        out[members] = members[tree.query(neutral[members] * np.array((-1, 1, 1), np.float32))[1]]
    # Where the two sides are not quite alike, the side of positive x decides.
    ours = np.flatnonzero(neutral[:, 0] > 0)
    out[out[ours]] = ours
    return out


def _groups(neutral: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return numbers of `GROUPS` for the model's vertices (V, 3) [cm]."""
    x, y, z = np.abs(neutral[:, 0]), neutral[:, 1], neutral[:, 2]
    number = np.arange(len(neutral))
    group = np.full(len(neutral), GROUPS.index("inside"))
    group[:_SKIN] = GROUPS.index("scalp")
    group[:_FACE] = GROUPS.index("face")
    behind = (number >= _FACE) & (number < _SKIN)
    is_ear = behind & (x > 6.3) & (z > -1.9) & (z < 2.8) & (y > -2.7) & (y < 3.9)
    is_ear &= (number < _EARS) | (x > 7.6)
    group[is_ear] = GROUPS.index("ears")
    group[behind & (y < -1.5 + 0.35 * -z) & ~is_ear] = GROUPS.index("neck")
    for start, end in _SCLERAS:
        group[start:end] = GROUPS.index("eyes")
    return group.astype(np.int64)


_SLIDES: Final = 9
"""Places where a point of the jaw may lie."""


def _contour(
    neutral: NDArray[np.float32], skin: NDArray[np.bool_], landmarks: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return for each jaw point (17, C) the vertices from it to the middle of the face.

    The places lie on a straight line, seen from in front, to the foot of the nose's bridge, up to
    half-way; the point itself comes first.
    """
    front = np.flatnonzero(skin)
    tree = cKDTree(neutral[front, :2])
    middle = neutral[landmarks[[28, 33]], :2].mean(0)
    out = np.zeros((17, _SLIDES), np.int64)
    for point, vertex in enumerate(landmarks[:17]):
        shares = np.linspace(0, 0.5, _SLIDES)[:, None]
        line = neutral[vertex, :2] + shares * (middle - neutral[vertex, :2])
        out[point] = front[tree.query(line)[1]]
        out[point, 0] = vertex
    return out
