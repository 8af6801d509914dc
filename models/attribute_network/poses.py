"""Which of the seven poses a face has: the first step of the two-step baselines.

The paper reads it from a recogniser's features (73.3 % right). Ours is a small network of its own,
trained on the training faces.
"""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..training.steps import batch_of
from .views import YAWS, Views

_STEPS: Final = 600
_BATCH: Final = 64
_RATE: Final = 2e-3


class PoseNet(nn.Sequential):
    """Scores (N, 7) of grey pictures (N, 1, 32, 32)."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(32 * 16, YAWS),
        )  # fmt: skip


def train_poses(views: Views, *, seed: int, steps: int = _STEPS) -> PoseNet:
    """Return a network that tells poses, trained on the training faces of grey views."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = PoseNet()
    optimiser = torch.optim.Adam(net.parameters(), lr=_RATE)
    lights = len(views.lights)
    count = len(views.train) * YAWS * lights
    flat = views.views.reshape(-1, views.side, views.side)
    for number in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = _RATE * (1 - number / steps)
        rows = batch_of(seed, number, count, _BATCH)
        seen = standardised(torch.from_numpy(flat[rows.numpy()])[:, None])
        loss = F.cross_entropy(net(seen), rows // lights % YAWS)
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimiser.step()
    return net.eval().requires_grad_(False)


def standardised(levels: Tensor) -> Tensor:
    """Return pictures (N, 1, S, S) each with mean 0 and deviation 1, so that light tells little."""
    levels = levels.float()
    around = levels - levels.mean((2, 3), keepdim=True)
    return around / levels.std((2, 3), keepdim=True).clamp_min(1.0)
