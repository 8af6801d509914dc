"""Guessing what lies under something from what is beside it: smooth, and as near as there is any.

Pull and push (Gortler et al., "The lumigraph", SIGGRAPH 1996): means of what is known are pulled up
a pyramid until no gap is left, and pushed down into the gaps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]
_ONE: Final = np.float32(1)

_LEAST_SIDE: Final = 2
"""Of the smallest level [px]."""
_ENOUGH: Final = 4.0
"""One over the share of a cell that has to be known for it to count as known."""
_HALF: Final = 0.5
"""Share from which on a pixel counts as one thing and not as another."""
_BESIDE: Final = 0.3
"""How much of what is beside a covered place is looked at, in its own lesser size."""


Beside = Callable[[int, slice, slice], tuple[Floats, Floats]]
"""Says of some rows and columns of the n-th crop what it shows beside what covers it, two times
(h, w) 0–1. First, how much of each pixel is the person, and would be under a thing: behind a thing
the person goes on as the person, and the room as the room. Then, what ends where something covers
it: skin goes on under a thing, lips that are seen beside it do not."""


def filled(images: Tensor, covered: Tensor, beside: Beside | None = None) -> Tensor:
    """Return images (N, 3, S, S), on the CPU, with what is covered guessed from beside it.

    Where `covered` (N, 1, S, S) 0–1 is 0 they are as they were, to the bit.
    """
    out = images.clone(memory_format=torch.contiguous_format)
    for n, picture in enumerate(out.numpy()):
        mask = covered[n, 0].numpy()
        x, y, width, height = cv2.boundingRect((mask > 0).view(np.uint8))
        if not width:
            continue
        reach = max(4, round(_BESIDE * min(width, height)))
        at = (
            slice(max(y - reach, 0), min(y + height + reach, len(mask))),
            slice(max(x - reach, 0), min(x + width + reach, mask.shape[1])),
        )
        pixels, share = picture[(slice(None), *at)], mask[at]
        if beside is None:
            guess = _guess(pixels, share == 0)
        else:
            guess = _apart(pixels, share == 0, *beside(n, *at))
        pixels += share * (np.moveaxis(guess, 2, 0) - pixels)
    return out


def _apart(pixels: Floats, known: Flags, person: Floats, features: Floats) -> Floats:
    """Return a guess (h, w, 3) of pixels (3, h, w) in which person and room are not mixed, unless
    one of the two is not seen at all; features (h, w) are not guessed from."""
    plain = known & (features < _HALF)
    parts = plain & (person > _HALF), plain & (person <= _HALF)
    if not all(seen.any() for seen in parts):
        otherwise = _guess(pixels, known)
        mine, room = (_guess(pixels, seen) if seen.any() else otherwise for seen in parts)
    else:
        mine, room = (_guess(pixels, seen) for seen in parts)
    return np.asarray(room + person[..., None] * (mine - room), np.float32)


def grown(masks: Tensor, reach: int) -> Tensor:
    """Return masks (N, 1, S, S), on the CPU, that reach some pixels further."""
    out = torch.empty_like(masks, memory_format=torch.contiguous_format)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    for mask, large in zip(masks[:, 0].numpy(), out[:, 0].numpy(), strict=True):
        cv2.dilate(mask, kernel, dst=large)
    return out


def _guess(pixels: Floats, known: Flags) -> Floats:
    """Return what pixels (3, h, w) show where they are known (h, w), and a guess elsewhere: (h, w,
    3), found at half the size, for it is smooth."""
    height, width = known.shape
    half = max(width // 2, 1), max(height // 2, 1)
    sure = known.astype(np.float32)
    seen = cv2.resize(cv2.merge([*(pixels * sure), sure]), half, interpolation=cv2.INTER_AREA)
    weight = seen[..., 3:]
    guess = spread_in(seen[..., :3] / np.maximum(weight, 1e-6), (weight[..., 0] > 0.5) * _ONE)
    return np.asarray(cv2.resize(guess, (width, height), interpolation=cv2.INTER_LINEAR))


def spread_in(values: Floats, known: Floats) -> Floats:
    """Return values (h, w, C) as they are where `known` (h, w) is 1, guessed where it is 0."""
    part = known.reshape(*known.shape, 1)
    if min(known.shape) <= _LEAST_SIDE or bool((known >= 1).all()):
        total = np.maximum(part.sum((0, 1)), 1e-6)
        mean = (values * part).sum((0, 1)) / total
        return np.asarray(mean + part * (values - mean), np.float32)
    coarse = cv2.pyrDown(cv2.merge([values * part, known]))
    weight = coarse[..., -1:]
    above = spread_in(
        coarse[..., :-1] / np.maximum(weight, 1e-6), np.minimum(_ENOUGH * weight[..., 0], 1)
    )
    guess = cv2.pyrUp(above, dstsize=known.shape[::-1]).reshape(values.shape)
    return np.asarray(guess + part * (values - guess), np.float32)
