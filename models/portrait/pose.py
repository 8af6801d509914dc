"""The fit of a linear 3-D face to 68 points of one picture, in NumPy on the host.

A fit is some hundred operations on a few numbers: an array library built for large tensors spends
ten times as long on starting them, and every one of them would wait for a device. In double
precision, face by face, so the fit of a face does not depend on what else is in its batch.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

_ROUNDS = 3
"""The first one starts from the mean shape."""


class Basis(NamedTuple):
    """What faces are made of at the 68 points, and how far each is trusted."""

    mean: Doubles
    """(68, 3) head units."""
    shapes: Doubles
    """(K, 68, 3) head units."""
    sigma: Doubles
    """(K,) standard deviations of the coefficients."""
    pose_weights: Doubles
    """(68,) for the camera."""
    fit_weights: Doubles
    """(68,) inverse noise variances for the shape."""


def fit_face(points: Doubles, basis: Basis) -> tuple[Doubles, Doubles, Doubles]:
    """Return camera (2, 3), offset (2,) and coefficients (K,) of one face's points (68, 2) px.

    Alternates the best scaled rotation for a given shape with the most probable shape for a given
    camera (a Gaussian prior of `sigma`, noise inversely proportional to `fit_weights`).
    """
    weights = basis.pose_weights / basis.pose_weights.sum()
    coefficients = np.zeros(len(basis.shapes))
    for _ in range(_ROUNDS):
        face = basis.mean + np.tensordot(coefficients, basis.shapes, 1)
        camera, offset = _pose(points, face, weights)
        coefficients = _coefficients(points, camera, offset, basis)
    return camera, offset, coefficients


def scale_of(camera: Doubles) -> float:
    """Return the pixels per head unit of a camera (2, 3)."""
    return max(float(np.sqrt((camera * camera).sum(axis=1)).mean()), 1e-6)


def angles_of(camera: Doubles) -> Doubles:
    """Return yaw, pitch, roll (3,) radians of a camera (2, 3), 0 for a head that looks along -z."""
    across, down = camera / scale_of(camera)
    depth = across[0] * down[1] - across[1] * down[0]
    yaw = np.arctan2(across[2], np.hypot(across[0], down[0]))
    return np.array([yaw, np.arctan2(down[2], depth), np.arctan2(down[0], across[0])])


def _pose(points: Doubles, face: Doubles, weights: Doubles) -> tuple[Doubles, Doubles]:
    """Return the scaled rotation (2, 3) and the offset (2,) that bring a face to its points."""
    face_centre, points_centre = weights @ face, weights @ points
    centred = face - face_centre
    weighted = centred * weights[:, None]
    affine = np.linalg.solve(weighted.T @ centred, weighted.T @ (points - points_centre)).T
    camera = _nearest_scaled_rotation(np.asarray(affine, np.float64))
    return camera, points_centre - camera @ face_centre


def _nearest_scaled_rotation(affine: Doubles) -> Doubles:
    """Return the scaled rotation rows (2, 3) nearest to `affine` (2, 3).

    The polar factor `(A A^T)^(-1/2) A` times the mean singular value; the square root of a 2 x 2
    matrix in closed form by Cayley-Hamilton.
    """
    (a, b), (_, d) = affine @ affine.T
    determinant = np.sqrt(max(a * d - b * b, 1e-12))
    size = np.sqrt(a + d + 2 * determinant)
    root = np.array([[a + determinant, b], [b, d + determinant]]) / size
    rotation: Doubles = (root[0, 0] + root[1, 1]) / 2 * np.linalg.solve(root, affine)
    return rotation


def _coefficients(points: Doubles, camera: Doubles, offset: Doubles, basis: Basis) -> Doubles:
    """Return the most probable coefficients (K,) for a camera."""
    scale = scale_of(camera)
    projected = (basis.shapes.reshape(-1, 3) @ (camera.T / scale)).reshape(len(basis.shapes), -1)
    residual = (points - (basis.mean @ camera.T + offset)).reshape(-1) / scale
    weighted = projected * np.repeat(basis.fit_weights, 2)
    normal = weighted @ projected.T
    normal[np.diag_indices_from(normal)] += 1 / np.square(basis.sigma)
    return np.asarray(np.linalg.solve(normal, weighted @ residual), np.float64)
