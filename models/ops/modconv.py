"""Convolution whose weights are scaled per sample by a style, and normalised (StyleGAN2).

Karras et al., "Analyzing and improving the image quality of StyleGAN", CVPR 2020, equations 1
and 3: w' = s w over input channels, w'' = w' / √(Σ w'² + ε) over inputs and taps. The plain twin
builds one set of weights per sample. The fast path scales the input by the style and the output by
the norm instead, so that one convolution with shared weights serves the whole batch; the numbers
are the same because convolution is linear.
"""

from __future__ import annotations

import itertools
import math

import torch
import torch.nn.functional as F
from torch import Tensor

from . import Impl
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
        return upsampled_by_phases(x, weight, blur)
    y = F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
    return upfirdn(y, blur, pad=(1, 1))


def upsampled_by_phases(x: Tensor, weight: Tensor, blur: Tensor) -> Tensor:
    """Return the transposed convolution and its blur as one plain convolution, by linearity.

    Weights (O, I, 3, 3) and filter (4, 4) make one kernel of 6 x 6; each of the four pixels that
    grow out of one is reached by 3 x 3 of its taps. With one line of taps: pixel p of the pair at
    place i is the sum over r = -1, 0, 1 of x[i + r] F[p - 2r] with F[d] = Σ_j K[j] W[d - 1 + j].
    Processors with bfloat16 units do this many times faster than the two steps.
    """
    o, i = weight.shape[:2]
    line = blur.sum(0) / blur.sum().sqrt()
    taps = torch.zeros(2, 3, 3, device=x.device)
    for p, t, k in itertools.product(range(2), range(3), range(3)):
        if 0 <= k - p - 1 + 2 * t <= 3:
            taps[p, t, k] = line[k - p - 1 + 2 * t]
    spread = torch.einsum("pak,qbl->klpqab", taps, taps).reshape(9, 36)
    kernels = (weight.reshape(o * i, 9) @ spread).view(o, i, 4, 3, 3)
    kernels = kernels.permute(2, 0, 1, 3, 4).reshape(4 * o, i, 3, 3)
    y = F.conv2d(x, kernels, padding=1)
    n, _, h, w = y.shape
    pixels = y.permute(0, 2, 3, 1).reshape(n, h, w, 2, 2, o).transpose(2, 3)
    return pixels.reshape(n, 2 * h, 2 * w, o).permute(0, 3, 1, 2)


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
