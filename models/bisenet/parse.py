"""From aligned pictures to labels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..base import ModelInputError
from .net import ParsingNet

SIDE = 512
"""Side the network was trained at [px]."""
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def normalised(images: Tensor, side: int = SIDE) -> Tensor:
    """Return pictures (N, 3, side, side) in ImageNet units from RGB (N, 3, H, W) in [-1, 1]."""
    if images.shape[-2:] != (side, side):
        # antialiased, so that a 1024-px crop is not sampled with gaps
        images = F.interpolate(
            images, size=(side, side), mode="bilinear", antialias=True, align_corners=False
        ).clamp(-1, 1)
    mean, std = (images.new_tensor(v)[:, None, None] for v in (_MEAN, _STD))
    return ((images + 1) / 2 - mean) / std


@torch.no_grad()
def parse(net: ParsingNet, images: Tensor, *, side: int = SIDE) -> Tensor:
    """Return the label of every pixel: (N, H, W) int64, 0 to 18, in the published order.

    Args:
        net: the parsing network.
        images: (N, 3, H, W) float32 RGB in [-1, 1], aligned faces of any size.
        side: the size to parse at [px]; the network was trained at 512.

    Raises:
        ModelInputError: other shapes.
    """
    if images.dim() != 4 or images.shape[1] != 3:
        raise ModelInputError(
            f"parse takes RGB pictures (N, 3, H, W) in [-1, 1], got {tuple(images.shape)}"
        )
    logits: Tensor = net(normalised(images, side))
    if logits.shape[-2:] != images.shape[-2:]:
        # logits, not labels, are resized: borders stay smooth
        logits = F.interpolate(logits, size=images.shape[-2:], mode="bilinear", align_corners=False)
    return logits.argmax(dim=1)
