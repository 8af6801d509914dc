"""Three pairs of glasses: thin round metal, thick dark acetate, sunglasses.

All of a pair is built on one half and mirrored. Its front is drawn flat, lenses about the eyes,
then tilted (the top ahead), bent round the face, and set as close as the face allows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from ._seat import Glasses, Material, Part, Seat
from ._sweep import Floats, Mesh, ball, ellipse, joined, lattice, mirrored, tube, unit

_METAL = Material("metal", (0.032, 0.029, 0.026), 1.0, 0.10, 0.32)
_ACETATE = Material("acetate", (0.010, 0.009, 0.009), 1.0, 0.032, 0.22)
_BLACK = Material("black", (0.008, 0.008, 0.009), 1.0, 0.03, 0.18)
_CLEAR = Material("lens", (0.97, 0.985, 0.975), 0.05, 0.025, 0.02)
_TINTED = Material("tinted lens", (0.060, 0.059, 0.058), 0.955, 0.045, 0.02)
_SILICONE = Material("pad", (0.80, 0.78, 0.74), 0.35, 0.04, 0.3)


@dataclass(frozen=True, slots=True)
class _Style:
    """Sizes [cm]."""

    lens: tuple[float, float]
    """Width and height."""
    power: float
    """2: an ellipse; more: a rounded rectangle."""
    taper: float
    """Share by which a lens is narrower at its foot than at its head."""
    gap: float
    """Between the lenses."""
    drop: float
    """Of the lenses' middle below that of the eyes."""
    rim: tuple[float, float]
    """Thickness as seen from ahead, and from above."""
    temple: tuple[float, float]
    """Height and thickness."""
    bridge: tuple[float, float]
    """Height of its middle above that of the lenses, and how much higher its middle is."""
    bulge: float
    """Of the middle of a lens before its edge."""
    frame: Material
    glass: Material
    pads: bool
    """On wires; else the rims rest on the nose themselves."""


_STYLES: Final[dict[Glasses, _Style]] = {
    "round": _Style((4.7, 4.4), 2.15, 0.0, 2.0, 0.25, (0.15, 0.17), (0.24, 0.13), (0.62, 0.3),
                    0.2, _METAL, _CLEAR, True),
    "square": _Style((4.9, 3.5), 4.2, 0.10, 1.95, 0.15, (0.42, 0.36), (0.62, 0.34), (0.70, 0.12),
                     0.2, _ACETATE, _CLEAR, False),
    "sunglasses": _Style((5.3, 4.3), 3.0, 0.16, 1.85, 0.3, (0.30, 0.34), (0.66, 0.34), (0.95, 0.1),
                         0.36, _BLACK, _TINTED, False),
}  # fmt: skip

_TILT: Final = np.tan(np.radians(8.0))
_BEND: Final = 1 / 48.0
"""z = -bend x² [1/cm]."""
_CLEARANCE: Final = 0.06
_TEMPLE_CLEARANCE: Final = 0.08
_LASHES: Final = 1.15
"""Room between the cornea and a lens [cm]."""
_AROUND, _SPOKES = 64, 7


def parts(name: Glasses, seat: Seat) -> list[Part]:
    """Return a pair of glasses on a head."""
    style = _STYLES[name]
    front = _Front.of(style, seat)
    rim = [_rim(style, front), _end_piece(style, front, seat)]
    frame = [*rim, *map(mirrored, rim), _bridge(style, front, seat)]
    lens, density = _lens(style, front)
    pad, *wire = _pad(style, front, seat)
    made = []
    if style.pads:
        frame += [*wire, *map(mirrored, wire)]
        made = [Part(_SILICONE, joined([pad, mirrored(pad)]))]
    else:
        frame += [pad, mirrored(pad)]
    made.insert(0, Part(style.frame, joined(frame)))
    both = np.concatenate([density, density])
    return [*made, Part(style.glass, joined([lens, mirrored(lens)]), both)]


@dataclass(frozen=True, slots=True)
class _Front:
    """How a drawing of the front, x and y, stands before the face."""

    middle: Floats
    """(2,) of the lens on the side of x > 0."""
    base: float
    """z at the lens' middle height, in the middle of the face."""

    @staticmethod
    def of(style: _Style, seat: Seat) -> _Front:
        eye = seat.points[42:48].mean(0)
        middle = np.array([(style.gap + style.lens[0]) / 2, eye[1] - style.drop])
        flat = _Front(middle, 0.0)
        edges = np.concatenate([_outline(style, grown) for grown in (0.0, 2 * style.rim[0])])
        rim = flat.standing(edges + middle, -style.rim[1] / 2)
        inner = flat.standing(0.7 * _outline(style, 0.0) + middle, 0.0)
        need = np.concatenate(
            [
                seat.reach(rim[:, :2]) + _CLEARANCE - rim[:, 2],
                seat.reach(inner[:, :2]) + _LASHES - inner[:, 2],
            ]
        )
        return _Front(middle, float(need.max()))

    def standing(self, drawing: Floats, ahead: Floats | float) -> Floats:
        """Return points (..., 3) of a drawing (..., 2), so far ahead of its plane."""
        x, y = drawing[..., 0], drawing[..., 1]
        z = self.base + _TILT * (y - self.middle[1]) - _BEND * x * x
        return np.stack([x, y, z + ahead], -1)


def _outline(style: _Style, grown: float) -> Floats:
    """Return the outline (64, 2) of a lens about its middle, on the side of x > 0, grown by half a
    width on each side."""
    width, height = style.lens
    shape = ellipse(width + grown, height + grown, _AROUND, style.power)
    shape[:, 0] *= 1 + style.taper * (shape[:, 1] / height)
    return shape


def _rim(style: _Style, front: _Front) -> Mesh:
    middle = _outline(style, style.rim[0]) + front.middle
    path = front.standing(middle, 0.0)
    outward = np.concatenate([_outline(style, 0.0), np.zeros((_AROUND, 1))], 1)
    power = 2.0 if style.pads else 4.0
    section = ellipse(style.rim[0], style.rim[1], 12, power)
    return tube(path, section, unit(outward), closed=True)


def _lens(style: _Style, front: _Front) -> tuple[Mesh, Floats]:
    """Return a lens, bulging a little, and how dark it is at each vertex."""
    share = np.linspace(1e-3, 1.0, _SPOKES)[:, None, None]
    outline = _outline(style, 0.35 * style.rim[0])
    bulge = style.bulge * (1 - share[..., 0] ** 2)
    points = front.standing(share * outline + front.middle, bulge)
    mesh = lattice(points, closed=(False, True))
    high = (mesh[0][:, 1] - front.middle[1]) / style.lens[1]
    dark = np.ones_like(high)
    if style.glass is _TINTED:
        dark = 0.84 + 0.16 * np.clip(0.6 + 1.4 * high, 0, 1)
    return mesh, dark


def _bridge(style: _Style, front: _Front, seat: Seat) -> Mesh:
    """Return what joins the lenses; it stands off the nose."""
    across = np.linspace(-1, 1, 17)
    lens = _outline(style, style.rim[0])
    level, arch = style.bridge
    inner = lens[lens[:, 0] < 0]
    edge = front.middle[0] + float(inner[np.argmin(np.abs(inner[:, 1] - level)), 0])
    drawing = np.stack([across * edge, front.middle[1] + level + arch * (1 - across**2)], 1)
    path = front.standing(drawing, 0.0)
    high, deep = (0.19, 0.16) if style.pads else (0.9 * style.rim[0] + 0.12, style.rim[1])
    for lift in (-high / 2, high / 2):
        over = seat.reach(path[:, :2] + (0.0, lift)) + _CLEARANCE + deep / 2 - path[:, 2]
        path[:, 2] += max(float(over.max()), 0.0) * (1 - across**2)
    section = ellipse(deep, high, 12, 2.0 if style.pads else 3.0)
    # Along x: the section's first axis looks ahead, its second one up.
    return tube(path, section, np.array([0.0, 0.0, 1.0]))


def _end_piece(style: _Style, front: _Front, seat: Seat) -> Mesh:
    """Return what leads from a rim to the hinge, and the temple, to just behind the ear's root."""
    outline = _outline(style, style.rim[0]) + front.middle
    level = front.middle[1] + (0.30 if style.pads else 0.36) * style.lens[1]
    right = outline[outline[:, 0] > front.middle[0]]
    begin = right[np.argmin(np.abs(right[:, 1] - level))]
    start = front.standing(begin - (0.06, 0.0), 0.0)
    ear = _ear_root(seat)
    hinge = np.array([max(begin[0] + 0.4, ear[0] - 1.3), level, start[2] - 0.75])
    line = hinge + np.linspace(0, 1, 22)[:, None] * (ear - hinge)
    tall, thick = style.temple
    at = line[:, [2, 1]]
    skin = np.max([seat.width(at + np.array([0.0, dy])) for dy in (-tall / 2, 0.0, tall / 2)], 0)
    least = np.where(np.isfinite(skin), skin, -np.inf) + _TEMPLE_CLEARANCE + thick / 2
    line[:, 0] = np.maximum.accumulate(np.maximum(line[:, 0], least))
    corner = np.array([line[0, 0] - 0.12, level, start[2] - 0.12])
    bend = _curve(start, corner, line[0], 8)[:-1]
    path = np.concatenate([bend, line])
    grown = np.clip(np.arange(len(path)) / 7, 0, 1)[:, None]
    root = np.array([style.rim[0], min(style.rim[1], style.rim[0])])
    sizes = root + grown * (np.array([tall, thick]) - root)
    sizes[-14:, 0] *= np.linspace(1, 0.8, 14)
    section = ellipse(1.0, 1.0, 12, 2.2 if style.pads else 4.0)
    # Backwards: the section's first axis looks up, its second one to the side.
    return tube(path, section * sizes[:, None], np.array([0.0, 1.0, 0.0]))


def _curve(start: Floats, corner: Floats, end: Floats, count: int) -> Floats:
    t = np.linspace(0, 1, count)[:, None]
    return (1 - t) ** 2 * start + 2 * t * (1 - t) * corner + t**2 * end


def _ear_root(seat: Seat) -> Floats:
    """Return the place on the head over the root of an ear: where a temple rests."""
    top = float(seat.ears[:, 1].max())
    root = seat.ears[seat.ears[:, 1] > top - 0.9]
    ahead = float(root[:, 2].max())
    beside = seat.width(np.array([[ahead - 0.2, top + 0.35], [ahead - 0.2, top + 0.7]])).max()
    return np.array([max(float(beside), 5.0) + 0.2, top + 0.1, ahead - 0.1])


def _pad(style: _Style, front: _Front, seat: Seat) -> list[Mesh]:
    """Return what rests on one flank of the nose: moulded on the rim, or a pad on a wire."""
    level = front.middle[1] - 0.12 * style.lens[1]
    if not style.pads:
        return [_moulded(style, front, seat, level)]
    touching, _ = _flank(style, front, seat, level, 0.35)
    step = 0.08
    around = touching[:2] + np.array([[0.0, 0.0], [step, 0.0], [0.0, step]])
    z, zx, zy = seat.reach(around)
    outward = unit(np.array([-(zx - z) / step, -(zy - z) / step, 1.0]))
    long = unit(np.array([0.25, 1.0, 0.2]) - outward * (outward @ (0.25, 1.0, 0.2)))
    size = np.array([0.42, 0.24, 0.09])
    centre = touching + size[2] * outward
    pad = ball(centre, size[:, None] * np.stack([long, np.cross(outward, long), outward]))
    rim = _outline(style, style.rim[0]) + front.middle
    inner = rim[rim[:, 0] < front.middle[0]]
    begin = front.standing(inner[np.argmin(np.abs(inner[:, 1] - level - 0.35))], -0.05)
    back = (begin + centre) / 2 + (0.12, 0.1, -0.25)
    path = _curve(begin, back, centre + 0.5 * size[2] * outward, 8)
    return [pad, tube(path, ellipse(0.09, 0.09, 8), np.array([0.0, 1.0, 0.0]))]


def _flank(
    style: _Style, front: _Front, seat: Seat, level: float, behind: float
) -> tuple[Floats, Floats]:
    """Return where, at a height, the flank of the nose is so far behind the front as told, and the
    inner edge of the rim beside it."""
    outline = _outline(style, 0.4 * style.rim[0]) + front.middle
    inner = outline[outline[:, 0] < front.middle[0]]
    edge = inner[np.argmin(np.abs(inner[:, 1] - level))]
    rest = front.standing(np.array([edge[0], level]), -behind)
    x = np.linspace(0.25, max(edge[0], 0.5) + 0.25, 40)
    skin = seat.reach(np.stack([x, np.full_like(x, level)], 1))
    at = int(np.argmin(np.abs(skin - rest[2])))
    return np.array([x[at], level, skin[at]]), rest


def _moulded(style: _Style, front: _Front, seat: Seat, level: float) -> Mesh:
    """Return a pad that grows out of the rim to the nose."""
    levels = level + np.linspace(-0.75, 0.75, 9)
    ends = np.array([_flank(style, front, seat, float(y), 0.12) for y in levels])
    ends[:, 0] += (
        ends[4, 0] - ends[:, 0] + (ends[6, 0] - ends[2, 0]) * np.linspace(-1, 1, 9)[:, None]
    )
    swell = np.cos(np.linspace(-1, 1, 9) * 1.35)[:, None]
    touching, rest = ends[:, 0], ends[:, 1]
    tip = rest + swell * (touching - rest)
    wide = np.linalg.norm(tip - rest, axis=1)[:, None, None] + 0.08
    section = ellipse(1.0, 1.0, 12) * np.concatenate([wide, 0.3 * swell[:, None] + 0.06], -1)
    return tube((tip + rest) / 2, section, unit(tip - rest + (1e-6, 0, 0)))
