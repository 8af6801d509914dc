"""Batches that shrink when memory runs out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import torch

from ..errors import is_out_of_memory
from ..types import AlignedBatch

T = TypeVar("T")


class Halving:
    """Calls a model with as many crops at once as memory allows.

    Where a call runs out of memory, it is made again with half the crops, and later calls are made
    no larger than what went through. A single crop that does not fit raises.
    """

    def __init__(self) -> None:
        self.limit: int | None = None
        """Most crops per call since memory first ran out; None: it never did."""

    def __call__(
        self, call: Callable[[AlignedBatch], T], batch: AlignedBatch
    ) -> Iterator[tuple[AlignedBatch, T]]:
        """Yield parts of a batch, in order, each with what the call made of it."""
        start = 0
        while start < len(batch):
            size = min(len(batch) - start, self.limit or len(batch))
            part = batch if size == len(batch) else batch.rows(slice(start, start + size))
            try:
                made = call(part)
            except (RuntimeError, MemoryError) as e:
                if not is_out_of_memory(e) or size == 1:
                    raise
                self.limit = size // 2
            else:
                yield part, made
                start += size
                continue
            # After the handler: the exception would keep the call's tensors alive.
            torch.cuda.empty_cache()  # nothing where CUDA is not in use
