"""Poisson cloning: paste a picture so that its gradients survive and its border meets the frame.

Pérez, Gangnet, Blake, "Poisson Image Editing" (SIGGRAPH 2003): inside the mask find f with ∇²f =
∇²source and f = target on the border. Then f = source + u, where the *membrane* u is harmonic
inside and equals target - source on the border. Only u is solved for: it is smooth, so it is
cheap, it is exactly zero where source and target meet, and it does not know bit depths.

`impl="ref"` solves the sparse system directly; `impl="fast"` is a full multigrid (Brandt,
"Multi-Level Adaptive Solutions", 1977; see `multigrid`). Pixels that do not exist (outside the
frame) pull at nothing: the membrane is free there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .multigrid import harmonic

Impl = Literal["fast", "ref"]
Mask2D = NDArray[np.bool_]
Floats = NDArray[np.floating]

_CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))


def clone(
    source: Tensor,
    target: Tensor,
    mask: Tensor,
    *,
    exists: Tensor | None = None,
    impl: Impl = "fast",
) -> Tensor:
    """(N, C, H, W) pictures: `target` outside the mask, inside it `source` without a seam.

    Args:
        source, target: (N, C, H, W) float, any range, or uint8: then the sum is rounded and held
            within 0–255, and a CPU has a quarter of the memory to move.
        mask: (N, 1, H, W); > 0 is the inside, of any shape.
        exists: (N, 1, H, W) bool, False for pixels outside the frame; all exist when left out.

    Where source and target agree along the whole border, the inside is `source` to the bit.
    """
    out = torch.empty_like(target)
    # Comparing bool with 0 takes longer than all else that is done with the mask.
    inside = mask if mask.dtype == torch.bool else mask > 0
    for i, area in enumerate(_problems(inside, exists)):
        out[i] = target[i]  # one by one: it is still in the cache when it is pasted into
        if area is None:
            continue
        above, below = source[i][:, *area.box], out[i][:, *area.box]
        values = area.at_rim(below).float() - area.at_rim(above).float()
        # Plane by plane, while each is in the cache.
        for plane, u, into in zip(above, _membranes(values, area, impl), below, strict=True):
            _paste(plane, u, into, area.inside)
    return out


def _paste(plane: Tensor, u: Floats | None, into: Tensor, inside: Mask2D) -> None:
    """Write a plane (h, w) plus a membrane into another, in place, where the mask says so."""
    if into.device.type == "cpu" and into.dtype == torch.uint8:
        within = inside.view(np.uint8)
        if u is None:
            cv2.copyTo(plane.numpy(), within, into.numpy())
        else:  # rounded and held within 0–255
            cv2.add(u, plane.numpy(), into.numpy(), within, dtype=cv2.CV_8U)
        return
    pasted = plane if u is None else plane + torch.from_numpy(u).to(plane.device)
    if into.dtype == torch.uint8:
        pasted = pasted.round().clamp(0, 255).to(torch.uint8)
    into.copy_(torch.where(torch.from_numpy(inside).to(into.device), pasted, into))


def membrane(
    difference: Tensor, inside: Tensor, *, exists: Tensor | None = None, impl: Impl = "fast"
) -> Tensor:
    """(N, C, H, W) harmonic interpolation into `inside` of the difference along its outer border.

    Args:
        difference: (N, C, H, W) float; only its values on existing pixels beside `inside` matter.
        inside: (N, 1, H, W) bool.
        exists: (N, 1, H, W) bool or None, as for `clone`.

    Zero outside. A part of the inside that touches no existing border pixel has nothing to meet: 0.
    """
    out = torch.zeros_like(difference)
    for i, area in enumerate(_problems(inside, exists)):
        if area is None:
            continue
        values = area.at_rim(difference[i][:, *area.box])
        inside_here = torch.from_numpy(area.inside).to(out.device)
        for place, u in zip(out[i][:, *area.box], _membranes(values, area, impl), strict=True):
            if u is not None:
                place.copy_(torch.from_numpy(u).to(place) * inside_here)
    return out


@dataclass(frozen=True, slots=True)
class _Problem:
    """One picture's part to solve: what holds its inside and one pixel round it, as far as that
    exists. Neither its neighbours in the batch nor the size of the crop can change its result."""

    box: tuple[slice, slice]
    """Rows and columns of the crop."""
    inside: Mask2D
    """(h, w)."""
    rim: Mask2D
    """(h, w) existing pixels beside the inside."""
    at: tuple[NDArray[np.intp], NDArray[np.intp]]
    """Rows and columns of the rim's pixels, in reading order."""
    is_whole: bool
    """Whether all of the box exists."""

    def at_rim(self, planes: Tensor) -> Tensor:
        """(C, R) values of (C, h, w) on the rim, in reading order."""
        y, x = (torch.from_numpy(at).to(planes.device) for at in self.at)
        return planes[:, y, x]


def _problems(inside: Tensor, exists: Tensor | None) -> Iterator[_Problem | None]:
    """The problem of every picture, None without an inside; both (N, 1, H, W), `inside` bool."""
    for i, mask in enumerate(inside[:, 0].cpu().numpy()):
        there = None if exists is None else exists[i, 0].bool().cpu().numpy()
        pixels = mask if there is None else mask & there
        x, y, w, h = cv2.boundingRect(pixels.view(np.uint8))
        if w == 0:
            yield None
            continue
        box = (slice(max(y - 1, 0), y + h + 1), slice(max(x - 1, 0), x + w + 1))
        if there is not None:
            box = _existing_part(box, there)
        window = np.ascontiguousarray(pixels[box])
        beside = cv2.dilate(window.view(np.uint8), _CROSS, borderValue=0).view(np.bool_) & ~window
        if there is not None:
            beside &= there[box]
        is_whole = there is None or bool(there[box].all())
        rows, columns = np.divmod(np.flatnonzero(beside), beside.shape[1])
        yield _Problem(box, window, beside, (rows, columns), is_whole)


def _existing_part(box: tuple[slice, slice], there: Mask2D) -> tuple[slice, slice]:
    """The box without its outer rows and columns that do not exist at all."""
    x, y, w, h = cv2.boundingRect(np.ascontiguousarray(there[box]).view(np.uint8))
    top, left = box[0].start + y, box[1].start + x
    return slice(top, top + h), slice(left, left + w)


def _membranes(values: Tensor, area: _Problem, impl: Impl) -> Iterator[Floats | None]:
    """C membranes (h, w) for values (C, R) on the rim; None if all are 0; any value outside."""
    if not bool(values.any()):
        yield from [None] * len(values)
        return
    if impl == "ref":
        yield from _solve_ref(values.detach().double().cpu().numpy(), area)
        return
    rows, columns = area.at
    at = rows * area.inside.shape[1] + columns
    touching = None if area.is_whole else _touching(area)
    for u in harmonic(values.detach().float().cpu().numpy(), area.inside, at):
        yield u if touching is None else u * touching


def _touching(area: _Problem) -> NDArray[np.float32]:
    """(h, w) 1 in the parts of the inside that touch the rim: the others have nothing to meet."""
    count, labels = cv2.connectedComponents(area.inside.view(np.uint8), connectivity=4)
    near = cv2.dilate(area.rim.view(np.uint8), _CROSS, borderValue=0).view(np.bool_) & area.inside
    touching = np.zeros(count, np.float32)
    touching[labels[near]] = 1.0
    return np.asarray(touching[labels])


def _solve_ref(values: NDArray[np.float64], area: _Problem) -> NDArray[np.float64]:
    """Membrane by a direct sparse solve at full resolution."""
    # A reference that few runs need, and scipy takes long to load.
    from scipy import sparse
    from scipy.sparse import linalg

    inside, rim = area.inside, area.rim
    out = np.zeros((len(values), *inside.shape))
    number, given = np.full(inside.shape, -1), np.full(inside.shape, -1)
    number[inside], given[rim] = np.arange(inside.sum()), np.arange(rim.sum())
    unknowns = int(inside.sum())
    pairs, borders = [], []
    h, w = inside.shape
    for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        y, x = np.nonzero(inside)
        fits = (y + dy >= 0) & (y + dy < h) & (x + dx >= 0) & (x + dx < w)
        y, x = y[fits], x[fits]
        at, beside = number[y, x], (y + dy, x + dx)
        linked, fixed = number[beside] >= 0, given[beside] >= 0
        pairs.append(np.stack([at[linked], number[beside][linked]]))
        borders.append(np.stack([at[fixed], given[beside][fixed]]))
    links, border = (
        sparse.coo_matrix((np.ones(at.shape[1]), tuple(at)), shape=(unknowns, columns)).tocsr()
        for at, columns in (
            (np.concatenate(pairs, 1), unknowns),
            (np.concatenate(borders, 1), values.shape[1]),
        )
    )
    degree = np.asarray(links.sum(1) + border.sum(1)).ravel()
    # The tiny addition keeps parts without any border solvable: they become 0.
    matrix = (sparse.diags(degree + 1e-9) - links).tocsc()
    out[:, inside] = linalg.splu(matrix).solve(border @ values.T).T
    return out
