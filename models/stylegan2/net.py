"""The StyleGAN2 generator and its mapping network, written from the paper's equations.

Karras, Laine, Aittala, Hellsten, Lehtinen, Aila, "Analyzing and improving the image quality of
StyleGAN", CVPR 2020 (skip generator, config F). Key names are those of the rosinality layout, which
pSp, e4e, ReStyle and HyperStyle embed, so their state dicts load strictly.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from ..base import ModelInputError
from ..ops import Impl
from ..ops.linear import EqualLinear
from .layers import ConstantInput, PixelNorm, StyledConv, ToRGB

Noise = Literal["const", "none"]
"""`const` uses the stored maps: the same grain in every frame of a video."""

MAPPING_RATE = 0.01
"""Learning rate multiplier of the mapping network in every published generator; in no file."""

CHANNEL_BASE, CHANNEL_LIMIT = 32768, 512
"""Config F: 32768 / resolution channels, at most 512."""


def default_channels(size: int) -> dict[int, int]:
    """Return channels per resolution 4, 8, ..., `size` of config F."""
    sides = [2**level for level in range(2, int(math.log2(size)) + 1)]
    return {side: min(CHANNEL_LIMIT, CHANNEL_BASE // side) for side in sides}


def resolved_channels(size: int, channels: Mapping[int, int] | None) -> dict[int, int]:
    """Return the channels of each resolution, config F if None.

    Raises:
        ModelInputError: `size` is not a power of two of at least 8, or a resolution is missing.
    """
    if size < 8 or size & (size - 1):
        raise ModelInputError(f"size {size} is not a power of two of at least 8")
    usual = default_channels(size)
    width = usual if channels is None else channels
    if missing := [side for side in usual if side not in width]:
        raise ModelInputError(f"channels lack the resolutions {missing}; give all of {[*usual]}")
    return {side: width[side] for side in usual}


def expanded(w: Tensor, layers: int, style_dim: int) -> Tensor:
    """Return codes (N, L, D) for w (N, L, D) or (N, D).

    Raises:
        ModelInputError: w has another shape.
    """
    codes = w[:, None].expand(-1, layers, -1) if w.dim() == 2 else w
    if codes.dim() != 3 or codes.shape[1:] != (layers, style_dim):
        raise ModelInputError(
            f"expected codes (N, {layers}, {style_dim}) or (N, {style_dim}), got {tuple(w.shape)}"
        )
    return codes


class Generator(nn.Module):
    """W+ codes to pictures; `mapping` takes Z to W.

    Attributes:
        size: side of the picture, px.
        style_dim: dimensions D of a code row.
        layers: rows L of a W+ code, 2 log2(size) - 2.
    """

    def __init__(
        self,
        size: int,
        *,
        style_dim: int = 512,
        mapping_layers: int = 8,
        channels: Mapping[int, int] | None = None,
    ) -> None:
        """Allocate with random weights; `channels` per resolution, config F if None.

        Raises:
            ModelInputError: `size` is not a power of two of at least 8, or a resolution lacks
                its channels.
        """
        super().__init__()
        width = resolved_channels(size, channels)
        sides = list(width)
        self.size, self.style_dim, self.layers = size, style_dim, 2 * len(sides)
        self.channels = width
        steps = [
            EqualLinear(style_dim, style_dim, lr_mul=MAPPING_RATE, activate=True)
            for _ in range(mapping_layers)
        ]
        self.style = nn.Sequential(PixelNorm(), *steps)
        self.input = ConstantInput(width[4])
        self.conv1 = StyledConv(width[4], width[4], style_dim)
        self.to_rgb1 = ToRGB(width[4], style_dim, up=False)
        self.convs, self.to_rgbs = nn.ModuleList(), nn.ModuleList()
        for side in sides[1:]:
            self.convs.append(StyledConv(width[side // 2], width[side], style_dim, up=True))
            self.convs.append(StyledConv(width[side], width[side], style_dim))
            self.to_rgbs.append(ToRGB(width[side], style_dim))
        self.noises = nn.Module()
        for index in range(self.layers - 1):
            side = 2 ** ((index + 5) // 2)
            self.noises.register_buffer(f"noise_{index}", torch.randn(1, 1, side, side))

    def mapping(self, z: Tensor) -> Tensor:
        """Return W codes (N, D) float32 for z (N, D) drawn from N(0, 1)."""
        with torch.autocast(z.device.type, enabled=False):
            w: Tensor = self.style(z.float())
            return w

    @torch.no_grad()
    def mean_w(self, samples: int = 4096, *, seed: int = 0) -> Tensor:
        """Return the mean W code (D,) of `samples` random z; reproducible by `seed`."""
        generator = torch.Generator().manual_seed(seed)
        z = torch.randn(samples, self.style_dim, generator=generator)
        return self.mapping(z.to(self.input.input.device)).mean(dim=0)

    def styles(self, w: Tensor) -> list[Tensor]:
        """Return S codes for w (N, L, D) or (N, D): one (N, I) float32 per layer.

        Order: conv1, to_rgb1, then (conv, conv, to_rgb) per resolution. Each to_rgb shares its row
        of W+ with the first convolution of the next resolution.

        Raises:
            ModelInputError: w has another shape.
        """
        codes = expanded(w, self.layers, self.style_dim)
        with torch.autocast(w.device.type, enabled=False):
            rows = codes.float().unbind(1)
            return [
                layer.conv.modulation(rows[row])
                for layer, row in zip(self.styled_layers(), self.style_rows(), strict=True)
            ]

    def style_rows(self) -> list[int]:
        """Return the row of W+ that feeds each S code, in the order of `styles`."""
        return [0, 1] + [row for i in range(1, self.layers - 1, 2) for row in (i, i + 1, i + 2)]

    def forward(self, w: Tensor, *, noise: Noise = "const", impl: Impl = "fast") -> Tensor:
        """Return pictures (N, 3, size, size) float32, about [-1, 1], for w (N, L, D) or (N, D).

        Raises:
            ModelInputError: w has another shape.
        """
        return self.synthesize_from_styles(self.styles(w), noise=noise, impl=impl)

    def synthesize_from_styles(
        self, styles: Sequence[Tensor], *, noise: Noise = "const", impl: Impl = "fast"
    ) -> Tensor:
        """Return pictures (N, 3, size, size) float32 for S codes as `styles` gives them.

        Raises:
            ModelInputError: the number or a shape of the codes does not fit.
        """
        self._check_styles(styles)
        maps: list[Tensor | None] = [None] * (self.layers - 1)
        if noise == "const":
            maps = [self.noises.get_buffer(f"noise_{i}") for i in range(self.layers - 1)]
        x = self.conv1(self.input(len(styles[0])), styles[0], maps[0], impl)
        image: Tensor = self.to_rgb1(x, styles[1], None, impl)
        for block, to_rgb in enumerate(self.to_rgbs):
            first, second, colour = styles[2 + 3 * block : 5 + 3 * block]
            x = self.convs[2 * block](x, first, maps[1 + 2 * block], impl)
            x = self.convs[2 * block + 1](x, second, maps[2 + 2 * block], impl)
            image = to_rgb(x, colour, image, impl)
        return image

    def style_sizes(self) -> list[int]:
        """Return the dimensions of each S code, in the order of `styles`."""
        return [layer.conv.weight.shape[2] for layer in self.styled_layers()]

    def styled_layers(self) -> list[StyledConv | ToRGB]:
        """Return the layers that a style reaches, in the order of `styles`."""
        layers: list[nn.Module] = [self.conv1, self.to_rgb1]
        for block, to_rgb in enumerate(self.to_rgbs):
            layers += [self.convs[2 * block], self.convs[2 * block + 1], to_rgb]
        return [layer for layer in layers if isinstance(layer, StyledConv | ToRGB)]

    def _check_styles(self, styles: Sequence[Tensor]) -> None:
        expected, found = self.style_sizes(), [tuple(s.shape) for s in styles]
        n = found[0][0] if found else 0
        if found != [(n, size) for size in expected]:
            raise ModelInputError(
                f"expected {len(expected)} style codes of sizes {expected}, got shapes {found}"
            )


def tiny(seed: int = 0, size: int = 16) -> Generator:
    """Return a small generator with random weights, for tests: narrow, two mapping layers."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        channels = dict.fromkeys(default_channels(size), 16)
        model = Generator(size, style_dim=32, mapping_layers=2, channels=channels)
        for name, parameter in model.named_parameters():
            if name.endswith("noise.weight"):
                nn.init.normal_(parameter, 0.0, 0.3)
    return model.eval().requires_grad_(False)
