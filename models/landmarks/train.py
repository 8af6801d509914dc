"""Training of one part of the cascade: `python -m models.landmarks train`.

L1 on the points; L1 on the openings of lids and lips (an error of the opening is what turns a
closed eye into an open one, and is small beside the points' own errors); the log-scale by the
Laplace likelihood of the *detached* error, so that it cannot discount hard points; face or not by
cross entropy.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..training.place import Place
from ..training.steps import Job, Report, digest_of, update_average
from . import samples
from .dataset import Faces
from .net import PARTS, LandmarkNet, LandmarkOutput, PartName
from .topology import LID_PAIRS, LIP_PAIRS, MOUTH

_EVERY: Final = 100
"""Steps between reports and checkpoints."""


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


@dataclass(frozen=True, slots=True)
class Run:
    """Where a training run keeps itself, whom it tells, and where it computes."""

    report: Report = lambda _: None
    checkpoint: Path | None = None
    place: Place = field(default_factory=lambda: Place(precision="bf16"))


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
    run: Run | None = None,
) -> LandmarkNet:
    """Return the trained network of one part (float32, CPU, averaged weights).

    Raises:
        ModelError: the checkpoint is of another recipe, or the loss is not finite.
    """
    run = run or Run()
    torch.manual_seed(recipe.seed)
    net = copy.deepcopy(start) if start is not None else LandmarkNet(PARTS[part])
    begun = "" if start is None else digest_of(*start.state_dict().values())
    # the stubs of torch know `memory_format` for tensors only
    net.to(run.place.device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    average = copy.deepcopy(net).eval()
    optimizer = torch.optim.AdamW(net.parameters(), lr=recipe.rate, weight_decay=recipe.decay)
    data = digest_of(*(torch.from_numpy(faces.points) for faces in (plain, rendered)))
    job = Job(
        recipe={
            "what": f"landmarks {part}",
            **asdict(recipe),
            **run.place.recipe,
            "data": data,
            "start": begun,
        },
        modules={"net": net, "average": average},
        optimisers={"net": optimizer},
        steps=recipe.steps,
        every=min(_EVERY, recipe.steps),
        checkpoint=run.checkpoint,
    )
    stream: Iterator[samples.Batch] | None = None

    def step(number: int) -> dict[str, float]:
        nonlocal stream
        if stream is None:  # an interrupted run begins with a later step
            stream = samples.batches(
                plain,
                rendered,
                part,
                count=recipe.batch,
                steps=recipe.steps,
                seed=recipe.seed,
                first=number,
            )
        loss, distance = _step(net, optimizer, next(stream), part, recipe, number, run.place)
        update_average(average, net, min(recipe.average, (number + 1) / (number + 10)))
        return {"loss": loss, "error_px": distance}

    job.run(step, run.report)
    return average.cpu()


def _step(
    net: LandmarkNet,
    optimizer: torch.optim.Optimizer,
    batch: samples.Batch,
    part: PartName,
    recipe: Recipe,
    number: int,
    place: Place,
) -> tuple[float, float]:
    """Make one step; return the loss and the mean distance to the true points [crop px]."""
    warm, done = min(100, max(1, recipe.steps // 10)), number / recipe.steps
    rate = recipe.rate * min(1.0, (number + 1) / warm) * (0.5 + 0.5 * math.cos(math.pi * done))
    for group in optimizer.param_groups:
        group["lr"] = rate
    batch = batch.to(place.device)
    with place.autocast():
        output = net(batch.images.to(memory_format=torch.channels_last))
    loss, distance = landmark_loss(output, batch, _PAIRS[part], recipe.gap_weight)
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    nn.utils.clip_grad_norm_(net.parameters(), 20.0)
    optimizer.step()
    return float(loss.detach()), float(distance)
