"""Hair in other colours: dyed, darker or lighter; every strand stays.

What changes is a log colour, by an amount that depends on how bright a pixel is. So strands keep
their contrast, and the mean of the hair moves from its median over the shot to where it is to be.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from .tones import FLOOR, Floats, colour_of, log_luma, redness, smoothstep, yellowness

_LEVELS = 256
_LIGHTENED, _DARKENED = 0.85, 1.7
"""Bounds of how far the median's log luma is moved: what is nearly black in a clip has hardly any
strands that could be shown lighter."""
_FAIREST = -0.42
"""Log luma of the fairest hair, in good light."""
_FLATTER = 0.30
"""Share of the contrast lost for each unit of log luma that hair gets lighter: light hair is lit
through."""
_WHITE, _KNEE = -0.05, 0.25
"""Log luma that nothing is made to exceed, and how far below it comes near."""
_EVENNESS = 0.6
"""How far strands of other colours come nearer to the median's in hair that is dyed or lighter."""
_ASH = 0.6
"""Share of its own colour that hair loses at strength -1."""
_WARMTH = 0.7
"""Share of the colour of natural hair that comes with its depth."""
_SHINE = (0.1, 1.1)
"""Log luma over the median at which a strand begins to shine, and does: the light of the shine is
the lamp's, and takes less of the colour."""
_SHINE_SHARE = 0.6
"""Of the change of colour, that shine is spared."""

_PER_UNIT = 0.45
"""Log luma that one unit of lightness adds."""
_GOOD_LIGHT = -0.45
"""Log luma of skin in the light that colours are meant for; in dimmer light they are darker."""
_GOOD_SKIN = (0.30, 0.22)
"""Yellowness and redness of skin beside which colours are meant."""
_NATURAL = np.stack(
    [
        colour_of(code, {})
        for code in ("#14100f", "#2e221c", "#4e3727", "#7a5a3e", "#a58259", "#cdb083", "#e6d6b4")
    ]
)
"""(7, 3) log colours of natural hair from black to fair."""


@dataclass(frozen=True, slots=True)
class HairTone:
    """What hair looks like over a shot: log colours (see `tones`)."""

    median: Floats
    """(3,)."""
    strands: float
    """Standard deviation of log luma from strand to strand."""
    skin: Floats
    """(3,) median of the face's skin, which tells the light."""

    @property
    def luma(self) -> float:
        """Log luma of the median."""
        return float(log_luma(self.median))


@dataclass(frozen=True, slots=True)
class Dye:
    """What becomes of the log colours of hair, by its log luma."""

    tone: HairTone
    """Of the hair before."""
    lighter: float
    """What is added to the log luma of its median."""
    contrast: float
    """Of log luma around the median, 1 keeps it."""
    tint: Floats
    """(3,) change of the log colours beside that of luma."""
    evenness: float = 0.0
    """0–1, how far strands of other colours come nearer to the colour of the median."""

    def tables(self) -> tuple[Floats, Floats]:
        """Return for every luma from 0 to 1 the factor of light plus floor, (256, 3), and the
        colour that is given in its stead to what is to be even, (256, 3)."""
        luma = np.log(np.linspace(0, 1, _LEVELS, dtype=np.float32) + np.float32(FLOOR))
        off = luma - np.float32(self.tone.luma)
        goal = self.tone.luma + self.lighter + self.contrast * off
        # What would be whiter than white comes near it instead, and what was so stays so.
        most = np.maximum(luma, _WHITE)
        over = np.maximum(goal - (most - _KNEE), 0)
        goal = np.where(over > 0, most - _KNEE * np.exp(-over / _KNEE), goal)
        dull = 1 - np.float32(_SHINE_SHARE) * smoothstep(off, *_SHINE)
        own = self.tone.median - self.tone.luma + self.tint
        factors = np.exp((goal - luma)[:, None] + dull[:, None] * self.tint)
        colours = np.exp(goal[:, None] + dull[:, None] * own)
        return factors.astype(np.float32), colours.astype(np.float32)

    def after(self) -> HairTone:
        """Return what the hair looks like then."""
        median = self.tone.median + np.float32(self.lighter) + self.tint
        return replace(self.tone, median=median, strands=self.tone.strands * self.contrast)


def dyed(tone: HairTone, goal: Floats, strength: float) -> Dye:
    """Return the change towards a log colour (3,), all of it at strength 1 as far as hair can be
    moved; below 0 hair has less of its own colour, to ash, and stays as deep."""
    if strength <= 0:
        own = tone.median - log_luma(tone.median)
        return Dye(tone, 0.0, 1.0, np.float32(_ASH * strength) * (own - warmer(tone)))
    tint = np.float32(strength) * _tint(_graded(goal, tone), tone.median)
    way = _possible(tone, strength * (float(log_luma(goal)) + _light(tone) - tone.luma))
    return Dye(tone, way, _contrast(way), tint, _EVENNESS * min(strength, 1.0))


def lightened(tone: HairTone, strength: float) -> Dye:
    """Return the change to lighter hair, or below 0 to darker, coloured as hair of that depth."""
    way = _possible(tone, _PER_UNIT * strength)
    if way <= 0:
        tint = _tint(_natural(tone.luma + way), _natural(tone.luma))
        return Dye(tone, way, 1.0, np.float32(_WARMTH) * tint)
    # Light that was mirrored by dark hair, of a blue sky or a lamp, is not what lighter hair shows.
    share = np.float32(_WARMTH * min(way / _LIGHTENED, 1.0))
    tint = share * _tint(_graded(_natural(tone.luma + way), tone), tone.median)
    return Dye(tone, way, _contrast(way), tint, _EVENNESS * min(2 * way, 1.0))


def _possible(tone: HairTone, way: float) -> float:
    """Return how far hair can be moved of a way of log luma."""
    lightest = max(_FAIREST + _light(tone) - tone.luma, 0.0)
    return float(np.clip(way, -_DARKENED, min(_LIGHTENED, lightest)))


def _contrast(way: float) -> float:
    return 1 - _FLATTER * max(way, 0.0)


def _tint(goal: Floats, start: Floats) -> Floats:
    """Return the change (3,) between two log colours without that of luma."""
    way = goal - start
    return np.asarray(way - (log_luma(start + way) - log_luma(start)), np.float32)


def _light(tone: HairTone) -> float:
    """Return how much dimmer (log, at most 0) the clip's light is than colours are meant in."""
    return min(0.7 * (float(log_luma(tone.skin)) - _GOOD_LIGHT), 0.0)


def _graded(colour: Floats, tone: HairTone) -> Floats:
    """Return a log colour (3,) in the light and grade of the clip: paler, warmer or cooler as the
    clip's skin is than skin beside which colours are meant."""
    chroma = float(yellowness(tone.skin) + redness(tone.skin)) / sum(_GOOD_SKIN)
    luma = log_luma(colour)
    return np.asarray(
        luma + min(max(0.4 + 0.6 * chroma, 0.7), 1.0) * (colour - luma) + warmer(tone)
    )


def warmer(tone: HairTone, *, coldest: float = -0.05) -> Floats:
    """Return the change (3,) of log colours by which the clip's light is warmer, or pinker, than
    neutral."""
    yellow, red = yellowness(tone.skin) - _GOOD_SKIN[0], redness(tone.skin) - _GOOD_SKIN[1]
    warmth = float(np.clip(0.7 * yellow + 0.35 * red, coldest, 0.25))
    pink = float(np.clip(red - 0.8 * yellow, 0.0, 0.2))
    return np.array([0.35 * warmth, -0.35 * pink, -0.65 * warmth], np.float32)


def _natural(luma: float) -> Floats:
    """Return the log colour (3,) of natural hair of a log luma, from black to fair."""
    lumas = log_luma(_NATURAL.T)
    return np.array([np.interp(luma, lumas, channel) for channel in _NATURAL.T], np.float32)


def recoloured(hair: Floats, dye: Dye) -> Floats:
    """Return hair (3, h, w) in [-1, 1] in another colour."""
    levels = cv2.convertScaleAbs(luma_of(hair), alpha=_LEVELS - 1)
    factors, colours = dye.tables()
    factors *= np.float32(1 - dye.evenness)
    colours = np.float32(2 * dye.evenness) * colours - np.float32(1 + 2 * FLOOR)
    out = np.empty_like(hair)
    for k in range(3):
        factor = cv2.LUT(levels, np.ascontiguousarray(factors[:, k]))
        np.multiply(hair[k] + np.float32(1 + 2 * FLOOR), factor, out=out[k])
        out[k] += cv2.LUT(levels, np.ascontiguousarray(colours[:, k]))
    return np.clip(out, -1, 1, out=out)


def luma_of(picture: Floats) -> Floats:
    """Return luma (h, w) in 0–1 of a picture (3, h, w) in [-1, 1]."""
    red, green, blue = picture
    mixed = np.float32(0.299) * red + np.float32(0.587) * green + np.float32(0.114) * blue
    return np.asarray(np.clip(0.5 * mixed + 0.5, 0, 1), np.float32)
