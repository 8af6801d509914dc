"""Things before faces that training pictures lack: hands, microphones, cups, paper, phones, pens,
smoke, loose strands, print. Each is a layer with its exact share.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from . import hand
from .layers import (
    FINE,
    Bytes,
    Floats,
    Layer,
    Rng,
    Solid,
    any_colour,
    clouds,
    filled,
    grid_of,
    lines,
    merged,
    shrunk,
)
from .net import LABELS

FRONT: Final = LABELS.index("front")


@dataclass(frozen=True, slots=True)
class Scene:
    """What a thing is put before."""

    picture: Floats
    """(side, side, 3) RGB levels 0-255."""
    labels: Bytes
    """(side, side)."""
    points: NDArray[np.float64]
    """(68, 2) landmarks [cells]."""
    texture: Bytes
    """(side, side, 3) another picture, for surfaces."""

    @property
    def side(self) -> int:
        """Of the picture [cells]."""
        return len(self.picture)

    @property
    def eyes(self) -> float:
        """Distance of the outer eye corners [cells]."""
        return float(np.linalg.norm(self.points[45] - self.points[36]))

    def colour_of(self, label: str) -> Floats:
        """Return the median colour (3,) of what has a label; of skin where nothing has."""
        for name in (label, "skin"):
            where = self.labels == LABELS.index(name)
            if where.sum() > 30:
                return np.asarray(np.median(self.picture[where], 0), np.float32)
        return np.full(3, 128, np.float32)

    def spot(self, rng: Rng) -> NDArray[np.float64]:
        """Return a place about the face (2,) [cells], more often low: that is where hands and
        microphones are."""
        middle = self.points[30] + rng.normal(0, 0.55, 2) * self.eyes
        middle[1] += rng.uniform(-0.2, 0.9) * self.eyes
        return np.asarray(middle, np.float64)


def _paint(scene: Scene, rng: Rng) -> Floats:
    """Return the colour (3,) of a thing: any, or about that of the skin behind it."""
    if rng.random() < 0.25:
        tone = scene.colour_of("skin") * rng.uniform(0.75, 1.3) + rng.normal(0, 12, 3)
        return np.asarray(tone.clip(0, 255), np.float32)
    return any_colour(rng)


def _hand(scene: Scene, rng: Rng) -> list[Layer]:
    skin = scene.colour_of("skin")
    if rng.random() < 0.15:
        skin = np.array([200, 160, 135], np.float32) * rng.uniform(0.3, 1.2)
    layers = [hand.draw(scene.side, scene.eyes, scene.spot(rng), skin, FRONT, rng)]
    if rng.random() < 0.15:
        layers.append(hand.draw(scene.side, scene.eyes, scene.spot(rng), skin, FRONT, rng))
    return layers


def _microphone(scene: Scene, rng: Rng) -> list[Layer]:
    """A head (ball, foam, pop shield) on a handle that leaves the picture."""
    side, eyes = scene.side, scene.eyes
    head = scene.points[8] + rng.normal(0, 0.35, 2) * eyes - (0, rng.uniform(-0.4, 0.9) * eyes)
    radius = rng.uniform(0.16, 0.42) * eyes
    turn = rng.normal(0, 0.7)
    down = np.array([np.sin(turn), np.cos(turn)])
    if rng.random() < 0.15:
        down = np.array([1.0 if rng.random() < 0.5 else -1.0, rng.normal(0, 0.4)])
    layers = []
    if rng.random() < 0.85:
        handle = Solid.empty(side)
        thick = radius * rng.uniform(0.25, 0.8)
        handle.add(head + down * radius * 0.7, head + down * 6 * eyes, (thick, thick * 0.8))
        colour = _paint(scene, rng) if rng.random() < 0.4 else np.full(3, rng.uniform(10, 80))
        layers.append(_shaded(handle, colour, rng))
    ball = Solid.empty(side)
    ball.add(head - down * radius * rng.uniform(0, 0.8), head, (radius, radius * 0.95))
    x, y = grid_of(side)
    pitch = rng.uniform(1.2, 4)
    mesh = 1 + rng.uniform(0, 0.5) * np.sin(x * 2 * np.pi / pitch) * np.sin(y * 2 * np.pi / pitch)
    dark = rng.random() < 0.6
    colour = np.full(3, rng.uniform(10, 70)) if dark else _paint(scene, rng)
    layers.append(_shaded(ball, colour, rng, mesh.astype(np.float32)))
    return layers


def _shaded(
    solid: Solid, colour: NDArray[np.floating], rng: Rng, over: Floats | None = None
) -> Layer:
    """Return a solid in one colour, with a highlight now and then."""
    shade = solid.shade(rng) if over is None else solid.shade(rng) * over
    painted = shade[..., None] * colour
    if rng.random() < 0.6:
        turn, sharp = rng.uniform(0, 2 * np.pi), rng.uniform(5, 40)
        facing = 0.5 * (solid.normal @ np.array([np.cos(turn), np.sin(turn)], np.float32))
        shine = np.exp(-sharp * (facing - rng.uniform(0.1, 0.3)) ** 2) * rng.uniform(0, 130)
        painted = painted + shine[..., None]
    return Layer(painted.clip(0, 255).astype(np.float32), solid.share(), FRONT)


def _bar(scene: Scene, rng: Rng) -> list[Layer]:
    """Pens, cigarettes, straws, cutlery, poles, cables."""
    side, eyes = scene.side, scene.eyes
    start = scene.spot(rng)
    turn = rng.uniform(0, 2 * np.pi)
    ahead = np.array([np.cos(turn), np.sin(turn)])
    bar = Solid.empty(side)
    length = rng.uniform(0.5, 5) * eyes
    thick = rng.uniform(0.02, 0.1) * eyes
    bend = rng.normal(0, 0.15) * np.array([-ahead[1], ahead[0]])
    middle = start + (ahead + bend) * length / 2
    bar.add(start, middle, (thick, thick))
    bar.add(middle, start + ahead * length, (thick, thick * rng.uniform(0.5, 1.5)))
    return [_shaded(bar, _paint(scene, rng), rng)]


def _cup(scene: Scene, rng: Rng) -> list[Layer]:
    """A cup, a glass or a bottle at the mouth, held or not."""
    side, eyes = scene.side, scene.eyes
    top = scene.points[57] + rng.normal(0, 0.2, 2) * eyes
    wide, high = rng.uniform(0.3, 0.65) * eyes, rng.uniform(0.7, 2.0) * eyes
    taper, turn = rng.uniform(0.55, 1.05), rng.normal(0, 0.35)
    axis, across = np.array([-np.sin(turn), np.cos(turn)]), np.array([np.cos(turn), np.sin(turn)])
    angle = np.linspace(0, np.pi, 12)[:, None]
    rim = rng.uniform(0.05, 0.3)
    base = top + axis * high
    upper = top - across * wide * np.cos(angle) - axis * wide * rim * np.sin(angle)
    lower = base + across * wide * taper * np.cos(angle) + axis * wide * rim * np.sin(angle)
    share = filled(side, [np.concatenate([upper, lower])])
    if rng.random() < 0.3:
        ring = np.linspace(0, 2 * np.pi, 24)[:, None]
        centre = top + axis * high * 0.45 + across * wide
        handle = centre + 0.4 * wide * (across * np.cos(ring) + 1.3 * axis * np.sin(ring))
        share = np.maximum(share, lines(side, [handle], 0.12 * eyes, closed=True))
    x, y = grid_of(side)
    u = ((x - top[0]) * across[0] + (y - top[1]) * across[1]) / wide
    tone = 1 - rng.uniform(0.2, 0.6) * (u - rng.uniform(-0.5, 0.5)) ** 2
    colour = _paint(scene, rng) * tone[..., None]
    if rng.random() < 0.3:
        colour = 0.5 * colour + 0.5 * scene.texture
    layers = [Layer(colour.clip(0, 255).astype(np.float32), share, FRONT)]
    if rng.random() < 0.5:
        grip = top + axis * high * 0.5 + across * wide * rng.uniform(-0.5, 0.5)
        skin = scene.colour_of("skin")
        layers.append(hand.draw(side, eyes, grip, skin, FRONT, rng))
    return layers


def _sheet(scene: Scene, rng: Rng) -> list[Layer]:
    """Paper, books, phones, cards, cameras: tilted quadrangles, printed on or not."""
    side, eyes = scene.side, scene.eyes
    middle = scene.spot(rng)
    half = rng.uniform(0.25, 1.1, 2) * eyes
    turn = rng.normal(0, 0.4)
    spin = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half
    corners = (corners + rng.normal(0, 0.08, (4, 2)) * eyes) @ spin.T + middle
    share = filled(side, [corners])
    x, y = grid_of(side)
    slope = (x - middle[0]) * rng.normal(0, 0.004) + (y - middle[1]) * rng.normal(0, 0.004)
    kind = rng.random()
    base = np.full(3, rng.uniform(170, 255)) if kind < 0.4 else _paint(scene, rng)
    colour = (base * (1 + slope)[..., None]).clip(0, 255).astype(np.float32)
    if kind < 0.55:
        ink = base * rng.uniform(0.1, 0.6)
        step = rng.uniform(3, 9)
        v = (x - middle[0]) * -spin[1, 0] + (y - middle[1]) * spin[0, 0]
        rows = (np.sin(v * 2 * np.pi / step) > 0.3) & (clouds(side, side // 3, rng) > -0.4)
        colour[rows] = colour[rows] * 0.3 + ink * 0.7
    elif kind < 0.8:
        colour = np.where(rng.random() < 0.5, colour * 0.3, colour) + 0.6 * scene.texture
    layers = [Layer(colour.clip(0, 255).astype(np.float32), share, FRONT)]
    if rng.random() < 0.4:
        grip = corners[int(rng.integers(4))] + rng.normal(0, 0.1, 2) * eyes
        layers.append(hand.draw(side, eyes, grip, scene.colour_of("skin"), FRONT, rng))
    return layers


def _blob(scene: Scene, rng: Rng) -> list[Layer]:
    """Any body with a ragged or smooth outline and any surface, for what nobody thought of."""
    side, eyes = scene.side, scene.eyes
    middle, count = scene.spot(rng), int(rng.integers(5, 14))
    angle = np.sort(rng.uniform(0, 2 * np.pi, count))[:, None]
    reach = rng.uniform(0.3, 1.0, (count, 1)) * rng.uniform(0.3, 1.2) * eyes
    corners = middle + reach * np.concatenate([np.cos(angle), np.sin(angle)], 1)
    share = filled(side, [corners])
    if rng.random() < 0.5:
        soft = cv2.GaussianBlur(share, (0, 0), rng.uniform(2, 6))
        share = np.clip((soft - 0.5) * 6 + 0.5, 0, 1).astype(np.float32)
    shift = int(rng.integers(side))
    surface = np.roll(scene.texture, shift, rng.integers(2)).astype(np.float32)
    if rng.random() < 0.6:
        lumps = clouds(side, int(rng.integers(2, 30)), rng)[..., None]
        surface = _paint(scene, rng) * (1 + rng.uniform(0.05, 0.35) * lumps)
    return [Layer(surface.clip(0, 255).astype(np.float32), share, FRONT)]


def _smoke(scene: Scene, rng: Rng) -> list[Layer]:
    """Smoke, steam, fog: clouds without outlines."""
    side = scene.side
    lumps = clouds(side, 3, rng) + 0.5 * clouds(side, 7, rng) + 0.3 * clouds(side, 15, rng)
    x, y = grid_of(side)
    middle, reach = scene.spot(rng), rng.uniform(0.4, 1.4) * scene.eyes
    near = np.exp(-(((x - middle[0]) ** 2 + (y - middle[1]) ** 2) / (2 * reach**2)))
    share = (near * rng.uniform(0.7, 1.4) * (0.7 + 0.45 * lumps)).clip(0, 0.97)
    colour = np.full(3, rng.uniform(120, 255)) + rng.normal(0, 6, 3)
    return [Layer(colour.clip(0, 255).astype(np.float32), share.astype(np.float32), FRONT)]


def _strands(scene: Scene, rng: Rng) -> list[Layer]:
    """Loose hair across the face."""
    side, eyes = scene.side, scene.eyes
    colour = scene.colour_of("hair") * rng.uniform(0.7, 1.3)
    layers = []
    root = scene.points[27] + rng.normal(0, 0.6, 2) * eyes - (0, 0.9 * eyes)
    for _ in range(int(rng.integers(1, 9))):
        start = root + rng.normal(0, 0.15, 2) * eyes
        end = start + eyes * np.array([rng.normal(0, 0.6), rng.uniform(0.6, 2.2)])
        bow = (start + end) / 2 + rng.normal(0, 0.35, 2) * eyes
        t = np.linspace(0, 1, 24)[:, None]
        path = (1 - t) ** 2 * start + 2 * t * (1 - t) * bow + t**2 * end
        share = lines(side, [path], rng.uniform(0.6, 2.2))
        layers.append(Layer(colour * rng.uniform(0.85, 1.15), share, FRONT))
    return layers


_FONTS: Final = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
    cv2.FONT_HERSHEY_PLAIN,
)
_LETTERS: Final = np.array(
    list("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,!?")
)


def _print(scene: Scene, rng: Rng) -> list[Layer]:
    """Burned-in lines of text with their outline, on a bar or not."""
    side = scene.side
    size, thick = rng.uniform(0.35, 2.2), int(rng.integers(1, 6))
    font = _FONTS[int(rng.integers(len(_FONTS)))]
    x, y = int(rng.uniform(-0.3, 0.5) * side), int(rng.uniform(0.15, 0.98) * side)
    text = np.zeros((side * FINE, side * FINE), np.uint8)
    border = np.zeros_like(text)
    rim = int(rng.integers(0, 6))
    step = int(30 * size * rng.uniform(1.0, 1.6))
    for line in range(int(rng.integers(1, 4))):
        words = "".join(
            " " if rng.random() < 0.17 else str(letter)
            for letter in rng.choice(_LETTERS, int(rng.integers(3, 28)))
        )
        at = (x * FINE, y * FINE + line * step)
        cv2.putText(text, words, at, font, size, 255, thick, cv2.LINE_AA)
        cv2.putText(border, words, at, font, size, 255, thick + 2 * rim, cv2.LINE_AA)
    light = rng.random() < 0.7
    ink = np.full(3, rng.uniform(200, 255)) if light else np.full(3, rng.uniform(0, 40))
    if rng.random() < 0.3:
        ink = _paint(scene, rng)
    layers = []
    if rng.random() < 0.25:
        top = y - step / FINE * 1.1
        box = np.array([[-1, top], [side, top], [side, y + step], [-1, y + step]])
        if rng.random() < 0.5:
            box[:, 0] = np.sort(rng.uniform(-0.2, 1.2, 2))[[0, 1, 1, 0]] * side
        solid = rng.uniform(0.6, 1)
        layers.append(Layer(_paint(scene, rng), filled(side, [box]) * np.float32(solid), FRONT))
    elif rim:
        edge = np.full(3, 0 if light else 255, np.float32)
        layers.append(Layer(edge, shrunk(border, side), FRONT))
    layers.append(Layer(ink.astype(np.float32), shrunk(text, side), FRONT))
    return layers


THINGS: Final[dict[str, tuple[float, Callable[[Scene, Rng], list[Layer]]]]] = {
    "hand": (0.34, _hand),
    "microphone": (0.13, _microphone),
    "bar": (0.06, _bar),
    "cup": (0.07, _cup),
    "sheet": (0.1, _sheet),
    "blob": (0.07, _blob),
    "smoke": (0.05, _smoke),
    "strands": (0.06, _strands),
    "print": (0.12, _print),
}
"""What there is, how often it is drawn, and how."""


def draw(scene: Scene, rng: Rng, *, name: str = "") -> Layer:
    """Return one thing: of `name`, or any."""
    if not name:
        names = list(THINGS)
        odds = np.array([THINGS[n][0] for n in names])
        name = names[int(rng.choice(len(names), p=odds / odds.sum()))]
    return merged(THINGS[name][1](scene, rng))
