"""A mouth that goes through all visemes under `toothy-smile`: its outline stays smooth, its teeth
come and go as slowly as lips do.

Everything about the talking face is known: its lips are drawn between parabolas, on which its
landmarks lie. What the edit makes of it is measured in the rendered pictures.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.portrait import load_portrait, settled_states
from models.portrait.mouth import inner_gap
from models.portrait_movers import load_movers

RATE = 25.0
EYES_PX = 90
SIDE = 306
FINER = 2
"""How much finer than its pixels a picture is drawn."""

SKIN, RED, DARK, TEETH = (200, 150, 125), (165, 60, 60), (40, 15, 15), (215, 200, 185)

Pixels = NDArray[np.float64]


class Viseme(NamedTuple):
    """What a mouth does, in outer-eye distances."""

    gap: float
    half_width: float = 0.27
    red: float = 1.0
    teeth: float = 0.0
    """Share of the gap that shows the own ones."""


REST, PRESSED = Viseme(0.0), Viseme(0.0, red=0.6)
VISEMES = {
    "m": Viseme(0.0, 0.265, 0.8),
    "f": Viseme(0.02, 0.27, 0.8),
    "t": Viseme(0.04, 0.28, teeth=0.8),
    "a": Viseme(0.16, 0.26),
    "e": Viseme(0.08, 0.30, teeth=0.6),
    "i": Viseme(0.05, 0.32, teeth=0.9),
    "o": Viseme(0.12, 0.22),
    "u": Viseme(0.03, 0.19, 1.2),
}
SAID = "a m i f o t e m u a m e u t"


def talk() -> list[Viseme]:
    """Rest, words of two frames a sound with one between, rest again."""
    keys = [(0.0, REST), (20.0, REST)]
    for sound in SAID.split():
        at = keys[-1][0]
        keys += [(at + 2, VISEMES[sound]), (at + 4, VISEMES[sound])]
    keys += [(keys[-1][0] + 3, REST), (keys[-1][0] + 8, PRESSED), (keys[-1][0] + 20, PRESSED)]
    times = [at for at, _ in keys]
    columns = np.array([viseme for _, viseme in keys]).T
    frames = np.arange(int(times[-1]) + 1)
    return [Viseme(*row) for row in np.stack([np.interp(frames, times, c) for c in columns], 1)]


def outlines(face: Viseme) -> dict[str, tuple[float, float]]:
    """Return how far below the corners' level the lips' four lines lie in their middle, and how far
    the corners from there: head units."""
    upper, lower = -0.3 * face.gap, 0.7 * face.gap
    lines = {
        "upper": upper - 0.09 * face.red,
        "above": upper,
        "below": lower,
        "lower": lower + 0.11 * face.red,
    }
    return {name: (height, face.half_width) for name, height in lines.items()}


def line(face: Viseme, name: str, across: Pixels) -> Pixels:
    """Points (P, 2) of one of the lips' lines, head units from the mouth's middle."""
    height, half = outlines(face)[name]
    return np.stack([across * half, height * (1 - across**2)], axis=1)


OUTER, INNER = np.array([-1, -0.6, -0.25, 0, 0.25, 0.6, 1]), np.array([-0.9, -0.35, 0, 0.35, 0.9])


def landmarks_of(face: Viseme, rest: Tensor, middle: Pixels) -> Tensor:
    """The 68 points (68, 2) px: of a head at rest, with lips."""
    points = rest.numpy().copy()
    points[48:55] = line(face, "upper", OUTER)
    points[55:60] = line(face, "lower", OUTER[5:0:-1])
    points[60:65] = line(face, "above", INNER)
    points[65:68] = line(face, "below", INNER[3:0:-1])
    points[48:68] += middle
    return torch.from_numpy(points * EYES_PX + SIDE / 2 - [0, 0.3 * EYES_PX]).float()


def drawn(face: Viseme, middle: Pixels) -> Tensor:
    """The picture (3, SIDE, SIDE) in [-1, 1]."""
    picture = np.full((SIDE * FINER, SIDE * FINER, 3), SKIN, np.uint8)
    along = np.linspace(-1, 1, 81)

    def fill(top: str, bottom: str, colour: tuple[int, int, int], share: float = 1.0) -> None:
        above, below = line(face, top, along), line(face, bottom, along)
        below = above + share * (below - above)
        points = np.concatenate([above, below[::-1]]) + middle
        pixels = (points * EYES_PX + SIDE / 2 - [0, 0.3 * EYES_PX] + 0.5) * FINER - 0.5
        cv2.fillPoly(picture, [np.round(pixels * 16).astype(np.int32)], colour, cv2.LINE_AA, 4)

    fill("upper", "lower", RED)
    if face.gap > 0.004:
        fill("above", "below", DARK)
        if face.teeth > 0.05:
            fill("above", "below", TEETH, face.teeth)
    small = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return torch.from_numpy(small).permute(2, 0, 1).float() / 127.5 - 1


class Shot(NamedTuple):
    """A talking face, T frames."""

    images: Tensor
    edited: Tensor
    landmarks: Tensor
    moved: Tensor
    gap: Tensor
    """(T,) between the lips after the edit, outer-eye distances."""


@pytest.fixture(scope="module")
def shot() -> Shot:
    model, movers = load_portrait(), load_movers()
    rest = model.shape.mean[:68, :2]
    middle = rest[[48, 54]].mean(dim=0).numpy().astype(np.float64)
    said = talk()
    landmarks = torch.stack([landmarks_of(face, rest, middle) for face in said])
    images = torch.stack([drawn(face, middle) for face in said])
    w = torch.zeros(len(said), model.dimensions)
    after = movers.mover("latent-transformer", "toothy-smile")(w, torch.full((len(w),), 1.5))
    with torch.inference_mode():
        states = model.observe(images, landmarks)
        states[:, -1] = 0
        states = settled_states(states, RATE)
        edited, _ = model.render(images, landmarks, w, after, states)
        moved = model.moved_landmarks(landmarks, w, after, states)
        fit, vertices = model.placed(moved)
        gap = inner_gap(vertices, fit.camera)[:, 1:4].mean(dim=1)
    return Shot(images, edited, landmarks, moved, gap)


def edges(image: Tensor, points: Tensor) -> tuple[Pixels, Pixels, Pixels]:
    """Columns across the middle 80 % of a mouth and where its lips begin above and end below there
    [px], between pixels."""
    left, right = points[48, 0].item(), points[54, 0].item()
    inset = 0.1 * (right - left)
    columns = np.arange(int(left + inset), int(right - inset) + 1)
    ratio = (image[1] + 1.1) / (image[0] + 1.1)
    skin, red = ratio[100, 60].item(), (RED[1] / 127.5 + 0.1) / (RED[0] / 127.5 + 0.1)
    share = ((skin - ratio.numpy()[:, columns]) / (skin - red)).clip(0, 1)
    top, bottom = int(points[48:68, 1].min()) - 8, int(points[48:68, 1].max()) + 8
    above, below = (np.empty(len(columns)) for _ in range(2))
    for n, values in enumerate(share.T):
        inside = np.flatnonzero(values[top:bottom] > 0.5) + top
        first, last = inside[0], inside[-1]
        above[n] = first - (values[first] - 0.5) / (values[first] - values[first - 1])
        below[n] = last + (values[last] - 0.5) / (values[last] - values[last + 1])
    return columns.astype(float), above, below


def sharpest_turn(columns: Pixels, heights: Pixels) -> float:
    """By how much a line turns at most within 0.08 outer-eye distances [degrees]."""
    smooth = cv2.GaussianBlur(heights[None], (0, 0), 1.5, borderType=cv2.BORDER_REPLICATE)[0]
    angle = np.degrees(np.arctan(np.gradient(smooth, columns)))[3:-3]
    reach = round(0.08 * EYES_PX)
    return float(np.abs(angle[reach:] - angle[:-reach]).max())


MOST_DEGREES = 25.0
"""That a line of lips may turn within 0.08 outer-eye distances, where it did not turn as much
before. Lips whose middle alone was held back turned by 34 to 51 degrees."""


def test_the_outline_of_the_lips_has_no_kink_in_any_viseme(shot: Shot) -> None:
    for row in range(len(shot.images)):
        before, after = (
            [sharpest_turn(columns, line) for line in lines]
            for columns, *lines in (
                edges(shot.images[row], shot.landmarks[row]),
                edges(shot.edited[row], shot.moved[row]),
            )
        )
        assert max(after) < max(MOST_DEGREES, *before), f"frame {row}"


def teeth_of(shot: Shot) -> Pixels:
    """Area of what looks like teeth between the lips of every frame (T,), squared outer-eye
    distances: of what is lighter and paler than lips, by how much it is."""
    areas = []
    for image, points in zip(shot.edited, shot.moved, strict=True):
        mouth = np.zeros((SIDE, SIDE), np.uint8)
        cv2.fillPoly(mouth, [np.round(points[48:60].numpy()).astype(np.int32)], 1)
        red, green = (image[:2].numpy() + 1) * 127.5
        light = ((green - RED[1]) / (TEETH[1] - RED[1])).clip(0, 1)
        pale = ((green / red.clip(1) - 0.6) / 0.2).clip(0, 1)
        areas.append((light * pale * mouth).sum() / EYES_PX**2)
    return np.array(areas)


def test_teeth_show_and_never_appear_or_vanish_within_two_frames(shot: Shot) -> None:
    teeth = teeth_of(shot)
    most = np.quantile(teeth, 0.9)
    none, whole = teeth < 0.1 * most, teeth > 0.75 * most
    assert whole.mean() > 0.4
    assert none.mean() < 0.2, "short closings do not hide them"
    for frames in (1, 2):
        assert not (none[:-frames] & whole[frames:]).any(), f"they appear within {frames}"
        assert not (whole[:-frames] & none[frames:]).any(), f"they vanish within {frames}"


def test_lips_that_close_between_words_still_come_nearest_there(shot: Shot) -> None:
    gaps = np.array([viseme.gap for viseme in talk()])
    words = slice(20, 20 + 4 * len(SAID.split()))
    order = np.corrcoef(gaps[words], shot.gap.numpy()[words])[0, 1]
    assert order > 0.9
