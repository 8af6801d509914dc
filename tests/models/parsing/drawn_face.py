"""A drawn face whose every pixel is known, with a mesh laid over it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from models.parsing import regions
from models.parsing.draft import label_of
from models.parsing.faces import SIDE, Face
from models.parsing.regions import Layout, outline

SKIN, DARK, CLOTH, WALL = (205, 160, 135), (40, 30, 26), (60, 90, 170), (150, 160, 150)
_MIDDLE = np.array([128.0, 135.0])
_FACE = np.array([58.0, 78.0])


def _ellipse(
    middle: tuple[float, float], half: tuple[float, float], count: int
) -> NDArray[np.float64]:
    """Corners from the top, clockwise."""
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False) - np.pi / 2
    return np.asarray(middle) + np.stack([np.cos(angles), np.sin(angles)], -1) * half


def mesh() -> NDArray[np.float32]:
    """Return 478 points [px of a picture of SIDE] of a frontal face; those that no rule uses lie in
    its middle."""
    points = np.tile(_MIDDLE, (478, 1))
    points[list(regions.OVAL)] = _ellipse((128, 135), (58, 78), len(regions.OVAL))
    for eye, x in zip(regions.EYES, (103, 153), strict=True):
        points[list(eye)] = np.roll(_ellipse((x, 118), (12, 5), len(eye)), 4, 0)[::-1]
    for brow, x in zip(regions.BROWS, (103, 153), strict=True):
        upper = np.stack([np.linspace(x - 15, x + 15, 5), np.full(5, 98.0)], -1)
        points[list(brow)] = np.concatenate([upper, (upper + np.array([0, 5]))[::-1]])
    points[[33, 263, 133, 362]] = (91, 118), (165, 118), (115, 118), (141, 118)
    points[list(regions.NOSE)] = _ellipse((128, 138), (13, 20), len(regions.NOSE))
    points[list(regions.LIPS)] = _ellipse((128, 176), (22, 9), len(regions.LIPS))
    points[list(regions.MOUTH)] = _ellipse((128, 176), (16, 3), len(regions.MOUTH))
    for cheek, x in zip(regions.CHEEKS, (98, 158), strict=True):
        points[list(cheek)] = _ellipse((x, 150), (9, 9), len(cheek))
    points[[1, 195]] = (128, 150), (128, 135)
    return points.astype(np.float32)


def drawn(marks: frozenset[str] = frozenset()) -> tuple[Face, NDArray[np.uint8]]:
    """Return a face with dark hair, ears, a neck and a coat, and the labels of its pixels but those
    of the mesh's inner parts."""
    layout = Layout(mesh(), SIDE)
    truth = np.zeros((SIDE, SIDE), np.uint8)
    areas = {
        "clothes": outline(np.array([[20, 256], [60, 228], [196, 228], [236, 256.0]]), SIDE),
        "neck": outline(np.array([[100, 190], [156, 190], [160, 240], [96, 240.0]]), SIDE),
        "hair": outline(_ellipse((128, 100), (70, 80), 60), SIDE) & (layout.ys < 112),
        "ears": outline(_ellipse((66, 135), (12, 20), 40), SIDE)
        | outline(_ellipse((190, 135), (12, 20), 40), SIDE),
    }
    for name, area in areas.items():
        truth[area] = label_of(name)
    truth[layout.oval & (layout.ys >= 84)] = label_of("skin")
    truth[layout.oval & (layout.ys < 84)] = label_of("hair")
    colours = {"background": WALL, "hair": DARK, "clothes": CLOTH}
    picture = np.full((SIDE, SIDE, 3), SKIN, np.uint8)
    for name, colour in colours.items():
        picture[truth == label_of(name)] = colour
    picture[layout.brows | layout.eyes] = DARK
    parts = np.full((SIDE, SIDE), 2, np.uint8)
    for part, name in enumerate(("background", "hair", "", "clothes")):
        if name:
            parts[truth == label_of(name)] = part
    parts[layout.eyes | layout.brows] = 1
    person = (truth != 0).astype(np.float32)
    hair = (truth == label_of("hair")).astype(np.float32)
    big = picture.repeat(2, 0).repeat(2, 1)
    return Face(big, layout, parts, hair, person, marks, ()), truth


def repainted(face: Face, area: NDArray[np.bool_], colour: tuple[int, int, int]) -> Face:
    """Return the face with an area (2 * SIDE, 2 * SIDE) or (SIDE, SIDE) in another colour."""
    if len(area) == SIDE:
        area = area.repeat(2, 0).repeat(2, 1)
    picture = face.picture.copy()
    picture[area] = colour
    return replace(face, picture=picture)
