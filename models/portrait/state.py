"""The per-frame measures of a face, and how they settle over a shot."""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from .warp import smoothstep

STATE_NAMES: Final = ("own_mouth", "gap", "yaw", "smile", "blur")
"""Columns of a state: 0-1 how surely the mouth is open or shows its own teeth, inner lip gap in
outer-eye distances, yaw in radians, smile in standard deviations of the ratings, blur as a sigma in
outer-eye distances."""

_HOLD_BEFORE_SECONDS, _HOLD_AFTER_SECONDS = 0.1, 0.4
_SMOOTH_SECONDS: Final = (0.2, 0.12, 0.25, 0.25, 0.25)
"""Sigma of each column's smoothing: the lip gap moves with speech, the others must not shake."""


def frame_state(teeth: Tensor, gap: Tensor, yaw: Tensor, smile: Tensor, blur: Tensor) -> Tensor:
    """Return states (N, 5) from own teeth 0-1, lip gap, yaw, smile level and blur, each (N,)."""
    return torch.stack(
        [torch.maximum(teeth, smoothstep(gap, 0.03, 0.06)), gap, yaw, smile, blur], dim=1
    )


def settled_states(states: Tensor, frames_per_second: float) -> Tensor:
    """Return the states (T, 5) of one shot's consecutive frames, settled so that nothing flickers.

    A mouth that opens counts as open from 0.1 s before to 0.4 s after: between the words of
    somebody who talks no teeth are drawn, and drawn teeth stay until just before one's own appear.
    Then everything is smoothed with a Gaussian, without delay.
    """
    before = round(_HOLD_BEFORE_SECONDS * frames_per_second)
    after = round(_HOLD_AFTER_SECONDS * frames_per_second)
    mouth = F.pad(states[:, 0].reshape(1, 1, -1), (after, before), value=0.0)
    held = F.max_pool1d(mouth, before + after + 1, stride=1).reshape(-1, 1)
    columns = torch.cat([held, states[:, 1:]], dim=1)
    smooth = [
        _smooth(columns[:, k : k + 1], seconds * frames_per_second)
        for k, seconds in enumerate(_SMOOTH_SECONDS)
    ]
    return torch.cat(smooth, dim=1)


def _smooth(columns: Tensor, sigma: float) -> Tensor:
    """Return columns (T, C) under a Gaussian of `sigma` frames, ends repeated."""
    reach = max(1, round(3 * sigma))
    offsets = torch.arange(-reach, reach + 1, dtype=columns.dtype, device=columns.device)
    kernel = torch.exp(-0.5 * (offsets / max(sigma, 1e-3)).square())
    padded = F.pad(columns.T[:, None], (reach, reach), mode="replicate")
    smooth = F.conv1d(padded, (kernel / kernel.sum()).reshape(1, 1, -1))
    return smooth[:, 0].T
