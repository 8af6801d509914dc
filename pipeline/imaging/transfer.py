"""Carrying an edit from a generator's pictures onto a clip's own pixels.

A generator draws the face before and after an edit, G(w) and G(w'), in a square of its own, and
never quite as the clip shows it nor exactly in the same place. *Delta* transfer takes only what
changes between the two, and carries it to where the face is (`beside`): how the face deforms (dense
flow, by which the clip's own pixels are moved) and what the deformation does not explain (teeth,
shade, colour), which is added. Adding the plain difference instead (`impl="ref"`) leaves the sharp
mouth of the clip standing under the moved one.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from .flow import SIDE, flow_between
from .geometry import Affine, invert
from .sampling import blurred, blurred_each, pixels, places, resized, sample, sample_affine

_REST_SOFTNESS = 1 / 160
"""Sigma of the blur of what is added, in sides of the square: a flow that is not quite exact leaves
fine double lines along edges, which are no part of the edit."""
_NEW = (0.12, 0.45)
"""Size of what is added ([-1, 1] units) at which the clip's fine detail begins to give way, and at
which none of it is left: a lip line does not belong on teeth."""
_FINE = 1 / 50
"""Sigma of the blur that parts fine detail from the rest, in sides of the square."""


def deform(
    images: Tensor,
    before: Tensor,
    after: Tensor,
    square_to_crop: Affine,
    mask: Tensor,
    *,
    beside: Tensor | None = None,
    impl: Literal["fast", "ref"] = "fast",
) -> Tensor:
    """(N, 3, S, S) crops changed as `after` differs from `before`.

    Args:
        images: (N, 3, S, S) crops of the clip, [-1, 1].
        before, after: (N, 3, g, g) the generator's pictures.
        square_to_crop: (N, 3, 3) unit square of these pictures → crop px; (0, 0) and (1, 1) are
            the outer corners of the square.
        mask: (N, 1, S, S) 0–1, share of the change; where it is 0 the crop stays to the bit.
        beside: (N, K, K, 2) how far beside the clip's face the pictures show it, in sides of the
            square (`flow.place_within`, reduced to any K); None: exactly where it is.
        impl: `ref` adds the plain difference.
    """
    side = images.shape[-1]
    if impl == "ref":
        difference = onto_crop(after - before, square_to_crop, side)
        return torch.where(mask > 0, images + mask * difference, images).clamp(-1, 1)
    flow = flow_between(before, after)
    at = places(_to_grid(square_to_crop, SIDE), side, images.device)
    if beside is not None:
        field = beside.permute(0, 3, 1, 2)
        coarse = (at + 0.5) * (field.shape[-1] / SIDE) - 0.5
        at = at + SIDE * sample(field, coarse, kernel="linear").permute(0, 2, 3, 1)
    step = sample(flow.permute(0, 3, 1, 2), at, kernel="linear")
    linear = torch.from_numpy(np.asarray(square_to_crop)[:, :2, :2])
    linear = linear.to(step.device, step.dtype, non_blocking=True)
    move = mask * torch.einsum("nij,njhw->nihw", linear, step)
    moved = sample(images, pixels(side, images) + move.permute(0, 2, 3, 1))
    rest = mask * _seen(_unexplained(before, after, flow), square_to_crop, at)
    sides = np.linalg.norm(np.asarray(square_to_crop)[:, :2, 0], axis=-1)
    fine = moved - blurred_each(moved, _FINE * sides)
    gone = _smoothstep(rest.abs().amax(1, keepdim=True), *_NEW)
    return torch.where(mask > 0, moved + rest - gone * fine, images).clamp(-1, 1)


def onto_crop(pictures: Tensor, square_to_crop: Affine, side: int) -> Tensor:
    """(N, C, side, side) what the crop sees of pictures (N, C, g, g) of the unit square."""
    return sample_affine(pictures, _to_grid(square_to_crop, pictures.shape[-1]), side)


def from_crop(crops: Tensor, square_to_crop: Affine, side: int) -> Tensor:
    """(N, C, side, side) pictures of the unit square, cut out of crops (N, C, S, S)."""
    return sample_affine(crops, invert(_to_grid(square_to_crop, side)), side)


def _to_grid(square_to_crop: Affine, side: int) -> Affine:
    """(N, 3, 3) crop px → px of a picture of the square with `side` px."""
    unit_to_px = np.array([[side, 0, -0.5], [0, side, -0.5], [0, 0, 1]])
    return np.asarray(unit_to_px @ invert(square_to_crop))


def _unexplained(before: Tensor, after: Tensor, flow: Tensor) -> Tensor:
    """(N, 3, g, g) what is left of the change once `before` is moved by the flow."""
    size = before.shape[-1]
    field = flow.permute(0, 3, 1, 2)
    if size != SIDE:
        field = resized(field, size)
    moved = sample(before, pixels(size, field) + size * field.permute(0, 2, 3, 1))
    return blurred(after - moved, _REST_SOFTNESS * size)


def _smoothstep(x: Tensor, low: float, high: float) -> Tensor:
    t = ((x - low) / (high - low)).clamp(0, 1)
    return t * t * (3 - 2 * t)


def _seen(pictures: Tensor, square_to_crop: Affine, at: Tensor) -> Tensor:
    """(N, C, S, S) what crops see of pictures (N, C, g, g) at places `at` [px of SIDE]."""
    g = pictures.shape[-1]
    step = g / np.linalg.norm(np.asarray(square_to_crop)[:, :2, 0], axis=-1)
    sigmas = 0.5 * np.sqrt(np.maximum(step**2 - 1.0, 0.0))
    return sample(blurred_each(pictures, sigmas), (at + 0.5) * (g / SIDE) - 0.5)
