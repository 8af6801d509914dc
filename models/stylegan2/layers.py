"""The layers of the generator; attribute names are the key names of the rosinality layout."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..ops import Impl
from ..ops.activation import GAIN, SLOPE, fused_leaky_relu
from ..ops.linear import EqualLinear
from ..ops.modconv import demodulation, equaliser, modulated_conv, shared_conv
from ..ops.upfirdn import FixedKernel, upfirdn


class PixelNorm(nn.Module):
    """Scales each code to unit mean square."""

    def forward(self, z: Tensor) -> Tensor:
        """Return z (N, D) divided by the root of its mean square."""
        return z * torch.rsqrt(z.square().mean(dim=1, keepdim=True) + 1e-8)


class ConstantInput(nn.Module):
    """The learnt 4x4 picture every image grows from."""

    def __init__(self, channels: int) -> None:
        """Draw from N(0, 1)."""
        super().__init__()
        self.input = nn.Parameter(torch.randn(1, channels, 4, 4))

    def forward(self, n: int) -> Tensor:
        """Return the picture for `n` samples: (n, C, 4, 4)."""
        # Channels last from the start: depthwise filters and bfloat16 run up to 4x quicker so.
        return self.input.expand(n, -1, -1, -1).contiguous(memory_format=torch.channels_last)


class ModulatedConv(nn.Module):
    """Weights and the affine map from a W code to the style that scales them."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, style_dim: int, *, up: bool = False
    ) -> None:
        """Draw weights from N(0, 1); styles start around 1."""
        super().__init__()
        self.weight = nn.Parameter(torch.randn(1, outputs, inputs, kernel, kernel))
        self.modulation = EqualLinear(style_dim, inputs, bias=1.0)
        self.blur = FixedKernel(4.0) if up else None


class NoiseStrength(nn.Module):
    """One scalar for all channels; starts at 0."""

    def __init__(self) -> None:
        """Start without noise."""
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))


class ActivationBias(nn.Module):
    """The bias added before the activation."""

    def __init__(self, channels: int) -> None:
        """Start at 0."""
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))


class StyledConv(nn.Module):
    """Modulated convolution, noise, bias, activation."""

    def __init__(self, inputs: int, outputs: int, style_dim: int, *, up: bool = False) -> None:
        """Build for a 3x3 kernel; `up` doubles the resolution."""
        super().__init__()
        self.conv = ModulatedConv(inputs, outputs, 3, style_dim, up=up)
        self.noise = NoiseStrength()
        self.activate = ActivationBias(outputs)

    def forward(self, x: Tensor, style: Tensor, noise: Tensor | None, impl: Impl) -> Tensor:
        """Return (N, O, H', W') for x (N, I, H, W), style (N, I), noise (N or 1, 1, H', W')."""
        weight = self.conv.weight[0]
        blur = self.conv.blur.kernel if self.conv.blur is not None else None
        if impl == "ref":
            y = modulated_conv(x, weight, style, blur=blur, impl="ref")
            y = y if noise is None else y + self.noise.weight * noise
            return fused_leaky_relu(y, self.activate.bias, impl="ref")
        y = shared_conv(x * style.to(x.dtype)[:, :, None, None], weight, blur)
        # Norm, equaliser, gain, bias and noise meet in one pass; the gain may precede the
        # activation because that is positively homogeneous.
        scale = (GAIN * equaliser(weight)) * demodulation(weight, style)
        shift = GAIN * self.activate.bias[None, :, None, None]
        if noise is not None:
            shift = shift + (GAIN * self.noise.weight) * noise
        y = torch.addcmul(shift.to(y.dtype), y, scale.to(y.dtype)[:, :, None, None])
        return F.leaky_relu(y, SLOPE)


class ToRGB(nn.Module):
    """1x1 modulated convolution to colours, added to the enlarged picture so far."""

    def __init__(self, inputs: int, style_dim: int, *, up: bool = True) -> None:
        """Build; the first one (`up` false) has no picture to enlarge."""
        super().__init__()
        self.conv = ModulatedConv(inputs, 3, 1, style_dim)
        self.bias = nn.Parameter(torch.zeros(1, 3, 1, 1))
        self.upsample = FixedKernel(4.0) if up else None

    def forward(self, x: Tensor, style: Tensor, skip: Tensor | None, impl: Impl) -> Tensor:
        """Return the picture (N, 3, H, W) float32 for x (N, I, H, W), style (N, I)."""
        weight = self.conv.weight[0]
        if impl == "ref":
            y = modulated_conv(x, weight, style, demodulate=False, impl="ref")
        else:
            rows = equaliser(weight) * weight[:, :, 0, 0] * style[:, None]
            y = torch.einsum("nihw,noi->nohw", x, rows.to(x.dtype))
        y = y.float() + self.bias
        if skip is None or self.upsample is None:
            return y
        return y + upfirdn(skip, self.upsample.kernel, up=2, pad=(2, 1), impl=impl)
