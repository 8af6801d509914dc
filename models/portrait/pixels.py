"""What happens at every pixel of an edit: it is fetched from elsewhere, shaded, put in its place.

Positions are those `grid_sample(align_corners=False)` reads.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .texture import LOG_OFFSET
from .warp import smoothstep

_LAYER_FADE_RADIANS = (0.75, 0.35)
"""Folds are gone at the first yaw and whole at the second (43 and 20 degrees)."""


def warped(images: Tensor, source: Tensor) -> Tensor:
    """Return images (N, 3, S, S) at the positions (N, 2, h, w), bicubic: (N, 3, h, w)."""
    return F.grid_sample(
        images,
        source.permute(0, 2, 3, 1),
        mode="bicubic",
        padding_mode="border",
        align_corners=False,
    )


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
