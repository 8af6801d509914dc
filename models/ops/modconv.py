"""Convolution whose weights are scaled per sample by a style, and normalised (StyleGAN2).

Karras et al., "Analyzing and improving the image quality of StyleGAN", CVPR 2020, equations 1
and 3: w' = s w over input channels, w'' = w' / √(Σ w'² + ε) over inputs and taps. The plain twin
builds one set of weights per sample. The fast path scales the input by the style and the output by
the norm instead, so that one convolution with shared weights serves the whole batch; the numbers
are the same because convolution is linear.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from . import Impl
from .doubling import folded_conv, folded_kernels
from .upfirdn import upfirdn

EPSILON = 1e-8


def demodulation(weight: Tensor, style: Tensor) -> Tensor:
    """Return the norm of each output channel's modulated weights, inverted: (N, O) float32.

    weight (O, I, k, k) as stored, style (N, I). Computed in float32 whatever the autocast state.
    """
    with torch.autocast(weight.device.type, enabled=False):
        energy = weight.float().square().sum((2, 3)) * equaliser(weight) ** 2
        return torch.rsqrt(style.float().square() @ energy.t() + EPSILON)


def equaliser(weight: Tensor) -> float:
    """Return the run-time factor 1 / √(I k²) of weights (O, I, k, k) drawn from N(0, 1)."""
    return 1 / math.sqrt(weight[0].numel())


def modulated_conv(
    x: Tensor,
    weight: Tensor,
    style: Tensor,
    *,
    demodulate: bool = True,
    blur: Tensor | None = None,
    impl: Impl = "fast",
) -> Tensor:
    """Return x convolved with style-modulated weights: (N, O, H, W), or (N, O, 2H, 2W) with `blur`.

    x (N, I, H, W); weight (O, I, k, k) as stored, scaled by 1 / √(I k²) here; style (N, I). With
    `blur` (a filter (4, 4) that sums to 4) the convolution is transposed with stride 2 and
    followed by the filter; k must be 3 then.
    """
    if impl == "ref":
        return _modulated_ref(x, weight, style, demodulate, blur)
    y = shared_conv(x * style.to(x.dtype)[:, :, None, None], weight, blur)
    norm = equaliser(weight) * (demodulation(weight, style) if demodulate else 1)
    if isinstance(norm, float):
        return y * norm
    return y * norm.to(y.dtype)[:, :, None, None]


def shared_conv(x: Tensor, weight: Tensor, blur: Tensor | None) -> Tensor:
    """Return x convolved with the stored weights, not scaled; upsampled if `blur` is given."""
    if blur is None:
        return F.conv2d(x, weight, padding=weight.shape[-1] // 2)
    if x.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
        # Processors with bfloat16 units do one convolution many times faster than the two steps.
        return folded_conv(x, folded_kernels(weight, blur), None)
    y = F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
    return upfirdn(y, blur, pad=(1, 1))


def _modulated_ref(
    x: Tensor, weight: Tensor, style: Tensor, demodulate: bool, blur: Tensor | None
) -> Tensor:
    n, i, h, w = x.shape
    o, k = weight.shape[0], weight.shape[-1]
    modulated = equaliser(weight) * weight[None] * style[:, None, :, None, None]
    if demodulate:
        norm = torch.rsqrt(modulated.square().sum((2, 3, 4), keepdim=True) + EPSILON)
        modulated = modulated * norm
    grouped = x.reshape(1, n * i, h, w)
    if blur is None:
        y = F.conv2d(grouped, modulated.reshape(n * o, i, k, k), padding=k // 2, groups=n)
        return y.reshape(n, o, h, w)
    swapped = modulated.transpose(1, 2).reshape(n * i, o, k, k)
    y = F.conv_transpose2d(grouped, swapped, stride=2, groups=n)
    return upfirdn(y.reshape(n, o, *y.shape[2:]), blur, pad=(1, 1), impl="ref")
