"""The small encoder: one picture in, the W+ code of a small StyleGAN2 out.

Like pSp (Richardson et al., CVPR 2021) it reads a code in one pass, as an offset from the mean
code. Unlike it, a code is the sum of a linear look at the reduced picture and of what convolutions
add through one short vector, so that codes stay compact and a linear move of the code means the
same on every face.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..base import ModelInputError, WeightsError
from ..state_dicts import fill


class _Halve(nn.Module):
    """Half the side, other width: a residual block without normalisation."""

    def __init__(self, inputs: int, outputs: int) -> None:
        """Allocate."""
        super().__init__()
        self.skip = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.down = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1)
        self.refine = nn.Conv2d(outputs, outputs, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, O, H / 2, W / 2) for x (N, I, H, W)."""
        skip = self.skip(F.avg_pool2d(x, 2))
        y = F.leaky_relu(self.down(x), 0.2)
        out: Tensor = F.leaky_relu(skip + self.refine(y), 0.2)
        return out


class Glance(nn.Module):
    """A linear look at the reduced picture: its principal components, once `fit` has set them.

    Codes that start as principal components tell faces apart from the first step; left to find
    that out by itself, an encoder spends most of a short training on it.
    """

    def __init__(self, size: int, components: int) -> None:
        """Allocate; `size` is a multiple of 32."""
        super().__init__()
        self.size = size
        self.linear = nn.Linear(32 * 32 + 3 * 16 * 16, components)

    def features(self, images: Tensor) -> Tensor:
        """Return brightness at 32 px and colours at 16 px (N, 1792) of pictures."""
        brightness = F.avg_pool2d(images.mean(dim=1, keepdim=True), self.size // 32)
        colours = F.avg_pool2d(images, self.size // 16)
        return torch.cat([brightness.flatten(1), colours.flatten(1)], dim=1)

    def forward(self, images: Tensor) -> Tensor:
        """Return components (N, K) for pictures (N, 3, size, size)."""
        out: Tensor = self.linear(self.features(images))
        return out

    @torch.no_grad()
    def fit(self, images: Tensor, weights: Tensor) -> Tensor:
        """Set the principal components of pictures, each of variance 1; return their standard
        deviations (K,), largest first.

        Args:
            images: (N, 3, size, size), more than there are components.
            weights: (1, 1, size, size), how much a pixel counts.
        """
        rows = self.features(images)
        share = self.features(weights.expand(1, 3, -1, -1)).sqrt()
        mean = rows.mean(dim=0)
        centred = (rows - mean) * share
        variance, basis = torch.linalg.eigh(centred.T @ centred / len(rows))
        count = self.linear.out_features
        spread: Tensor = variance.flip(0)[:count].clamp(min=1e-9).sqrt()
        self.linear.weight.copy_((basis.flip(1)[:, :count] / spread).T * share)
        self.linear.bias.copy_(-(self.linear.weight @ mean))
        return spread


class SmallEncoder(nn.Module):
    """Pictures to W+ codes as offsets from the mean code.

    Attributes:
        size: side of the input, px.
        layers: rows L of a code.
        style_dim: numbers D per row.
    """

    def __init__(
        self,
        size: int,
        layers: int,
        style_dim: int,
        *,
        width: int = 40,
        bottleneck: int = 192,
        components: int = 256,
    ) -> None:
        """Allocate with random weights.

        Args:
            size: side of the input [px], a multiple of 32.
            layers: rows L of a code.
            style_dim: numbers D per row.
            width: channels at half the side; deeper levels have 2, 3⅓, 4 and 4 times as many.
            bottleneck: length of the vector that all rows are read from.
            components: numbers of the linear look.

        Raises:
            ModelInputError: the size is no multiple of 32.
        """
        super().__init__()
        if size % 32:
            raise ModelInputError(f"encoder input of {size} px; it must be a multiple of 32")
        self.size, self.layers, self.style_dim = size, layers, style_dim
        widths = [width, 2 * width, 10 * width // 3, 4 * width, 4 * width]
        self.stem = nn.Conv2d(12, width, 3, padding=1)
        self.levels = nn.ModuleList(_Halve(a, b) for a, b in itertools.pairwise(widths))
        self.squeeze = nn.Conv2d(widths[-1], 2 * width, 1)
        self.vector = nn.Linear(2 * width * (size // 32) ** 2, bottleneck)
        self.shared = nn.Linear(bottleneck, style_dim)
        self.rows = nn.Linear(bottleneck, layers * style_dim)
        self.glance = Glance(size, components)
        self.glance_rows = nn.Linear(components, layers * style_dim, bias=False)
        self._draw()

    @torch.no_grad()
    def _draw(self) -> None:
        """Draw weights after He et al. (ICCV 2015) for leaky units; what the convolutions say
        starts small beside the linear look."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, a=0.2)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        for level in self.levels:
            assert isinstance(level, _Halve)
            level.refine.weight.mul_(0.5)
        self.rows.weight.mul_(0.1)
        self.shared.weight.mul_(0.1)

    @torch.no_grad()
    def start(self, images: Tensor, weights: Tensor) -> None:
        """Set the linear look to the principal components of pictures, and spread them over the
        rows.

        Every row is the same random mix of all components plus a mix of its own, of variance 1 in
        all. A component counts by the square root of its standard deviation: between all alike
        and as they are.

        Args:
            images: (N, 3, size, size), more than there are components.
            weights: (1, 1, size, size), how much a pixel counts.
        """
        spread = self.glance.fit(images, weights)
        share = spread.sqrt() / spread.sum().sqrt()
        mix = torch.randn(1, self.style_dim, len(share)) + 0.7 * torch.randn(
            self.layers, self.style_dim, len(share)
        )
        self.glance_rows.weight.copy_((mix / 1.22 * share).flatten(0, 1))

    def forward(self, images: Tensor, *, closely: bool = True) -> Tensor:
        """Return codes minus the mean code, (N, L, D) float32.

        Args:
            images: (N, 3, size, size) in [-1, 1].
            closely: False for the linear look alone, as at the beginning of the training.

        Raises:
            ModelInputError: another shape.
        """
        if images.ndim != 4 or images.shape[1:] != (3, self.size, self.size):
            raise ModelInputError(
                f"expected pictures (N, 3, {self.size}, {self.size}), got {tuple(images.shape)}"
            )
        seen: Tensor = self.glance_rows(self.glance(images)).float()
        seen = seen.view(len(images), self.layers, self.style_dim)
        if not closely:
            return seen
        x = F.leaky_relu(self.stem(F.pixel_unshuffle(images, 2)), 0.2)
        for level in self.levels:
            x = level(x)
        vector = F.leaky_relu(self.vector(self.squeeze(x).flatten(1)), 0.2)
        rows = self.rows(vector).float().view(len(images), self.layers, self.style_dim)
        codes: Tensor = seen + self.shared(vector).float()[:, None] + rows
        return codes

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor], *, size: int) -> SmallEncoder:
        """Return the encoder of a state dict, sized after it, float32, in evaluation mode.

        Args:
            state: the encoder's tensors, of any precision.
            size: side of the input [px].

        Raises:
            WeightsError: the keys or shapes are not those of such an encoder.
        """
        try:
            width, bottleneck = len(state["stem.weight"]), len(state["vector.weight"])
            style_dim = len(state["shared.weight"])
            components = len(state["glance.linear.weight"])
            layers = len(state["rows.weight"]) // style_dim
        except KeyError as e:
            raise WeightsError(
                f"no small encoder: keys {sorted(state)[:3]}…, expected {e} among them"
            ) from e
        return fill(
            lambda: cls(
                size,
                layers,
                style_dim,
                width=width,
                bottleneck=bottleneck,
                components=components,
            ),
            state,
            what="a small encoder",
        ).requires_grad_(False)


class SmallInverter(nn.Module):
    """Faces to codes: the small encoder's offsets plus the mean code."""

    latent_avg: Tensor

    def __init__(self, encoder: SmallEncoder, latent_avg: Tensor) -> None:
        """Bind an encoder to the mean code (L, D) of its generator.

        Raises:
            ModelInputError: the mean code has another shape.
        """
        super().__init__()
        wanted = (encoder.layers, encoder.style_dim)
        if tuple(latent_avg.shape) != wanted:
            raise ModelInputError(f"the mean code is {tuple(latent_avg.shape)}, expected {wanted}")
        self.encoder = encoder
        self.register_buffer("latent_avg", latent_avg.detach().float().clone())

    @property
    def size(self) -> int:
        """Side of the input [px]."""
        return self.encoder.size

    def prepared(self, dtype: torch.dtype, generate: object = None) -> SmallInverter:
        """Return itself, whatever the precision: a face takes milliseconds, and codes rounded to
        bfloat16 would tremble; one pass needs no generator."""
        del dtype, generate
        return self

    @torch.no_grad()
    def encode(self, images: Tensor) -> Tensor:
        """Return codes w (N, L, D) float32 of aligned faces (N, 3, size, size) in [-1, 1].

        Raises:
            ModelInputError: other shapes.
        """
        offsets: Tensor = self.encoder(images.contiguous(memory_format=torch.channels_last))
        return offsets + self.latent_avg
