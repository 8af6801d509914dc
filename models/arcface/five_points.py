"""The crop that face recognition is evaluated on: five points brought to fixed places.

CurricularFace, the judge of the published encoders, was trained on such crops.
"""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from ..base import ModelInputError
from .net import INPUT_SIDE

PLACES: Final = (
    (38.29, 51.70),
    (73.53, 51.50),
    (56.03, 71.74),
    (41.55, 92.37),
    (70.73, 92.20),
)
"""Where eyes, tip of the nose and corners of the mouth lie in the crop [px, pixel centres at whole
numbers]: the reference points of MTCNN's 96x112 crop, moved by 8 px into a square."""

_EYES: Final = (slice(36, 42), slice(42, 48))
_NOSE_TIP, _MOUTH_CORNERS = 30, (48, 54)


def five_points(landmarks: Tensor) -> Tensor:
    """Return eyes, tip of the nose, corners of the mouth (N, 5, 2) from 68 landmarks (N, 68, 2)."""
    eyes = [landmarks[:, part].mean(dim=1) for part in _EYES]
    others = [landmarks[:, index] for index in (_NOSE_TIP, *_MOUTH_CORNERS)]
    return torch.stack([*eyes, *others], dim=1)


def similarity(source: Tensor, target: Tensor) -> Tensor:
    """Return the rotations, scales and shifts that bring points nearest to others, least squares.

    With both sets as complex numbers about their means, the best factor is
    sum(conj(s) t) / sum(|s|^2): a rotation with a scale, never a mirror image.

    Args:
        source: (N, K, 2).
        target: (N, K, 2) or (K, 2).

    Returns:
        (N, 2, 3) float: target = A [x, y, 1].
    """
    target = target.expand_as(source)
    s_mean, t_mean = source.mean(dim=1), target.mean(dim=1)
    s, t = source - s_mean[:, None], target - t_mean[:, None]
    size = s.square().sum(dim=(1, 2))
    real = (s * t).sum(dim=(1, 2)) / size
    imaginary = (s[..., 0] * t[..., 1] - s[..., 1] * t[..., 0]).sum(dim=1) / size
    rows = [torch.stack([real, -imaginary], dim=1), torch.stack([imaginary, real], dim=1)]
    linear = torch.stack(rows, dim=1)
    shift = t_mean - (linear @ s_mean[..., None])[..., 0]
    return torch.cat([linear, shift[..., None]], dim=2)


def five_point_crop(images: Tensor, points: Tensor) -> Tensor:
    """Return the recognition crops (N, 3, 112, 112) of pictures whose five points are known.

    Args:
        images: (N, 3, H, W) float32 RGB in [-1, 1]; what lies outside is 0 (mid grey).
        points: (N, 5, 2) float32 (x, y) [px, pixel centres at whole numbers]; see `five_points`.

    Raises:
        ModelInputError: other shapes.
    """
    if images.dim() != 4 or images.shape[1] != 3 or points.shape != (len(images), 5, 2):
        raise ModelInputError(
            f"expected pictures (N, 3, H, W) and points (N, 5, 2), got {tuple(images.shape)} and "
            f"{tuple(points.shape)}"
        )
    back = similarity(points.new_tensor(PLACES).expand_as(points), points)
    line = torch.arange(INPUT_SIDE, device=points.device, dtype=points.dtype)
    y, x = torch.meshgrid(line, line, indexing="ij")
    places = torch.stack([x, y, torch.ones_like(x)], dim=-1).reshape(-1, 3)
    source = (places @ back.mT).view(len(images), INPUT_SIDE, INPUT_SIDE, 2)
    size = points.new_tensor([images.shape[3], images.shape[2]])
    grid = (2 * source + 1) / size - 1
    return F.grid_sample(images, grid, mode="bilinear", align_corners=False)
