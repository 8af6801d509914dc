"""Doubling a map by ordinary convolutions, which libraries run quicker than the transposed one.

A transposed 3x3 convolution with stride 2 splits into four small ones, one per output phase: even
rows see taps 2 and 0, odd rows see tap 1; the same for columns. Together they hold each tap once,
so nothing is computed twice.
With the 4x4 filter that follows in StyleGAN2 it is one kernel of 6x6 taps, whose phases are four
3x3 kernels: four times the products, but no filter to run and one rounding less. That pays where
products are cheap (bfloat16) and channels few.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

_PADDINGS = ((1, 1), (1, 0), (0, 1), (0, 0))


def phase_kernels(weight: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return kernels for (even, even), (even, odd), (odd, even), (odd, odd) rows and columns.

    weight (O, I, 3, 3) gives kernels (O, I, 2 or 1, 2 or 1).
    """
    even, odd = [2, 0], [1]
    rows = {"even": weight[:, :, even], "odd": weight[:, :, odd]}
    return (
        rows["even"][..., even],
        rows["even"][..., odd],
        rows["odd"][..., even],
        rows["odd"][..., odd],
    )


def doubled_conv(x: Tensor, kernels: Sequence[Tensor]) -> Tensor:
    """Return (N, O, 2H + 1, 2W + 1) for x (N, I, H, W) and the kernels of `phase_kernels`.

    Equals `conv_transpose2d(x, weight.transpose(0, 1), stride=2)`.
    """
    n, _, h, w = x.shape
    out = torch.empty(
        (n, kernels[0].shape[0], 2 * h + 1, 2 * w + 1),
        dtype=x.dtype,
        device=x.device,
        memory_format=torch.channels_last,
    )
    for phase, (kernel, padding) in enumerate(zip(kernels, _PADDINGS, strict=True)):
        out[:, :, phase // 2 :: 2, phase % 2 :: 2] = F.conv2d(x, kernel, padding=padding)
    return out


def folded_kernels(weight: Tensor, filters: Tensor) -> Tensor:
    """Return kernels (4O, I, 3, 3) for `folded_conv`: phases (even, even), (even, odd), ...

    weight (O, I, 3, 3) of the transposed convolution, filters (4, 4) of the filter after it.
    """
    o, i = weight.shape[:2]
    one = torch.eye(9, dtype=weight.dtype, device=weight.device).view(9, 1, 3, 3)
    taps = F.conv2d(one, filters.flip(0, 1)[None, None], padding=3)
    phases = ([4, 2, 0], [5, 3, 1])
    spread = torch.cat([taps[:, :, rows][..., columns] for rows in phases for columns in phases], 1)
    kernels = (weight.reshape(o * i, 9) @ spread.view(9, 36)).view(o, i, 4, 3, 3)
    return kernels.permute(2, 0, 1, 3, 4).reshape(4 * o, i, 3, 3)


def folded_conv(x: Tensor, kernels: Tensor, bias: Tensor | None) -> Tensor:
    """Return (N, O, 2H, 2W) for x (N, I, H, W), kernels of `folded_kernels` and bias (O,).

    Equals `conv_transpose2d(x, weight.transpose(0, 1), stride=2)` and the filter with one zero
    around.
    """
    n, _, h, w = x.shape
    y = F.conv2d(x, kernels, None if bias is None else bias.repeat(4), padding=1)
    phases = y.permute(0, 2, 3, 1).reshape(n, h, w, 2, 2, len(kernels) // 4)
    return phases.permute(0, 1, 3, 2, 4, 5).reshape(n, 2 * h, 2 * w, -1).permute(0, 3, 1, 2)
