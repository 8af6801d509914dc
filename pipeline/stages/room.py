"""Room: what is behind an edited person stands still, however far the edit moves pixels.

An editor says where each pixel was moved from (`EditedBatch.shifts`). With the person's matte,
that is enough to tell the person, who moves, from the room, which does not (`imaging/matting.py`).
"""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..imaging.coarse_matte import Coarse, Moved
from ..imaging.front import person_behind
from ..imaging.geometry import eye_distance
from ..imaging.matting import Matte, cell_of
from ..types import EditedBatch

Floats = NDArray[np.float32]

_AROUND = 0.06
"""How far beyond the mask the picture is looked at [outer eye distances]."""


def kept(edited: EditedBatch) -> EditedBatch:
    """Return an edit, on the CPU, that leaves the room behind its faces as it is.

    Crops of which nobody told what they show where, and edits that moved nothing, are returned as
    they are.
    """
    source = edited.source
    if edited.shifts is None or source.parsing is None:
        return edited
    images = edited.images.clone(memory_format=torch.contiguous_format)
    shares = person_behind(source.parsing)
    for n in range(len(source)):
        _keep(edited, n, shares[n : n + 1], images[n].numpy())
    return dataclasses.replace(edited, images=images)


def _keep(edited: EditedBatch, n: int, share: Tensor, image: Floats) -> None:
    """Put the room behind one face, into its edited picture (3, h, w), in place."""
    source = edited.source
    assert edited.shifts is not None
    assert source.parsing is not None
    mask = edited.masks[n, 0].numpy()
    left, top, width, height = cv2.boundingRect((mask > 0).view(np.uint8))
    if not width:
        return
    at = (slice(top, top + height), slice(left, left + width))
    x, y = left + edited.corner[0], top + edited.corner[1]
    eyes = float(eye_distance(source.landmarks[n].double().numpy()))
    cell = cell_of(eyes)
    planes = source.images[n].numpy()
    moved = Moved(
        source=planes[:, y : y + height, x : x + width],
        edited=image[:, *at],
        shifts=edited.shifts[n].numpy()[:, *at],
        mask=mask[at],
        corner=(x, y),
    )
    # The window depends on this face alone: the others of a batch change nothing.
    reach = round(_AROUND * eyes) + int(np.ceil(np.abs(moved.shifts).max()))
    rows, columns = _whole_cells(moved.window, reach, planes.shape[1:], cell)
    cells = _on_cells(share, source.parsing.crop_to_grid[n], rows, columns, cell)
    seen = Coarse.of(cells, (columns.start, rows.start), cell, eyes)
    moves = seen.moving(moved)
    seen.still_room(moved, moves)
    if moves is None:
        return
    part = moved.part(*moves)
    rows, columns = _whole_cells(moves, reach, planes.shape[1:], cell)
    picture = cv2.merge([*planes[:, rows, columns]])
    near = seen.reached(part, rows, columns)
    matte = Matte.of(picture, seen.part(rows, columns), near, eyes)
    matte.still_room(part.seen_from(columns.start, rows.start))


def _on_cells(
    share: Tensor, crop_to_grid: Tensor, rows: slice, columns: slice, cell: int
) -> Floats:
    """Return what a share (1, 1, G, G) of a parsing is in the middle of the cells of a part of a
    crop, (h / cell, w / cell): `Parsing.sampled`, in a fifth of the time."""
    matrix, side = crop_to_grid.double().numpy(), share.shape[-1]
    first = np.array([columns.start, rows.start]) + 0.5 * (cell - 1)
    place = matrix[:, :2] @ first + matrix[:, 2]
    cells_to_grid = np.column_stack([cell * matrix[:, :2], place + 1]) * side / 2
    cells_to_grid[:, 2] -= 0.5
    size = (columns.stop - columns.start) // cell, (rows.stop - rows.start) // cell
    kind = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    seen = cv2.warpAffine(
        share[0, 0].numpy(), cells_to_grid, size, flags=kind, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(seen, np.float32)


def _whole_cells(
    part: tuple[slice, slice], around: int, size: tuple[int, ...], cell: int
) -> tuple[slice, slice]:
    """Return the rows and columns that hold a part and some pixels around it, in whole cells, as
    far as a crop of some height and width holds cells."""
    low = (max((s.start - around) // cell, 0) for s in part)
    high = (min(-(-(s.stop + around) // cell), n // cell) for s, n in zip(part, size, strict=True))
    rows, columns = (slice(a * cell, b * cell) for a, b in zip(low, high, strict=True))
    return rows, columns
