"""Three hats: a cap with a visor, a beanie with a cuff, a hat with a brim all round."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from ._seat import Hat, Material, Part, Seat
from ._sweep import Floats, Mesh, joined, lattice, unit

_COTTON = Material("cotton", (0.045, 0.075, 0.16), 1.0, 0.0, 1.0)
_VISOR = Material("visor", (0.035, 0.06, 0.13), 1.0, 0.0, 1.0)
_KNIT = Material("knit", (0.24, 0.045, 0.04), 1.0, 0.0, 1.0)
_CUFF = Material("cuff", (0.20, 0.035, 0.03), 1.0, 0.0, 1.0)
_FELT = Material("felt", (0.26, 0.19, 0.12), 1.0, 0.0, 1.0)
_BAND = Material("band", (0.025, 0.022, 0.02), 1.0, 0.02, 0.6)

_AROUND, _UP = 96, 18


@dataclass(frozen=True, slots=True)
class _Style:
    """Sizes [cm]."""

    front: float
    """Height of the edge above the brows."""
    back: float
    """Height of the edge at the back of the head above the eyes; it passes over the ears."""
    room: tuple[float, float]
    """Beside the skull and over it: hair."""
    power: float
    """Of the profile: 2 an ellipse; more: a flat top with steep sides."""
    wall: float
    """How thick the stuff is."""


_STYLES: Final[dict[Hat, _Style]] = {
    "cap": _Style(2.2, 1.6, (0.55, 0.9), 2.3, 0.15),
    "beanie": _Style(1.5, 0.4, (0.5, 1.7), 2.1, 0.45),
    "brimmed": _Style(2.6, 2.2, (0.65, 3.6), 3.4, 0.25),
}


def parts(name: Hat, seat: Seat) -> list[Part]:
    """Return a hat on a head."""
    style = _STYLES[name]
    crown = _Crown.of(style, seat)
    bowl = crown.bowl(ribs=name == "beanie", pinched=name == "brimmed")
    if name == "cap":
        return [Part(_COTTON, joined([bowl, crown.button()])), Part(_VISOR, crown.visor(6.6))]
    if name == "beanie":
        cuff = crown.ring([(-0.4, -0.25), (0.25, -0.3), (0.35, 0.3), (0.35, 3.2), (0.1, 3.7),
                           (-0.5, 3.8)])  # fmt: skip
        return [Part(_KNIT, bowl), Part(_CUFF, cuff)]
    band = crown.ring([(-0.1, 0.1), (0.1, 0.15), (0.1, 2.6), (-0.1, 2.7)])
    return [Part(_FELT, joined([bowl, crown.brim(6.0)])), Part(_BAND, band)]


@dataclass(frozen=True, slots=True, eq=False)
class _Crown:
    """The bowl that holds the skull: over an oval in a tilted plane, its foot."""

    style: _Style
    origin: Floats
    """(3,) in the foot."""
    axes: Floats
    """(3, 3) rows: to the side, ahead, up; of length 1, right-handed."""
    foot: Floats
    """(96,) from the origin to the foot's edge at each angle, from the side ahead [cm]."""
    height: float
    """[cm]"""

    @staticmethod
    def of(style: _Style, seat: Seat) -> _Crown:
        """Return the bowl about a head."""
        brow, eye = seat.points[17:27].mean(0), seat.points[36:48].mean(0)
        skull = seat.skull()
        skull = np.concatenate([skull, skull * (-1.0, 1.0, 1.0)])
        front_level, back_level = brow[1] + style.front, eye[1] + style.back
        start = np.array([0.0, front_level, brow[2]])
        ahead = unit(start - (0.0, back_level, skull[:, 2].min()))
        axes = np.stack([[1.0, 0.0, 0.0], ahead, np.cross([1.0, 0.0, 0.0], ahead)])
        if axes[2, 1] < 0:
            axes[[0, 2]] *= -1
        inside = (skull - start) @ axes.T
        inside = inside[inside[:, 2] > -0.3]
        middle = (inside[:, 1].max() + inside[:, 1].min()) / 2
        inside = inside - (0, middle, 0)
        beside, above = style.room
        foot = _hull(inside[:, :2]) + beside
        crown = _Crown(style, start + middle * ahead, axes, foot, inside[:, 2].max() + above)
        # All of the skull is inside of the bowl, whatever its shape.
        fit = max(1.0, 1.005 * float(crown._level(inside).max()))
        return _Crown(style, crown.origin, axes, foot * fit, crown.height * fit)

    def _level(self, inside: Floats) -> Floats:
        """Return by what a bowl would have to be larger to reach points (P, 3) [cm]."""
        power = self.style.power
        around = np.hypot(inside[:, 0], inside[:, 1])
        around = around / self.radius(np.arctan2(inside[:, 1], inside[:, 0]))
        up = np.maximum(inside[:, 2], 0) / self.height
        return np.asarray((around**power + up**power) ** (1 / power))

    def radius(self, angle: Floats) -> Floats:
        """Return how far the foot reaches at angles [rad]."""
        return np.interp(angle, _ANGLES, self.foot, period=2 * np.pi)

    def at(self, angle: Floats, radius: Floats, high: Floats) -> Floats:
        """Return points (..., 3) of the seat, `radius` and `high` in cm."""
        x, ahead, up = np.broadcast_arrays(radius * np.cos(angle), radius * np.sin(angle), high)
        return np.asarray(np.stack([x, ahead, up], -1) @ self.axes + self.origin)

    def bowl(self, *, ribs: bool, pinched: bool) -> Mesh:
        """Return the bowl, outside and lining, open below."""
        up = np.linspace(0, np.pi / 2, _UP)[:, None]
        power, wall = 2 / self.style.power, self.style.wall
        share = np.maximum(np.cos(up) ** power, 1e-3)
        rise = self.height * np.sin(up) ** power
        layers = []
        for grown in (wall, 0.0):
            radius = share * (self.foot + grown)
            high = rise * (1 + grown / self.height)
            if ribs:
                radius = radius * (1 + 0.008 * np.cos(24 * _ANGLES))
            if pinched:
                high = high - _crease(radius, self.foot, high / self.height)
            layers.append(self.at(_ANGLES, radius, np.broadcast_to(high, radius.shape)))
        # Down along the lining, up outside.
        return lattice(np.concatenate([layers[1][::-1], layers[0]]).swapaxes(0, 1),
                       closed=(True, False))  # fmt: skip

    def ring(self, profile: list[tuple[float, float]]) -> Mesh:
        """Return a band round the bowl: beyond its foot and over it [cm], from below."""
        out, high = (np.array(part)[:, None] for part in zip(*profile, strict=True))
        points = self.at(_ANGLES, self.foot + self.style.wall + out, high)
        return lattice(points.swapaxes(0, 1), closed=(True, False))

    def button(self) -> Mesh:
        """Return the button on top."""
        radius = np.array([0.75, 0.7, 0.45, 0.001])[:, None]
        high = self.height + self.style.wall + np.array([-0.1, 0.12, 0.24, 0.27])[:, None]
        return lattice(self.at(_ANGLES, radius, high).swapaxes(0, 1), closed=(True, False))

    def visor(self, length: float) -> Mesh:
        """Return the shade of a cap, above and below: ahead, curved down at its sides."""
        angle = np.radians(np.linspace(20, 160, 41))
        across = (angle - np.pi / 2) / np.radians(70)
        out = np.linspace(0, 1, 9)[:, None]
        reach = out * length * np.maximum(1 - across**2, 0) ** 0.45
        edge = self.radius(angle) + 0.5 * self.style.wall
        x, ahead = edge * np.cos(angle) * np.ones_like(out), edge * np.sin(angle) + reach
        high = 0.35 - 0.12 * reach - 0.5 * across**2 * np.minimum(reach, 2.0)
        return self._plate(np.arctan2(ahead, x), np.hypot(x, ahead), high, 0.22)

    def brim(self, width: float) -> Mesh:
        """Return a brim all round, a little up at its sides."""
        out = np.linspace(0, 1, 9)[:, None]
        radius = self.foot + 0.5 * self.style.wall + width * out
        lift = out**2 * (1.3 * np.cos(_ANGLES) ** 2 - 0.7 * np.sin(_ANGLES) ** 2)
        return self._plate(_ANGLES, radius, 0.2 + lift, 0.2, closed=True)

    def _plate(
        self, angle: Floats, radius: Floats, high: Floats, thick: float, *, closed: bool = False
    ) -> Mesh:
        """Return a plate over a grid of places (A, B), from the hat outwards along A."""
        above, below = (self.at(angle, radius, high - down) for down in (0.0, thick))
        points = np.concatenate([below, above[::-1]])
        return lattice(points.swapaxes(0, 1), closed=(closed, True))


_ANGLES: Final[Floats] = np.arange(_AROUND, dtype=np.float64) * (2 * np.pi / _AROUND)


def _hull(points: Floats) -> Floats:
    """Return how far from the origin the convex hull of points (P, 2) reaches at each angle."""
    ahead = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)])
    support = (points @ ahead).max(0)
    # A hull is where all its tangents leave room: along b at most support(a) / cos(a - b).
    facing = np.cos(_ANGLES[:, None] - _ANGLES)
    reach = np.where(facing > 0.05, support[:, None] / np.maximum(facing, 0.05), np.inf)
    return np.asarray(reach.min(0))


def _crease(radius: Floats, foot: Floats, high: Floats) -> Floats:
    """Return how far the top of a felt hat is pressed in [cm]."""
    x, ahead = radius * np.cos(_ANGLES) / foot, radius * np.sin(_ANGLES) / foot
    top = np.clip((high - 0.8) / 0.2, 0, 1)
    return np.asarray(1.6 * np.exp(-((x / 0.22) ** 2)) * np.clip(1.1 - np.abs(ahead), 0, 1) * top)
