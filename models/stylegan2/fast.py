"""The generator prepared for rendering: folded constants, the caller's precision, strips of rows.

What makes it quick on a CPU:
- pictures are computed in strips of rows that stay in the processor's cache, so that filter, noise
  and activation do not wait for memory (a strip brings along the rows its filters overlap);
- the style scales whichever is smaller, the weights or the picture;
- bfloat16 products where the processor has them; channels last throughout.
On a CPU each sample is computed on its own, several at a time where torch has several threads: a
picture does not depend on its batch, and memory does not grow with it. On other devices the whole
batch goes through shared weights, in one strip.
The plain twin is `Generator.forward(..., impl="ref")`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor, nn

from ..base import ModelInputError
from ..ops.upfirdn import binomial_kernel, upfirdn
from .fast_layers import Affine, FastColour, FastConv
from .layers import StyledConv
from .net import Generator, Noise, expanded

STRIP_PIXELS = 1 << 15
"""Pixels of a strip: its maps fit the second-level cache, its weights are still well used."""


class FastGenerator(nn.Module):
    """Same pictures as the `Generator` it was made from; for inference, with constant noise."""

    start: Tensor
    kernel: Tensor

    def __init__(self, plain: Generator, dtype: torch.dtype = torch.float32) -> None:
        """Prepare a trained generator; the plain one stays as it is and may be dropped.

        Args:
            plain: the generator.
            dtype: precision of weights and maps: float32, or bfloat16 where the processor computes
                in it. Styles, norms and the sum of colours stay float32; autocast is ignored.

        Raises:
            ModelInputError: another dtype (float16 overflows in these maps).
        """
        super().__init__()
        if dtype not in (torch.float32, torch.bfloat16):
            raise ModelInputError(
                f"StyleGAN2 cannot run in {dtype}; accepted are float32 and bfloat16"
            )
        self.size, self.style_dim, self.layers = plain.size, plain.style_dim, plain.layers
        self.dtype, self.rows = dtype, plain.style_rows()
        self.register_buffer("start", plain.input.input.detach().clone())
        self.register_buffer("kernel", binomial_kernel(4.0))
        self.affines, self.convs, self.colours = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for layer in plain.styled_layers():
            self.affines.append(Affine(layer.conv.modulation))
            if isinstance(layer, StyledConv):
                noise = plain.noises.get_buffer(f"noise_{len(self.convs)}")
                self.convs.append(FastConv(layer, noise, dtype))
            else:
                self.colours.append(FastColour(layer))

    @torch.no_grad()
    def forward(self, w: Tensor, *, noise: Noise = "const") -> Tensor:
        """Return pictures (N, 3, size, size) float32, about [-1, 1], for w (N, L, D) or (N, D).

        Raises:
            ModelInputError: w has another shape.
        """
        codes = expanded(w, self.layers, self.style_dim)

        @torch.no_grad()
        def drawn(some: slice) -> Tensor:
            return self.synthesize_from_styles(self.styles(codes[some]), noise=noise)

        parts = self._together(len(codes))
        return torch.cat(list(_side_by_side(drawn, parts) if self.alone else map(drawn, parts)))

    @torch.no_grad()
    def styles(self, w: Tensor) -> list[Tensor]:
        """Return S codes as `Generator.styles` does.

        Raises:
            ModelInputError: w has another shape.
        """
        rows = expanded(w, self.layers, self.style_dim).float().unbind(1)
        with torch.autocast(self.start.device.type, enabled=False):
            return [affine(rows[row]) for affine, row in zip(self.affines, self.rows, strict=True)]

    @torch.no_grad()
    def synthesize_from_styles(self, styles: Sequence[Tensor], *, noise: Noise = "const") -> Tensor:
        """Return pictures (N, 3, size, size) float32 for S codes as `styles` gives them."""
        together = self._together(len(styles[0]))
        with torch.autocast(self.start.device.type, enabled=False):
            return torch.cat([self._synthesize([s[t] for s in styles], noise) for t in together])

    @property
    def alone(self) -> bool:
        """Whether each sample is computed on its own, in strips: on a CPU."""
        return self.start.device.type == "cpu"

    def _together(self, n: int) -> list[slice]:
        """Return which of n samples are computed together."""
        step = 1 if self.alone else max(n, 1)
        return [slice(first, first + step) for first in range(0, n, step)]

    def _synthesize(self, styles: list[Tensor], noise: Noise) -> Tensor:
        """Return the pictures of samples that are computed together."""
        grain = noise == "const"
        x = self.start.expand(len(styles[0]), -1, -1, -1)
        x = x.contiguous(memory_format=torch.channels_last)
        conv = self._conv(0)
        x = conv.convolved(x, conv.kernel(styles[0], self.alone), 0, conv.side, grain)
        image: Tensor = self.colours[0](x, styles[1])
        for block in range(1, len(self.colours)):
            image = upfirdn(image, self.kernel, up=2, pad=(2, 1))
            x = self._add_block(x, image, block, styles[3 * block - 1 : 3 * block + 2], grain)
        return image

    def _add_block(
        self, x: Tensor, image: Tensor, block: int, styles: list[Tensor], noise: bool
    ) -> Tensor:
        """Add a resolution's colours to `image` and return its map (nothing for the last one)."""
        double, conv, colour = self._conv(2 * block - 1), self._conv(2 * block), self.colours[block]
        kernels = double.kernel(styles[0], self.alone), conv.kernel(styles[1], self.alone)
        last = block + 1 == len(self.colours)
        pieces = []
        for first, end in self._strips(conv.side):
            above, below = max(first - 1, 0), min(end + 1, conv.side)
            y = double.doubled(x, kernels[0], above, below, noise)
            y = conv.convolved(y, kernels[1], first, end, noise)
            image[:, :, first:end] += colour(y, styles[2])
            pieces += [] if last else [y]
        return pieces[0] if len(pieces) == 1 else torch.cat(pieces, dim=2) if pieces else x

    def _conv(self, index: int) -> FastConv:
        conv = self.convs[index]
        assert isinstance(conv, FastConv)
        return conv

    def _strips(self, side: int) -> Iterator[tuple[int, int]]:
        """Yield the first and one past the last row of each strip of a square map."""
        rows = max(1, STRIP_PIXELS // side) if self.alone else side
        for first in range(0, side, rows):
            yield first, min(first + rows, side)


def _side_by_side(work: Callable[[slice], Tensor], parts: list[slice]) -> list[Tensor]:
    """Return what `work` makes of each part, on as many threads as torch has in this one.

    Each thread computes alone. Torch's own threads would meet after every operation on every strip;
    on a machine that also encodes video they mostly wait for each other there.
    """
    threads = torch.get_num_threads()
    if threads == 1 or len(parts) == 1:
        return [work(part) for part in parts]
    workers = min(threads, len(parts))
    try:
        with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            return list(pool.map(work, parts))
    finally:
        # The number holds for the thread that sets it and for threads yet to come: restore these.
        torch.set_num_threads(threads)
