"""The IR-SE trunk for inference: the same numbers from fewer passes over the maps.

Norms behind a convolution are folded into its weights, which is exact. A norm before a padded
convolution is not folded: the zeros of the padding would have to become its shift. The plain twin
is `irse.Trunk`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .irse import Squeeze, Trunk, Unit


class FoldedConv(nn.Module):
    """A bias-free convolution and the norm behind it as one convolution with a bias.

    BN(conv(x)) = (g/s) W x + (b - m g/s), with the norm's scale g, shift b, mean m and
    s = sqrt(variance + eps).
    """

    def __init__(self, conv: nn.Module, norm: nn.Module) -> None:
        """Fold a pair of trained layers, in float64 so that rounding happens once."""
        super().__init__()
        assert isinstance(conv, nn.Conv2d)
        assert isinstance(norm, nn.BatchNorm2d)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        gain = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
        weight = conv.weight.double() * gain[:, None, None, None]
        bias = norm.bias.double() - norm.running_mean.double() * gain
        self.weight = nn.Parameter(weight.to(conv.weight.dtype), requires_grad=False)
        self.bias = nn.Parameter(bias.to(conv.weight.dtype), requires_grad=False)
        self.stride, self.padding = conv.stride[0], int(conv.padding[0])

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C_out, H/stride, W/stride) from x (N, C_in, H, W)."""
        return F.conv2d(x, self.weight, self.bias, self.stride, self.padding)


class FusedStem(nn.Module):
    """`irse.stem` with its norm folded."""

    def __init__(self, plain: nn.Sequential) -> None:
        """Take over the layers of a trained stem."""
        super().__init__()
        conv, norm, activation = plain
        self.conv = FoldedConv(conv, norm)
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C, S, S) from images (N, channels, S, S)."""
        out: Tensor = self.activation(self.conv(x))
        return out


class FusedUnit(nn.Module):
    """`irse.Unit` with folded norms, the gate and the sum in one pass, and no copy for the
    shortcut."""

    def __init__(self, plain: Unit) -> None:
        """Take over the layers of a trained unit; weights that do not change are shared."""
        super().__init__()
        norm, conv1, activation, conv2, norm2, *squeeze = plain.res_layer
        self.norm, self.conv1, self.activation = norm, conv1, activation
        self.conv2 = FoldedConv(conv2, norm2)
        self.squeeze = squeeze[0] if squeeze else None
        shortcut = plain.shortcut_layer
        self.shortcut = FoldedConv(*shortcut) if isinstance(shortcut, nn.Sequential) else shortcut

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C_out, H/stride, W/stride) from x (N, C_in, H, W)."""
        y: Tensor = self.conv2(self.activation(self.conv1(self.norm(x))))
        kept: Tensor = self.shortcut(x)
        if isinstance(self.squeeze, Squeeze):
            return torch.addcmul(kept, y, self.squeeze.gates(y))
        return kept + y


def fused(trunk: Trunk) -> tuple[FusedStem, nn.Sequential]:
    """Return stem and body of a trained trunk for inference, to stand in for its own."""
    assert isinstance(trunk.input_layer, nn.Sequential)
    units = []
    for unit in trunk.body:
        assert isinstance(unit, Unit)
        units.append(FusedUnit(unit))
    return FusedStem(trunk.input_layer), nn.Sequential(*units)
