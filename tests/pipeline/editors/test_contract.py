"""What every editor promises, tested on whatever `discover` finds, with the embedded pack."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import pytest
import torch

from pipeline.editors import Attribute, Editor, Shot, discover
from pipeline.editors._codes import ShotCodes
from pipeline.editors.latent import Latent
from pipeline.edits import Catalogue
from pipeline.loading import load_network, load_pack
from pipeline.parsing import LABELS, Parsing
from pipeline.progress import Stopwatch
from pipeline.request import Edit
from pipeline.types import AlignedBatch, CropRule, FaceState, FaceTrack

from ..faces import drawn_face, natural

EDITORS = discover()
PACK = load_pack("portrait", torch.device("cpu"))
OFFERED = [(n, a) for n, e in EDITORS.items() for a in e.spec.attributes or PACK.attributes]


class Hands:
    """A kit that holds the embedded pack."""

    device = torch.device("cpu")
    clock = Stopwatch()
    face_model = PACK

    def network(self, role: str) -> Any:
        return load_network(role, self.device).module

    def exemplar(self, edit: Edit, crop: CropRule) -> AlignedBatch:
        points = torch.from_numpy(drawn_face((79.0, 71.0), eyes=42.0)).float()[None]
        points[:, 48:68] += 3.0
        return AlignedBatch(
            images=natural(160, 1, seed=5),
            crop_to_frame=np.eye(3)[None],
            landmarks=points,
            frame_index=np.zeros(1, np.int64),
            track_id=np.zeros(1, np.int64),
            weights=torch.ones(1),
            parsing=a_head(1),
        )


def a_head(count: int, wider: float = 1.0) -> Parsing:
    """Hair above the eyes, skin below, a wall round both; the square is that of the crop, or so
    many times as large."""
    line = wider * ((torch.arange(64) + 0.5) / 32 - 1)
    across, down = line[None, :] / 0.7, (line[:, None] + 0.05) / 0.9
    head = (across.square() + down.square()) < 1
    shares = torch.zeros(count, len(LABELS), 64, 64)
    for label, part in (("hair", head & (down < -0.3)), ("skin", head & (down >= -0.3))):
        shares[:, LABELS.index(cast("Any", label))] = part.float()
    shares[:, 0] = (~head).float()
    over = torch.tensor([[2 / 160, 0.0, 1 / 160 - 1], [0.0, 2 / 160, 1 / 160 - 1]])
    return Parsing(shares, over.expand(count, -1, -1) / wider)


@pytest.fixture(scope="module")
def batch() -> AlignedBatch:
    """Three crops of 160 px: a drawn face's points over smooth noise, at three places."""
    places = [(80.0, 70.0), (82.5, 71.0), (78.0, 69.5)]
    points = np.stack([drawn_face(place, eyes=44.0) for place in places])
    return AlignedBatch(
        images=natural(160, 3, seed=3),
        crop_to_frame=np.tile(np.eye(3), (3, 1, 1)),
        landmarks=torch.from_numpy(points).float(),
        frame_index=np.arange(3),
        track_id=np.zeros(3, np.int64),
        weights=torch.ones(3),
        parsing=a_head(3),
    )


@pytest.mark.parametrize("name", list(EDITORS))
def test_a_spec_says_what_the_editor_is(name: str) -> None:
    spec = EDITORS[name].spec
    assert re.fullmatch(r"[a-z0-9-]+", spec.name)
    assert spec.summary
    assert spec.attributes or "face-model" in spec.needs
    spec.options()  # every option has a default


def test_names_and_aliases_mean_one_thing_each() -> None:
    attributes = Catalogue(PACK).attributes
    names = [n.lower() for a in attributes for n in (a.name, *a.aliases)]
    assert len(set(names)) == len(names)
    for attribute in attributes:
        assert -3 <= attribute.low <= 0 < attribute.high <= 3
        assert attribute.summary


class Crops:
    """Work on crops that are there already."""

    device = torch.device("cpu")

    def __init__(self, batch: AlignedBatch) -> None:
        self.batch = batch

    def of(self, shot: Shot) -> Crops:
        return self

    def looked(self, look: Any, frames: Any) -> Any:
        return iter(look(self.batch.rows(sorted(frames[0]))))

    def crops(self, frames: Any = None) -> Iterator[AlignedBatch]:
        yield self.batch

    def parsed(self, batch: AlignedBatch, *, wider: float) -> Parsing:
        return a_head(len(batch), wider)

    def step(self, done: int, total: int) -> None:
        """Nobody watches."""


def prepared(editor: Editor, batch: AlignedBatch) -> Any:
    """What the editor knows of the faces of the batch."""
    if not editor.prepares:
        return None
    if isinstance(editor, Latent):
        codes = PACK.model.encode(batch)
        return ShotCodes(codes.w[0], codes.state, first_frame=0)
    n = len(batch)
    ones = np.ones(n, np.float32)
    found = np.full(n, FaceState.DETECTED, np.uint8)
    track = FaceTrack(0, 0, 0, batch.landmarks.numpy(), found, ones, ones)
    shot = Shot(track, np.arange(n) / 25.0, "clip")
    work = cast("Any", Crops(batch))
    return editor.opened(shot, editor.prepare_all([shot], Edit(""), work)[0])


@pytest.mark.parametrize("mover", ["latent-transformer", "direction"])
def test_codes_stay_at_zero_and_rows_move_on_their_own(batch: AlignedBatch, mover: str) -> None:
    with torch.inference_mode():
        editor = Latent(Hands())
        codes = prepared(editor, batch)
        for attribute in PACK.attributes:
            edits = [Edit(attribute.name, options=(("mover", mover),))]
            before, same = editor.moved(batch, edits, torch.zeros(1, 3), codes)
            assert torch.equal(same.w, before.w)
            amounts = torch.tensor([[1.0, 0.0, -1.0]])
            before, moved = editor.moved(batch, edits, amounts, codes)
            assert moved.w.shape == before.w.shape
            assert torch.isfinite(moved.w).all()
            assert torch.equal(moved.state, before.state)
            assert torch.equal(moved.w[1], before.w[1]), "a row of strength 0 moved"
            assert (moved.w[0] != before.w[0]).any()
            assert (moved.w[2] != before.w[2]).any()


@pytest.mark.parametrize(("name", "attribute"), OFFERED, ids=lambda v: getattr(v, "name", v))
def test_an_editor_keeps_crops_at_zero_and_pixels_outside_its_mask(
    batch: AlignedBatch, name: str, attribute: Attribute
) -> None:
    with torch.inference_mode():
        editor = EDITORS[name].build(Hands())
        amount = torch.tensor([attribute.high, 0.0, attribute.low])
        edited = editor.apply(batch, Edit(attribute.name), amount, prepared(editor, batch)).whole()
    assert torch.equal(edited.images[1], batch.images[1])
    for n in (0, 2):
        assert (edited.images[n] != batch.images[n]).any() == bool(amount[n])
        outside = (edited.masks[n] == 0).expand(3, -1, -1)
        assert torch.equal(edited.images[n][outside], batch.images[n][outside])
    assert edited.images.abs().max() <= 1
    assert edited.masks.min() >= 0
    assert edited.masks.max() <= 1
    rim = torch.cat([edited.masks[..., 0, :], edited.masks[..., -1, :], edited.masks[..., 0]])
    assert rim.max() == 0
