"""How a face is lit, and how sharp and how noisy its picture is: for what is drawn beside it.

Light is what skin shows of it: mean level and one direction (spherical harmonics of order 0 and 1;
Ramamoorthi and Hanrahan, 2001), fitted to linear luma over the normals of a fitted head.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

GAMMA: Final = 2.2
"""Of the picture's encoding, near enough for what is drawn."""
LUMA: Final = np.array([0.2126, 0.7152, 0.0722], np.float32)
SKIN_ALBEDO: Final = 0.36
"""Linear luma of skin in light of level 1: the mean of light and dark skin. Nobody can tell dark
skin in good light from light skin in bad light by the face alone."""
_LEVELS: Final = (0.12, 1.3)
"""Bounds of the level."""
_ROUNDS: Final = 5
_REBLUR: Final = 1.0
"""Sigma [px] by which a picture is blurred once more to see how sharp it was."""
_OWN_BLUR: Final = 0.7
"""Variance [px²] that differences between pixels add themselves (measured on blurred edges)."""
_SHARPEST: Final = 0.97
"""Share of a face's pixels whose gradient is less than that of its edges."""


def linear(encoded: Floats) -> Floats:
    """Return linear light 0–1 of RGB in [-1, 1]."""
    return np.asarray(np.maximum(0.5 * encoded + 0.5, 0) ** GAMMA, np.float32)


def encoded(light: Floats) -> Floats:
    """Return RGB in [-1, 1] of linear light 0–1."""
    return np.asarray(2 * np.clip(light, 0, 1) ** (1 / GAMMA) - 1, np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class FaceLight:
    """Light at a face: a white matt surface with normal n shows `mean + n · slope`, linear."""

    mean: float
    slope: Floats
    """(3,) x right, y down, z towards the camera."""
    tint: Floats
    """(3,) RGB of the light, of mean luma 1."""

    @staticmethod
    def of(normals: Floats, colours: Floats) -> FaceLight:
        """Return the light of skin with normals (P, 3) and linear colours (P, 3).

        Spots, hairs and shine are believed less, round by round.
        """
        luma = colours @ LUMA
        matrix = np.concatenate([np.ones((len(normals), 1), np.float32), normals], 1)
        # A ridge: faces seen from ahead say little of light from behind and below.
        ridge = np.diag([0, 1, 1, 1]) * (0.02 * len(luma))
        weight = np.ones_like(luma)
        answer = np.zeros(4)
        for _ in range(_ROUNDS):
            weighted = matrix * weight[:, None]
            answer = np.linalg.solve(weighted.T @ matrix + ridge, weighted.T @ luma)
            off = np.abs(luma - matrix @ answer)
            weight = 1 / (1 + (off / (1.5 * np.median(off) + 1e-4)) ** 2)
        middle = float(np.average(luma, weights=weight))
        level = np.clip(middle / SKIN_ALBEDO, *_LEVELS) / max(middle, 1e-4)
        colour = np.average(colours.astype(np.float64), axis=0, weights=weight)
        tint = _light_of_skin(colour)
        return FaceLight(
            float(answer[0] * level),
            np.asarray(answer[1:] * level, np.float32),
            np.asarray(tint / (tint @ LUMA), np.float32),
        )

    @property
    def direction(self) -> Floats:
        """(3,) unit, to where most of the light comes from; never from behind the head."""
        ahead = np.array([0.0, -0.12, 0.3], np.float32) * max(abs(self.mean), 1e-3) + self.slope
        ahead[2] = max(ahead[2], 0.35 * float(np.linalg.norm(ahead)))
        return np.asarray(ahead / np.linalg.norm(ahead), np.float32)

    @property
    def direct(self) -> float:
        """0–1, the share of the light that has a direction."""
        slope = float(np.linalg.norm(self.slope))
        return float(np.clip(2 * slope / (abs(self.mean) + slope + 1e-4), 0.25, 0.85))

    def on(self, normals: Floats) -> Floats:
        """Return what white matt surfaces with normals (..., 3) show, luma (...,)."""
        least = 0.25 * max(self.mean, 0.05)
        return np.asarray(np.maximum(self.mean + normals @ self.slope, least), np.float32)


_SKIN_COLOUR: Final = np.array([0.47, 0.27, 0.19])
"""Linear colour of skin in white light, up to its level."""


def _light_of_skin(colour: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the colour of the light on skin of a colour (3,), as far as skin tells: a quarter of
    the way, for skins differ."""
    ratio = np.maximum(colour, 1e-4) / _SKIN_COLOUR
    return np.asarray(np.clip(ratio / ratio[1], 0.5, 2.0) ** 0.25)


def sharpness(luma: Floats) -> float:
    """Return sigma [px] of the Gaussian that would blur ideal edges to the sharpest of a picture
    (h, w), from what one more blur does to its gradients (Zhuo and Sim, 2011)."""
    soft = cv2.GaussianBlur(luma, (0, 0), _REBLUR)
    before, after = _gradient(luma), _gradient(soft)
    edges = before >= np.quantile(before, _SHARPEST)
    ratio = float(np.median(before[edges] / np.maximum(after[edges], 1e-6)))
    variance = _REBLUR**2 / max(ratio**2 - 1, 0.02) - _OWN_BLUR
    return float(np.clip(np.sqrt(max(variance, 0)), 0.3, 4.0))


def _gradient(luma: Floats) -> Floats:
    across = cv2.Sobel(luma, cv2.CV_32F, 1, 0, scale=0.125)
    return np.asarray(cv2.magnitude(across, cv2.Sobel(luma, cv2.CV_32F, 0, 1, scale=0.125)))


def noise(luma: Floats, flat: NDArray[np.bool_]) -> float:
    """Return the standard deviation of the grain of a picture (h, w) where it is flat (Immerkær,
    1996), by the median: 0 where little is flat."""
    if int(flat.sum()) < 64:
        return 0.0
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    rough = np.abs(cv2.filter2D(luma, cv2.CV_32F, kernel))[flat]
    return float(np.median(rough)) / (6 * 0.6745)
