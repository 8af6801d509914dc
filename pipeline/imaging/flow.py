"""Dense flow between two pictures of one face: where every pixel of the second comes from.

Horn & Schunck, "Determining optical flow" (Artificial Intelligence, 1981), coarse to fine with
warping (Brox et al., "High accuracy optical flow estimation based on a theory for warping", ECCV
2004): the field u minimises Σ ψ(|after(x) - before(x + u)|²) + α²·|∇u|². It is smooth by
construction and fills in where a picture is flat; a redescending weight (Cauchy's) keeps what has
no counterpart (teeth behind opening lips) from dragging its surroundings along.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .sampling import blurred, pixels, resized, sample

SIDE = 128
"""Flow is found on pictures of this side [px]: faces deform smoothly."""
_COARSEST = 16
_WARPS = 3
"""Linearisations per resolution."""
_SWEEPS = 20
"""Relaxations per linearisation."""
_STIFFNESS = 0.03
"""α², in squared picture units ([-1, 1]) per squared pixel."""
_PLACING_STIFFNESS = 0.1
"""The same for finding a drawn face in a real one, where less can be believed."""
_ROBUST = 0.05
"""Difference ([-1, 1] units) at which a pixel counts half; beyond, it soon counts for nothing."""
_MEAN = np.array([[1, 2, 1], [2, 0, 2], [1, 2, 1]], np.float32) / 12
"""Weights of the mean of the eight neighbours (Horn & Schunck's 1/6 and 1/12)."""


def flow_between(before: Tensor, after: Tensor, *, stiffness: float = _STIFFNESS) -> Tensor:
    """(N, SIDE, SIDE, 2) float32 (x, y) in sides of the picture: after(p) ≈ before(p + flow(p)).

    Pictures are (N, 3, S, S) in [-1, 1], of any side; `stiffness` is α², in squared picture units
    per squared pixel.
    """
    first, second = resized(before.float(), SIDE), resized(after.float(), SIDE)
    side = _COARSEST
    flow = first.new_zeros(len(first), 2, side, side)
    while True:
        flow = _refined(resized(first, side), resized(second, side), flow, stiffness)
        if side == SIDE:
            return (flow / side).permute(0, 2, 3, 1)
        side *= 2
        flow = 2 * F.interpolate(flow, (side, side), mode="bilinear", align_corners=False)


def _refined(before: Tensor, after: Tensor, flow: Tensor, stiffness: float) -> Tensor:
    """(N, 2, s, s) flow [px], better than the one given, at one resolution."""
    side = before.shape[-1]
    here = pixels(side, flow)
    before, after = blurred(before, 0.6), blurred(after, 0.6)
    after_x, after_y = _gradients(after)
    for _ in range(_WARPS):
        warped = sample(before, here + flow.permute(0, 2, 3, 1))
        warped_x, warped_y = _gradients(warped)
        x, y = 0.5 * (warped_x + after_x), 0.5 * (warped_y + after_y)
        rest = warped - after
        weight = 1 / (1 + rest.square().sum(1, keepdim=True) / _ROBUST**2)
        flow = _relaxed(flow, x, y, rest, weight, stiffness)
    return flow


def _gradients(images: Tensor) -> tuple[Tensor, Tensor]:
    """Central differences along x and y, (N, C, s, s) each."""
    padded = F.pad(images, (1, 1, 1, 1), mode="replicate")
    x = 0.5 * (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2])
    y = 0.5 * (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1])
    return x, y


def _relaxed(
    flow: Tensor, x: Tensor, y: Tensor, rest: Tensor, weight: Tensor, stiffness: float
) -> Tensor:
    """(N, 2, s, s) minimiser of the linearised energy round a flow, by Jacobi sweeps.

    Per pixel (A + α²·1)·u = α²·mean + A·u₀ - b with A = Σ w·g·gᵀ, b = Σ w·g·rest over channels:
    every sweep sets u = fixed + own·mean - cross·(mean of the other component).
    """
    xx, yy = (weight * x * x).sum(1), (weight * y * y).sum(1)
    xy = (weight * x * y).sum(1)
    u0, v0 = flow.unbind(1)
    right_u = xx * u0 + xy * v0 - (weight * x * rest).sum(1)
    right_v = xy * u0 + yy * v0 - (weight * y * rest).sum(1)
    a, d = xx + stiffness, yy + stiffness
    scale = 1.0 / (a * d - xy * xy)
    fixed = torch.stack([d * right_u - xy * right_v, a * right_v - xy * right_u], 1)
    fixed, own = scale[:, None] * fixed, (stiffness * scale)[:, None] * torch.stack([d, a], 1)
    cross = (stiffness * scale * xy)[:, None]
    return (_swept if flow.device.type == "cpu" else swept_reference)(flow, fixed, own, cross)


def _swept(flow: Tensor, fixed: Tensor, own: Tensor, cross: Tensor) -> Tensor:
    """What `swept_reference` returns, by OpenCV and numpy: small pictures, a fifth of the time."""
    out = flow.clone(memory_format=torch.contiguous_format)
    for n, u in enumerate(out.numpy()):
        base, factors, crossed = fixed[n].numpy(), own[n].numpy(), cross[n].numpy()
        mean, part = np.empty_like(u), np.empty_like(u)
        for _ in range(_SWEEPS):
            for plane, around in zip(u, mean, strict=True):
                cv2.filter2D(plane, -1, _MEAN, around, borderType=cv2.BORDER_REPLICATE)
            np.multiply(factors, mean, out=u)
            np.subtract(u, np.multiply(crossed, mean[::-1], out=part), out=u)
            np.add(u, base, out=u)
    return out


def swept_reference(flow: Tensor, fixed: Tensor, own: Tensor, cross: Tensor) -> Tensor:
    """(N, 2, s, s) a flow after all sweeps; `fixed` and `own` (N, 2, s, s), `cross` (N, 1, s, s).

    Plain torch, on any device.
    """
    kernel = torch.from_numpy(_MEAN).to(flow.device, non_blocking=True).expand(2, 1, 3, 3)
    for _ in range(_SWEEPS):
        mean = F.conv2d(F.pad(flow, (1, 1, 1, 1), mode="replicate"), kernel, groups=2)
        flow = fixed + own * mean - cross * mean.flip(1)
    return flow


def place_within(picture: Tensor, drawn: Tensor) -> Tensor:
    """(N, SIDE, SIDE, 2) as `flow_between`, from a drawn face to the one it was drawn after.

    own(p) ≈ drawn(p + place(p)) in structure: a generator draws a face a little beside where it is,
    and blurred, in other light. So only what is darker or brighter than its surroundings counts,
    and the field is much stiffer.
    """
    return flow_between(_structure(drawn), _structure(picture), stiffness=_PLACING_STIFFNESS)


def _structure(images: Tensor) -> Tensor:
    """(N, 1, SIDE, SIDE) brightness against its surroundings, of the same spread in any light."""
    luma = blurred(resized(images.float(), SIDE).mean(1, keepdim=True), 0.01 * SIDE)
    local = luma - blurred(luma, 0.06 * SIDE)
    spread = blurred(local.square(), 0.12 * SIDE).sqrt()
    return 0.15 * local / (spread + 0.02)
