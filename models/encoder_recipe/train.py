"""Train an encoder of a frozen StyleGAN2 generator: pictures in, codes that generate them out.

Loss of pSp (Richardson et al., CVPR 2021): squared error + 0.8 LPIPS + 0.1 (1 − identity cosine),
optimised by Ranger at 1e-4. e4e adds the length of the rows' deviations (2e-4); its adversarial
term on codes is not part of this. ReStyle takes its loss after every iteration. This module stands
beside the families because it needs four of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ..arcface import Identity
from ..base import ModelError
from ..encoders import EncoderShape, Kind
from ..encoders.blocks import Encoder
from ..encoders.kinds import untrained
from ..lpips.net import Lpips
from ..stylegan2.generator_id import generator_id
from ..stylegan2.net import Generator
from ..training.place import Network, Place
from ..training.steps import Job, Report, batch_of, random_of
from .picture_folder import PictureFolder
from .ranger import Ranger

RESTYLE_STEPS = 5
"""Iterations of a ReStyle encoder in training and use."""


@dataclass(frozen=True, slots=True)
class EncoderOptions:
    """How an encoder is trained; the defaults are pSp's."""

    kind: Kind = "psp"
    shape: EncoderShape = field(default_factory=EncoderShape)
    steps: int = 500_000
    batch: int = 8
    lr: float = 1e-4
    seed: int = 0
    l2: float = 1.0
    lpips: float = 0.8
    identity: float = 0.1
    code_norm: float = 0.0
    """Weight of the length of the offsets from the mean code (0.005 in pSp's conditional tasks)."""
    deviation_norm: float = 2e-4
    """Weight of the length of the rows' deviations; e4e only."""
    every: int = 1000
    """Steps between two reports and checkpoints."""


@dataclass(frozen=True, slots=True)
class Judges:
    """The frozen networks that judge a reconstruction; None leaves that term out."""

    lpips: Lpips | None
    identity: Identity | None

    def terms(self, made: Tensor, true: Tensor, options: EncoderOptions) -> dict[str, Tensor]:
        """Return the weighted terms of pictures made (N, 3, S, S) against the true ones."""
        terms = {"l2": options.l2 * (made - true).square().mean()}
        if self.lpips is not None:
            terms["lpips"] = options.lpips * self.lpips(made, true).mean()
        if self.identity is not None:
            terms["identity"] = options.identity * self.identity(made, true)
        return terms


@dataclass(frozen=True, slots=True)
class EncoderRun:
    """What a run works with."""

    generator: Generator
    latent_avg: Tensor
    """(L, D): the code the encoder starts from."""
    pictures: PictureFolder
    judges: Judges
    place: Place
    report: Report
    checkpoint: Path | None = None
    start: dict[str, Tensor] = field(default_factory=dict)
    """Tensors of another network to start the trunk from, as far as keys and shapes fit."""


def train_encoder(
    options: EncoderOptions, run: EncoderRun
) -> tuple[Encoder, list[dict[str, float]]]:
    """Return the trained encoder, on the CPU, and its mean loss terms at every report.

    Raises:
        ModelError: the parts do not fit each other, the checkpoint is of another run, or a loss is
            not finite.
    """
    torch.manual_seed(options.seed)
    encoder = untrained(options.kind, options.shape).to(run.place.device)
    _check(options, run)
    taken = _start(encoder, run.start)
    encoder.train()
    generator = run.generator.to(run.place.device).requires_grad_(False).eval()
    average = run.latent_avg.to(run.place.device)
    optimiser = Ranger(encoder.parameters(), options.lr)
    pictures = run.pictures.kept

    def step(number: int) -> dict[str, float]:
        rows = batch_of(options.seed, number, len(pictures), options.batch)
        true = _flipped(pictures.batch(rows.tolist()), options.seed, number).to(run.place.device)
        optimiser.zero_grad()
        terms: dict[str, Tensor] = {}
        networks = (run.place.run(encoder), run.place.run(generator))
        for codes, made in passes(*networks, average, true, options.kind):
            terms = run.judges.terms(*_comparable(made, true), options)
            terms |= _code_terms(codes - average, options)
            torch.autograd.backward(torch.stack(list(terms.values())).sum())
        optimiser.step()
        return {name: float(value.detach()) for name, value in terms.items()}

    job = Job(
        recipe={
            "what": "encoder",
            **asdict(options),
            "steps": options.steps,
            "started_from": taken,
            "generator": generator_id(generator.state_dict()),
            "pictures": run.pictures.digest,
            **run.place.recipe,
            "judges": [run.judges.lpips is not None, run.judges.identity is not None],
        },
        modules={"encoder": encoder},
        optimisers={"ranger": optimiser},
        steps=options.steps,
        every=options.every,
        checkpoint=run.checkpoint,
    )
    job.run(step, run.report)
    return encoder.cpu().eval().requires_grad_(False), job.history


def passes(
    encoder: Network, generator: Network, average: Tensor, true: Tensor, kind: Kind
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield codes (N, L, D) and what they generate (N, 3, S, S): once, or per ReStyle iteration.

    Between iterations nothing is differentiated, as in ReStyle's own training.
    """
    if kind not in ("restyle-psp", "restyle-e4e"):
        codes = average + encoder(true)
        yield codes, generator(codes)
        return
    codes = average.expand(len(true), -1, -1)
    with torch.no_grad():
        shown = F.adaptive_avg_pool2d(generator(average[None]), true.shape[-1]).expand_as(true)
    for _ in range(RESTYLE_STEPS):
        codes = codes.detach() + encoder(torch.cat([true, shown], dim=1))
        made = generator(codes)
        yield codes, made
        shown = F.adaptive_avg_pool2d(made.detach(), true.shape[-1])


@torch.no_grad()
def measure_encoder(
    encoder: Encoder, options: EncoderOptions, run: EncoderRun
) -> dict[str, dict[str, float]]:
    """Return mean squared error, LPIPS and 1 − identity cosine on held-out pictures, not weighted.

    `encoder` is the encoder's, `mean_code` what the mean code alone would get.
    """
    unweighted = EncoderOptions(l2=1.0, lpips=1.0, identity=1.0)
    generator, average = run.generator.to(run.place.device), run.latent_avg.to(run.place.device)
    encoder = encoder.to(run.place.device)
    blank = generator(average[None])
    sums: dict[str, dict[str, float]] = {"encoder": {}, "mean_code": {}}
    held = run.pictures.held_out
    for row in range(len(held)):
        true = held.batch([row]).to(run.place.device)
        made = list(passes(encoder, generator, average, true, options.kind))[-1][1]
        for name, shown in (("encoder", made), ("mean_code", blank)):
            terms = run.judges.terms(*_comparable(shown, true), unweighted)
            for key, value in terms.items():
                sums[name][key] = sums[name].get(key, 0.0) + float(value) / len(held)
    encoder.cpu()
    return sums


def _check(options: EncoderOptions, run: EncoderRun) -> None:
    """Refuse parts that do not fit before the first step.

    Raises:
        ModelError: which.
    """
    shape, generator = options.shape, run.generator
    if (shape.layers, shape.code) != (generator.layers, generator.style_dim):
        raise ModelError(
            f"an encoder of {shape.layers} rows of {shape.code} does not fit a generator of "
            f"{generator.layers} rows of {generator.style_dim}"
        )
    if run.latent_avg.shape != (shape.layers, shape.code):
        raise ModelError(
            f"the mean code is {tuple(run.latent_avg.shape)}, expected "
            f"({shape.layers}, {shape.code})"
        )
    if run.pictures.side != shape.size:
        raise ModelError(f"pictures of {run.pictures.side} px for an encoder of {shape.size} px")


def _start(encoder: Encoder, tensors: dict[str, Tensor]) -> int:
    """Take over what fits of another network; return how many tensors did.

    Raises:
        ModelError: tensors were given and none fits.
    """
    own = encoder.state_dict()
    fitting = {k: v.float() for k, v in tensors.items() if k in own and v.shape == own[k].shape}
    if tensors and not fitting:
        raise ModelError("no tensor of the network to start from fits the encoder")
    encoder.load_state_dict({**own, **fitting})
    return len(fitting)


def _code_terms(offsets: Tensor, options: EncoderOptions) -> dict[str, Tensor]:
    terms = {}
    if options.code_norm:
        terms["code_norm"] = options.code_norm * offsets.flatten(1).norm(dim=1).mean()
    if options.kind in ("e4e", "restyle-e4e"):
        deviations = offsets[:, 1:] - offsets[:, :1]
        terms["deviations"] = options.deviation_norm * deviations.norm(dim=2).sum(1).mean()
    return terms


def _comparable(made: Tensor, true: Tensor) -> tuple[Tensor, Tensor]:
    """Return both at the smaller of their sides, averaged over areas."""
    side = min(made.shape[-1], true.shape[-1])
    made, true = (
        F.adaptive_avg_pool2d(x, side) if x.shape[-1] != side else x for x in (made, true)
    )
    return made, true.expand_as(made)


def _flipped(pictures: Tensor, seed: int, number: int) -> Tensor:
    """Return the pictures, each mirrored with probability ½."""
    chosen = torch.rand(len(pictures), generator=random_of(seed, 2, number)) < 0.5
    return torch.where(chosen[:, None, None, None], pictures.flip(-1), pictures)
