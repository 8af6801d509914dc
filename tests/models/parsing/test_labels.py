"""Label maps: faults of the coarse parts, put into a drawn face, are mended."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.parsing.agreeing import agree
from models.parsing.draft import Draft, label_of
from models.parsing.faces import SIDE, Stroke
from models.parsing.labels import label_face
from models.parsing.net import LABELS
from models.parsing.regions import LIPS, MOUTH, grown, outline, polygon, stroke
from tests.models.parsing.drawn_face import DARK, SKIN, drawn, repainted

Mask = NDArray[np.bool_]


def share(draft: Draft, name: str, area: Mask) -> float:
    """How much of an area has a label."""
    return float((draft.labels[area] == label_of(name)).mean())


def test_every_part_of_a_plain_face_is_told() -> None:
    face, truth = drawn()
    draft = label_face(face)
    at = face.layout
    mouth = polygon(at.points, MOUTH, SIDE)
    assert share(draft, "eyes", at.eyes) == 1
    assert share(draft, "brows", at.brows) == 1
    assert share(draft, "mouth", mouth) == 1
    assert share(draft, "lips", polygon(at.points, LIPS, SIDE) & ~mouth) == 1
    for name in ("background", "hair", "ears", "neck", "clothes"):
        inside = grown(truth == label_of(name), -3) & ~at.oval
        assert share(draft, name, inside) > 0.97, name
    cheeks = grown(at.oval, -6) & (at.ys > 125) & (np.abs(at.xs - 128) > 30)
    assert share(draft, "skin", cheeks) == 1
    assert (draft.weights > 0).mean() > 0.9


def test_what_the_parts_take_for_hair_within_a_face_is_skin() -> None:
    face, _ = drawn()
    blot = outline(np.array([[85, 140], [100, 140], [100, 155], [85, 155.0]]), SIDE)
    wrong = face.parts.copy()
    wrong[blot] = 1
    draft = label_face(replace(face, parts=wrong))
    assert share(draft, "skin", blot) == 1


def test_a_fringe_that_the_parts_call_skin_is_hair_again() -> None:
    face, _ = drawn()
    fringe = outline(np.array([[95, 83], [160, 83], [160, 95], [95, 95.0]]), SIDE)
    draft = label_face(repainted(face, fringe, DARK))
    assert share(draft, "hair", grown(fringe, -2)) > 0.95


def test_a_bald_head_that_the_parts_call_hair_is_skin() -> None:
    face, _ = drawn(frozenset({"shaven"}))
    crown = (face.parts == 1) & (np.abs(face.layout.xs - 128) < 30) & (face.layout.ys < 80)
    draft = label_face(repainted(face, crown, SKIN))
    assert share(draft, "skin", crown) == 1


def test_a_neck_in_the_shade_is_not_clothes() -> None:
    face, truth = drawn()
    shade = (truth == label_of("neck")) & (face.layout.ys > 214) & ~face.layout.oval
    wrong = face.parts.copy()
    wrong[shade] = 3
    tone = (int(SKIN[0] * 0.5), int(SKIN[1] * 0.46), int(SKIN[2] * 0.44))
    draft = label_face(repainted(replace(face, parts=wrong), shade, tone))
    sure = shade & (draft.weights > 0)
    assert share(draft, "clothes", sure) < 0.1
    assert share(draft, "neck", grown(shade, -3) & (face.layout.ys < 236)) > 0.8


def test_a_dense_beard_is_hair_and_its_absence_is_skin() -> None:
    plain, _ = drawn()
    zone = plain.layout.beard_zone(0.0) & plain.layout.oval & (plain.layout.ys > 160)
    bearded = repainted(replace(plain, marks=frozenset({"beards"})), zone, DARK)
    assert share(label_face(bearded), "hair", grown(zone, -3)) > 0.9
    shaved = label_face(replace(plain, marks=frozenset({"beards"})))
    assert share(shaved, "skin", grown(zone, -3)) > 0.9
    unseen = label_face(repainted(plain, zone, DARK))
    assert (unseen.weights[grown(zone, -3)] == 0).all(), "a beard nobody marked is left out"


def test_a_dark_jacket_is_no_hair_of_the_short_haired() -> None:
    face, truth = drawn(frozenset({"short"}))
    coat = (truth == label_of("clothes")) & (np.abs(face.layout.xs - 128) > 45)
    wrong = face.parts.copy()
    wrong[coat] = 1
    assert share(label_face(replace(face, parts=wrong)), "clothes", coat) == 1
    long_haired = label_face(replace(face, parts=wrong, marks=frozenset()))
    assert share(long_haired, "hair", coat) == 1


def test_rims_are_found_where_they_are_drawn() -> None:
    face, _ = drawn(frozenset({"glasses"}))
    angles = np.linspace(0, 2 * np.pi, 60)
    rims = np.zeros((2 * SIDE, 2 * SIDE), bool)
    for x in (206, 306):
        ring = np.array([x, 240]) + np.stack([np.cos(angles) * 42, np.sin(angles) * 30], -1)
        rims |= stroke(ring, 5, 2 * SIDE)
    rims |= stroke(np.array([[248, 236], [264, 236.0]]), 5, 2 * SIDE)
    draft = label_face(repainted(face, rims, DARK))
    small = rims.reshape(SIDE, 2, SIDE, 2).mean((1, 3))
    low = face.layout.ys > 108  # the brows hide what lies above
    assert share(draft, "glasses", (small > 0.9) & low) > 0.85
    found = (draft.labels == label_of("glasses")) & (draft.weights > 0) & low
    assert (small[found] > 0).mean() > 0.85
    without = label_face(replace(repainted(face, rims, DARK), marks=frozenset()))
    assert not (without.labels == label_of("glasses")).any()


def test_strokes_cover_only_what_they_name_and_are_exact_where_that_was_checked() -> None:
    square = np.array([[0.25, 0.25], [0.75, 0.25], [0.75, 0.75], [0.25, 0.75]])
    for exact in (True, False):
        draft = Draft.of_parts(np.zeros((64, 64), np.uint8))
        draft.put("hair", outline(np.array([[0, 0], [32, 0], [32, 64], [0, 64.0]]), 64))
        draft.correct([Stroke("clothes", square, "h", 0.0)], exact=exact)
        assert share(draft, "clothes", outline(square * 64, 64)) == pytest.approx(0.5, abs=0.02)
        assert share(draft, "background", draft.shows("background")) == 1
        edge = grown(draft.shows("clothes"), 1) & ~grown(draft.shows("clothes"), -1)
        assert (draft.weights[edge] > 0).all() if exact else (draft.weights[edge] == 0).any()
        draft.correct([Stroke("?", square, "", 0.0)], exact=exact)
        assert (draft.weights[outline(square * 64, 64)] == 0).all()


def test_the_second_opinion_overrules_only_where_it_was_found_to_be_right() -> None:
    draft = Draft.of_parts(np.full((4, 8), label_of("hair"), np.uint8))
    draft.put("background", np.arange(32).reshape(4, 8) >= 16)
    draft.weights[:, 7] = 0
    shares = torch.full((len(LABELS), 4, 8), 0.001)
    shares[label_of("clothes")] = 0.95
    shares[label_of("clothes"), :, 0] = 0.6  # not sure
    shares[label_of("hair"), 2:] = shares[label_of("clothes"), 2:]
    shares[label_of("clothes"), 2:] = 0.001
    covered = np.ones((4, 8), bool)
    covered[:, 1] = False
    agree(draft, shares, covered)
    assert (draft.labels[:2, 2:] == label_of("clothes")).all()
    assert (draft.labels[:2, :2] == label_of("hair")).all(), "unsure, or not looked at"
    assert (draft.labels[2:, :7] == label_of("background")).all(), "hair on background is not taken"
    assert (draft.labels[2:, 7] == label_of("hair")).all(), "what the rules left out is filled in"
