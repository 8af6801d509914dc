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

_HOLD_SECONDS = 0.4
_SMOOTH_SECONDS = 0.12


def frame_state(teeth: Tensor, gap: Tensor, yaw: Tensor, smile: Tensor, blur: Tensor) -> Tensor:
    """Return states (N, 5) from own teeth 0-1, lip gap, yaw, smile level and blur, each (N,)."""
    return torch.stack(
        [torch.maximum(teeth, smoothstep(gap, 0.03, 0.06)), gap, yaw, smile, blur], dim=1
    )


def settled_states(states: Tensor, frames_per_second: float) -> Tensor:
    """Return the states (T, 5) of one shot's consecutive frames, settled so that nothing flickers.

    A mouth that opens counts as open for 0.4 s before and after: between the words of somebody who
    talks no teeth are drawn. Then everything is smoothed with a Gaussian of 0.12 s, without delay.
    """
    hold = max(0, round(_HOLD_SECONDS * frames_per_second))
    settled = states.clone()
    rows = states[:, 0].reshape(1, 1, -1)
    settled[:, 0] = F.max_pool1d(rows, 2 * hold + 1, stride=1, padding=hold).reshape(-1)
    sigma = _SMOOTH_SECONDS * frames_per_second
    reach = max(1, round(3 * sigma))
    offsets = torch.arange(-reach, reach + 1, dtype=states.dtype, device=states.device)
    kernel = torch.exp(-0.5 * (offsets / max(sigma, 1e-3)).square())
    padded = F.pad(settled.T[:, None], (reach, reach), mode="replicate")
    smooth = F.conv1d(padded, (kernel / kernel.sum()).reshape(1, 1, -1))
    return smooth[:, 0].T
