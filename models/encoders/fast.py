"""An encoder prepared for inference: folded norms, channels-last maps, the caller's precision.

The plain encoder is the twin; both run the same `forward`.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from ..ops.convert import channels_last, in_precision
from ..ops.irse_fused import fused
from .blocks import Encoder


class FastEncoder(nn.Module):
    """Codes as the plain encoder gives them, up to rounding, several times quicker."""

    def __init__(self, plain: Encoder, dtype: torch.dtype = torch.float32) -> None:
        """Prepare a trained encoder; the plain one stays as it is.

        Args:
            plain: the encoder, in evaluation mode.
            dtype: precision of weights and maps: float32; bfloat16 where the processor computes in
                it; float16 on a GPU.
        """
        super().__init__()
        self.size, self.layers, self.channels = plain.size, plain.layers, plain.channels
        self.dtype = dtype
        inner = copy.copy(plain)
        inner._modules = dict(plain._modules)
        inner.input_layer, inner.body = fused(plain)
        self.inner = in_precision(inner, dtype)

    def forward(self, images: Tensor) -> Tensor:
        """Return offsets (N, layers, code) float32 from images (N, channels, size, size) float32
        in [-1, 1]; see the plain encoder."""
        offsets: Tensor = self.inner(channels_last(images, self.dtype))
        return offsets.float()
