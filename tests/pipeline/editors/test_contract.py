"""What every editor promises, tested on whatever `discover` finds, with the embedded pack."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch

from models.directions import DirectionMover
from pipeline.editors import Attribute, Pack, discover
from pipeline.edits import all_attributes
from pipeline.loading import load_pack
from pipeline.types import AlignedBatch

from ..faces import drawn_face, natural

LATENT = [n for n, e in discover().items() if e.spec.kind == "latent"]
IMAGE = [(n, a) for n, e in discover().items() if e.spec.kind == "image" for a in e.spec.attributes]


@pytest.fixture(scope="module")
def pack() -> Pack:
    return load_pack("portrait", torch.device("cpu"))


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
    )


class WithComponents:
    """The embedded pack, with an axis of the codes as the component of every attribute."""

    def __init__(self, pack: Pack, length: int) -> None:
        self.attributes = pack.attributes
        self.axis = torch.zeros(1, length)
        self.axis[0, 0] = 1

    def mover(self, editor: str, attribute: str) -> DirectionMover:
        assert editor == "pca"
        return DirectionMover(self.axis, 1)


@pytest.mark.parametrize("name", list(discover()))
def test_a_spec_says_what_the_editor_is(name: str) -> None:
    spec = discover()[name].spec
    assert re.fullmatch(r"[a-z0-9-]+", spec.name)
    assert spec.kind in ("latent", "image")
    assert spec.summary
    assert bool(spec.attributes) == (spec.kind == "image")


def test_names_and_aliases_mean_one_thing_each(pack: Pack) -> None:
    names = [n.lower() for a in all_attributes(pack) for n in (a.name, *a.aliases)]
    assert len(set(names)) == len(names)
    for attribute in all_attributes(pack):
        assert -3 <= attribute.low < 0 < attribute.high <= 3
        assert attribute.summary


@pytest.mark.parametrize("name", LATENT)
def test_a_latent_editor_keeps_codes_at_zero_and_moves_rows_on_their_own(
    pack: Pack, batch: AlignedBatch, name: str
) -> None:
    with torch.inference_mode():
        codes = pack.model.encode(batch)
        offered: Any = WithComponents(pack, codes.w.shape[2]) if name == "pca" else pack
        editor = discover()[name].build_latent(offered)
        for attribute in pack.attributes:
            same = editor.move(codes, attribute.name, torch.zeros(3))
            assert torch.equal(same.w, codes.w)
            moved = editor.move(codes, attribute.name, torch.tensor([1.0, 0.0, -1.0]))
            assert moved.w.shape == codes.w.shape
            assert torch.isfinite(moved.w).all()
            assert torch.equal(moved.state, codes.state)
            assert torch.equal(moved.w[1], codes.w[1]), "a row of strength 0 moved"
            assert (moved.w[0] != codes.w[0]).any()
            assert (moved.w[2] != codes.w[2]).any()


@pytest.mark.parametrize(("name", "attribute"), IMAGE, ids=lambda v: getattr(v, "name", v))
def test_an_image_editor_keeps_crops_at_zero_and_pixels_outside_its_mask(
    batch: AlignedBatch, name: str, attribute: Attribute
) -> None:
    editor = discover()[name].build_image()
    with torch.inference_mode():
        strength = torch.tensor([attribute.high, 0.0, attribute.low])
        edited = editor.apply(batch, attribute.name, strength)
    assert torch.equal(edited.images[1], batch.images[1])
    for n in (0, 2):
        assert (edited.images[n] != batch.images[n]).any()
        outside = (edited.masks[n] == 0).expand(3, -1, -1)
        assert torch.equal(edited.images[n][outside], batch.images[n][outside])
    assert edited.images.abs().max() <= 1
    assert edited.masks.min() >= 0
    assert edited.masks.max() <= 1
    rim = torch.cat([edited.masks[..., 0, :], edited.masks[..., -1, :], edited.masks[..., 0]])
    assert rim.max() == 0
