"""The per-frame measures of a face, and how they settle over a shot."""

from __future__ import annotations

import math
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from ..ops.gaussian import gaussian_weights
from .mouth import inner_gap, own_teeth, visible_lips
from .shape import ShapeFit, ShapeModel
from .warp import smoothstep

STATE_NAMES: Final = (
    *("talking", "gap", "yaw", "smile", "width", "lips", "closed"),
    *("teeth", "teeth_luma", "teeth_red", "teeth_blue", "blur"),
)
"""Columns of a state: 0-1 how surely the mouth is open or shows its own teeth, inner lip gap in
outer-eye distances, yaw in radians, smile in standard deviations of the ratings, width of the mouth
and height of the visible lips in outer-eye distances, 0-1 how surely there is nothing of the
person's own to show between the lips, 0-1 how clearly own teeth show, their colour (three columns,
see `mouth.OwnTeeth`), blur as a sigma in outer-eye distances."""

TALKING, GAP, YAW, SMILE, WIDTH, LIPS, CLOSED, TEETH = range(8)
TEETH_COLOUR, BLUR = slice(8, 11), 11

REST_WIDTH, REST_LIPS = 0.54, 0.19
"""Of the mean face with its mouth at rest, outer-eye distances."""

_BRIDGED_SECONDS, _HELD_SECONDS, _RELEASE_SECONDS = 0.9, 0.2, 0.4
"""Lips that close between two openings for no longer than the first count as talking; where they
stay closed, they are held for the second and then released within the third."""

_FADE_SECONDS, _FADE_FRAMES = 0.20, 3.0
"""Drawn teeth fade while lips open and come before they close, within so many seconds and at least
frames."""
_STAY_SECONDS = 0.10
"""Somebody whose own teeth are nowhere seen keeps the drawn ones for so long on either side."""

_SMOOTH_SECONDS: Final = {GAP: 0.12, YAW: 0.25, SMILE: 0.25, WIDTH: 0.10, LIPS: 0.12, BLUR: 0.25}
"""Sigma of the smoothing of columns: the mouth moves with speech, the others must not shake."""

_OWN_REST: Final = {WIDTH: (REST_WIDTH, 0.52, 0.56, 0.6), LIPS: (REST_LIPS, 0.15, 0.23, 0.7)}
"""Columns that are told from the face's own mouth at rest: what it is in the mean face, what it may
be in this one (from, to), and the share of the shot's frames that are assumed to lie below it."""


_OPEN, _WIDE = (0.03, 0.06), (0.06, 0.10)
"""Lip gaps (outer-eye distances) up to which a mouth is closed and from which it is open; and open
so wide that its inside is its own, teeth or not."""

_TEETH_SEEN = (0.3, 0.6)
"""Sureties of own teeth between which their colour becomes that of the shot."""


def expression(
    shape: ShapeModel, smile_axis: Tensor, images: Tensor, fit: ShapeFit, vertices: Tensor
) -> Tensor:
    """Return all columns of the state but the blur (N, 11).

    Args:
        shape: the model the faces were fitted with.
        smile_axis: (K + 1,) what of a smile each coefficient makes, and a constant.
        images: (N, 3, S, S) float RGB in [-1, 1], native crops.
        fit: of the faces in them.
        vertices: (N, V, 2) px.
    """
    gap = inner_gap(vertices, fit.camera)
    opening = gap[:, 1:4].mean(dim=1)
    teeth = own_teeth(images, vertices, gap)
    talking = torch.maximum(teeth.shown, smoothstep(opening, *_OPEN))
    closed = 1 - torch.maximum(teeth.shown, smoothstep(opening, *_WIDE))
    smile = fit.coefficients @ smile_axis[:-1] + smile_axis[-1]
    width, lips = shape.mouth_width(fit), visible_lips(vertices, fit.camera)
    columns = [talking, opening, fit.angles[:, 0], smile, width, lips, closed, teeth.clear]
    return torch.cat([torch.stack(columns, dim=1), teeth.colour], dim=1)


def settled_states(states: Tensor, frames_per_second: float) -> Tensor:
    """Return the states (T, 12) of one shot's consecutive frames, settled so that nothing flickers.

    A mouth counts as talking from the moment it opens, between its words, and some time beyond.
    Closed it counts a little before it closes and after it has opened, so that drawn teeth fade
    while the lips move, never within a frame or two. Its width and lips are given as they would be
    if this face had the mean face's mouth at rest. Teeth are what they are in the frames that show
    them best. What is left is smoothed with a Gaussian, without delay.
    """
    columns = list(states.unbind(dim=1))
    columns[TALKING] = _held(columns[TALKING], frames_per_second)
    teeth = _teeth_of_shot(states[:, TEETH:BLUR])
    stay = _STAY_SECONDS * (1 - float(teeth[0, 0]))
    columns[CLOSED] = _faded(smoothstep(columns[CLOSED], 0.35, 0.65), stay, frames_per_second)
    for index, seconds in _SMOOTH_SECONDS.items():
        columns[index] = _smooth(columns[index], seconds * frames_per_second)
    for index, (mean, least, most, below) in _OWN_REST.items():
        rest = columns[index].quantile(below).clamp(least, most)
        columns[index] = columns[index] + (mean - rest)
    settled = torch.stack(columns, dim=1)
    settled[:, TEETH:BLUR] = teeth
    return settled


def _held(mouth: Tensor, frames_per_second: float) -> Tensor:
    """Return mouth openings (T,) without short closings, and with a slow end but no early begin."""
    half = round(_BRIDGED_SECONDS / 2 * frames_per_second)
    wide = _highest(F.pad(mouth, (half, half), value=0.0), half)
    # Nothing is known beyond the ends of the shot, so no mouth is closed there.
    wide[:half] = wide[len(wide) - half :] = 1.0
    held = bridged = -_highest(-wide, half)[half : half + len(mouth)]
    frames = round((_HELD_SECONDS + _RELEASE_SECONDS) * frames_per_second)
    for k in range(1, min(frames, len(mouth))):
        fallen = max(0.0, (k / frames_per_second - _HELD_SECONDS) / _RELEASE_SECONDS)
        held = torch.maximum(held, F.pad(bridged[:-k] - fallen, (k, 0), value=0.0))
    return held


def _faded(closed: Tensor, stay_seconds: float, frames_per_second: float) -> Tensor:
    """Return mouth closings (T,), which begin and end slowly, outside of what is closed."""
    stay = stay_seconds * frames_per_second
    fade = max(_FADE_SECONDS * frames_per_second, _FADE_FRAMES)
    faded = closed
    for k in range(1, min(math.ceil(stay + fade), len(closed))):
        fallen = max(0.0, (k - stay) / fade)
        for moved in (F.pad(closed[k:], (0, k)), F.pad(closed[:-k], (k, 0))):
            faded = torch.maximum(faded, moved - fallen)
    return faded


def _teeth_of_shot(teeth: Tensor) -> Tensor:
    """Return certainty and colour (T, 4) of own teeth, the same in all frames."""
    shown, colours = teeth[:, :1], teeth[:, 1:]
    weights = shown**4
    colour = (colours * weights).sum(dim=0) / weights.sum().clamp_min(1e-6)
    certain = smoothstep(shown.max(), *_TEETH_SEEN)
    return torch.cat([certain[None], colour]).expand(len(teeth), -1)


def _highest(values: Tensor, reach: int) -> Tensor:
    """Return the highest of the values (T,) within `reach` frames of each."""
    return F.max_pool1d(values[None], 2 * reach + 1, stride=1, padding=reach)[0]


def _smooth(values: Tensor, sigma: float) -> Tensor:
    """Return values (T,) under a Gaussian of `sigma` frames, ends repeated."""
    reach = max(1, round(3 * sigma))
    weights = gaussian_weights(max(sigma, 1e-3), reach, values)
    padded = F.pad(values[None, None], (reach, reach), mode="replicate")
    return F.conv1d(padded, weights.reshape(1, 1, -1))[0, 0]
