"""Colours as light mixes them: as logarithms, where a change multiplies.

So shade, gloss and grain stay what they were beside what is around them, whatever light a clip was
shot in. Pictures are (3, h, w) float32 RGB in [-1, 1], one at a time, on a CPU.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]

FLOOR = 0.03
"""Added to RGB in 0–1 before the logarithm, so that noise in the dark stays small."""
LUMA = np.array([0.299, 0.587, 0.114], np.float32)


_WARM_SKIN = (0.30, 0.20)
"""Yellowness and redness of the warmest skin in neutral light."""


def logs_of(picture: Floats) -> Floats:
    """Return the log colours (3, h, w) of a picture."""
    light = np.maximum(picture, -1) * np.float32(0.5) + np.float32(0.5 + FLOOR)
    return np.stack([np.asarray(cv2.log(plane), np.float32) for plane in light])


def log_luma(logs: Floats) -> Floats:
    """Return the logarithm of luma (...) of log colours (3, ...)."""
    return np.asarray(np.log(np.einsum("c,c...->...", LUMA, np.exp(logs))), np.float32)


def redness(logs: Floats) -> Floats:
    """Return log red over green (...) of log colours (3, ...)."""
    return np.asarray(logs[0] - logs[1])


def yellowness(logs: Floats) -> Floats:
    """Return log of the mean of red and green over blue (...), of log colours (3, ...)."""
    return np.asarray(0.5 * (logs[0] + logs[1]) - logs[2])


def mixed(yellow: Floats, red: Floats, luma: Floats) -> Floats:
    """Return the change of log RGB (3, ...) that changes yellowness, redness and log luma so."""
    # Yellow is taken out by blue, which is the least of luma.
    return np.stack([luma + 0.4 * red, luma - 0.4 * red, luma - yellow - 0.2 * red])


def cast_of(skin: Floats) -> Floats:
    """Return the log colour (3,) of the light in which skin (3,) is seen, of luma about 0: where
    skin is warmer than skin ever is in neutral light, so is the light."""
    yellow, red = (
        np.maximum(of(skin) - np.float32(most), 0)
        for of, most in ((yellowness, _WARM_SKIN[0]), (redness, _WARM_SKIN[1]))
    )
    return np.asarray(mixed(yellow, red, np.zeros_like(yellow)), np.float32)


def gained(picture: Floats, change: Floats) -> Floats:
    """Return a picture whose log colours are changed by (3, h, w), within [-1, 1]; where the change
    is 0, to the bit what it was."""
    light = picture + np.float32(1 + 2 * FLOOR)
    factor = np.stack([np.asarray(cv2.exp(plane), np.float32) for plane in change])
    return np.clip(picture + light * (factor - 1), -1, 1)


def smoothstep(x: Floats, low: float, high: float) -> Floats:
    """Return 0 below `low`, 1 above `high` (the reverse if `low > high`), cubic between."""
    t = np.clip((x - np.float32(low)) / np.float32(high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t))


def colour_of(text: str, names: Mapping[str, str]) -> Floats:
    """Return the log colours (3,) of a name, or of `#rrggbb`.

    Raises:
        ValueError: it is neither.
    """
    code = names.get(text.strip().lower(), text.strip())
    if re.fullmatch(r"#[0-9a-fA-F]{6}", code) is None:
        raise ValueError(f"{text!r} is no colour; accepted: {', '.join(names)}, or #rrggbb")
    values = np.array([int(code[at : at + 2], 16) for at in (1, 3, 5)], np.float32)
    return logs_of((values / np.float32(127.5) - 1)[:, None, None])[:, 0, 0]
