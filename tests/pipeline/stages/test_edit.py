"""Editors of any kind in their order, on crops simple enough to check by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.editors import Editor
from pipeline.request import Edit
from pipeline.stages.edit import Step, apply
from pipeline.types import PARTS, AlignedBatch, EditedBatch


class Brighten(Editor):
    """Adds half the amount, inside the left half of the crop."""

    def __init__(self) -> None:
        pass

    def apply(self, batch: AlignedBatch, edit: Edit, amount: Tensor, prepared: Any) -> EditedBatch:
        masks = torch.zeros_like(batch.images[:, :1])
        masks[..., :4] = 1
        return EditedBatch(batch, batch.images + 0.5 * amount[:, None, None, None] * masks, masks)


class Together(Brighten):
    """Takes several edits at once and remembers how many."""

    rows = 0

    def apply_row(
        self, batch: AlignedBatch, edits: Any, amounts: Tensor, prepared: Any
    ) -> EditedBatch:
        self.rows = len(edits)
        self.weights = batch.weights
        return self.apply(batch, edits[0], amounts.sum(0), prepared)


def batch_of(weights: list[float], mouth: float = 1.0) -> AlignedBatch:
    n = len(weights)
    return AlignedBatch(
        images=torch.arange(n)[:, None, None, None] * 0.1 + torch.zeros(n, 3, 8, 8),
        crop_to_frame=np.tile(np.eye(3), (n, 1, 1)),
        landmarks=torch.zeros(n, 68, 2),
        frame_index=np.arange(n),
        track_id=np.full(n, 7, np.int64),
        weights=torch.tensor(weights),
        parts=torch.tensor([[mouth, 1.0]] * n),
    )


def step(editor: Editor, *strengths: float, needs: frozenset[Any] = frozenset()) -> Step:
    edits = tuple(Edit("bright", strength) for strength in strengths)
    return Step(editor, edits, strengths, (needs,) * len(edits), {})


def test_no_step_leaves_the_crops_as_they_are_with_an_empty_mask() -> None:
    batch = batch_of([1.0])
    edited = apply([], batch)
    assert torch.equal(edited.images, batch.images)
    assert not edited.masks.any()


def test_edits_add_up_scaled_by_the_weight_of_the_frame_and_the_part_they_need() -> None:
    assert PARTS[0] == "mouth"
    batch = batch_of([1.0, 0.5], mouth=0.5)
    steps = [step(Brighten(), 1.0), step(Brighten(), 2.0, needs=frozenset({"mouth"}))]
    edited = apply(steps, batch)
    change = (edited.images - batch.images)[:, 0, 0]
    assert torch.allclose(change[0, :4], torch.tensor(0.5 + 0.5))
    assert torch.allclose(change[1, :4], torch.tensor((0.5 + 0.5) / 2))
    assert not change[:, 4:].any()
    assert torch.equal(edited.masks, (torch.arange(8) < 4).float().expand(2, 1, 8, 8))


def test_an_editor_that_draws_several_edits_at_once_is_handed_all_of_them() -> None:
    editor = Together()
    batch = batch_of([1.0, 0.5], mouth=0.5)
    edited = apply([step(editor, 1.0, 1.0, needs=frozenset({"mouth"}))], batch)
    assert editor.rows == 2
    assert torch.allclose(editor.weights, torch.tensor([0.5, 0.25])), "as far as any edit reaches"
    assert torch.allclose((edited.images - batch.images)[0, 0, 0, 0], torch.tensor(0.5))


def test_the_result_does_not_depend_on_the_batch() -> None:
    together = apply([step(Brighten(), 1.0)], batch_of([1.0, 0.3, 0.9]))
    for n in range(3):
        batch = batch_of([1.0, 0.3, 0.9]).rows([n])
        assert torch.equal(apply([step(Brighten(), 1.0)], batch).images[0], together.images[n])


def test_a_face_drawn_anew_comes_gradually_as_a_curve_leaves_0() -> None:
    seen: list[Tensor] = []

    class Drawn(Brighten):
        def apply(
            self, batch: AlignedBatch, edit: Edit, amount: Tensor, prepared: Any
        ) -> EditedBatch:
            seen.append(batch.weights)
            return super().apply(batch, edit, amount, prepared)

    strengths = np.array([0.0, 0.05, 0.1, 0.8, -0.02], np.float32)
    editor = Drawn()
    rise = Step(editor, (Edit("bright"),), (strengths,), (frozenset(),), {})
    rise.done(batch_of([1.0, 1.0, 0.5, 1.0, 1.0]))
    assert seen[0].tolist() == pytest.approx([0, 0.5, 0.5, 1, 0.2])
