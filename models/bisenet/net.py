"""BiSeNet face parsing: one of 19 labels for every pixel of an aligned face.

Yu et al., BiSeNet (ECCV 2018), in the form of the published face-parsing file: a ResNet-18 context
path, attention refinement at 1/16 and 1/32, fusion at 1/8, no separate spatial path. Nothing is
downloaded: the file holds the trunk too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..base import ModelInputError
from ..ops.convert import channels_last, in_precision
from ..ops.resnet import BasicBlock
from ..state_dicts import fill, randomised


@dataclass(frozen=True, slots=True)
class ParsingShape:
    """Measures of a parsing network; the default is the published one."""

    widths: tuple[int, int, int, int] = (64, 128, 256, 512)
    """Channels of the four ResNet stages, at 1/4, 1/8, 1/16 and 1/32."""
    context: int = 128
    """Channels of the context path; as many as the second stage, which it is fused with."""
    head: int = 64
    """Channels inside the two auxiliary heads, which only training uses."""
    labels: int = 19
    """Classes."""


class ConvNorm(nn.Module):
    """Convolution, norm, ReLU (keys `conv`, `bn`)."""

    def __init__(self, c_in: int, c_out: int, kernel: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, kernel, 1, kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(c_out)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, c_out, H, W)."""
        return F.relu(self.bn(self.conv(x)))


class _ResNet18(nn.Module):
    """The trunk: maps at 1/8, 1/16 and 1/32."""

    def __init__(self, widths: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, widths[0], 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.layer1 = nn.Sequential(
            BasicBlock(widths[0], widths[0], 1), BasicBlock(widths[0], widths[0], 1)
        )
        self.layer2 = self._halving(widths[0], widths[1])
        self.layer3 = self._halving(widths[1], widths[2])
        self.layer4 = self._halving(widths[2], widths[3])

    @staticmethod
    def _halving(c_in: int, c_out: int) -> nn.Sequential:
        return nn.Sequential(BasicBlock(c_in, c_out, 2), BasicBlock(c_out, c_out, 1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        eighth = self.layer2(self.layer1(x))
        sixteenth = self.layer3(eighth)
        return eighth, sixteenth, self.layer4(sixteenth)


class _Refinement(nn.Module):
    """Attention refinement: a convolution whose channels are gated by the mean of the map."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.conv = ConvNorm(c_in, c_out)
        self.conv_atten = nn.Conv2d(c_out, c_out, 1, bias=False)
        self.bn_atten = nn.BatchNorm2d(c_out)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        gates = self.bn_atten(self.conv_atten(x.mean(dim=(2, 3), keepdim=True)))
        return x * torch.sigmoid(gates)


class _ContextPath(nn.Module):
    """Trunk and the way back up from 1/32 to 1/8."""

    def __init__(self, shape: ParsingShape) -> None:
        super().__init__()
        _, _, c16, c32 = shape.widths
        c = shape.context
        self.resnet = _ResNet18(shape.widths)
        self.arm16 = _Refinement(c16, c)
        self.arm32 = _Refinement(c32, c)
        self.conv_head32 = ConvNorm(c, c)
        self.conv_head16 = ConvNorm(c, c)
        self.conv_avg = ConvNorm(c32, c, kernel=1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        eighth, sixteenth, last = self.resnet(x)
        everywhere = self.conv_avg(last.mean(dim=(2, 3), keepdim=True))
        up16 = self._enlarged(self.arm32(last) + everywhere, sixteenth)
        up8 = self._enlarged(self.arm16(sixteenth) + self.conv_head32(up16), eighth)
        return eighth, self.conv_head16(up8)

    @staticmethod
    def _enlarged(x: Tensor, like: Tensor) -> Tensor:
        return F.interpolate(x, size=like.shape[2:], mode="nearest")


class _Fusion(nn.Module):
    """Feature fusion: concatenation, mix, and a gated copy added to itself."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convblk = ConvNorm(channels, channels, kernel=1)
        self.conv1 = nn.Conv2d(channels, channels // 4, 1, bias=False)
        self.conv2 = nn.Conv2d(channels // 4, channels, 1, bias=False)

    def forward(self, spatial: Tensor, context: Tensor) -> Tensor:
        x: Tensor = self.convblk(torch.cat([spatial, context], dim=1))
        gates = self.conv2(F.relu(self.conv1(x.mean(dim=(2, 3), keepdim=True))))
        return x + x * torch.sigmoid(gates)


class _Head(nn.Module):
    """Logits at the resolution of the map."""

    def __init__(self, c_in: int, c_mid: int, labels: int) -> None:
        super().__init__()
        self.conv = ConvNorm(c_in, c_mid)
        self.conv_out = nn.Conv2d(c_mid, labels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.conv_out(self.conv(x))
        return logits


class ParsingNet(nn.Module):
    """Logits of 19 labels for normalised pictures; `parse()` starts from ordinary ones."""

    def __init__(self, shape: ParsingShape | None = None) -> None:
        """Allocate for a shape; by default the published one (13.3 M numbers)."""
        super().__init__()
        shape = shape or ParsingShape()
        fused = shape.widths[1] + shape.context
        self.cp = _ContextPath(shape)
        self.ffm = _Fusion(fused)
        self.conv_out = _Head(fused, fused, shape.labels)
        self.conv_out16 = _Head(shape.context, shape.head, shape.labels)
        self.conv_out32 = _Head(shape.context, shape.head, shape.labels)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, labels, H, W) float32, computed in the precision of the weights.

        Args:
            images: (N, 3, H, W) float32 RGB, ImageNet-normalised; H and W multiples of 32,
                trained at 512.

        Raises:
            ModelInputError: other shapes.
        """
        eighth, context = self.cp(self._checked(images))
        return _to_pixels(self.conv_out(self.ffm(eighth, context)), images)

    def prepared(self, dtype: torch.dtype = torch.float32) -> ParsingNet:
        """Return the network for inference in a precision; logits stay float32, pictures too.

        bfloat16 where the processor computes in it, float16 on a GPU.
        """
        return in_precision(self, dtype)

    def _checked(self, images: Tensor) -> Tensor:
        shape = images.shape
        if images.dim() != 4 or shape[1] != 3 or shape[2] % 32 or shape[3] % 32:
            raise ModelInputError(
                "the parsing network takes normalised RGB (N, 3, H, W) with sides that are "
                f"multiples of 32, got {tuple(shape)}; parse() prepares ordinary pictures"
            )
        kernel = self.cp.resnet.conv1.weight
        if kernel.is_contiguous(memory_format=torch.channels_last):
            return channels_last(images, kernel.dtype)
        return images.to(kernel.dtype)


def _to_pixels(logits: Tensor, images: Tensor) -> Tensor:
    return F.interpolate(logits.float(), size=images.shape[2:], mode="bilinear", align_corners=True)


def load(state: Mapping[str, Tensor], shape: ParsingShape | None = None) -> ParsingNet:
    """Return the network of a state dict, ready to run.

    Raises:
        WeightsError: keys or shapes are not those of the network.
    """
    return fill(lambda: ParsingNet(shape), state, what="a BiSeNet face parser of 19 labels")


def tiny(seed: int = 0) -> ParsingNet:
    """Return a narrow random network, quick, for tests."""
    shape = ParsingShape(widths=(4, 4, 6, 8), context=4, head=4)
    return randomised(lambda: ParsingNet(shape), seed)
