"""HyperStyle: a network that predicts how much each generator weight should change for one face
(Alaluf et al., CVPR 2022).

It looks at a picture and at its reconstruction so far and returns one relative change per tuned
convolution; the generator then runs with W * (1 + change). Nine 512-channel convolutions share one
weight-producing layer, which the published file lists ten times over: here it exists once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from ..base import ModelInputError
from ..ops.linear import EqualLinear
from ..ops.resnet import BasicBlock
from ..state_dicts import Shapes, expected_shapes, fill
from .blocks import MAP_SLOPE

_SHARED = "shared_weight_hypernet."
_ALIAS = re.compile(r"refinement_blocks\.(?P<slot>\d+)\.hypernet\.(?P<name>\w+)")
"""A name under which the published file repeats a shared tensor."""
_KERNEL = 3


@dataclass(frozen=True, slots=True)
class HyperShape:
    """Measures of a hypernetwork; the default is the published one for a 1024-px generator."""

    size: int = 256
    """Side of the two input images [px]."""
    widths: tuple[int, int, int, int] = (64, 128, 256, 512)
    """Channels of the four stages of the trunk."""
    units: tuple[int, int, int, int] = (3, 4, 6, 3)
    """Residual blocks per stage (ResNet-34)."""
    generator: tuple[int, ...] = (512, 512, 512, 512, 512, 256, 128, 64, 32)
    """Channels of the generator at 4, 8, 16, … px."""
    shared: int = 512
    """Convolutions with this many channels in and out use the shared weight producer."""
    inner_shared: int = 128
    """Channels inside a block that uses the shared weight producer."""
    inner: int = 256
    """Channels inside the other blocks."""

    def convolutions(self) -> dict[int, tuple[int, int]]:
        """Return slot -> (channels in, channels out) of every tuned convolution.

        Slots count all layers in style-space order: conv, rgb, then conv, conv, rgb per
        resolution; the rgb layers are not tuned.
        """
        found = {0: (self.generator[0], self.generator[0])}
        for block, (c_in, c_out) in enumerate(pairwise(self.generator)):
            found[2 + 3 * block] = (c_in, c_out)
            found[3 + 3 * block] = (c_out, c_out)
        return found

    def sharing(self) -> list[int]:
        """Return the slots whose weights come from the shared producer."""
        both = (self.shared, self.shared)
        return [slot for slot, channels in self.convolutions().items() if channels == both]


class WeightProducer(nn.Module):
    """Two matrices that turn a code into a whole 3x3 kernel stack; shared by several blocks."""

    def __init__(self, channels: int) -> None:
        """Allocate for kernels of `channels` in and out, from codes of the same width."""
        super().__init__()
        self.channels = channels
        self.w1 = nn.Parameter(torch.randn(channels, channels * _KERNEL**2) / 40)
        self.b1 = nn.Parameter(torch.randn(channels * _KERNEL**2) / 40)
        self.w2 = nn.Parameter(torch.randn(channels, channels * channels) / 40)
        self.b2 = nn.Parameter(torch.randn(channels * channels) / 40)

    def forward(self, codes: Tensor) -> Tensor:
        """Return kernels (N, C, C, 3, 3) from codes (N, C)."""
        c = self.channels
        hidden = (codes @ self.w2 + self.b2).view(-1, c, c)
        # the published layout reads the product row by row as (out, in, 3, 3)
        return (hidden @ self.w1 + self.b1).view(-1, c, c, _KERNEL, _KERNEL)


class SharedBlock(nn.Module):
    """Last map -> code -> kernel stack, through the shared weight producer."""

    def __init__(self, shape: HyperShape, producer: WeightProducer) -> None:
        super().__init__()
        spatial, c_in, c = shape.size // 16, shape.widths[-1], shape.inner_shared
        halvings = spatial.bit_length() - 1
        widths = [c_in, *[c] * halvings, shape.shared]
        self.convs = _convolutions(widths, first_stride=1)
        self.linear = EqualLinear(shape.shared, shape.shared)
        self.hypernet = producer

    def forward(self, x: Tensor) -> Tensor:
        """Return relative changes (N, C, C, 3, 3) from maps (N, C, S/16, S/16)."""
        out: Tensor = self.hypernet(self.linear(self.convs(x).flatten(1)))
        return out


class OwnBlock(nn.Module):
    """Last map -> one number per pair of channels, the same for all nine taps of the kernel."""

    def __init__(self, shape: HyperShape, c_in: int, c_out: int) -> None:
        super().__init__()
        wide = shape.widths[-1]
        halvings = (shape.size // 16).bit_length() - 2  # leaves a 2x2 map
        self.convs = _convolutions([wide, *[shape.inner] * (halvings - 1), wide], first_stride=2)
        self.output = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(wide, c_in * c_out, 1))
        self.c_in, self.c_out = c_in, c_out

    def forward(self, x: Tensor) -> Tensor:
        """Return relative changes (N, C_out, C_in, 3, 3) from maps (N, C, S/16, S/16)."""
        numbers: Tensor = self.output(self.convs(x)).view(-1, self.c_out, self.c_in, 1, 1)
        return numbers.expand(-1, -1, -1, _KERNEL, _KERNEL)


class HyperNetwork(nn.Module):
    """Picture and reconstruction in, relative weight changes out."""

    def __init__(self, shape: HyperShape | None = None) -> None:
        """Allocate for a shape; by default the published one (333 M numbers)."""
        super().__init__()
        self.shape = shape = shape or HyperShape()
        first = shape.widths[0]
        self.conv1 = nn.Conv2d(6, first, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(first)
        self.relu = nn.PReLU(first)
        self.body = nn.Sequential()
        c_in = first
        for stage, (c_out, count) in enumerate(zip(shape.widths, shape.units, strict=True)):
            for index in range(count):
                self.body.append(BasicBlock(c_in, c_out, 2 if stage and not index else 1))
                c_in = c_out
        self.shared_weight_hypernet = WeightProducer(shape.shared)
        self.refinement_blocks = nn.ModuleDict()
        for slot, channels in shape.convolutions().items():
            self.refinement_blocks[str(slot)] = (
                SharedBlock(shape, self.shared_weight_hypernet)
                if slot in shape.sharing()
                else OwnBlock(shape, *channels)
            )

    def forward(self, images: Tensor) -> dict[int, Tensor]:
        """Return slot -> relative change (N, C_out, C_in, 3, 3); see `HyperShape.convolutions`.

        Args:
            images: (N, 6, size, size) float32 in [-1, 1]: RGB picture, RGB reconstruction.

        Raises:
            ModelInputError: other shapes.
        """
        size = self.shape.size
        if tuple(images.shape[1:]) != (6, size, size):
            raise ModelInputError(
                f"the hypernetwork takes (N, 6, {size}, {size}), picture and reconstruction in "
                f"[-1, 1], got {tuple(images.shape)}"
            )
        x = self.body(self.relu(self.bn1(self.conv1(images))))
        return {int(slot): block(x) for slot, block in self.refinement_blocks.items()}


def weight_key(slot: int) -> str:
    """Return the generator's key (rosinality layout) of the weight that a slot tunes."""
    if slot < 2:
        return ("conv1.conv.weight", "to_rgb1.conv.weight")[slot]
    block, kind = divmod(slot - 2, 3)
    layer = f"to_rgbs.{block}" if kind == 2 else f"convs.{2 * block + kind}"
    return f"{layer}.conv.weight"


def tuned_weights(state: Mapping[str, Tensor], changes: Mapping[int, Tensor]) -> dict[str, Tensor]:
    """Return the generator's weights changed for one face: W * (1 + change).

    Args:
        state: the generator's state dict (rosinality layout); untouched entries are not copied.
        changes: slot -> (1, C_out, C_in, 3, 3), as the network returns for one picture; sums over
            iterations are given as sums.
    """
    tuned = dict(state)
    for slot, change in changes.items():
        key = weight_key(slot)
        tuned[key] = state[key] * (1 + change)
    return tuned


def expected_hypernetwork() -> Shapes:
    """Return key -> shape of the published hypernetwork, the shared tensors under all ten names."""
    return expected_shapes(HyperNetwork)


def without_aliases(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a hypernetwork's state dict with the shared tensors once: 1.3 GB instead of 6.3.

    Should the names hold different numbers, which no published file has, those of the last block
    count: that is what loading one after another into one tensor leaves there.
    """
    kept = {key: value for key, value in state.items() if not _ALIAS.fullmatch(key)}
    aliases = [match for key in state if (match := _ALIAS.fullmatch(key))]
    for match in sorted(aliases, key=lambda match: int(match["slot"])):
        kept[_SHARED + match["name"]] = state[match.string]
    return kept


def load_hypernetwork(state: Mapping[str, Tensor], shape: HyperShape | None = None) -> HyperNetwork:
    """Return the hypernetwork of a state dict (keys without the prefix `hypernet.`).

    Nothing is copied: the ten names of the shared tensors stay one tensor. They may be listed ten
    times, as published, or once (`without_aliases`).

    Raises:
        WeightsError: keys or shapes are not those of the hypernetwork.
    """
    shape = shape or HyperShape()
    full = without_aliases(state)
    producer = {key: value for key, value in full.items() if key.startswith(_SHARED)}
    for slot in shape.sharing():
        for key, value in producer.items():
            full[f"refinement_blocks.{slot}.hypernet.{key.removeprefix(_SHARED)}"] = value
    return fill(lambda: HyperNetwork(shape), full, what="a HyperStyle hypernetwork")


def _convolutions(widths: list[int], *, first_stride: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for index, (c_in, c_out) in enumerate(pairwise(widths)):
        layers.append(nn.Conv2d(c_in, c_out, 3, 2 if index else first_stride, 1))
        layers.append(nn.LeakyReLU(MAP_SLOPE))
    return nn.Sequential(*layers)
