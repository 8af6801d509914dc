"""Face parsing: which part of a head, or what else, lies at each place round a face."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Final, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

Label = Literal[
    "background",
    "skin",
    "hair",
    "brows",
    "eyes",
    "glasses",
    "nose",
    "lips",
    "mouth",
    "ears",
    "neck",
    "clothes",
    "front",
]
"""What a place can show: `mouth` is its inside, `clothes` are hats too, `front` is anything before
the face, such as a hand, a microphone or letters; a beard that hides the skin is `hair`."""

LABELS: Final[tuple[Label, ...]] = get_args(Label)
"""In the order of the shares."""


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Parsing:
    """What N faces and the places round them show, on a coarse grid in each face's own frame."""

    shares: Tensor
    """(N, 13, G, G) float32 0–1, of every label; 1 together."""
    crop_to_grid: Tensor
    """(N, 2, 3) float32, crop px → the grid, which spans -1 … 1 along both axes."""

    def __post_init__(self) -> None:
        n, shape = len(self.shares), tuple(self.shares.shape)
        if shape[1:2] != (len(LABELS),) or len(shape) != 4 or shape[2] != shape[3]:
            raise ValueError(f"Parsing.shares must be (N, {len(LABELS)}, G, G), got {shape}")
        if self.crop_to_grid.shape != (n, 2, 3):
            raise ValueError(
                f"Parsing.crop_to_grid must be ({n}, 2, 3), got {tuple(self.crop_to_grid.shape)}"
            )

    def __len__(self) -> int:
        return len(self.shares)

    def __getitem__(self, part: slice | list[int]) -> Parsing:
        return Parsing(self.shares[part], self.crop_to_grid[part])

    def to(self, device: torch.device) -> Parsing:
        """Return the same on a device."""
        if self.shares.device == device:
            return self
        return Parsing(
            self.shares.to(device, non_blocking=True),
            self.crop_to_grid.to(device, non_blocking=True),
        )

    def of(self, *labels: Label) -> Tensor:
        """Return how much of each cell of the grid shows any of some labels, (N, 1, G, G) 0–1."""
        # Slices: a list of numbers would have to be sent to the device, and be waited for.
        first, *others = (self.shares[:, k : k + 1] for k in map(LABELS.index, labels))
        return functools.reduce(torch.add, others, first)

    def share(self, *labels: Label, rows: slice, columns: slice, step: int = 1) -> Tensor:
        """Return how much of each pixel shows any of some labels, (N, 1, h, w) float32 0–1.

        Args:
            labels: what is asked for.
            rows, columns: of the crop [px], with start and stop; every `step`-th of them.
        """
        return self.sampled(self.of(*labels), rows, columns, step)

    def sampled(
        self, values: Tensor, rows: slice, columns: slice, step: int = 1, *, middle: bool = False
    ) -> Tensor:
        """Return values on the grid (N, C, G, G) at pixels of the crop, (N, C, h, w); beyond the
        grid those of its border. Arguments as for `share`.

        `middle`: instead of every `step`-th pixel, the middle of each cell of `step` pixels.
        """
        shift = 0.5 * (step - 1) if middle else 0.0
        y = _places(rows, step, values) + shift
        x = _places(columns, step, values) + shift
        across, down, at = self.crop_to_grid.unbind(-1)
        grid = x[None, None, :, None] * across[:, None, None]
        grid = grid + y[None, :, None, None] * down[:, None, None] + at[:, None, None]
        return F.grid_sample(
            values, grid, mode="bilinear", padding_mode="border", align_corners=False
        )

    def __repr__(self) -> str:
        return f"Parsing({len(self)} faces, grid of {self.shares.shape[-1]})"


def _places(pixels: slice, step: int, like: Tensor) -> Tensor:
    return torch.arange(pixels.start, pixels.stop, step, dtype=like.dtype, device=like.device)
