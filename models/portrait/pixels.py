"""What happens at every pixel of an edit: it is fetched from elsewhere, shaded, put in its place.

Positions are those `grid_sample(align_corners=False)` reads.
"""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .texture import LOG_OFFSET
from .warp import smoothstep, unit_to_pixels

_LAYER_FADE_RADIANS = (0.75, 0.35)
"""Folds are gone at the first yaw and whole at the second (43 and 20 degrees)."""


_OPENCV_IS_EXACT = int(cv2.__version__.partition(".")[0]) >= 5
"""Whether OpenCV samples where it is told; before 5 it rounded places to 1/32 px."""


def warped(images: Tensor, source: Tensor, *, impl: Literal["fast", "ref"] = "fast") -> Tensor:
    """Return images (N, 3, S, S) at the positions (N, 2, h, w), bicubic: (N, 3, h, w).

    On a CPU OpenCV does it in half the time; elsewhere, and as `ref`, torch does.
    """
    plain = images.device.type == "cpu" and not (images.requires_grad or source.requires_grad)
    if impl == "fast" and _OPENCV_IS_EXACT and plain:
        return _remapped(images, unit_to_pixels(source, images.shape[-1]))
    return F.grid_sample(
        images,
        source.permute(0, 2, 3, 1),
        mode="bicubic",
        padding_mode="border",
        align_corners=False,
    )


def _remapped(images: Tensor, places: Tensor) -> Tensor:
    """Return images (N, 3, S, S) at places (N, 2, h, w) [px]."""
    out = torch.empty(len(images), images.shape[1], *places.shape[2:])
    for image, (x, y), planes in zip(images.numpy(), places.numpy(), out.numpy(), strict=True):
        for plane, moved in zip(image, planes, strict=True):
            edge = cv2.BORDER_REPLICATE
            cv2.remap(plane, x, y, cv2.INTER_CUBIC, dst=moved, borderMode=edge)
    return out


def shaded(images: Tensor, canonical: Tensor, factor: Tensor, yaw: Tensor, share: Tensor) -> Tensor:
    """Return images (N, 3, h, w) times a share (N,) of a texture factor, which fades as the head
    turns.

    Args:
        images: RGB in [-1, 1].
        canonical: (N, 2, h, w) where on the mean head a pixel is.
        factor: (N, 3, T, T) log RGB.
        yaw: (N,) radians.
        share: (N,) 0-1.
    """
    logs = F.grid_sample(
        factor,
        canonical.permute(0, 2, 3, 1),
        mode="bilinear",
        padding_mode="zeros",
        align_corners=False,
    )
    fade = (share * smoothstep(yaw.abs(), *_LAYER_FADE_RADIANS))[:, None, None, None]
    offset = 1 + 2 * LOG_OFFSET
    return (images + offset).mul_(logs.mul_(fade).exp_()).sub_(offset)


def paste(images: Tensor, into: Tensor, inside: Tensor) -> None:
    """Write images (N, 3, h, w) into others, in place, where a mask (N, h, w) bool says so."""
    in_rows = into.stride(-1) == 1  # OpenCV writes into nothing else
    if images.device.type == "cpu" and in_rows and not images.requires_grad:
        for image, target, mask in zip(images.numpy(), into.numpy(), inside.numpy(), strict=True):
            for source, plane in zip(image, target, strict=True):
                cv2.copyTo(source, mask.view(np.uint8), plane)
        return
    for channel in range(3):  # a mask spread over three channels takes four times as long
        into[:, channel] = torch.where(inside, images[:, channel], into[:, channel])
