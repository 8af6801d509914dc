"""Mattes of mixtures whose truth is known, and what is learnt of where hair is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pipeline.imaging.hair_cells import Cells, hair_of
from pipeline.imaging.hair_matte import matted
from pipeline.imaging.hair_place import (
    MAP_SIDE,
    PARSED_WIDER,
    HairPlace,
    averaged,
    bounds,
    counted,
    followed,
    likeness_of,
    of_head,
    on_map,
    posterior,
)
from pipeline.parsing import LABELS, Parsing

SIDE, EYES = 320, 120.0
Floats = NDArray[np.float32]
HAIR, SKIN = np.array([0.15, 0.1, 0.08], np.float32), np.array([0.8, 0.62, 0.5], np.float32)
OVER = torch.tensor([[[2 / SIDE, 0.0, 1 / SIDE - 1], [0.0, 2 / SIDE, 1 / SIDE - 1]]])


def a_parsing(**parts: Any) -> Parsing:
    """Shares (G, G) of some labels over the whole crop; the rest is background."""
    shares = torch.zeros(1, len(LABELS), 160, 160)
    for name, share in parts.items():
        shares[0, LABELS.index(name)] = torch.as_tensor(share)
    shares[:, 0] = 1 - shares.sum(1)
    return Parsing(shares, OVER)


def strands(seed: int = 0) -> Floats:
    """(SIDE, SIDE) 0–1: hair above, skin below, strands of part of a pixel's width between."""
    rng = np.random.default_rng(seed)
    tips = SIDE / 2 + 3 * rng.normal(size=SIDE).astype(np.float32)
    rows = np.arange(SIDE, dtype=np.float32)[:, None]
    return cv2.GaussianBlur(np.clip(tips[None] - rows, 0, 1), (0, 0), 0.6)


def mixed(alpha: Floats) -> Floats:
    """(3, SIDE, SIDE) in [-1, 1]: hair over skin."""
    noise = np.random.default_rng(1).normal(size=(3, *alpha.shape)).astype(np.float32)
    light = alpha * HAIR[:, None, None] + (1 - alpha) * SKIN[:, None, None]
    return np.asarray(2 * (light + 0.005 * noise) - 1, np.float32)


def test_the_share_of_hair_in_mixed_pixels_is_found_from_their_colours() -> None:
    alpha = strands()
    window = Cells.of(mixed(alpha), a_parsing(), EYES)
    assert window is not None
    rough = cv2.resize(alpha, window.count[::-1], interpolation=cv2.INTER_AREA)
    rough = cv2.GaussianBlur(rough, (0, 0), 1.5)
    matte, alone = matted(window, rough, np.zeros_like(rough))
    assert np.abs(matte - alpha).mean() < 0.01
    assert np.quantile(np.abs(matte - alpha), 0.999) < 0.3
    coarse = cv2.resize(rough, alpha.shape, interpolation=cv2.INTER_LINEAR)
    assert np.abs(matte - alpha).mean() < 0.3 * np.abs(coarse - alpha).mean()
    inside = matte > 0.1
    light = 0.5 * alone[:, inside] + 0.5
    assert np.abs(light - HAIR[:, None]).max() < 0.25
    assert np.abs(light - HAIR[:, None]).mean() < 0.02


def test_where_hair_and_what_is_beside_look_alike_the_share_of_the_cell_counts() -> None:
    window = Cells.of(np.full((3, SIDE, SIDE), -0.5, np.float32), a_parsing(), EYES)
    assert window is not None
    share = np.tile(np.linspace(0, 1, window.count[1], dtype=np.float32), (window.count[0], 1))
    matte, _ = matted(window, share, np.zeros_like(share))
    middle = matte[SIDE // 2, SIDE // 4 : -SIDE // 4]
    assert (np.diff(middle) > -1e-4).all()
    assert 0.3 < middle.mean() < 0.7


@pytest.mark.parametrize(
    ("row", "hair", "cloth", "least", "most"),
    [
        (30, 0.5, 0.5, 0.9, 1.0),  # over the eyes, wavering: hair
        (30, 0.02, 0.98, 0.0, 0.0),  # a hat
        (150, 0.5, 0.5, 0.0, 0.05),  # below the chin, wavering: cloth
        (150, 0.95, 0.05, 0.9, 1.0),  # long hair
    ],
)
def test_what_wavers_between_hair_and_cloth_is_told_by_where_it_lies(
    row: int, hair: float, cloth: float, least: float, most: float
) -> None:
    share = hair_of(a_parsing(hair=hair, clothes=cloth))[0, 0, row]
    assert least <= share.min()
    assert share.max() <= most


def test_pieces_that_do_not_hang_together_with_the_head_are_no_hair_of_it() -> None:
    often = np.zeros((160, 160), np.float32)
    often[10:60, 30:130] = 1  # head
    often[10:150, 120:132] = 1  # hangs down from it
    often[125:150, 20:50] = 1  # a collar
    often[128:140, 70:90] = 1  # a beard
    head = of_head(often)
    for piece in ((30, 80), (140, 126), (134, 80)):
        assert head[piece] == pytest.approx(1, abs=0.01)
    assert head[140, 30] < 1e-4


def fringe() -> Floats:
    """(SIDE, SIDE) 0–1: hair above, skin below, between them tufts as long as they are wide."""
    rows, columns = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    tufts = np.abs(columns % 24 - 12) / 12  # 1 at their middle
    return cv2.GaussianBlur(np.clip(SIDE / 2 + 24 * tufts - 12 - rows, 0, 1), (0, 0), 0.8)


def test_between_tufts_of_a_fringe_there_is_skin_though_the_parsing_draws_one_line() -> None:
    alpha = fringe()
    picture = mixed(alpha)
    line = np.clip((SIDE / 2 - np.mgrid[0:SIDE, 0:SIDE][0]) / 4 + 0.5, 0, 1).astype(np.float32)
    small = cv2.resize(line, (160, 160), interpolation=cv2.INTER_AREA)
    window = Cells.of(picture, a_parsing(hair=small, skin=1 - small), EYES)
    assert window is not None
    colours, sure = window.colours(), cv2.resize(alpha, window.count, interpolation=cv2.INTER_AREA)
    like = likeness_of(*(counted(colours, part) for part in (sure > 0.98, sure < 0.02)))
    bounds_ = np.zeros((160, 160), np.float32), np.ones((160, 160), np.float32)
    place = HairPlace(like, np.zeros((96, 96), np.float32), *bounds_)
    share, skin = place.share(window), window.shares("skin")
    off = [np.abs(found - alpha).mean() for found in (matted(window, share, skin)[0], line)]
    assert off[0] < 0.4 * off[1]
    tips = (alpha > 0.9) & (line < 0.1)
    assert tips.any()
    assert matted(window, share, skin)[0][tips].mean() > 0.8


def test_beside_a_room_colours_of_hair_add_none() -> None:
    share = np.zeros((160, 160), np.float32)
    share[:80] = 1
    dark = np.tile(2 * HAIR[:, None, None] - 1, (1, SIDE, SIDE))
    window = Cells.of(dark, a_parsing(hair=share), EYES)
    assert window is not None
    like = np.full((32, 32, 32), 0.9, np.float32)
    place = HairPlace(like, np.zeros((96, 96), np.float32), 0 * share, np.ones_like(share))
    found = place.share(window)[:, window.count[1] // 2]
    reach = round(0.06 * EYES / window.cell) + 1
    edge = window.count[0] // 2
    assert found[edge + reach :].max() == 0
    assert found[edge // 2 : edge - reach].min() == 1


def test_beyond_the_square_hair_is_what_hangs_together_with_the_hair_inside() -> None:
    scale = 2 / SIDE
    matrix = torch.tensor([[[2 * scale, 0.0, scale - 2], [0.0, 2 * scale, scale - 2]]])
    shares = torch.zeros(1, len(LABELS), 160, 160)
    shares[0, LABELS.index("hair"), 60:, 20:40] = 1
    inside = Parsing(shares, matrix)  # a square of the middle half of the crop
    wide = torch.zeros(1, len(LABELS), 160, 160)
    wide[0, LABELS.index("hair"), 60:150, 40:54] = 1  # goes on below
    wide[0, LABELS.index("hair"), 120:150, 110:130] = 1  # on its own
    larger = Parsing(wide, matrix / PARSED_WIDER)
    window = Cells.of(np.zeros((3, SIDE, SIDE), np.float32), inside, EYES)
    assert window is not None
    found = followed(window, replace(window, parsing=larger))
    where = averaged([on_map(found, window)])
    at = MAP_SIDE / 4
    below = where[round(3 * at + 0.2 * at)]
    assert below[round(at + 0.36 * at)] > 0.9
    assert below[round(2 * at) :].max() == 0
    assert where[round(1.2 * at) : round(2.8 * at), round(1.2 * at) : round(2.8 * at)].max() == 0


def test_colours_decide_where_the_share_is_open_and_not_where_it_is_sure() -> None:
    share = np.array([0.02, 0.4, 0.4, 0.98], np.float32)
    likeness = np.array([0.99, 0.99, 0.01, 0.2], np.float32)
    sure_not, raised, lowered, sure = posterior(share, likeness)
    assert sure_not == 0
    assert raised > 0.85
    assert lowered < 0.1
    assert sure > 0.9


def test_a_colour_that_was_never_seen_is_told_by_nothing() -> None:
    seen = np.zeros((2, 32, 32, 32), np.float32)
    seen[0, 3, 3, 3] = 500
    seen[1, 20, 18, 16] = 500
    like = likeness_of(seen[0], seen[1])
    assert like[3, 3, 3] > 0.99
    assert like[20, 18, 16] < 0.01
    assert like[31, 0, 0] == pytest.approx(0.5)


def test_what_is_hair_in_one_frame_only_is_a_mistake_and_hair_that_sways_is_none() -> None:
    head = np.ones((160, 160), np.float32)
    shares = np.zeros((8, 160, 160), np.float32)
    shares[:, 20:60, 30:130] = 1
    shares[3, 100:120, 60:90] = 1  # a sliver on the cheek in one frame
    shares[5, 30:50, 60:90] = 0  # a hole in another
    least, most = bounds(shares, head)
    assert most[110, 75] == 0
    assert most[63, 75] > 0.9
    assert least[40, 75] == pytest.approx(0.5)
    assert least[58, 75] == 0


def test_two_frames_are_too_few_to_know_which_is_mistaken() -> None:
    shares = np.zeros((2, 160, 160), np.float32)
    shares[0, 20:60, 30:130] = 1
    least, most = bounds(shares, np.ones((160, 160), np.float32))
    assert most[40, 75] == pytest.approx(1)
    assert least.max() == 0


def test_colours_find_hair_next_to_hair_and_not_all_over_a_dark_room() -> None:
    picture = np.broadcast_to(2 * HAIR[:, None, None] - 1, (3, SIDE, SIDE)).copy()
    rows = np.arange(160)[:, None] + np.zeros(160)
    share = np.where(rows < 60, 1.0, 0.25).astype(np.float32)
    window = Cells.of(picture, a_parsing(hair=share), EYES)
    assert window is not None
    like = np.full((32, 32, 32), 0.95, np.float32)
    everywhere = np.ones((160, 160), np.float32)
    none = np.zeros((96, 96), np.float32)
    place = HairPlace(like, none, 0 * everywhere, everywhere)
    found = place.share(window)[:, 40]
    line = window.middles()[0]
    assert found[(line > 60) & (line < 110)].min() > 0.95
    assert found[line > 140].max() == 0
