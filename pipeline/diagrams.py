"""Diagrams of what is known of one face: what it shows where, its gates, how far its edit reaches.

Pictures for people to look at, made of plain arrays; RGB uint8.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from .parsing import LABELS, Label
from .pictures import Picture, fit, text_width

Floats = NDArray[np.float32]
Colour = tuple[int, int, int]
Line = tuple[Colour | None, str]
"""Of a key: a colour, if it means one, and what it means."""

PAINT: Final[Mapping[Label, Colour]] = {
    "background": (70, 90, 120),
    "skin": (240, 190, 150),
    "hair": (150, 90, 30),
    "brows": (90, 40, 90),
    "eyes": (40, 120, 255),
    "glasses": (0, 230, 230),
    "nose": (255, 150, 60),
    "lips": (230, 40, 90),
    "mouth": (130, 0, 30),
    "ears": (255, 220, 40),
    "neck": (170, 210, 90),
    "clothes": (60, 140, 60),
    "front": (255, 0, 255),
}
"""What each label is painted with."""

_PAINTED: Final = 0.55
"""Share of the paint over the picture."""
_LEAST_AREA: Final = 0.0005
"""Share of the crop from which on a label is in the key."""
_STANDS_PX: Final = 0.1
"""Movement [px] that nobody sees."""
SIDE_PX: Final = 640
"""Of painted and outlined crops."""
_LINE_PX: Final = 24
_INK: Final = (40, 40, 40)
_PALE: Final = (232, 232, 232)
_GOOD, _LESS, _NONE = (70, 160, 90), (235, 160, 40), (205, 60, 60)
"""A gate that is open, that is half open, and that is closed."""
_ENDS: Final = (255, 230, 0)
_HALF: Final = (255, 120, 0)
_STILL: Final = (0, 220, 255)
_HIDDEN: Final = (255, 0, 255)


def painted(crop: Picture, shares: Floats) -> Picture:
    """Return a crop (S, S), enlarged, painted with what it shows where.

    `shares`: (13, S, S) float32 0–1, of every label; 0 of all where it is not known.
    """
    paint = np.array([PAINT[label] for label in LABELS], np.float32)
    over = np.tensordot(shares, paint, axes=(0, 0))
    mixed = (1 - _PAINTED * shares.sum(0)[..., None]) * crop.astype(np.float32) + _PAINTED * over
    return fit(mixed.clip(0, 255).round().astype(np.uint8), SIDE_PX)


def paint_key(shares: Floats) -> list[Line]:
    """Return what the paint means, of the labels that are there; argument as of `painted`."""
    areas = areas_of(shares).items()
    return [(PAINT[name], f"{name} {area:.1%}") for name, area in areas if area >= _LEAST_AREA]


def areas_of(shares: Floats) -> dict[Label, float]:
    """Return what share of all that is known every label covers; argument as of `painted`."""
    areas = shares.sum((1, 2))
    return dict(zip(LABELS, (areas / max(float(areas.sum()), 1e-6)).tolist(), strict=True))


def outlined(crop: Picture, mask: Floats, moved: Floats | None = None) -> Picture:
    """Return an edited crop (S, S), enlarged, with outlines of what the edit may change.

    Args:
        crop: with the edit.
        mask: (S, S) 0–1, 1 where it is whole.
        moved: (S, S) how far it moves pixels [px]; None: not known.
    """
    large = fit(crop, SIDE_PX)
    for level, colour in ((0.5 / 255, _ENDS), (0.5, _HALF)):
        _outline(large, mask, level, colour)
    if moved is not None:
        _outline(large, moved, _STANDS_PX, _STILL)
    return large


def outline_key(moved: Floats | None = None) -> list[Line]:
    """Return what the outlines mean; argument as of `outlined`."""
    lines: list[Line] = [(_ENDS, "nothing changes beyond"), (_HALF, "half of the edit")]
    if moved is None:
        return lines
    farthest = f"moved by {float(moved.max()):.1f} px at most"
    return [*lines, (_STILL, "pixels stand still beyond"), (None, farthest)]


@dataclass(frozen=True, slots=True)
class Gate:
    """What lets an edit through, over the frames of a track."""

    name: str
    shares: Floats
    """(T,) 0–1."""
    share: float
    """In the frame shown."""
    note: str = ""
    """What there is to say of it there."""


def gates(rows: Sequence[Gate], frame: int, first_frame: int, width: int = 0) -> Picture:
    """Return the gates of a face as bars, and as curves over the whole of its track.

    Args:
        rows: one below the other.
        frame: the one shown.
        first_frame: of the track.
        width: of the picture [px], at least.
    """
    names = max(text_width(row.name) for row in rows) + 20
    notes = max(text_width(row.note) for row in rows) + 20
    left = names + _NUMBER_PX + _BAR_PX + notes
    width = max(width, left + _CURVE_PX)
    out = np.full((_LINE_PX + len(rows) * _GATE_PX, width, 3), 255, np.uint8)
    _write(out, f"gates in frame {frame}", 8, 17)
    last = first_frame + len(rows[0].shares) - 1
    _write(out, f"in frames {first_frame} to {last}", left, 17)
    for k, row in enumerate(rows):
        line = out[_LINE_PX + k * _GATE_PX :][:_GATE_PX]
        _write(line, row.name, 8, 20)
        _write(line, f"{row.share:.2f}", names, 20)
        bar = line[6:24, names + _NUMBER_PX :][:, :_BAR_PX]
        bar[:] = _PALE
        bar[:, : round(_BAR_PX * row.share)] = _colour_of(row.share)
        _write(line, row.note, left - notes + 10, 20)
        _curve(line[3:-3, left : width - 8], row.shares, frame - first_frame)
    return out


_GATE_PX, _NUMBER_PX, _BAR_PX, _CURVE_PX = 32, 54, 160, 420


def strengths(
    curves: Mapping[str, Floats], frames: Sequence[int], width: int, first_frame: int = 0
) -> Picture:
    """Return strengths over the frames of a clip, one diagram below the other.

    Args:
        curves: by attribute, (F,).
        frames: that are marked.
        width: of the picture [px].
        first_frame: the number of the first one.
    """
    parts = []
    for name, values in curves.items():
        part = np.full((_LINE_PX + _STRENGTH_PX, width, 3), 255, np.uint8)
        low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
        last = first_frame + len(values) - 1
        text = f"{name} over frames {first_frame} to {last}: {values.min():g} to {values.max():g}"
        _write(part, text, 8, 17)
        area = part[_LINE_PX : _LINE_PX + _STRENGTH_PX - 8, 8 : width - 8]
        area[:] = _PALE
        _strength(area, values, frames, low, (high - low) or 1.0)
        parts.append(part)
    return np.vstack(parts)


_STRENGTH_PX: Final = 96


def _strength(
    area: Picture, values: Floats, frames: Sequence[int], low: float, span: float
) -> None:
    """Draw strengths (F,) into a part of a picture, with a line at 0 and marks at some frames."""
    height, width = area.shape[:2]
    last = max(len(values) - 1, 1)
    y = (height - 5 - (values - low) / span * (height - 9)).round().astype(int)
    zero = round(height - 5 + low / span * (height - 9))
    area[zero] = _INK
    for frame in frames:
        x = min(round(frame / last * (width - 1)), width - 1)
        area[:, x] = _LESS
        cv2.circle(area, (x, int(y[frame])), 4, _LESS, -1, cv2.LINE_AA)
    x_all = (np.arange(len(values)) / last * (width - 1)).round().astype(int)
    cv2.polylines(area, [np.stack([x_all, y], 1).astype(np.int32)], False, _GOOD, 2, cv2.LINE_AA)


def beside(picture: Picture, key: Sequence[Line]) -> Picture:
    """Return a picture with its key to the right."""
    return np.hstack([picture, key_of([key], len(picture))])


def key_of(keys: Sequence[Sequence[Line]], height: int, width: int = 0) -> Picture:
    """Return lines, each with a patch of its colour, in groups, on a white picture of a height and
    at least a width [px]."""
    texts = [text for key in keys for _, text in key]
    width = max(width, max(map(text_width, texts), default=0) + 48)
    out = np.full((height, width, 3), 255, np.uint8)
    y = 8
    for key in keys:
        for colour, text in key:
            if colour is not None:
                out[y : y + 16, 10:30] = colour
            _write(out, text, 38, y + 13)
            y += _LINE_PX
        y += _LINE_PX // 2
    return out


def _curve(area: Picture, shares: Floats, row: int) -> None:
    """Draw shares (T,) over time into a part of a picture, and a line at one of them."""
    height, width = area.shape[:2]
    area[:] = _PALE
    # As many columns as there are pixels: of many frames in one, the lowest shows.
    edges = np.linspace(0, len(shares), width + 1)
    for x in range(width):
        begin = min(int(edges[x]), len(shares) - 1)
        share = float(shares[begin : max(int(np.ceil(edges[x + 1])), begin + 1)].min())
        area[height - round(share * height) :, x] = _colour_of(share)
    x = int((row + 0.5) / len(shares) * width)
    area[:, max(x - 1, 0) : x + 1] = _INK


def _colour_of(share: float) -> Colour:
    return _GOOD if share > 0.9 else _LESS if share >= 0.02 else _NONE


def _outline(picture: Picture, values: Floats, level: float, colour: Colour) -> None:
    """Draw where values reach a level, on a picture of any other size."""
    size = picture.shape[1], picture.shape[0]
    large = cv2.resize(values, size, interpolation=cv2.INTER_LINEAR)
    inside = (large > level).astype(np.uint8)
    contours, _ = cv2.findContours(inside, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(picture, contours, -1, colour, 2, cv2.LINE_AA)


def _write(picture: Picture, text: str, x: int, y: int) -> None:
    cv2.putText(picture, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.5, _INK, 1, cv2.LINE_AA)
