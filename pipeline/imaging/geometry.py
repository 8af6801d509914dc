"""Points, similarity transforms and the one coordinate convention of the program.

Convention: points are (x, y); x to the right, y down; pixel centres lie at integers, so the
top-left pixel covers [-0.5, 0.5]²; the origin is the centre of the top-left pixel. Matrices act
on column vectors (x, y, 1)ᵀ. A matrix named `a_to_b` takes coordinates in a to coordinates in b.

Angles turn x towards y, so a positive roll is clockwise on the screen. Landmarks follow the iBUG
300-W order of 68 points; right and left are the person's own, so the right eye (36–41) is at the
picture's left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

Points = NDArray[np.floating]
"""(..., K, 2) points (x, y)."""
Affine = NDArray[np.float64]
"""(..., 3, 3) matrix, last row 0 0 1."""

JAW = np.arange(0, 17)
BROWS = np.arange(17, 27)
NOSE = np.arange(27, 36)
RIGHT_EYE = np.arange(36, 42)
LEFT_EYE = np.arange(42, 48)
EYES = np.arange(36, 48)
MOUTH = np.arange(48, 68)
NON_MOUTH = np.arange(0, 48)


def translation(x: float, y: float) -> Affine:
    """(3, 3) matrix that adds (x, y)."""
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], np.float64)


def scaling(x: float, y: float | None = None) -> Affine:
    """(3, 3) matrix that multiplies x by `x` and y by `y` (by `x` too when left out)."""
    return np.diag([x, x if y is None else y, 1.0]).astype(np.float64)


def similarity(scale: float, angle_deg: float, x: float, y: float) -> Affine:
    """(3, 3) matrix that scales and turns about the origin, then adds (x, y)."""
    c, s = scale * np.cos(np.radians(angle_deg)), scale * np.sin(np.radians(angle_deg))
    return np.array([[c, -s, x], [s, c, y], [0, 0, 1]], np.float64)


def invert(matrix: Affine) -> Affine:
    """(..., 3, 3) inverse; exact for pure integer translations."""
    linear = np.linalg.inv(matrix[..., :2, :2])
    out = np.zeros_like(matrix)
    out[..., :2, :2] = linear
    out[..., :2, 2] = -np.einsum("...ij,...j->...i", linear, matrix[..., :2, 2])
    out[..., 2, 2] = 1.0
    return out


def is_shift(matrix: Affine) -> bool:
    """Whether an affine matrix only moves, by whole pixels."""
    shift = matrix[:2, 2]
    return bool((matrix[:2, :2] == np.eye(2)).all() and (shift == np.rint(shift)).all())


def transform(matrix: Affine, points: Points) -> NDArray[np.float64]:
    """(..., K, 2) points moved by (..., 3, 3) matrices."""
    linear = np.swapaxes(matrix[..., :2, :2], -1, -2)
    return np.asarray(points @ linear + matrix[..., None, :2, 2], np.float64)


def fit_similarity(source: Points, target: Points) -> Affine:
    """(..., 3, 3) source_to_target: least-squares similarity of (..., K, 2), K ≥ 2, no reflection.

    Closed form of Umeyama (PAMI 1991) for the plane: with centred points as complex numbers
    z, w the factor scale·e^{iθ} is Σ conj(z)·w / Σ |z|².
    """
    source_mean, target_mean = (p.astype(np.float64).mean(-2) for p in (source, target))
    z, v = source - source_mean[..., None, :], target - target_mean[..., None, :]
    size = np.maximum((z**2).sum(-1).sum(-1), 1e-12)
    cos = (z * v).sum(-1).sum(-1) / size
    sin = (z[..., 0] * v[..., 1] - z[..., 1] * v[..., 0]).sum(-1) / size
    out = np.zeros((*np.broadcast_shapes(source.shape[:-2], target.shape[:-2]), 3, 3))
    out[..., 0, 0] = out[..., 1, 1] = cos
    out[..., 0, 1], out[..., 1, 0] = -sin, sin
    out[..., :2, 2] = target_mean - np.einsum("...ij,...j->...i", out[..., :2, :2], source_mean)
    out[..., 2, 2] = 1.0
    return out


def landmark_box(landmarks: Points, *, margin: float = 0.0) -> NDArray[np.float32]:
    """(..., 4) x0 y0 x1 y1 [px] round (..., K, 2) points, grown by `margin` × its larger side."""
    low, high = landmarks.min(-2), landmarks.max(-2)
    grow = margin * (high - low).max(-1, keepdims=True)
    return np.concatenate([low - grow, high + grow], -1).astype(np.float32)


def box_iou(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Return the intersection over union (0-1) of two boxes (4,) x0 y0 x1 y1."""
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    shared = float(np.prod(np.maximum(high - low, 0.0)))
    union = float(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2])) - shared
    return shared / union if union > 0 else 0.0


def eye_distance(landmarks: Points) -> NDArray[np.float64]:
    """(...,) distance between the outer eye corners [px] of (..., 68, 2) landmarks."""
    return np.asarray(np.linalg.norm(landmarks[..., 45, :] - landmarks[..., 36, :], axis=-1))


def face_unit(landmarks: Points) -> NDArray[np.float64]:
    """(...,) about the outer eye distance of a frontal head [px]: on a turned one the eyes draw
    together, but the face stays as high. Of (..., 68, 2) landmarks."""
    points = np.asarray(landmarks, np.float64)
    height = points[..., [48, 54], :].mean(-2) - points[..., [36, 45], :].mean(-2)
    sizes = np.maximum(eye_distance(points), 1.3 * np.linalg.norm(height, axis=-1))
    return np.asarray(sizes, np.float64)


def face_size(landmarks: Points) -> NDArray[np.float64]:
    """(...,) root mean square distance of the 48 points beside the mouth from their mean [px].

    Steadier over expressions and head turns than the distance between the eyes.
    """
    points = landmarks[..., :48, :]
    centred = points - points.mean(-2, keepdims=True)
    return np.asarray(np.sqrt((centred**2).sum(-1).mean(-1)))


def may_be_face(landmarks: Points, size: tuple[int, int]) -> bool:
    """Return whether finite points (68, 2) can be a face that a frame of `size` (width, height)
    [px] shows at least a part of.

    Landmarks in other units, or invented ones, may describe a face so large that its crop would not
    fit into memory.
    """
    side, points = max(size), np.asarray(landmarks, np.float64)
    low, high = points.min(0), points.max(0)
    is_near = (low >= -side).all() and (high <= 2 * side).all()
    return bool(is_near and (high - low).max() <= 2 * side and eye_distance(points) <= side)


def ffhq_quad(landmarks: Points, *, pixel_aspect: float = 1.0) -> NDArray[np.float64]:
    """(..., 4, 2) corners NW, SW, SE, NE [frame px] of the square crop used by FFHQ.

    Args:
        landmarks: (..., 68, 2) [frame px].
        pixel_aspect: width ÷ height of a pixel; the quad is a square in square pixels.

    Karras et al., "A Style-Based Generator Architecture for GANs" (2019), appendix A: x axis
    along the eyes and across the line from eyes to mouth, half side max(2 eye distances, 1.8
    eye–mouth distances), centre a tenth of the way down from the eyes.
    """
    points = np.asarray(landmarks, np.float64) * (pixel_aspect, 1.0)
    right, left = points[..., RIGHT_EYE, :].mean(-2), points[..., LEFT_EYE, :].mean(-2)
    eyes = 0.5 * (right + left)
    eye_to_eye = left - right
    eye_to_mouth = 0.5 * (points[..., 48, :] + points[..., 54, :]) - eyes
    x = eye_to_eye - eye_to_mouth[..., ::-1] * (-1, 1)
    half = np.maximum(
        2.0 * np.linalg.norm(eye_to_eye, axis=-1), 1.8 * np.linalg.norm(eye_to_mouth, axis=-1)
    )
    x = x / np.linalg.norm(x, axis=-1, keepdims=True) * half[..., None]
    y = x[..., ::-1] * (-1, 1)
    c = eyes + 0.1 * eye_to_mouth
    quad = np.stack([c - x - y, c - x + y, c + x + y, c + x - y], -2)
    return np.asarray(quad / (pixel_aspect, 1.0))


def quad_to_matrix(quad: Points, side: int) -> Affine:
    """(..., 3, 3) crop_to_frame for a crop of `side` px whose outer edges lie on the quad.

    The quad is (..., 4, 2) NW, SW, SE, NE, a parallelogram. The crop covers [-0.5, side - 0.5]²,
    so its pixel (i, j) sits at ((i + 0.5)/side, (j + 0.5)/side) of the quad.
    """
    quad = np.asarray(quad, np.float64)
    out = np.zeros((*quad.shape[:-2], 3, 3))
    out[..., :2, 0] = (quad[..., 3, :] - quad[..., 0, :]) / side
    out[..., :2, 1] = (quad[..., 1, :] - quad[..., 0, :]) / side
    out[..., :2, 2] = quad[..., 0, :] + 0.5 * (out[..., :2, 0] + out[..., :2, 1])
    out[..., 2, 2] = 1.0
    return out


# Rigid points of a generic adult head, millimetres, x to the picture's right, y down, z towards the
# camera, origin midway between the outer eye corners. Rounded from adult means in Farkas,
# "Anthropometry of the Head and Face" (1994): ex–ex 88, en–en 32, n–sn 53, nasal protrusion 20,
# sn–gn 66, tragion–tragion 140, tragion–sn depth about 120, zygion–zygion 133.
_RIGID = np.array([0, 1, 15, 16, 27, 28, 29, 30, 31, 33, 35, 36, 39, 42, 45])
_HEAD_MM = np.array(
    [
        [-68, 6, -78], [-66, 26, -74], [66, 26, -74], [68, 6, -78],  # jaw ends, beside the ears
        [0, -4, 16], [0, 9, 22], [0, 22, 29], [0, 34, 36],  # bridge to tip of the nose
        [-15, 44, 16], [0, 47, 20], [15, 44, 16],  # wings and base of the nose
        [-44, 0, 0], [-16, 1, 6], [16, 1, 6], [44, 0, 0],  # eye corners
    ],
    np.float64,
)  # fmt: skip


def head_pose(landmarks: Points, *, pixel_aspect: float = 1.0) -> NDArray[np.float64]:
    """(..., 3) yaw, pitch, roll [deg] of (..., 68, 2) landmarks; 0, 0, 0 looks into the camera.

    Positive yaw turns the nose to the picture's right, positive pitch lowers it, positive roll
    tilts the head clockwise on the screen. Weak-perspective fit of 15 points that no expression
    moves to a generic head (affine camera by least squares, its rows made orthonormal).
    Individual heads differ from the generic one, so pitch carries a personal offset of several
    degrees; yaw is good to a few.
    """
    points = np.asarray(landmarks, np.float64)[..., _RIGID, :] * (pixel_aspect, 1.0)
    head = _HEAD_MM - _HEAD_MM.mean(0)
    centred = points - points.mean(-2, keepdims=True)
    camera = np.einsum("jk,...kc->...cj", np.linalg.pinv(head), centred)
    u, _, vt = np.linalg.svd(camera, full_matrices=False)
    rows = u @ vt
    third = np.cross(rows[..., 0, :], rows[..., 1, :])
    yaw = np.arctan2(rows[..., 0, 2], np.hypot(rows[..., 0, 0], rows[..., 1, 0]))
    pitch = np.arctan2(rows[..., 1, 2], third[..., 2])
    roll = np.arctan2(rows[..., 1, 0], rows[..., 0, 0])
    return np.asarray(np.degrees(np.stack([yaw, pitch, roll], -1)))


def yaw_weight(yaw_deg: NDArray[np.float64], *, full: float, none: float) -> NDArray[np.float64]:
    """0–1 share of an edit a face turned by `yaw_deg` takes: 1 up to `full`, 0 from `none`."""
    t = np.clip((none - np.abs(yaw_deg)) / (none - full), 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t))


def enlarged(landmarks: Tensor, factor: float) -> Tensor:
    """Return landmarks (N, 68, 2), all so many times as far from the middle between the eyes."""
    eyes = landmarks[:, 36:48].mean(1, keepdim=True)
    return eyes + factor * (landmarks - eyes)
