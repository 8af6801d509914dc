"""Hair that turns grey, and grey hair that takes its colour back.

Hair does not turn grey, strands turn white, one after another: at the temples first, on top last,
those that stand out sooner than those behind them. A pixel shows many strands, so what it takes is
a share of white; white hair keeps the shade it lies in and the relief of its strands, with less
contrast than dark hair, because it is lit through.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from .hair_tones import HairTone, luma_of, warmer
from .tones import FLOOR, Floats, log_luma, smoothstep

_STRAND = 0.03
"""Sigma of what is wider than a strand [outer eye distances]."""
_LEAST_STRANDS = 0.12
"""Standard deviation of log luma that strands are taken to have at least: less is noise."""
_NOISE = 3 / 255
"""Luma that strands have to exceed: compressed clips are wrong by half of it."""
_RIM = 0.02
"""Sigma of the rim of hair, which is thin [outer eye distances]."""
_RIM_SHARE = 0.7
"""Of the white that the rim takes: a hairline has no edge, it gets thin."""

_EARLY, _LATE = 1.0, 0.33
"""How fast strands whiten with strength where they do so first, and where last."""
_HASTE = 0.3
"""By what share of itself that pace grows with each unit of strength."""
_CHOOSY = 0.3
"""How much more of the white goes to strands that stand out, as a change of log luma."""
_SHADE, _RELIEF = 0.45, 0.6
"""Shares of the shade between locks, and of that between strands, that white hair shows."""
_DEEP, _DEEP_SHADE = -0.5, 0.65
"""Log luma below that of the hair from which shade is deep, and the share of what is deeper that
white hair shows: light that other strands throw reaches between them."""
_IVORY = (0.015, 0.0, -0.045)
"""Log colours of white hair in neutral light."""
_PINK = 0.7
"""Of the redness of the clip's skin beyond its warmth, that tells of its light: skin blushes."""
_OWN = 0.15
"""Share of its own colour that white hair keeps: some strands in every pixel do."""
_BESIDE_SKIN, _LEAST_WHITE = 0.05, -0.8
"""Log luma of white hair over that of skin, which tells the light; and what it has at least."""
_LIGHTEST = -0.03

_GREY = 0.15
"""Size of the log colours of hair, without luma, at which grey can be told from them."""
_COLOURED = (0.4, 0.0)
"""Shares of the hair's own colour at which a strand is not grey, and is."""
_KEPT_SHADE, _KEPT_RELIEF = 0.4, 0.7
"""Shares of the shade between locks, and of that between strands, that are left of white strands
that take their colour back; a strand stands out no further than those of the hair do."""

_SIDE, _BEYOND = (0.80, 1.05), (1.1, 1.5)
"""Places from the middle of the face (0) to its side (1) from which temples begin, and are; and
those at which they end, because long hair beside them grows from the top."""
_UP, _DOWN = (-0.85, -0.25), (0.3, 1.1)
"""The same, under the eyes [outer eye distances]."""
_LENGTHS = 0.75
"""How much less of temples there is in the lengths of hair."""
_BEARD, _CHIN = (0.7, 0.95), (0.6, 0.8)
"""Places under the eyes, and from the middle to the side, of a beard that whitens early."""


def temples(points: NDArray[np.floating], rows: Floats, columns: Floats) -> Floats:
    """Return where strands whiten first, (h, w) 0–1: at the temples, and in a beard at the chin.

    Args:
        points: (68, 2) landmarks [px].
        rows, columns: (h,) and (w,) places of what is asked for [px].
    """
    left, right = (np.asarray(points[at], np.float32) for at in (36, 45))
    middle, eyes = 0.5 * (left + right), np.float32(max(np.hypot(*(right - left)), 1e-3))
    across = (right - left) / eyes
    x, y = (columns[None, :] - middle[0]) / eyes, (rows[:, None] - middle[1]) / eyes
    u = np.asarray(x * across[0] + y * across[1], np.float32)
    v = np.asarray(y * across[0] - x * across[1], np.float32)
    # A face that is turned has a near side and a far one.
    ends = [max(abs(float((points[at] - middle) @ across / eyes)), 0.45) for at in (0, 16)]
    side = np.asarray(np.abs(u) / np.where(u < 0, *ends), np.float32)
    lengths = 1 - (1 - smoothstep(side, *_BEYOND)) * (1 - smoothstep(v, *_DOWN))
    beside = smoothstep(side, *_SIDE) * smoothstep(v, *_UP) * (1 - np.float32(_LENGTHS) * lengths)
    chin = smoothstep(v, *_BEARD) * (1 - smoothstep(side, *_CHIN))
    return np.asarray(np.maximum(beside, chin))


def greyed(
    hair: Floats, matte: Floats, early: Floats, tone: HairTone, eyes: float, strength: float
) -> Floats:
    """Return hair (3, h, w) in [-1, 1] that is greyer; below 0 grey strands take the colour of the
    others.

    Args:
        hair: of a window.
        matte: (h, w) 0–1, where it is hair.
        early: (h, w) 0–1, where strands whiten first.
        tone: of the hair.
        eyes: distance of the outer eye corners [px].
        strength: at 1 about a third of the strands on top are white, at 2.5 nearly all.
    """
    luma = np.log(luma_of(hair) + np.float32(FLOOR))
    wide = _within(luma, matte, _STRAND * eyes)
    if strength < 0:
        return _coloured_again(hair, luma, wide, tone, -strength)
    strand = _told_from_noise(luma - wide, wide, _STRAND * eyes)
    white = _white(tone)
    goal = white + _shade(wide - np.float32(tone.luma)) + np.float32(_RELIEF) * strand
    goal = np.minimum(goal, np.float32(_LIGHTEST))
    share = _share(early, strand / max(tone.strands, _LEAST_STRANDS), goal - wide, strength)
    share *= _thin(matte, eyes)
    light = np.exp(goal)
    out = np.empty_like(hair)
    for k, cast in enumerate(_cast(tone)):
        target = np.float32(2 * np.exp(cast)) * light - np.float32(1 + 2 * FLOOR)
        np.multiply(target - hair[k], share, out=out[k])
        out[k] += hair[k]
    return np.clip(out, -1, 1, out=out)


def _shade(wide: Floats) -> Floats:
    """Return the log luma of white hair over its median, from that of the hair as it is."""
    deep = np.float32(_DEEP_SHADE) * np.minimum(wide - np.float32(_DEEP), 0)
    return np.asarray(np.float32(_SHADE) * np.maximum(wide, np.float32(_DEEP)) + deep)


def _share(early: Floats, relative: Floats, lighter: Floats, strength: float) -> Floats:
    """Return the share of white (h, w) 0–1 of each pixel.

    Args:
        early: (h, w) 0–1.
        relative: (h, w) how far a strand stands out, in standard deviations.
        lighter: (h, w) change of log luma from a strand's own colour to white.
        strength: above 0.
    """
    pace = strength * (1 + _HASTE * strength)
    cover = 1 - np.exp(-np.float32(pace) * (_LATE + (_EARLY - _LATE) * early))
    # In dark hair a little more white is seen as much as a lot is in fair hair.
    choosy = np.float32(_CHOOSY) / np.maximum(np.abs(lighter), np.float32(0.5))
    share = cover + choosy * cover * (1 - cover) * np.clip(relative, -2, 2)
    return np.asarray(np.clip(share, 0, 1), np.float32)


def _told_from_noise(strand: Floats, wide: Floats, sigma: float) -> Floats:
    """Return strands (h, w), log luma, as far as they exceed the noise (Wiener's filter)."""
    power = cv2.GaussianBlur(strand * strand, (0, 0), max(sigma, 0.5))
    noise = np.square(np.float32(_NOISE) / np.exp(wide))
    return np.asarray(strand * (power / (power + noise)))


def _thin(matte: Floats, eyes: float) -> Floats:
    """Return how much of the white hair takes (h, w): along its edge less."""
    soft = cv2.GaussianBlur(matte, (0, 0), max(_RIM * eyes, 0.5))
    return np.asarray(_RIM_SHARE + (1 - _RIM_SHARE) * smoothstep(soft, 0.5, 0.95), np.float32)


def strands_of(picture: Floats, hair: Floats, eyes: float) -> float:
    """Return how much log luma differs from strand to strand: the standard deviation of what is no
    wider, over the hair (h, w) of a picture (3, h, w)."""
    luma = np.log(luma_of(picture) + np.float32(FLOOR))
    strand = luma - _within(luma, hair, _STRAND * eyes)
    inside = strand[hair > 0]
    return float(inside.std()) if inside.size else 0.0


def _coloured_again(
    hair: Floats, luma: Floats, wide: Floats, tone: HairTone, strength: float
) -> Floats:
    """Return hair whose white strands have the colour of the others; `luma`, `wide` (h, w) are its
    log luma, and that of what is wider than a strand.

    White strands are paler than the others, and grey: a blond strand that shines is no white one.
    """
    over, strand = luma - np.float32(tone.luma), luma - wide
    own = tone.median - np.float32(tone.luma)
    size = np.float32(own @ own)
    along = np.zeros_like(luma)
    for k, share in enumerate(own / (size + np.float32(_GREY**2))):
        along += share * (np.log(0.5 * hair[k] + np.float32(0.5 + FLOOR)) - luma)
    grey = smoothstep(along, *_COLOURED) if size else np.ones_like(luma)
    told = size / (size + np.float32(_GREY**2))
    pale = smoothstep(over, -0.1, 0.6)
    share = np.float32(min(0.75 * strength, 1)) * pale * (told * grey + 1 - told)
    light = 0.5 * hair + np.float32(0.5 + FLOOR)
    relief = np.float32(_KEPT_SHADE) * (wide - np.float32(tone.luma))
    most = np.float32(max(tone.strands, _LEAST_STRANDS))
    relief += np.float32(_KEPT_RELIEF) * np.minimum(strand, most)
    goal = np.exp(tone.median[:, None, None] + relief)
    return np.asarray(np.clip(hair + 2 * share * (goal - light), -1, 1), np.float32)


def _within(values: Floats, mask: Floats, sigma: float) -> Floats:
    """Return values blurred among those under a mask only."""
    step = max(int(sigma // 2), 1)
    size = (-(-values.shape[1] // step), -(-values.shape[0] // step))
    both = cv2.merge([values * mask, mask])
    small = cv2.resize(both, size, interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(small, (0, 0), max(sigma / step, 0.5))
    wide = cv2.resize(soft, values.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(wide[..., 0] / (wide[..., 1] + np.float32(1e-3)))


def _white(tone: HairTone) -> np.float32:
    """Return the log luma of white hair in the light of the clip."""
    beside = max(float(log_luma(tone.skin)) + _BESIDE_SKIN, _LEAST_WHITE)
    return np.float32(max(beside, tone.luma + 0.1))


def _cast(tone: HairTone) -> Floats:
    """Return log colours (3,), of luma 0, of white hair in the light of the clip."""
    own = tone.median - log_luma(tone.median)
    # White hair that is colder than warm skin beside it is read as blue.
    light = warmer(tone, coldest=0.0) * np.array([1.0, _PINK, 1.0], np.float32)
    cast = np.array(_IVORY, np.float32) + light + np.float32(_OWN) * own
    return np.asarray(cast - log_luma(cast), np.float32)
