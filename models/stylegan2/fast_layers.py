"""Layers of the prepared generator: weights in their final form, rows on demand."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..ops.activation import GAIN, SLOPE
from ..ops.doubling import doubled_conv, folded_conv, folded_kernels, phase_kernels
from ..ops.linear import EqualLinear
from ..ops.modconv import EPSILON, equaliser
from ..ops.upfirdn import binomial_kernel
from .layers import StyledConv, ToRGB

_SMALL_MAP = 1 << 21
"""Elements up to which a map is scaled by the style, and above which the weights are."""
_FOLDED_INPUTS = 128
"""Input channels up to which, in bfloat16, a doubling convolution is quicker with its filter folded
in than as four small ones and the filter (measured)."""


class Kernel(NamedTuple):
    """The weights of one convolution for the samples at hand."""

    weights: list[Tensor]
    before: Tensor | None = None
    """Factors of the input channels (N, I, 1, 1); None if the weights hold them."""
    after: Tensor | None = None
    """Factors of the output channels (N, O, 1, 1); None if the weights hold them."""


class Affine(nn.Module):
    """W rows to the style of one layer, with the scale folded into the weights."""

    weight: Tensor
    bias: Tensor

    def __init__(self, plain: EqualLinear) -> None:
        """Fold a trained layer."""
        super().__init__()
        self.register_buffer("weight", plain.weight.detach() * plain.scale)
        self.register_buffer("bias", plain.bias.detach() * plain.lr_mul)

    def forward(self, w: Tensor) -> Tensor:
        """Return styles (N, I) for codes (N, D)."""
        return F.linear(w, self.weight, self.bias)


class FastConv(nn.Module):
    """Styled convolution, doubling or not. The gain of the activation is folded into all factors.

    Small maps (they come first) are kept in float32 between layers and only multiplied in `dtype`;
    it costs nothing there and halves the rounding of bfloat16.
    """

    energy: Tensor
    bias: Tensor
    filter: Tensor
    noise: Tensor | None

    def __init__(self, plain: StyledConv, noise: Tensor, dtype: torch.dtype) -> None:
        """Fold a trained layer with the noise map (1, 1, S, S) of its resolution."""
        super().__init__()
        weight = plain.conv.weight.detach()[0] * equaliser(plain.conv.weight[0])
        outputs, inputs = weight.shape[:2]
        self.dtype, self.side = dtype, noise.shape[-1]
        self.doubles = plain.conv.blur is not None
        self.folded = self.doubles and dtype == torch.bfloat16 and inputs <= _FOLDED_INPUTS
        self.small = outputs * self.side**2 <= _SMALL_MAP
        kernels: tuple[Tensor, ...] = (weight,)
        if self.folded:
            kernels = (folded_kernels(weight, binomial_kernel(4.0)),)
        elif self.doubles:
            kernels = phase_kernels(weight)
        self.kernels = len(kernels)
        stored = dtype if self.small else torch.float32
        for index, kernel in enumerate(kernels):
            self.register_buffer(
                f"kernel{index}", kernel.to(stored, memory_format=torch.channels_last)
            )
        self.register_buffer("energy", weight.square().sum((2, 3)))
        self.register_buffer("bias", GAIN * plain.activate.bias.detach())
        self.register_buffer("filter", binomial_kernel(4.0).to(dtype).repeat(outputs, 1, 1, 1))
        strength = GAIN * plain.noise.weight.detach()
        self.register_buffer("noise", strength * noise if bool(strength.any()) else None)
        if self.noise is not None and not self.small:
            self.noise = self.noise.to(dtype)

    def kernel(self, style: Tensor, alone: bool) -> Kernel:
        """Return the weights for styles (N, I); `alone` promises that N is 1."""
        norm = GAIN * torch.rsqrt(style.square() @ self.energy.t() + EPSILON)
        kernels = [self.get_buffer(f"kernel{index}") for index in range(self.kernels)]
        if self.small or not alone:
            weights = [kernel.to(self.dtype) for kernel in kernels]
            return Kernel(weights, style[:, :, None, None], norm[:, :, None, None])
        factors = norm[0, :, None] * style[0]
        if self.folded:
            factors = factors.repeat(4, 1)
        # To the final precision in one step: two roundings would be twice the error.
        return Kernel([(kernel * factors[..., None, None]).to(self.dtype) for kernel in kernels])

    def doubled(self, x: Tensor, kernel: Kernel, first: int, end: int, noise: bool) -> Tensor:
        """Return rows `first` to `end` (exclusive) of the doubled map (N, O, S, S).

        x (N, I, S / 2, S / 2) is the whole map below.
        """
        low = max(first // 2 - 1, 0)
        high = min((end + 1) // 2 + 1, x.shape[2])
        rows = self._scaled(x[:, :, low:high], kernel)
        bias = None if kernel.after is not None else self.bias.to(self.dtype)
        if self.folded:
            y = folded_conv(rows, kernel.weights[0], bias)
        else:
            wide = doubled_conv(rows, kernel.weights)
            y = F.conv2d(wide, self.filter, bias, padding=1, groups=len(self.filter))
        return self._finished(y[:, :, first - 2 * low : end - 2 * low], kernel, first, end, noise)

    def convolved(self, x: Tensor, kernel: Kernel, first: int, end: int, noise: bool) -> Tensor:
        """Return rows `first` to `end` (exclusive) of the map (N, O, S, S).

        x (N, I, R, S) holds these rows and one more on either side, where the picture has them.
        """
        inside = first > 0 and end < self.side
        rows = self._scaled(x, kernel)
        bias = None if kernel.after is not None else self.bias.to(self.dtype)
        y = F.conv2d(rows, kernel.weights[0], bias, padding=(0 if inside else 1, 1))
        if not inside:
            skipped = min(first, 1)
            y = y[:, :, skipped : skipped + end - first]
        return self._finished(y, kernel, first, end, noise)

    def _scaled(self, x: Tensor, kernel: Kernel) -> Tensor:
        if kernel.before is None:
            return x.to(self.dtype)
        return (x * kernel.before.to(x.dtype)).to(self.dtype)

    def _finished(self, y: Tensor, kernel: Kernel, first: int, end: int, noise: bool) -> Tensor:
        """Return the activation of y, in place; small maps become float32."""
        if kernel.after is not None:
            y = y.float() if self.small else y
            y = torch.addcmul(self.bias.to(y.dtype)[:, None, None], y, kernel.after.to(y.dtype))
        if noise and self.noise is not None:
            y.add_(self.noise[:, :, first:end])
        return F.leaky_relu_(y, SLOPE)


class FastColour(nn.Module):
    """Map to colours."""

    weight: Tensor
    bias: Tensor

    def __init__(self, plain: ToRGB) -> None:
        """Fold a trained layer."""
        super().__init__()
        weight = plain.conv.weight.detach()[0]
        self.register_buffer("weight", weight[:, :, 0, 0] * equaliser(weight))
        self.register_buffer("bias", plain.bias.detach().clone())

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """Return colours (N, 3, H, W) float32 for x (N, I, H, W) and styles (N, I)."""
        rows = (self.weight * style[:, None]).to(x.dtype)
        if len(rows) == 1:
            return F.conv2d(x, rows[0][..., None, None]).float() + self.bias
        return torch.einsum("nihw,noi->nohw", x, rows).float() + self.bias
