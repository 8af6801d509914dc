"""Training of one part of the cascade: `python -m models.landmarks train`.

L1 on the points; L1 on the openings of lids and lips (an error of the opening is what turns a
closed eye into an open one, and is small beside the points' own errors); the log-scale by the
Laplace likelihood of the *detached* error, so that it cannot discount hard points; face or not by
cross entropy.
"""

from __future__ import annotations

import copy
import logging
import math
import time
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..training.steps import update_average
from . import samples
from .dataset import Faces
from .net import PARTS, LandmarkNet, LandmarkOutput, PartName
from .topology import LID_PAIRS, LIP_PAIRS, MOUTH

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one part is trained."""

    steps: int
    batch: int = 64
    rate: float = 2e-3
    decay: float = 0.02
    average: float = 0.998
    """Share of the old weights kept per step in the averaged copy, which is what is used."""
    gap_weight: float = 1.0
    seed: int = 0


_PAIRS: dict[PartName, list[list[int]]] = {
    "main": [*LID_PAIRS.tolist(), *LIP_PAIRS.tolist()],
    "mouth": (LIP_PAIRS - MOUTH[0]).tolist(),
    "eye": [[1, 5], [2, 4]],
}


def landmark_loss(
    output: LandmarkOutput, batch: samples.Batch, pairs: list[list[int]], gap_weight: float
) -> tuple[Tensor, Tensor]:
    """Return the loss, and the mean distance to the true points [crop px]; scalars."""
    face = batch.is_face
    many = face.sum().clamp(min=1)
    error = output.points - batch.points
    per_face = error.abs().mean(dim=(1, 2))
    upper, lower = [p[0] for p in pairs], [p[1] for p in pairs]
    gap = (error[:, lower] - error[:, upper]).abs().mean(dim=(1, 2))
    distance = error.detach().norm(dim=-1)
    likelihood = (distance * torch.exp(-output.log_scale) + output.log_scale).mean(dim=1)
    shape = ((per_face + gap_weight * gap + 0.3 * likelihood) * face).sum() / many
    recognised = F.binary_cross_entropy_with_logits(output.face_logit, face)
    return shape + 0.3 * recognised, (distance.mean(dim=1) * face).sum() / many


def train_part(
    part: PartName,
    plain: Faces,
    rendered: Faces,
    recipe: Recipe,
    *,
    start: LandmarkNet | None = None,
) -> LandmarkNet:
    """Return the trained network of one part (float32, CPU, averaged weights)."""
    torch.manual_seed(recipe.seed)
    net = start if start is not None else LandmarkNet(PARTS[part])
    # the stubs of torch know `memory_format` for tensors only
    net.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    average = copy.deepcopy(net).eval()
    optimizer = torch.optim.AdamW(net.parameters(), lr=recipe.rate, weight_decay=recipe.decay)
    warm = min(100, max(1, recipe.steps // 10))
    stream = samples.batches(
        plain, rendered, part, count=recipe.batch, steps=recipe.steps, seed=recipe.seed
    )
    begun, running = time.monotonic(), float("nan")
    for step, batch in enumerate(stream):
        done = step / recipe.steps
        rate = recipe.rate * min(1.0, (step + 1) / warm) * (0.5 + 0.5 * math.cos(math.pi * done))
        for group in optimizer.param_groups:
            group["lr"] = rate
        images = batch.images.to(memory_format=torch.channels_last)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            output = net(images)
        loss, distance = landmark_loss(output, batch, _PAIRS[part], recipe.gap_weight)
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(net.parameters(), 20.0)
        optimizer.step()
        update_average(average, net, min(recipe.average, (step + 1) / (step + 10)))
        value = float(distance)
        running = value if math.isnan(running) else 0.98 * running + 0.02 * value
        if step % 100 == 99:
            spent = time.monotonic() - begun
            log.info("%s %d/%d error %.3f px, %.0f s", part, step + 1, recipe.steps, running, spent)
    return average
