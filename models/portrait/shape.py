"""Head pose and 3-D face shape from 68 points of one picture, and the way back to pixels.

A face is a mean plus a linear basis over `V` vertices; the first 68 are the 68-point scheme, the
others (cheeks, forehead, chin, nose wings) are what a warp needs in addition. The camera is weak
perspective: `pixel = camera @ vertex + offset`, with scale and rotation inside `camera`. Vertices
are in outer-eye-corner distances, x right, y down, z away from the viewer, origin between the eyes.
This file knows nothing of textures.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from .pose import Basis, angles_of, fit_face, scale_of


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

        See `pose.fit_face`. No gradient flows back to the landmarks.
        """
        basis = Basis(*(_on_host(part) for part in self._fitted_parts()))
        faces = [fit_face(points, basis) for points in _on_host(landmarks)]
        rows = [(*face, scale_of(face[0]), angles_of(face[0])) for face in faces]
        parts = (np.stack(part) for part in zip(*rows, strict=True))
        device, dtype = self.mean.device, self.mean.dtype
        return ShapeFit(
            *(torch.from_numpy(part).to(device, dtype, non_blocking=True) for part in parts)
        )

    def _fitted_parts(self) -> tuple[Tensor, ...]:
        """Return the fields of `Basis`."""
        shapes = self.basis[:, :68].contiguous()
        return self.mean[:68], shapes, self.sigma, self.pose_weights, self.fit_weights

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
        return (coefficients @ self.basis.flatten(1)).reshape(-1, *self.mean.shape)

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


def _on_host(values: Tensor) -> NDArray[np.float64]:
    return values.detach().cpu().double().numpy()
