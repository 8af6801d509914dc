"""Carrying a change from small generated pictures onto a sharp crop."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.imaging import geometry as g
from pipeline.imaging.flow import place_within
from pipeline.imaging.sampling import sample
from pipeline.imaging.transfer import deform, from_crop, onto_crop
from tests.pipeline.faces import natural

SIDE = 256
SQUARE = g.similarity(220.0, 6.0, 30.0, 5.0)[None]
"""A turned square inside the crop."""
IMPLS: tuple[Literal["fast", "ref"], ...] = ("fast", "ref")


def face() -> Tensor:
    """A crop with a sharp dark line where a mouth would be."""
    crop = natural(SIDE, 1, seed=7) * 0.5
    crop[..., 160:164, 90:166] = -0.9
    return crop


def pushed(crop: Tensor, dy: float) -> Tensor:
    """The crop with the ends of the line pushed upwards by dy [px]."""
    line = torch.arange(float(SIDE))
    here = torch.stack(torch.meshgrid(line, line, indexing="xy"), -1)
    ends = sum(
        torch.exp(-((here - torch.tensor([x, 162.0])) ** 2).sum(-1) / (2 * 22.0**2))
        for x in (90.0, 166.0)
    )
    assert isinstance(ends, Tensor)
    return sample(crop, (here + ends[..., None] * torch.tensor([0.0, dy]))[None])


def whole() -> Tensor:
    return torch.ones(1, 1, SIDE, SIDE)


def test_a_square_cut_out_and_put_back_is_where_it_was() -> None:
    crop = natural(SIDE, 1, seed=8, slope=3.0)
    back = onto_crop(from_crop(crop, SQUARE, 220), SQUARE, SIDE)
    inner = (slice(None), slice(None), slice(80, 180), slice(80, 180))
    assert float((back - crop)[inner].abs().mean()) < 0.01


def test_a_moved_line_moves_and_stays_sharp_where_plain_adding_leaves_a_double() -> None:
    crop = face()
    truth = pushed(crop, 9.0)
    before, after = (from_crop(p, SQUARE, 64) for p in (crop, truth))
    mouth = (slice(None), slice(None), slice(140, 185), slice(60, 196))
    errors = {
        impl: float(
            (deform(crop, before, after, SQUARE, whole(), impl=impl) - truth)[mouth].abs().mean()
        )
        for impl in ("fast", "ref")
    }
    untouched = float((crop - truth)[mouth].abs().mean())
    assert errors["fast"] < 0.45 * untouched
    assert errors["fast"] < 0.6 * errors["ref"]


def test_a_face_drawn_a_little_beside_its_place_is_carried_to_where_it_is() -> None:
    crop = face()
    truth = pushed(crop, 9.0)
    beside = SQUARE @ g.similarity(1.02, 0.0, 0.012, -0.01)
    before, after = (from_crop(p, beside, 64) for p in (crop, truth))
    mouth = (slice(None), slice(None), slice(140, 185), slice(60, 196))
    place = place_within(from_crop(crop, SQUARE, SIDE), before)
    coarse = F.adaptive_avg_pool2d(place.permute(0, 3, 1, 2), 16).permute(0, 2, 3, 1)
    made = {k: deform(crop, before, after, SQUARE, whole(), beside=k) for k in (coarse, None)}
    found, ignored = (float((m - truth)[mouth].abs().mean()) for m in made.values())
    untouched = float((crop - truth)[mouth].abs().mean())
    assert found < 0.6 * untouched
    assert found < 0.8 * ignored


def test_what_is_new_is_added_and_fine_detail_under_it_gives_way() -> None:
    crop = face()
    truth = crop.clone()
    truth[..., 150:172, 96:160] = 0.8  # teeth where the dark line was
    made = deform(crop, from_crop(crop, SQUARE, 64), from_crop(truth, SQUARE, 64), SQUARE, whole())
    teeth = made[..., 155:168, 104:152]
    assert float(teeth.mean()) > 0.5
    line = made[..., 160:164, 104:152].mean() - made[..., 153:157, 104:152].mean()
    assert float(line.abs()) < 0.33, "a quarter of how much darker the line is in the crop"


def test_outside_the_mask_the_crop_stays_to_the_bit() -> None:
    crop = face()
    mask = torch.zeros(1, 1, SIDE, SIDE)
    mask[..., 100:200, 60:200] = 0.7
    before, after = (from_crop(p, SQUARE, 64) for p in (crop, pushed(crop, 9.0)))
    for impl in IMPLS:
        made = deform(crop, before, after, SQUARE, mask, impl=impl)
        outside = (mask == 0).expand(-1, 3, -1, -1)
        assert torch.equal(made[outside], crop[outside])
        assert (made != crop).any()


def test_no_change_is_no_change() -> None:
    crop = face()
    picture = from_crop(crop, SQUARE, 64)
    made = deform(crop, picture, picture, SQUARE, whole())
    assert torch.allclose(made, crop, atol=1e-4)


def test_crops_are_changed_alike_alone_and_together() -> None:
    crops = torch.cat([face(), face().flip(-1)])
    afters = torch.cat([pushed(c[None], 9.0) for c in crops])
    squares = np.concatenate([SQUARE, g.similarity(200.0, -3.0, 20.0, 30.0)[None]])
    before, after = from_crop(crops, squares, 64), from_crop(afters, squares, 64)
    together = deform(crops, before, after, squares, whole().expand(2, -1, -1, -1))
    for n in range(2):
        one = slice(n, n + 1)
        alone = deform(crops[one], before[one], after[one], squares[one], whole())
        assert torch.allclose(alone[0], together[n], atol=1e-4)
