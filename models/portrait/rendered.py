"""Parts of crops that were rendered: by how many at once, and several put together as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from .window import Window


class Rendered(NamedTuple):
    """The part of N crops that an edit reaches."""

    images: Tensor
    """(N, 3, h, w) in [-1, 1], edited."""
    masks: Tensor
    """(N, 1, h, w) 0-1."""
    shifts: Tensor
    """(N, 2, h, w) x, y [px] from every pixel to where it came from."""
    window: Window
    """Where the part lies."""

    @property
    def corner(self) -> tuple[int, int]:
        """x, y [crop px] of the part's first pixel."""
        return self.window.columns.start, self.window.rows.start

    def only(self, changed: Tensor, images: Tensor) -> Rendered:
        """Return the same with the crops (N, 3, S, S) themselves where `changed` (N,) is False."""
        keep = changed[:, None, None, None]
        here = images[:, :, self.window.rows, self.window.columns]
        return Rendered(
            torch.where(keep, self.images, here),
            torch.where(keep, self.masks, torch.zeros_like(self.masks)),
            torch.where(keep, self.shifts, torch.zeros_like(self.shifts)),
            self.window,
        )


def unchanged(images: Tensor) -> Rendered:
    """Return one pixel of N crops (N, 3, S, S), without a change."""
    pixel = images[:, :, :1, :1]
    return Rendered(
        pixel, torch.zeros_like(pixel[:, :1]), torch.zeros_like(pixel[:, :2]), Window.first(images)
    )


def joined(images: Tensor, parts: Sequence[Rendered]) -> Rendered:
    """Return the parts of crops (N, 3, S, S) rendered one by one as one part, which holds all of
    them."""
    if len(parts) == 1:
        return parts[0]
    windows = [part.window for part in parts]
    window = windows[0].with_all(windows)
    output = images[:, :, window.rows, window.columns].clone()
    masks = torch.zeros_like(output[:, :1])
    shifts = torch.zeros_like(output[:, :2])
    for n, part in enumerate(parts):
        spot = part.window
        top, left = spot.rows.start - window.rows.start, spot.columns.start - window.columns.start
        at = (slice(top, top + part.masks.shape[2]), slice(left, left + part.masks.shape[3]))
        output[n, :, *at], masks[n, :, *at] = part.images[0], part.masks[0]
        shifts[n, :, *at] = part.shifts[0]
    return Rendered(output, masks, shifts, window)


def rows_at_once(images: Tensor) -> list[slice]:
    """Return which crops to render together: one by one on a CPU, where one stays in the cache and
    the rest of the batch cannot change its rounding; all on another device."""
    step = 1 if images.device.type == "cpu" else len(images)
    return [slice(start, start + step) for start in range(0, len(images), step)]
