"""Regions taken from another face: what is carried, and what stays the clip's."""

from __future__ import annotations

import pytest
import torch

from models.portrait.carry import _open_factor, _opened, _with_blinks, render_carried
from models.portrait.edit import parting_of
from models.portrait.exemplar import (
    LOWER_LIDS,
    UPPER_LIDS,
    Carried,
    Likeness,
    carried,
    lid_gaps,
    seen_share,
)
from models.portrait.exemplar_maps import REGIONS, beard_map, feature_map, region_map
from models.portrait.layers import LAYER_SIDE
from models.portrait.net import PortraitModel
from models.portrait.regions import BROWS, EYES, LIPS
from models.portrait.rendered import Rendered
from models.portrait.warp import canonical_grid

from .tiny import tiny_portrait

SIDE = 200


@pytest.fixture(scope="module")
def portrait() -> PortraitModel:
    return tiny_portrait().eval()


def a_face(portrait: PortraitModel, **coefficients: float) -> Likeness:
    """A grey face; basis shape 0 widens its mouth, 1 parts its lips."""
    shape = torch.zeros(1, len(portrait.shape.sigma))
    shape[0, 0], shape[0, 1] = coefficients.get("wide", 0.0), coefficients.get("parted", 0.0)
    plain = torch.zeros(1, LAYER_SIDE, LAYER_SIDE)
    return Likeness(shape, torch.zeros(1, 3, LAYER_SIDE, LAYER_SIDE), plain + 1, plain)


def taken(
    portrait: PortraitModel,
    own: Likeness,
    other: Likeness,
    region: str,
    kept_out: torch.Tensor | None = None,
    *,
    beard: bool = True,
) -> Carried:
    nothing = torch.zeros(0, portrait.dimensions)
    return carried(portrait, own, other, region, nothing if kept_out is None else kept_out, beard)


def crops(portrait: PortraitModel) -> tuple[torch.Tensor, torch.Tensor]:
    """Two noisy crops with the drawn face's points, at two places."""
    points = portrait.shape.mean[:68, :2] * 55
    places = torch.tensor([[100.0, 80.0], [97.0, 83.0]])
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(2, 3, SIDE, SIDE, generator=generator) * 1.6 - 0.8
    return images, points + places[:, None]


def whole(part: Rendered, images: torch.Tensor) -> torch.Tensor:
    """The crops with the part that was rendered in its place."""
    output = images.clone()
    output[:, :, part.window.rows, part.window.columns] = part.images
    return output


@pytest.mark.parametrize("region", REGIONS)
def test_regions_end_softly_and_alike_on_both_sides(portrait: PortraitModel, region: str) -> None:
    found = region_map(portrait.canonical, region, LAYER_SIDE)
    assert found.max() > 0.95
    assert torch.equal(found, found.flip(1))
    steps = max(found.diff(dim=0).abs().max(), found.diff(dim=1).abs().max())
    assert steps < 0.15, "an edge of a patch would show"


def test_each_region_holds_its_own_parts_only(portrait: PortraitModel) -> None:
    grid = canonical_grid(LAYER_SIDE)
    maps = {region: region_map(portrait.canonical, region, LAYER_SIDE) for region in REGIONS}
    for region, parts in (("mouth", [LIPS]), ("eyes", EYES), ("brows", BROWS)):
        for part in parts:
            middle = portrait.canonical[list(part)].mean(dim=0)
            nearest = (grid - middle).square().sum(dim=2).argmin()
            takes = {name for name, found in maps.items() if found.flatten()[nearest] > 0.5}
            assert takes == {region, "face"} | ({"lower"} if region == "mouth" else set())


def test_a_face_takes_nothing_from_itself(portrait: PortraitModel) -> None:
    face = a_face(portrait, wide=0.3)
    for region in REGIONS:
        found = taken(portrait, face, face, region)
        assert found.movement.abs().max() < 1e-6
        assert found.factor.abs().max() < 1e-6


def test_the_shape_of_the_mouth_is_carried_and_its_opening_is_not(portrait: PortraitModel) -> None:
    found = taken(portrait, a_face(portrait), a_face(portrait, wide=1.0, parted=1.0), "mouth")
    corners = found.movement[54, 0] - found.movement[48, 0]
    whole = portrait.shape.displacement(a_face(portrait, wide=1.0).coefficients)[0]
    assert corners > 0.5 * (whole[54, 0] - whole[48, 0]) > 0
    assert parting_of(found.movement[None]).abs().max() < 1e-6


def test_closed_eyes_stay_closed(portrait: PortraitModel) -> None:
    _, landmarks = crops(portrait)
    fit, vertices = portrait.placed(landmarks[:1])
    movement = torch.zeros(1, len(portrait.canonical), 3)
    movement[:, [37, 38, 43, 44], 1] = -0.05
    opening = lid_gaps(portrait.shape.mean[None, :, 1]).mean(dim=2)[0]
    usual = lid_gaps(_with_blinks(movement, _opened(fit, vertices, opening))[..., 1])
    assert torch.allclose(usual, lid_gaps(movement[..., 1]), atol=0.012)
    shut = vertices.clone()
    for highs, lows in zip(UPPER_LIDS, LOWER_LIDS, strict=True):
        shut[:, list(highs)] = shut[:, list(lows)]
    shares = _opened(fit, shut, opening)
    assert lid_gaps(_with_blinks(movement, shares)[..., 1]).abs().max() < 1e-6
    drawn = taken(portrait, a_face(portrait), a_face(portrait), "eyes")
    creased = drawn._replace(factor=torch.ones_like(drawn.factor))
    eyes = (drawn.eyes.amax(dim=0) > 0.99).expand(3, -1, -1)
    assert _open_factor(creased, shares)[0][eyes].max() < 0.02
    assert torch.equal(_open_factor(creased, torch.ones(1, 2))[0], creased.factor)


def test_light_is_not_carried_and_brows_are(portrait: PortraitModel) -> None:
    own, other = a_face(portrait), a_face(portrait)
    grid = canonical_grid(LAYER_SIDE)
    lit = other.logs.clone()
    lit[0, 0] += 0.5 * grid[..., 0] + 0.2 * grid[..., 1] - 0.3
    lit[0, 1] += 0.2
    shaded = taken(portrait, own, other._replace(logs=lit), "face").factor
    bare = 1 - feature_map(portrait.canonical, LAYER_SIDE)
    inside = region_map(portrait.canonical, "face", LAYER_SIDE) > 0.9
    assert (shaded * bare).abs()[:, inside].mean() < 0.03
    brows = torch.stack([portrait.canonical[list(brow)].mean(dim=0) for brow in BROWS])
    near = torch.stack([(grid - brow).norm(dim=2) < 0.06 for brow in brows]).any(dim=0)
    dark = lit.clone()
    dark[0, 0][near] -= 0.6
    drawn = taken(portrait, own, other._replace(logs=dark), "brows").factor
    assert drawn.mean(dim=0)[near].mean() < -0.3


def test_what_is_hidden_is_taken_from_the_other_half(portrait: PortraitModel) -> None:
    face = a_face(portrait)
    left = canonical_grid(LAYER_SIDE)[..., 0] < 0
    hidden = face._replace(clear=face.clear * ~left)
    assert seen_share(portrait, hidden, "eyes") > 0.95
    assert seen_share(portrait, face._replace(clear=face.clear * 0), "eyes") == 0
    logs = hidden.logs.clone()
    logs[0, 0, :, : LAYER_SIDE // 2] = 5.0  # hair, that must not be drawn
    found = taken(portrait, face, hidden._replace(logs=logs), "face").factor
    assert found.abs().max() < 1e-3


def test_what_is_kept_out_is_taken_away_and_nothing_else(portrait: PortraitModel) -> None:
    wide = torch.zeros(1, portrait.dimensions)
    wide[0, 0] = 1.0
    own, other = a_face(portrait), a_face(portrait, wide=1.0, parted=0.0)
    shape = other.coefficients.clone()
    shape[0, 3] = 0.5
    both = taken(portrait, own, other._replace(coefficients=shape), "face", wide)
    alone = a_face(portrait)._replace(coefficients=shape * (torch.arange(len(shape[0])) == 3))
    rest = taken(portrait, own, alone, "face")
    assert torch.allclose(both.movement, rest.movement, atol=1e-5)
    assert rest.movement.abs().max() > 0


def test_a_beard_can_be_kept_out(portrait: PortraitModel) -> None:
    own, other = a_face(portrait), a_face(portrait)
    beard = (beard_map(portrait.canonical, LAYER_SIDE) > 0.5)[None]
    logs = other.logs.clone()
    logs[:, 0][beard] -= 0.8
    bearded = other._replace(logs=logs, hair=beard.float())
    grown = taken(portrait, own, bearded, "lower").factor
    assert grown[:, beard[0]].min() < -0.5
    shaved = taken(portrait, own, bearded, "lower", beard=False).factor
    assert shaved.abs().max() < 0.25 * grown.abs().max()


def test_rows_are_drawn_alone_and_nothing_changes_at_zero_or_outside(
    portrait: PortraitModel,
) -> None:
    images, landmarks = crops(portrait)
    level = torch.tensor([0.1, -0.2])
    with torch.inference_mode():
        found = taken(portrait, a_face(portrait), a_face(portrait, wide=1.0), "mouth")
        still = render_carried(portrait, images, landmarks, found, torch.zeros(2), level)
        assert not still.masks.any()
        amount = torch.tensor([1.0, 0.0])
        part = render_carried(portrait, images, landmarks, found, amount, level)
        rows, columns = part.window.rows, part.window.columns
        assert torch.equal(part.images[1], images[1, :, rows, columns])
        outside = (part.masks[0] == 0).expand(3, -1, -1)
        assert torch.equal(part.images[0][outside], images[0, :, rows, columns][outside])
        assert (part.images[0] != images[0, :, rows, columns]).any()
        eyes = landmarks[0, 36:48, 1].max()
        assert part.corner[1] > eyes, "an edit of the mouth ends below the eyes"
        both = render_carried(portrait, images, landmarks, found, torch.ones(2), level)
        one = render_carried(portrait, images[1:], landmarks[1:], found, torch.ones(1), level[1:])
    assert torch.equal(whole(both, images)[1:], whole(one, images[1:]))
