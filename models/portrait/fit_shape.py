"""Learn the shape model from mesh vertices: remove pose, mirror, average, principal components."""

from __future__ import annotations

import torch
from torch import Tensor

from .shape import ShapeModel
from .topology import FLIP_VERTICES

_POSE_WEIGHT_OF_PART = {
    "jaw": (range(17), 0.15),
    "brows": (range(17, 27), 0.4),
    "nose": (range(27, 36), 1.5),
    "eyes": (range(36, 48), 1.0),
    "mouth": (range(48, 68), 0.1),
}
"""How much a part says about the pose; parts that expressions move say little."""

_LANDMARK_NOISE = 0.012
"""Assumed error of a landmark in outer-eye distances; jaw points are three times as uncertain."""

_SPREAD_REACH = 0.18
"""How far an unexplained landmark offset reaches, in outer-eye distances."""


def fit_shape(mesh: Tensor, *, coefficients: int) -> ShapeModel:
    """Return a shape model learnt from `mesh` (N, V, 3) vertices with depth, any scale and pose."""
    weights = _pose_weights(mesh.shape[1])
    both = torch.cat([mesh, _mirrored(mesh)])
    both = both - both.mean(dim=1, keepdim=True)
    mean = both[0]
    for _ in range(5):
        aligned = _align(both, mean, weights)
        mean = _to_head_frame(aligned.mean(dim=0))
    aligned = _align(both, mean, weights)
    centred = (aligned - mean).flatten(1)
    _, singular, rows = torch.linalg.svd(centred, full_matrices=False)
    model = ShapeModel(mesh.shape[1], coefficients)
    model.mean.copy_(mean)
    model.basis.copy_(rows[:coefficients].reshape(coefficients, -1, 3))
    model.sigma.copy_(singular[:coefficients] / len(both) ** 0.5)
    model.pose_weights.copy_(weights[:68])
    precision = torch.full((68,), _LANDMARK_NOISE**-2)
    precision[:17] /= 9
    model.fit_weights.copy_(precision)
    distance = torch.cdist(mean[68:], mean[:68])
    kernel = torch.exp(-(distance / _SPREAD_REACH).square())
    model.spread.copy_(kernel / (kernel.sum(dim=1, keepdim=True) + 0.3))
    return model


def _mirrored(mesh: Tensor) -> Tensor:
    flipped = mesh[:, list(FLIP_VERTICES)].clone()
    flipped[..., 0] = -flipped[..., 0]
    return flipped


def _pose_weights(vertices: int) -> Tensor:
    weights = torch.zeros(vertices)
    for part, value in _POSE_WEIGHT_OF_PART.values():
        weights[list(part)] = value
    return weights


def _align(meshes: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """Return `meshes` moved onto `target` by the best similarity over the weighted vertices
    (Umeyama 1991)."""
    share = (weights / weights.sum())[:, None]
    target_centre = (share * target).sum(dim=0)
    centres = (share * meshes).sum(dim=1, keepdim=True)
    moved = meshes - centres
    centred_target = target - target_centre
    u, s, vt = torch.linalg.svd((share * centred_target).T @ moved)
    sign = torch.ones(len(meshes), 3)
    sign[:, 2] = torch.linalg.det(u @ vt).sign()
    rotation = u @ torch.diag_embed(sign) @ vt
    scale = (s * sign).sum(dim=1) / (share * moved.square()).sum(dim=(1, 2))
    aligned: Tensor = scale[:, None, None] * moved @ rotation.transpose(1, 2) + target_centre
    return aligned


def _to_head_frame(mean: Tensor) -> Tensor:
    """Return the mean upright and frontal: eye line along x, no yaw by symmetry, unit outer-eye
    distance."""
    symmetric = (mean + _mirrored(mean[None])[0]) / 2
    eyes = (symmetric[36] + symmetric[45]) / 2
    unit = (symmetric[45] - symmetric[36]).norm()
    upright: Tensor = (symmetric - eyes) / unit
    return upright
