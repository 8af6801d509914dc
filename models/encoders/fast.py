"""An encoder prepared for inference: folded norms, channels-last maps, the caller's precision.

The plain encoder is the twin; both run the same `forward`.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

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
        self.inner = _converted(inner, dtype)

    def forward(self, images: Tensor) -> Tensor:
        """Return offsets (N, layers, code) float32 from images (N, channels, size, size) float32
        in [-1, 1]; see the plain encoder."""
        x = images.to(self.dtype).contiguous(memory_format=torch.channels_last)
        offsets: Tensor = self.inner(x)
        return offsets.float()


def _converted(module: nn.Module, dtype: torch.dtype) -> nn.Module:
    """Return a copy of a module in another precision, kernels channels-last.

    Leaf by leaf, on the module's own tables: a deep copy in float32 first would need another
    gigabyte, and building the class again would not know of the fused layers.
    """
    twin = copy.copy(module)
    twin._modules = {
        name: None if child is None else _converted(child, dtype)
        for name, child in module._modules.items()
    }
    twin._parameters = {
        name: value if value is None else nn.Parameter(_stored(value, dtype), requires_grad=False)
        for name, value in module._parameters.items()
    }
    twin._buffers = {
        name: value if value is None else _stored(value, dtype)
        for name, value in module._buffers.items()
    }
    return twin


def _stored(value: Tensor, dtype: torch.dtype) -> Tensor:
    if not value.is_floating_point():
        return value
    layout = torch.channels_last if value.dim() == 4 else torch.preserve_format
    return value.detach().to(dtype, memory_format=layout)
