"""Batches when memory runs out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pipeline.passes.batching import Halving
from pipeline.types import AlignedBatch


def make_batch(count: int) -> AlignedBatch:
    return AlignedBatch(
        images=torch.arange(count).float()[:, None, None, None].expand(count, 3, 4, 4),
        crop_to_frame=np.tile(np.eye(3), (count, 1, 1)),
        landmarks=torch.zeros(count, 68, 2),
        frame_index=np.arange(count),
        track_id=np.zeros(count, np.int64),
        weights=torch.ones(count),
    )


class Model:
    """A model whose memory holds so many crops; counts the sizes it was asked for."""

    def __init__(self, room: int, error: Exception) -> None:
        self.room, self.error, self.asked = room, error, list[int]()

    def __call__(self, batch: AlignedBatch) -> list[float]:
        self.asked.append(len(batch))
        if len(batch) > self.room:
            raise self.error
        values: list[float] = batch.images.mean((1, 2, 3)).tolist()
        return values


ERRORS = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB"),
    RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    MemoryError(),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda e: type(e).__name__)
def test_out_of_memory_halves_the_batch_and_goes_on_with_every_crop_in_order(
    error: Exception,
) -> None:
    model, halving = Model(3, error), Halving()
    parts = list(halving(model, make_batch(9)))
    assert [value for _, values in parts for value in values] == list(range(9))
    assert [part.frame_index.tolist() for part, _ in parts] == [
        [k, k + 1] for k in (0, 2, 4, 6)
    ] + [[8]]
    assert model.asked[:3] == [9, 4, 2]
    assert halving.limit == 2
    model.asked.clear()
    list(halving(model, make_batch(5)))
    assert model.asked == [2, 2, 1], "what did not fit once is not tried again"


def test_a_single_crop_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(torch.OutOfMemoryError):
        list(Halving()(Model(0, ERRORS[0]), make_batch(4)))


def test_other_errors_come_through_at_once() -> None:
    model = Model(1, RuntimeError("shapes do not match"))
    with pytest.raises(RuntimeError, match="shapes"):
        list(Halving()(model, make_batch(4)))
    assert model.asked == [4]
