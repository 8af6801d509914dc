"""The per-frame measures of a face, and how they settle over a shot."""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from ..ops.gaussian import gaussian_weights
from .mouth import inner_gap, own_mouth
from .shape import ShapeFit, ShapeModel
from .warp import smoothstep

STATE_NAMES: Final = ("own_mouth", "gap", "yaw", "smile", "blur")
"""Columns of a state: 0-1 how surely the mouth is open, shows its own teeth or is pursed, inner lip
gap in outer-eye distances, yaw in radians, smile in standard deviations of the ratings, blur as a
sigma in outer-eye distances."""

_BRIDGED_SECONDS, _HELD_SECONDS, _RELEASE_SECONDS = 0.9, 0.2, 0.4
"""Lips that close between two openings for no longer than the first count as open; where they stay
closed, they are held open for the second and then released to an edit within the third."""

_SMOOTH_SECONDS: Final = (0.12, 0.25, 0.25, 0.25)
"""Sigma of the smoothing of the columns after the first: the lip gap moves with speech, the others
must not shake."""


_OPEN = (0.03, 0.06)
"""Lip gaps (outer-eye distances) up to which a mouth is closed and from which it is open."""

_PURSED = (0.50, 0.44)
"""Mouth widths (outer-eye distances) from which lips are relaxed and up to which they are pursed;
at rest one face in twenty has a mouth narrower than the first."""


def expression(
    shape: ShapeModel, smile_axis: Tensor, images: Tensor, fit: ShapeFit, vertices: Tensor
) -> Tensor:
    """Return the first four columns of the state (N, 4): mouth, lip gap, yaw, smile.

    Args:
        shape: the model the faces were fitted with.
        smile_axis: (K + 1,) what of a smile each coefficient makes, and a constant.
        images: (N, 3, S, S) float RGB in [-1, 1], native crops.
        fit: of the faces in them.
        vertices: (N, V, 2) px.
    """
    gap = inner_gap(vertices, fit.camera)
    opening = gap[:, 1:4].mean(dim=1)
    teeth = own_mouth(images, vertices, gap)
    busy = mouth_is_busy(teeth, opening, shape.mouth_width(fit))
    smile = fit.coefficients @ smile_axis[:-1] + smile_axis[-1]
    return torch.stack([busy, opening, fit.angles[:, 0], smile], dim=1)


def mouth_is_busy(teeth: Tensor, gap: Tensor, width: Tensor) -> Tensor:
    """Return how surely a mouth does something of its own (N,), so that it must not be parted.

    Args:
        teeth: (N,) 0-1 own teeth seen.
        gap: (N,) between the lips, outer-eye distances.
        width: (N,) of the mouth, outer-eye distances.
    """
    shown = torch.maximum(teeth, smoothstep(gap, *_OPEN))
    return torch.maximum(shown, smoothstep(width, *_PURSED))


def settled_states(states: Tensor, frames_per_second: float) -> Tensor:
    """Return the states (T, 5) of one shot's consecutive frames, settled so that nothing flickers.

    A mouth counts as open from the moment it opens, so that drawn teeth stay until the person's own
    appear; between the words of somebody who talks it stays open, and when it has closed for longer
    it is released gently. The other columns are smoothed with a Gaussian, without delay.
    """
    mouth = _held(states[:, 0], frames_per_second)
    smooth = [
        _smooth(states[:, k : k + 1], seconds * frames_per_second)
        for k, seconds in enumerate(_SMOOTH_SECONDS, start=1)
    ]
    return torch.cat([mouth[:, None], *smooth], dim=1)


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


def _highest(values: Tensor, reach: int) -> Tensor:
    """Return the highest of the values (T,) within `reach` frames of each."""
    return F.max_pool1d(values[None], 2 * reach + 1, stride=1, padding=reach)[0]


def _smooth(columns: Tensor, sigma: float) -> Tensor:
    """Return columns (T, C) under a Gaussian of `sigma` frames, ends repeated."""
    reach = max(1, round(3 * sigma))
    weights = gaussian_weights(max(sigma, 1e-3), reach, columns)
    padded = F.pad(columns.T[:, None], (reach, reach), mode="replicate")
    smooth = F.conv1d(padded, weights.reshape(1, 1, -1))
    return smooth[:, 0].T
