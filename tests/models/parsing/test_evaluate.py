"""Overlap and steadiness: figures of cases that can be counted by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from models.parsing import faces
from models.parsing.evaluate import joint
from models.parsing.net import LABELS
from models.parsing.placing import in_picture
from models.parsing.rims import closed_path
from models.parsing.steadiness import SQUARE, steadiness

HAIR, SKIN, NOSE = (LABELS.index(name) for name in ("hair", "skin", "nose"))


def test_overlap_is_what_both_say_by_what_either_says() -> None:
    table = np.zeros((len(LABELS), len(LABELS)), np.int64)
    table[SKIN, SKIN], table[SKIN, NOSE], table[NOSE, SKIN], table[NOSE, NOSE] = 60, 5, 5, 10
    table[HAIR, SKIN], table[SKIN, HAIR] = 8, 12
    assert joint(table, ("skin",)) == pytest.approx(60 / 90, abs=1e-4)
    assert joint(table, ("skin", "nose")) == pytest.approx(80 / 100, abs=1e-4)
    assert joint(table, ("hair",)) == 0
    assert math.isnan(joint(table, ("front",)))


def test_shares_are_put_where_they_belong_in_the_picture() -> None:
    shares = torch.zeros(len(LABELS), 8, 8)
    shares[HAIR, :, :4] = 1
    shares[SKIN, :, 4:] = 1
    # the square covers x and y from 10 to 30 px of a picture parsed at twice the size
    to_grid = torch.tensor([[0.1, 0.0, -2.0], [0.0, 0.1, -2.0]]) * torch.tensor([[0.5, 0.5, 1.0]])
    seen, covered = in_picture(shares, to_grid, 40, 2.0)
    columns = seen.argmax(0)[20]
    assert covered[20].nonzero()[:, 0].tolist() == list(range(10, 30))
    assert (columns[10:20] == HAIR).all()
    assert (columns[20:30] == SKIN).all()


def half(edges: list[float], side: int = 64) -> Tensor:
    """Shares (T, 13, side, side): hair left of an edge [cells], background right of it."""
    place = torch.arange(side) + 0.5
    soft = torch.stack([(edge - place + 0.5).clamp(0, 1) for edge in edges])
    shares = torch.zeros(len(edges), len(LABELS), side, side)
    shares[:, HAIR] = soft[:, None]
    shares[:, LABELS.index("background")] = 1 - soft[:, None]
    return shares


def test_an_outline_that_moves_by_a_cell_moves_by_a_cell() -> None:
    cell = 100 * SQUARE / 64
    figures = steadiness(half([20.0, 21.0, 22.0, 23.0]))
    assert figures["hair_moves"] == pytest.approx(cell, rel=0.03)
    assert figures["hair_shakes"] < 0.05 * cell


def test_an_outline_that_goes_to_and_fro_shakes_and_its_cells_blink() -> None:
    cell = 100 * SQUARE / 64
    figures = steadiness(half([20.0, 21.0, 20.0, 21.0]))
    assert figures["hair_shakes"] == pytest.approx(cell, rel=0.03)
    assert figures["blinks"] == pytest.approx(1000 / 64, rel=0.01)
    assert steadiness(half([20.0] * 3))["blinks"] == 0


def test_too_few_frames_are_refused() -> None:
    with pytest.raises(ValueError, match="three frames"):
        steadiness(half([20.0, 21.0]))


def test_a_closed_path_follows_a_bright_ring_and_closes() -> None:
    rng = np.random.default_rng(5)
    rows, columns = 96, 48
    ring = (24 + 8 * np.sin(np.linspace(0, 2 * np.pi, rows, endpoint=False))).round().astype(int)
    gain = rng.uniform(0, 4, (rows, columns))
    gain[np.arange(rows), ring] += 10
    path = closed_path(gain)
    assert np.abs(path - ring).max() <= 1
    assert np.abs(np.diff(path)).max() <= 1
    assert abs(path[0] - path[-1]) <= 1


def test_what_was_seen_and_drawn_by_hand_is_sound() -> None:
    folder = Path(faces.__file__).parent
    marks = json.loads((folder / "pictures.json").read_text())["images"]
    held_out, dropped = marks["held_out"], marks["dropped"]
    assert len(set(held_out)) == len(held_out) == 60
    assert not set(held_out) & set(dropped)
    assert all(1 <= number <= 1004 for numbers in marks.values() for number in numbers)
    corrections = json.loads((folder / "corrections.json").read_text())
    for strokes in corrections.values():
        for label, places, *_ in strokes:
            assert label == "?" or label in LABELS
            assert len(places) >= 4
            assert len(places) % 2 == 0
            assert all(-2 <= place <= 514 for place in places)
