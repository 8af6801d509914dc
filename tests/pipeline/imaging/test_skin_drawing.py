"""Retouch drawn in cells and blocks, against every pixel; and where it must end softly."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.imaging.detail import log_luma
from pipeline.imaging.retouching import Gain, Maps, Skin, recipe
from pipeline.imaging.sampling import blurred, looked_up
from pipeline.imaging.skin_drawing import drawn, soft_end
from pipeline.imaging.skin_maps import bright_rims, spots_of

from ..faces import drawn_face, natural

SIDE, MAP = 640, 384


def noise(*shape: int, sigma: float, depth: float, seed: int = 0) -> Tensor:
    maps = torch.randn(1, *shape, generator=torch.Generator().manual_seed(seed))
    soft = blurred(maps, sigma)
    return soft * (depth / soft.std())


def a_skin() -> Skin:
    """Skin with folds, a few spots and patches, as maps."""
    spots = (noise(1, MAP, MAP, sigma=3.0, depth=1.0, seed=1) - 0.5).clamp(0, 1)
    patches = noise(2, MAP, MAP, sigma=9.0, depth=0.02, seed=2)
    folds = noise(2, MAP, MAP, sigma=3.0, depth=0.08, seed=3)
    bare = torch.zeros(1, 1, MAP, MAP)
    bare[..., 40:340, 60:320] = 1
    return Skin(blurred(bare, 4.0), folds[:, :1], spots, 0 * spots, patches, folds)


@pytest.mark.parametrize("eyes", [110.0, 250.0])
@pytest.mark.parametrize(
    ("attribute", "strength"),
    [
        ("wrinkles", -1.0),
        ("wrinkles", 1.0),
        ("shine", -1.0),
        ("shine", 1.0),
        ("blemishes", -1.0),
        ("smooth-skin", 1.0),
    ],
)
def test_cells_and_blocks_show_what_every_pixel_does(
    attribute: str, strength: float, eyes: float
) -> None:
    landmarks = drawn_face((SIDE / 2, 0.42 * SIDE), eyes)
    image, skin = blurred(0.6 * natural(SIDE, seed=5) + 0.1, 1.0), a_skin()  # as a lens does
    maps = recipe(attribute, skin, strength)
    fast, plain = (drawn(image, landmarks, skin, maps, impl=i) for i in ("fast", "ref"))
    assert fast is not None
    assert plain is not None
    (rows, columns), ours, mask = fast
    top, left = rows.start - plain[0][0].start, columns.start - plain[0][1].start
    at = (..., slice(top, top + ours.shape[2]), slice(left, left + ours.shape[3]))
    before = image[:, :, rows, columns]
    change, expected = ours - before, plain[1][at] - before
    assert float(expected.abs().mean()) > 5e-4
    # A spot has colour of its own, and of colours a cell knows the mean only.
    most = 0.3 if attribute == "blemishes" else 0.12
    assert (change - expected).abs().mean() < most * expected.abs().mean()
    assert (mask - plain[2][at]).abs().mean() < 0.01


def test_gains_of_several_retouches_never_turn_a_fold_round() -> None:
    """Where three retouches each take two thirds away, hardly anything is left, and no more."""
    landmarks = drawn_face((SIDE / 2, 0.42 * SIDE), 200.0)
    column = torch.arange(SIDE, dtype=torch.float32)
    luma = 0.06 * torch.sin(2 * torch.pi * column / 24)
    image = ((luma.exp() * 0.5 - 0.0627) * 2 - 1).expand(1, 3, SIDE, SIDE).contiguous()
    skin = a_skin()
    depths = []
    for count in (1, 3, 8):
        part = drawn(image, landmarks, skin, Maps(gains=(Gain((-0.65, -0.65, 0, 0)),) * count))
        assert part is not None
        depths.append(_wave(log_luma(part[1]), luma[part[0][1]]))
    assert depths[0] > depths[1] > depths[2] > 0.0
    assert depths[1] < 0.35


def _wave(shown: Tensor, source: Tensor) -> float:
    """How much of the waves is left in the middle of the face, 1: all."""
    middle = slice(shown.shape[2] // 3, shown.shape[2] // 2), slice(80, -80)
    rows = shown[0, 0][middle] - shown[0, 0][middle].mean()
    waves = source[middle[1]] - source[middle[1]].mean()
    return float((rows * waves).mean() / waves.square().mean())


def test_added_gloss_ends_before_white() -> None:
    """Skin that is nearly white is hardly lit up more, and keeps its shape."""
    landmarks = drawn_face((SIDE / 2, 0.42 * SIDE), 200.0)
    line = torch.arange(SIDE, dtype=torch.float32)
    bump = torch.exp(-(((line - SIDE / 2) / 30) ** 2))
    image = (0.45 + 0.47 * bump[:, None] * bump)[None, None].repeat(1, 3, 1, 1)
    skin = a_skin()
    part = drawn(image, landmarks, skin, Maps(gains=(Gain((0.0, 0.9, 0.0, 0.9)),)))
    assert part is not None
    (rows, columns), edited, _ = part
    added = (edited - image[:, :, rows, columns])[0].amax(0)
    assert 0.02 < float(added.max()) < 0.1
    assert float((edited >= 0.999).float().mean()) == 0


def test_a_soft_end_has_no_kink_and_a_bound() -> None:
    values = torch.linspace(-3, 3, 601)
    ended = soft_end(values, 0.75, 1.0)
    assert torch.equal(ended[226:375], values[226:375])
    assert float(ended.abs().max()) < 1.0
    slopes = ended.diff() / 0.01
    assert float(slopes.min()) >= 0
    assert float(slopes.diff().abs().max()) < 0.05


def test_places_are_looked_up_as_by_the_plain_twin() -> None:
    maps = noise(3, 60, 60, sigma=2.0, depth=1.0)
    at = torch.rand(1, 40, 30, 2, generator=torch.Generator().manual_seed(4)) * 2.4 - 1.2
    fast, plain = looked_up(maps, at), looked_up(maps, at, impl="ref")
    assert (fast - plain).abs().max() < 0.03
    assert (fast - plain).abs().mean() < 0.005


def marked(picture: Tensor, x: float, y: float, width: float, height: float, to: float) -> Tensor:
    rows, columns = torch.meshgrid(torch.arange(MAP), torch.arange(MAP), indexing="ij")
    away = ((columns - x) / width) ** 2 + ((rows - y) / height) ** 2
    return picture + (to - picture) * torch.exp(-0.5 * away)


def test_a_spot_beside_other_dark_things_is_a_shade() -> None:
    """Alone on the cheek it is a spot; the same beside a dark edge is a part of that."""
    picture = torch.tensor([0.4, 0.05, -0.15])[None, :, None, None].repeat(1, 1, MAP, MAP)
    skin = torch.ones(1, 1, MAP, MAP)
    x, y = 254, 262  # of the window of the face's own frame: amid a cheek
    alone = spots_of(marked(picture, x, y, 2.2, 2.2, -0.1), skin)[0]
    assert float(alone[0, 0, y, x]) > 0.5
    edge = marked(marked(picture, x, y, 2.2, 2.2, -0.1), x + 8, y, 2.0, 40.0, -0.9)
    assert float(spots_of(edge, skin)[0].max()) == 0


def test_a_small_black_spot_is_a_mole() -> None:
    picture = torch.tensor([0.4, 0.05, -0.15])[None, :, None, None].repeat(1, 1, MAP, MAP)
    spots, moles = spots_of(marked(picture, 254, 262, 1.4, 1.4, -0.8), torch.ones(1, 1, MAP, MAP))
    assert float(moles[0, 0, 262, 254]) > 0.5
    assert float(spots.max()) == 0


def test_a_bright_line_is_a_rim_only_near_glasses() -> None:
    fold = torch.zeros(1, 1, MAP, MAP)
    fold[..., 180:183, :] = 0.2
    glasses = torch.zeros(1, 1, 96, 96)
    glasses[..., 43:48, 20:40] = 0.2
    rims = bright_rims(fold, glasses)[0, 0]
    assert float(rims[181, 120]) > 0.9
    assert float(rims[181, 330]) == 0
    assert float(rims[160, 120]) == 0
    assert np.isfinite(rims.numpy()).all()
