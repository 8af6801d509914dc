"""What a parsing says is before a face becomes a mask that holds all of it, and little more."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from pipeline.imaging.front import before_faces, person_behind, seen_whole, wears_glasses
from pipeline.parsing import LABELS, Parsing
from tests.pipeline.faces import drawn_face

SIDE, EYES = 320, 100.0
POINTS = drawn_face((160.0, 130.0), eyes=EYES)
FACE = torch.from_numpy(POINTS[None].astype(np.float32))
GRID = 100
"""Cells a side of a grid over the whole crop of 3.2 eye distances."""
PX = SIDE / GRID


def parsing(label: str, cells: Tensor) -> Parsing:
    """All skin, but for some cells (G, G) bool of a label."""
    shares = torch.zeros(1, len(LABELS), GRID, GRID)
    shares[:, LABELS.index("skin")] = (~cells).float()
    shares[:, [k for k, name in enumerate(LABELS) if name == label]] = cells.float()
    to_grid = torch.tensor([[[2 / SIDE, 0, 1 / SIDE - 1], [0, 2 / SIDE, 1 / SIDE - 1]]])
    return Parsing(shares, to_grid)


def block(rows: slice, columns: slice) -> Tensor:
    cells = torch.zeros(GRID, GRID, dtype=torch.bool)
    cells[rows, columns] = True
    return cells


def ring(*eyes: int) -> Tensor:
    """(G, G): cells on circles round the middles of some eyes (0, 1)."""
    y, x = torch.meshgrid(*2 * [(torch.arange(GRID) + 0.5) * PX - 0.5], indexing="ij")
    out = torch.zeros(GRID, GRID, dtype=torch.bool)
    for eye in eyes:
        middle = POINTS[36 + 6 * eye : 42 + 6 * eye].mean(0)
        out |= ((x - middle[0]).hypot(y - middle[1]) - 0.27 * EYES).abs() < 0.6 * PX
    return out


def test_a_thing_is_covered_whole_and_its_surroundings_are_not() -> None:
    front = before_faces(parsing("front", block(slice(50, 60), slice(45, 70))), FACE, SIDE)
    assert front is not None
    assert front.shape == (1, 1, SIDE, SIDE)
    inside = front[0, 0, round(50 * PX) : round(60 * PX), round(45 * PX) : round(70 * PX)]
    assert float(inside.min()) == 1
    beyond = front.clone()
    beyond[0, 0, round(46 * PX) : round(64 * PX), round(41 * PX) : round(74 * PX)] = 0
    assert float(beyond.max()) == 0


def test_a_face_with_nothing_before_it_has_no_mask() -> None:
    assert before_faces(parsing("front", block(slice(0, 0), slice(0, 0))), FACE, SIDE) is None


def test_what_no_edit_reaches_is_left_alone() -> None:
    assert before_faces(parsing("front", block(slice(92, 100), slice(0, 8))), FACE, SIDE) is None


def test_rims_count_where_they_go_round_both_eyes() -> None:
    both = before_faces(parsing("glasses", ring(0, 1)), FACE, SIDE)
    assert both is not None
    side = POINTS[36:42].mean(0) - (0.27 * EYES, 0)
    assert float(both[0, 0, round(side[1]), round(side[0])]) > 0.95
    assert float(both[0, 0, round(POINTS[36:42, 1].mean()), round(POINTS[36:42, 0].mean())]) == 0
    assert before_faces(parsing("glasses", ring(0)), FACE, SIDE) is None
    assert before_faces(parsing("glasses", ring(0, 1)), FACE, SIDE, rims=False) is None
    worn = [bool(wears_glasses(parsing("glasses", r), FACE)) for r in (ring(0, 1), ring(0))]
    assert worn == [True, False]


def test_letters_are_known_better_than_their_surroundings() -> None:
    letters = torch.zeros(1, 1, SIDE, SIDE)
    letters[:, :, 185:190, 150:230] = 1
    cells = block(slice(54, 64), slice(45, 70)) | block(slice(30, 34), slice(45, 70))
    front = before_faces(parsing("front", cells), FACE, SIDE, letters=letters)
    assert front is not None
    assert float(front[0, 0, 180:195, 150:220].max()) == 0
    assert float(front[0, 0, round(32 * PX), round(50 * PX)]) == 1


def test_a_person_goes_on_behind_what_is_before_it() -> None:
    line = (torch.arange(GRID) + 0.5) * (2 / GRID) - 1
    person = ((0.5 - line.hypot(line[:, None])) * 10 + 0.5).clamp(0, 1)
    shares = torch.zeros(1, len(LABELS), GRID, GRID)
    shares[:, LABELS.index("skin")], shares[:, LABELS.index("background")] = person, 1 - person
    hidden = shares.clone()
    hidden[:, :, 45:55, 30:60] = 0
    hidden[:, LABELS.index("front"), 45:55, 30:60] = 1
    matrix = parsing("front", block(slice(0, 0), slice(0, 0))).crop_to_grid
    share = person_behind(Parsing(hidden, matrix))
    assert torch.equal(person_behind(Parsing(shares, matrix))[0, 0], 1 - shares[0, 0])
    assert float((share[0, 0] - person).abs().max()) < 0.2
    assert float((share[0, 0] - person).abs().mean()) < 0.005


def test_room_that_looks_a_little_like_a_thing_is_room() -> None:
    shares = parsing("background", block(slice(0, 100), slice(0, 40))).shares
    shares[:, :, 30:50, 5:38] = 0
    for label, part in (("background", 0.6), ("front", 0.4)):
        shares[:, LABELS.index(label), 30:50, 5:38] = part
    matrix = parsing("front", block(slice(0, 0), slice(0, 0))).crop_to_grid
    share = person_behind(Parsing(shares, matrix))
    assert float(share[0, 0, 30:50, 5:38].max()) < 1e-6


def test_a_face_is_seen_whole_unless_something_is_before_it() -> None:
    """The eyes lie in row 41, the brows in 31, the chin in 77, the top of the forehead in 9."""
    nothing = slice(0, 0)
    anywhere = slice(0, GRID)
    for label, rows, columns, whole in (
        ("front", nothing, nothing, True),
        ("lips", slice(55, 62), slice(42, 58), True),
        ("front", slice(55, 62), slice(42, 58), False),
        ("background", slice(45, 60), slice(30, 45), False),
        ("hair", slice(0, 22), anywhere, True),
        ("front", slice(0, 22), anywhere, False),
        ("hair", slice(0, 60), slice(40, 46), False),
    ):
        said = parsing(label, block(rows, columns))
        assert seen_whole(said, FACE).tolist() == [whole], (label, rows, columns)
