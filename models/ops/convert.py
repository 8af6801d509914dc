"""A network in another precision, its kernels in the layout that convolutions are quickest in."""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import Tensor, nn

ModuleT = TypeVar("ModuleT", bound=nn.Module)


def in_precision(module: ModuleT, dtype: torch.dtype) -> ModuleT:
    """Return a copy of a module for inference, weights in `dtype`, kernels channels-last.

    The original stays as it is. Layer by layer, on the modules' own tables: a deep copy would need
    the memory of the original once more, and building the class again would not know of layers that
    were replaced.
    """
    twin = copy.copy(module)
    twin._modules = {
        name: None if child is None else in_precision(child, dtype)
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


def channels_last(x: Tensor, dtype: torch.dtype) -> Tensor:
    """Return maps (N, C, H, W) in a precision and in the layout of such a module's kernels."""
    return x.to(dtype).contiguous(memory_format=torch.channels_last)


def _stored(value: Tensor, dtype: torch.dtype) -> Tensor:
    if not value.is_floating_point():
        return value
    layout = torch.channels_last if value.dim() == 4 else torch.preserve_format
    return value.detach().to(dtype, memory_format=layout)
