"""The room behind faces is put back by what is known of each face alone."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch

from pipeline.parsing import LABELS, Parsing
from pipeline.stages import room
from pipeline.types import AlignedBatch, EditedBatch
from tests.pipeline.faces import drawn_face, natural

SIDE, EYES, GRID = 256, 80.0, 64


def a_parsing(count: int) -> Parsing:
    """A person wherever the square's middle is near, a little larger from face to face."""
    line = (torch.arange(GRID) + 0.5) * (2 / GRID) - 1
    away = line.hypot(line[:, None])
    shares = torch.zeros(count, len(LABELS), GRID, GRID)
    for n in range(count):
        share = ((0.45 + 0.03 * n - away) * 10 + 0.5).clamp(0, 1)
        shares[n, LABELS.index("skin")], shares[n, LABELS.index("background")] = share, 1 - share
    to_grid = torch.tensor([[2 / SIDE, 0, 1 / SIDE - 1], [0, 2 / SIDE, 1 / SIDE - 1]])
    return Parsing(shares, to_grid.expand(count, -1, -1))


def edited(count: int = 2) -> EditedBatch:
    """Crops in which a part is moved to the left, ever less far from the middle."""
    points = drawn_face((128.0, 110.0), eyes=EYES).astype(np.float32)
    source = AlignedBatch(
        images=natural(SIDE, count),
        crop_to_frame=np.tile(np.eye(3), (count, 1, 1)),
        landmarks=torch.from_numpy(points).expand(count, -1, -1)
        + torch.arange(count)[:, None, None],
        frame_index=np.arange(count),
        track_id=np.zeros(count, np.int64),
        weights=torch.ones(count),
        parsing=a_parsing(count),
    )
    corner, height, width = (31, 22), 190, 201
    rows, columns = slice(22, 22 + height), slice(31, 31 + width)
    masks = torch.zeros(count, 1, height, width)
    for n in range(count):
        masks[n, :, 10 + 5 * n : -10, 10 : -10 - 7 * n] = 1
    shifts = torch.zeros(count, 2, height, width)
    shifts[:, 0] = 4 * masks[:, 0]
    images = source.images.roll(-4, 3)[:, :, rows, columns]
    return EditedBatch(source, images, masks, corner, shifts)


def test_the_others_of_a_batch_change_nothing() -> None:
    both = edited()
    together = room.kept(both)
    for n in range(2):
        alone = room.kept(
            EditedBatch(
                both.source.rows([n]),
                both.images[n : n + 1, :, 3:],
                both.masks[n : n + 1, :, 3:],
                (31, 25),
                both.shifts[n : n + 1, :, 3:] if both.shifts is not None else None,
            )
        )
        assert torch.equal(together.images[n, :, 3:], alone.images[0])
    assert not torch.equal(together.images, both.images)


def test_far_from_the_person_the_room_is_the_source_s() -> None:
    both = edited()
    out = room.kept(both).whole()
    near = a_parsing(2).share("skin", rows=slice(0, SIDE), columns=slice(0, SIDE)) > 0
    far = torch.nn.functional.max_pool2d(near.float(), 31, 1, 15) == 0
    far = (far & (out.masks > 0)).expand_as(out.images)
    assert int(far.sum()) > 1000
    assert torch.equal(out.images[far], both.source.images[far])
    middle = out.images[:, :, 110:140, 110:140]
    assert torch.equal(middle, both.whole().images[:, :, 110:140, 110:140])


def test_an_edit_that_moves_nothing_and_one_of_which_nothing_is_known_are_left_as_they_are() -> (
    None
):
    moves = edited()
    still = dataclasses.replace(moves, shifts=None)
    assert room.kept(still) is still
    unknown = dataclasses.replace(moves, source=dataclasses.replace(moves.source, parsing=None))
    assert room.kept(unknown) is unknown
