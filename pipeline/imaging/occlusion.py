"""Which parts of a face are hidden by hair, microphones or cups, judged by colour.

A model of the skin's colour is fitted to the face's own pixels: two log-chroma ratios, each a
straight line over log luma (shade makes skin darker and redder, not another colour), with a
spread that grows where a dark pixel leaves little to measure. What deviates strongly, in a patch
of some size, hides the face. Lids, brows, nostrils and glasses (round the eyes), and lips,
moustache and beard (round the mouth) deviate too and are always taken for face, unless hardly any
lip shows its colour.

This looks at one frame alone; `LatentModel.hidden` adds what only the whole shot can tell.

In doubt a thing counts as face. So a hand or another face in front, which has the colour of skin,
is not noticed, nor is brown hair on brown skin; thin things (a cable, a strand of hair) are below
the size that counts; and a black or warm-coloured thing in front of the chin, which might be a
beard, is noticed near the mouth only if it covers the lips too.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from .geometry import JAW, LEFT_EYE, RIGHT_EYE
from .masks import outline, spread

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]

WORK_EYES_PX = 42.0
"""About the outer eye distance [px] of the small picture on which the mask is computed; its pixels
are means of whole blocks."""
WEAK, STRONG = 3.5, 5.0
"""Deviations [sigmas] from which a pixel may belong to a thing, and from which it starts one."""
MIN_AREA = 0.015
"""Least area of a thing, as a share of the face's outline."""
MIN_DARK_SPREAD = 0.28
"""Least spread of the skin's log luma: what shape alone shades in even light."""
TOO_MUCH = 0.33
"""If more than this share of the expected skin looks hidden, hidden and visible skin cannot be told
apart."""
LEAST_WARMTH = 0.02
"""Least log(red / green) of skin in any light that lets colours be told."""
_FILTERS_REACH = 16
"""How far the filters here look, at most [working px]: blurs, openings and growth of things."""
_BRIGHTER = np.float32(0.04)
"""Added to all colours before their logarithm: noise in the dark stays small."""
LIPS_LOST = 0.6
"""Share of the lips that must have lost their colour before the mouth counts as covered."""


def hidden_by_colour(images: Tensor, landmarks: Tensor) -> Tensor | None:
    """(N, 1, S, S) float32 on the images' device: 1 behind things, 0 where the face can be seen.

    Images (N, 3, S, S) are float32 RGB in [-1, 1], landmarks (N, 68, 2) [crop px].

    Smooth, and 0 outside the outline of the face as far as nothing hides it there. None if nothing
    hides any of the faces.
    """
    points = landmarks.detach().cpu().double().numpy()
    pictures = images.detach().cpu().float().numpy()
    return spread([_found(p, q) for p, q in zip(pictures, points, strict=True)], images)


def _found(
    picture: Floats, points: NDArray[np.float64]
) -> tuple[tuple[slice, slice], Floats] | None:
    """Rows and columns of a crop (3, S, S), and what is hidden there at the working size, if
    anything is."""
    eyes = float(np.linalg.norm(points[45] - points[36]))
    block = max(round(eyes / WORK_EYES_PX), 1)
    scaled = (points + 0.5) / block - 0.5
    rows, columns = _around_face(scaled, picture.shape[-1] // block)
    size = columns.stop - columns.start, rows.stop - rows.start
    at = tuple(slice(s.start * block, s.stop * block) for s in (rows, columns))
    planes = [cv2.resize(p[at], size, interpolation=cv2.INTER_AREA) for p in picture]
    small = _hidden(0.5 * cv2.merge(planes) + 0.5, scaled - (columns.start, rows.start))
    return ((at[0], at[1]), np.clip(small, 0.0, 1.0)) if small.any() else None


def _around_face(points: NDArray[np.float64], size: int) -> tuple[slice, slice]:
    """Rows and columns of the small picture that decide: the outline and what the filters see."""
    shape = outline(points)
    low = np.clip(np.floor(shape.min(0)).astype(int) - _FILTERS_REACH, 0, size - 1)
    high = np.clip(np.ceil(shape.max(0)).astype(int) + _FILTERS_REACH + 1, low + 1, size)
    return slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))


def _hidden(rgb: Floats, points: NDArray[np.float64]) -> Floats:
    """(h, w) 0–1 at the working size: 1 where something is before the face."""
    size = (rgb.shape[0], rgb.shape[1])
    eyes = float(np.linalg.norm(points[45] - points[36]))
    regions = _regions(points, size, eyes)
    none = np.zeros(size, np.float32)
    if int(regions.skin.sum()) < 40:
        return none
    smooth = np.clip(cv2.GaussianBlur(rgb, (0, 0), 0.8), 0.0, 1.0) + _BRIGHTER
    colour, redness, darkness = _deviations(smooth, regions)
    lips = regions.lips
    # Lips may be redder than any skin, with or without paint, but neither bluer nor black.
    lost = ((colour > STRONG) & (redness < 0)) | (darkness > 1.0)
    covered = bool(lips.any()) and float(lost[lips].mean()) > LIPS_LOST
    depth = darkness / np.float32(_dark_spread(darkness, regions, covered))
    deviation = cv2.magnitude(colour, depth)
    # Within 0.93 of white there is no colour left to judge: a highlight, or light from the side.
    red, green, blue = cv2.split(rgb)
    deviation[np.minimum(np.minimum(red, green), blue) > 0.93] = 0.0
    exempt = regions.eyes if covered else regions.eyes | (regions.mouth & ~_cold(smooth))
    deviation[exempt] = 0.0
    things = _things(deviation, regions.face, eyes)
    # When the "thing" is the larger part, the model has learnt the thing and sees the skin as one.
    if not things.any() or float(things[regions.skin].mean()) > TOO_MUCH:
        return none
    grown = cv2.dilate(things.astype(np.float32), _disc(0.03 * eyes))
    return np.asarray(cv2.GaussianBlur(grown, (0, 0), 0.04 * eyes), np.float32)


def _cold(smooth: Floats) -> Flags:
    """(s, s) bool: clearly more green or blue than red, and not dark: no beard, no lip is."""
    red, green, blue = cv2.split(smooth)
    return np.asarray((red < 0.88 * green) & (red + green + blue > 3 * 0.16))


def _dark_spread(darkness: Floats, regions: _Regions, covered: bool) -> float:
    """How much darker than its median skin may be [log units].

    Shade on the face widens it, so that light from the side does not count as hiding. Where the
    mouth is covered, the dark part of the face is the thing itself and must not widen it.
    """
    if covered:
        return MIN_DARK_SPREAD
    deepest = _quantile(darkness[regions.skin], 0.96)
    return max(MIN_DARK_SPREAD, deepest / 1.75)


@dataclass(frozen=True, slots=True)
class _Regions:
    """Parts of the small picture, (s, s) bool."""

    face: Flags
    """Inside the outline, a little drawn in."""
    skin: Flags
    """Where skin is expected: the face without eyes, brows and lips, and without its rim."""
    eyes: Flags
    """Lids, brows, nostrils and the glasses' place: never a thing."""
    mouth: Flags
    """Lips and where a moustache or a beard grows."""
    lips: Flags
    """The red of the lips, without the opening between them."""


def _regions(points: NDArray[np.float64], size: tuple[int, int], eyes: float) -> _Regions:
    def fill(*shapes: NDArray[np.float64]) -> NDArray[np.uint8]:
        out = np.zeros(size, np.uint8)
        for shape in shapes:
            cv2.fillPoly(out, [np.rint(shape * 16).astype(np.int32)], 1, cv2.LINE_8, 4)
        return out

    def grow(mask: NDArray[np.uint8], by: float) -> NDArray[np.uint8]:
        return np.asarray(cv2.dilate(mask, _disc(by * eyes)), np.uint8)

    whole = fill(outline(points))
    # For many people the guessed forehead reaches into the hair; its lower two thirds are enough.
    up = 0.2 * (points[17:27].mean(0) - points[33])
    low = fill(np.concatenate([points[JAW], (points[17:27] + up)[::-1]]))
    face = np.asarray(cv2.erode(whole, _disc(0.04 * eyes)), np.uint8)
    brows = [points[17:22], points[22:27]]
    seams = np.zeros(size, np.uint8)
    for brow in brows:
        cv2.polylines(seams, [np.rint(brow * 16).astype(np.int32)], False, 1, 1, cv2.LINE_8, 4)
    lids = fill(points[RIGHT_EYE], points[LEFT_EYE])
    glasses = grow(lids, 0.20) | grow(seams, 0.11)
    nostrils = grow(fill(points[31:36]), 0.05)
    lips_outer, lips_inner = fill(points[48:60]), fill(points[60:68])
    beard = fill(np.concatenate([points[2:15], points[[35, 33, 31]]]))
    mouth = grow(lips_outer, 0.06) | beard
    features = glasses | nostrils | grow(lips_outer, 0.04)
    rim = np.asarray(cv2.erode(low, _disc(0.12 * eyes)), np.uint8)
    return _Regions(
        face=face > 0,
        skin=(rim > 0) & (features == 0),
        eyes=(glasses | nostrils) > 0,
        mouth=mouth > 0,
        lips=(np.asarray(cv2.erode(lips_outer, _disc(0.02 * eyes))) > 0) & (lips_inner == 0),
    )


def _disc(radius: float) -> NDArray[np.uint8]:
    n = max(int(np.ceil(radius)), 1)
    return np.asarray(
        cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * n + 1, 2 * n + 1)), np.uint8
    )


def _deviations(smooth: Floats, regions: _Regions) -> tuple[Floats, Floats, Floats]:
    """How far every pixel (s, s) is from skin: colour [sigmas], redness and darkness [log units].

    `smooth` are the colours (s, s, 3) less their noise, `_BRIGHTER` than they are.
    Darkness is 0 for whatever is brighter than the median of the skin.
    """
    red, green, blue = cv2.split(np.asarray(cv2.log(smooth)))
    luma = np.float32(0.3) * red + np.float32(0.5) * green + np.float32(0.2) * blue
    chroma = [red - green, blue - green]
    at = regions.skin
    skin = luma[at].astype(np.float64)
    line, spread = _fit_skin(skin, np.stack([c[at] for c in chroma]).astype(np.float64))
    middle = _median(skin)
    if line[0, 0] + line[1, 0] * middle < LEAST_WARMTH:
        # The fitted colour is not skin: something grey or green covers most of it, or the light is
        # odd.
        nothing = np.zeros(luma.shape, np.float32)
        return nothing, nothing, nothing.copy()
    low, high = np.float32(_quantile(skin, 0.02)), np.float32(_quantile(skin, 0.98))
    # The line holds where skin was seen; beyond, colour is judged by its ends.
    within = np.clip(luma, low, high)
    lines = line.astype(np.float32)
    off = [c - (a + b * within) for c, a, b in zip(chroma, *lines, strict=True)]
    # An 8-bit step or a grain of noise weighs more in a dark pixel: d log(v + e) = dv / (v + e).
    dark = np.square(0.012 / cv2.transform(smooth, np.full((1, 3), 1 / 3)))
    widths = np.square(spread).astype(np.float32)
    shares = [np.square(o) / (w + dark) for o, w in zip(off, widths, strict=True)]
    darkness = np.maximum(np.float32(middle) - luma, np.float32(0.0))
    return np.sqrt(shares[0] + shares[1]), off[0], darkness


def _fit_skin(
    luma: NDArray[np.float64], chroma: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(2, 2) intercept and slope of both chromas (2, P) over luma (P,), and their spread (2,).

    Least trimmed squares by concentration steps (Rousseeuw & Van Driessen, 2006): the
    best-fitting two thirds count. Started from the medians, so a thing over less than half the
    skin does not take over.
    """
    chosen = np.ones(len(luma), bool)
    intercept, slope = np.array([_median(c) for c in chroma]), np.zeros(2)
    centre = _median(luma)
    # The largest of the best-fitting two thirds.
    last = int(0.67 * (len(luma) - 1))
    for _ in range(8):
        off = chroma - (intercept[:, None] + slope[:, None] * luma)
        squares = np.einsum("cp,cp->p", off, off)
        nearest = squares <= np.partition(squares, last)[last]
        if np.array_equal(chosen, nearest):
            break  # seeded, so the same pixels always give the same line
        chosen = nearest
        x, y = luma[chosen] - centre, chroma[:, chosen]
        mean = y.mean(1)
        # Ridge towards no slope: evenly lit skin says nothing about how shade would colour it.
        slope = ((y - mean[:, None]) @ x) / (x @ x + 0.02 * len(x))
        slope = np.clip(slope, -0.35, 0.35)
        intercept = mean - slope * (x.mean() + centre)
    off = chroma[:, chosen] - (intercept[:, None] + slope[:, None] * luma[chosen])
    # The trimmed part understates the spread by about a half for a normal law.
    return np.stack([intercept, slope]), np.maximum(1.8 * off.std(1), 0.035)


def _median(values: NDArray[np.floating]) -> float:
    return _quantile(values, 0.5)


def _quantile(values: NDArray[np.floating], share: float) -> float:
    """The value below which about a share of them lie: ten times as fast as numpy's quantile."""
    at = round(share * (len(values) - 1))
    return float(np.partition(values, at)[at])


def _things(deviation: Floats, face: Flags, eyes: float) -> Flags:
    """(s, s) bool: patches of deviating colour that are large enough and clear-cut at some
    point."""
    weak = (deviation > WEAK).astype(np.uint8)
    weak = np.asarray(cv2.morphologyEx(weak, cv2.MORPH_OPEN, _disc(0.05 * eyes)), np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(weak * face.astype(np.uint8))
    least = MIN_AREA * float(face.sum())
    out = np.zeros(face.shape, bool)
    for label in range(1, count):
        patch = labels == label
        beyond_doubt = float((deviation[patch] > STRONG).mean()) > 0.5
        if stats[label, cv2.CC_STAT_AREA] >= least and beyond_doubt:
            out |= patch
    return out
