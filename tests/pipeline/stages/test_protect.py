"""What is before a face keeps its pixels, and is not carried along by what moves below it."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from torch import Tensor

from pipeline.causes import HELD_OUT, IN_FRONT
from pipeline.parsing import LABELS, Parsing
from pipeline.stages.protect import Protection
from pipeline.types import AlignedBatch, EditedBatch
from tests.pipeline.faces import drawn_face

SIDE, GRID, STEP = 256, 128, 6
POINTS = drawn_face((128.0, 100.0), eyes=90.0).astype(np.float32)
CUP = (slice(140, 200), slice(100, 150))
"""Rows and columns of a thing before the chin."""


def face() -> Tensor:
    """(1, 3, S, S) skin that changes slowly from row to row."""
    line = torch.linspace(-0.2, 0.4, SIDE)
    return torch.stack([line + 0.3, line, line - 0.1])[None, :, :, None].repeat(1, 1, 1, SIDE)


def parsing(*, cup: bool) -> Parsing:
    shares = torch.zeros(1, len(LABELS), GRID, GRID)
    shares[:, LABELS.index("skin")] = 1
    if cup:
        rows, columns = (slice(s.start // 2, s.stop // 2) for s in CUP)
        shares[:, :, rows, columns] = 0
        shares[:, LABELS.index("front"), rows, columns] = 1
    return Parsing(
        shares, torch.tensor([[[2 / SIDE, 0, 1 / SIDE - 1], [0, 2 / SIDE, 1 / SIDE - 1]]])
    )


def batch(*, cup: bool) -> AlignedBatch:
    images = face()
    if cup:
        images[:, :, *CUP] = torch.tensor([-0.6, 0.1, 0.9])[:, None, None]
    return AlignedBatch(
        images=images,
        crop_to_frame=np.eye(3)[None],
        landmarks=torch.from_numpy(POINTS)[None],
        frame_index=np.zeros(1, np.int64),
        track_id=np.zeros(1, np.int64),
        weights=torch.ones(1),
        parsing=parsing(cup=cup),
    )


def upwards(source: AlignedBatch) -> EditedBatch:
    """Everything is moved up."""
    masks = torch.zeros(1, 1, SIDE, SIDE)
    masks[:, :, 20:-20, 20:-20] = 1
    return EditedBatch(source, source.images.roll(-STEP, 2), masks)


def shown(edited: EditedBatch) -> Tensor:
    """What the blend stage makes of it."""
    source = edited.source.images
    return source + edited.masks * (edited.images - source)


def test_a_cup_keeps_its_pixels_and_leaves_no_second_edge() -> None:
    protected = Protection(spares_hair=False)
    out = shown(protected.around(batch(cup=True), upwards))
    source = batch(cup=True).images
    assert torch.equal(out[:, :, *CUP], source[:, :, *CUP])
    bare = shown(Protection(spares_hair=False).around(batch(cup=False), upwards))
    beside = (out - bare).abs()
    beside[:, :, CUP[0].start - 16 : CUP[0].stop + 16, CUP[1].start - 16 : CUP[1].stop + 16] = 0
    assert float(beside.max()) == 0
    rim = (out - bare).abs()
    rim[:, :, CUP[0].start - 1 : CUP[0].stop + 1, CUP[1].start - 1 : CUP[1].stop + 1] = 0
    assert float(rim.max()) < 0.04, (
        "a carried edge of the cup would be 0.5 and more beside the skin"
    )


def test_without_protection_the_cup_is_carried_along() -> None:
    out = shown(Protection(occlusion=False).around(batch(cup=True), upwards))
    above = (slice(CUP[0].start - STEP, CUP[0].start), CUP[1])
    assert float((out - face())[:, :, *above].abs().amax(1).min()) > 0.5


def test_a_face_with_nothing_before_it_is_edited_as_it_is() -> None:
    source = batch(cup=False)
    edited = Protection(spares_hair=False).around(source, upwards)
    assert torch.equal(edited.images, upwards(source).images)
    assert torch.equal(edited.masks, upwards(source).masks)


def test_what_an_edit_leaves_alone_is_not_filled() -> None:
    def nothing(source: AlignedBatch) -> EditedBatch:
        return EditedBatch(source, source.images.clone(), torch.ones(1, 1, SIDE, SIDE))

    source = batch(cup=True)
    assert torch.equal(shown(Protection().around(source, nothing)), source.images)


def test_a_matte_of_the_user_is_joined_with_what_is_found_by_the_larger() -> None:
    """The cup and a bar beside it, which covers half of the cup, are both put back."""
    held = torch.zeros(1, 1, SIDE, SIDE)
    bar = (slice(100, 180), slice(90, 125))
    held[:, :, *bar] = 1
    held[:, :, 30:60, 30:200] = 0.5
    source = batch(cup=True)
    edited = Protection(spares_hair=False).around(source, upwards, held)
    out, alone = (shown(e) for e in (edited, Protection(spares_hair=False).around(source, upwards)))
    for place in (CUP, bar):
        assert torch.equal(out[:, :, *place], source.images[:, :, *place])
    assert torch.equal(edited.masks[:, :, 35:55, 35:195], torch.full((1, 1, 20, 160), 0.5))
    elsewhere = (slice(210, 230), slice(60, 200))
    assert torch.equal(out[:, :, *elsewhere], alone[:, :, *elsewhere])
    assert 0 < float(edited.left[HELD_OUT]) < 1
    assert 0 < float(edited.left[IN_FRONT]) < 1


def test_a_matte_holds_where_nothing_is_looked_for() -> None:
    held = torch.zeros(1, 1, SIDE, SIDE)
    held[:, :, *CUP] = 1
    out = Protection(occlusion=False).around(batch(cup=True), upwards, held)
    assert torch.equal(shown(out)[:, :, *CUP], batch(cup=True).images[:, :, *CUP])


def test_the_shot_is_asked_about_faces_that_are_not_seen_whole() -> None:
    asked = []

    def tell(crops: AlignedBatch) -> Tensor:
        asked.append(len(crops))
        return torch.ones(len(crops), 1, SIDE, SIDE)

    told = Protection(hidden={0: tell})
    plain = shown(Protection().around(batch(cup=False), upwards))
    assert torch.equal(shown(told.around(batch(cup=False), upwards)), plain)
    assert not asked
    assert torch.equal(shown(told.around(batch(cup=True), upwards)), batch(cup=True).images)
    unparsed = dataclasses.replace(batch(cup=False), parsing=None)
    assert torch.equal(shown(told.around(unparsed, upwards)), unparsed.images)
    assert asked == [1, 1]


def test_an_edit_that_moves_nothing_leaves_no_guess_at_the_edges_of_hair() -> None:
    """Only the change itself is put on strands: what is under them is a guess, never shown."""

    def lighter(source: AlignedBatch) -> EditedBatch:
        masks = torch.zeros(1, 1, SIDE, SIDE)
        masks[:, :, 20:-20, 20:-20] = 1
        return EditedBatch(source, source.images + 0.01, masks)

    source = batch(cup=True)
    rows, columns = CUP
    source.images[:, :, rows.start - 3 : rows.start, columns] = -0.8  # a rim that nobody found
    change = shown(Protection(spares_hair=False).around(source, lighter)) - source.images
    assert float(change.min()) >= 0
    assert float(change.max()) < 0.0101
