"""Head pose and 3-D face shape from 68 points of one picture, and the way back to pixels.

A face is a mean plus a linear basis over `V` vertices; the first 68 are the 68-point scheme, the
others (cheeks, forehead, chin, nose wings) are what a warp needs besides. The camera is weak
perspective: `pixel = camera @ vertex + offset`, with scale and rotation inside `camera`. Vertices
are in outer-eye-corner distances, x right, y down, z away from the viewer, origin between the eyes.
This file knows nothing of textures.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from .linear import solve_positive

_REFINEMENTS = 2


class ShapeFit(NamedTuple):
    """Pose and shape of N faces."""

    camera: Tensor
    """(N, 2, 3) float: scaled rotation rows, pixels per outer-eye distance."""
    offset: Tensor
    """(N, 2) float: where the origin of the head lies, crop pixels."""
    coefficients: Tensor
    """(N, K) float: weights of the shape basis."""
    scale: Tensor
    """(N,) float: pixels per outer-eye distance of a frontal head."""
    angles: Tensor
    """(N, 3) float radians: yaw, pitch, roll; 0 for the mean head seen from the front."""


class ShapeModel(nn.Module):
    """A linear 3-D face shape with its fit to 68 image points."""

    mean: Tensor
    basis: Tensor
    sigma: Tensor
    pitch_sigma: Tensor
    pose_weights: Tensor
    fit_weights: Tensor
    spread: Tensor

    def __init__(self, vertices: int, coefficients: int) -> None:
        """Allocate a model of `vertices` vertices and `coefficients` basis shapes; values come from
        a pack."""
        super().__init__()
        self.register_buffer("mean", torch.zeros(vertices, 3))
        self.register_buffer("basis", torch.zeros(coefficients, vertices, 3))
        self.register_buffer("sigma", torch.ones(coefficients))
        self.register_buffer("pitch_sigma", torch.ones(()))
        self.register_buffer("pose_weights", torch.ones(68))
        self.register_buffer("fit_weights", torch.ones(68))
        self.register_buffer("spread", torch.zeros(vertices - 68, 68))

    def fit(self, landmarks: Tensor) -> ShapeFit:
        """Return pose and shape of `landmarks` (N, 68, 2) float, crop pixels.

        Alternates the best scaled rotation for a given shape with the most probable shape for a
        given camera (a Gaussian prior of `sigma`, noise inversely proportional to `fit_weights`).
        """
        points = landmarks.to(self.mean.dtype)
        face = self.mean[:68].expand(len(points), -1, -1)
        camera, offset = self._pose(points, face)
        coefficients = self._coefficients(points, camera, offset)
        for _ in range(_REFINEMENTS):
            face = self.mean[:68] + torch.einsum("nk,kvc->nvc", coefficients, self.basis[:, :68])
            camera, offset = self._pose(points, face)
            coefficients = self._coefficients(points, camera, offset)
        scale = camera.norm(dim=2).mean(dim=1).clamp_min(1e-6)
        return ShapeFit(camera, offset, coefficients, scale, _angles(camera / scale[:, None, None]))

    def project(self, fit: ShapeFit, landmarks: Tensor) -> Tensor:
        """Return all vertices in the picture (N, V, 2) px: exactly `landmarks` at the first 68.

        What the model cannot explain at the 68 points is spread to the neighbouring vertices.
        """
        vertices = self.mean + torch.einsum("nk,kvc->nvc", fit.coefficients, self.basis)
        projected = vertices @ fit.camera.transpose(1, 2) + fit.offset[:, None]
        residual = landmarks - projected[:, :68]
        return torch.cat([landmarks, projected[:, 68:] + self.spread @ residual], dim=1)

    def mouth_width(self, fit: ShapeFit) -> Tensor:
        """Return the width of the mouth (N,) seen from the front, head units."""
        corners = self.mean[[48, 54]] + torch.einsum(
            "nk,kvc->nvc", fit.coefficients, self.basis[:, [48, 54]]
        )
        width: Tensor = (corners[:, 1] - corners[:, 0]).norm(dim=1)
        return width

    def displacement(self, coefficients: Tensor) -> Tensor:
        """Return (N, V, 3) movement of every vertex for a change of `coefficients` (N, K), head
        frame."""
        return torch.einsum("nk,kvc->nvc", coefficients, self.basis)

    def code(self, fit: ShapeFit) -> Tensor:
        """Return the whitened shape code (N, K + 1): shape, then pitch.

        Pitch is in the code because raters read it as shape: a heavier face looks as if tilted
        back.
        """
        pitch = fit.angles[:, 1:2] / self.pitch_sigma
        return torch.cat([fit.coefficients / self.sigma, pitch], dim=1)

    def nodded(self, pitch: Tensor) -> Tensor:
        """Return the movement (N, V, 3) of a turn by a small change of `pitch` (N,) radians, to
        first order."""
        turn = torch.stack(
            [torch.zeros_like(self.mean[:, 0]), self.mean[:, 2], -self.mean[:, 1]], dim=1
        )
        return pitch[:, None, None] * turn

    def _pose(self, points: Tensor, face: Tensor) -> tuple[Tensor, Tensor]:
        weights = self.pose_weights / self.pose_weights.sum()
        face_centre = (weights[:, None] * face).sum(dim=1, keepdim=True)
        points_centre = (weights[:, None] * points).sum(dim=1, keepdim=True)
        centred = face - face_centre
        weighted = centred * weights[:, None]
        gram = weighted.transpose(1, 2) @ centred
        cross = (points - points_centre).transpose(1, 2) @ weighted
        affine = solve_positive(gram, cross.transpose(1, 2)).transpose(1, 2)
        camera = _nearest_scaled_rotation(affine)
        offset = points_centre[:, 0] - (camera @ face_centre.transpose(1, 2))[:, :, 0]
        return camera, offset

    def _coefficients(self, points: Tensor, camera: Tensor, offset: Tensor) -> Tensor:
        scale = camera.norm(dim=2).mean(dim=1).clamp_min(1e-6)[:, None, None]
        model = torch.einsum("nac,kvc->nvak", camera / scale, self.basis[:, :68]).flatten(1, 2)
        expected = self.mean[:68] @ camera.transpose(1, 2) + offset[:, None]
        residual = ((points - expected) / scale).flatten(1)
        weights = self.fit_weights.repeat_interleave(2)
        weighted = model * weights[:, None]
        normal = weighted.transpose(1, 2) @ model + torch.diag(self.sigma.square().reciprocal())
        moment = weighted.transpose(1, 2) @ residual[:, :, None]
        return solve_positive(normal, moment)[:, :, 0]


def _nearest_scaled_rotation(affine: Tensor) -> Tensor:
    """Return the scaled rotation rows (N, 2, 3) nearest to `affine` (N, 2, 3).

    The polar factor `(A A^T)^(-1/2) A` times the mean singular value; the square root of a 2 x 2
    matrix in closed form by Cayley-Hamilton.
    """
    product = affine @ affine.transpose(1, 2)
    determinant = torch.linalg.det(product).clamp_min(1e-12).sqrt()[:, None, None]
    trace = product.diagonal(dim1=1, dim2=2).sum(dim=1)[:, None, None]
    eye = torch.eye(2, dtype=affine.dtype, device=affine.device)
    root = (product + determinant * eye) / (trace + 2 * determinant).sqrt()
    scale = root.diagonal(dim1=1, dim2=2).sum(dim=1)[:, None, None] / 2
    scaled: Tensor = scale * solve_positive(root, affine)
    return scaled


def _angles(rotation: Tensor) -> Tensor:
    """Return yaw, pitch, roll (N, 3) radians of rotation rows (N, 2, 3), a head that looks along
    -z."""
    depth = torch.linalg.cross(rotation[:, 0], rotation[:, 1])
    yaw = torch.atan2(rotation[:, 0, 2], torch.hypot(rotation[:, 0, 0], rotation[:, 1, 0]))
    pitch = torch.atan2(rotation[:, 1, 2], depth[:, 2])
    roll = torch.atan2(rotation[:, 1, 0], rotation[:, 0, 0])
    return torch.stack([yaw, pitch, roll], dim=1)
