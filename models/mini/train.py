"""Train `mini`: a small StyleGAN2 generator and its encoder together, from faces to codes and back.

Driven by reconstruction: the encoder's code must give the picture back, also with noise on the
code, so that codes close to each other look alike. Level pictures (one face moved along one
attribute) teach that a change is a difference of codes that means the same on every face: the
step of one face, added to another one's code, must give that face's own next level, and the middle
of two codes the level between.
"""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ..encoders.small import SmallEncoder
from ..stylegan2.net import Generator
from ..training.steps import Job, Report, digest_of, random_of
from .augment import mirrored, resized, varied
from .data import MiniData, Pictures
from .losses import code_loss, reconstruction_loss, region_weights
from .networks import CHECKPOINT, MiniOptions, new_networks, rendered


class MiniTrainer:
    """Networks, their running averages and optimisers; a step draws from the seed and its number
    alone."""

    def __init__(
        self, data: MiniData, options: MiniOptions, device: torch.device | None = None
    ) -> None:
        """Start from random weights drawn by the seed."""
        self.data, self.options = data, options
        self.device = device or torch.device("cpu")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(options.seed)
            self.generator, self.encoder = new_networks(options)
            self.faces = self._varied_faces()
            self._start_encoder()
            self.kept_generator, self.kept_encoder = new_networks(options)
        self.kept_generator.load_state_dict(self.generator.state_dict())
        self.kept_encoder.load_state_dict(self.encoder.state_dict())
        for kept in (self.kept_generator, self.kept_encoder):
            kept.requires_grad_(False).eval()
        for network in (self.generator, self.encoder, self.kept_generator, self.kept_encoder):
            network.to(self.device)
        for name, parameter in self.generator.named_parameters():
            # Noise maps would be grain that the code does not control.
            parameter.requires_grad_(not name.endswith("noise.weight"))
        self.optimiser = torch.optim.Adam(
            [
                {"params": [p for p in self.generator.parameters() if p.requires_grad]},
                {"params": [p for p in self.encoder.parameters() if p.requires_grad]},
            ],
            betas=(0.9, 0.99),
            fused=True,
        )
        self.triples = _triples(data.levels)
        self.levels = torch.cat(
            [
                ((resized(part, options.size) + 1) * 127.5).round().to(torch.uint8)
                for part in torch.split(data.levels.images, 100)
            ]
        )

    def step(self, number: int) -> dict[str, float]:
        """Make step `number`, from 0, and return its losses."""
        o = self.options
        random = random_of(o.seed, number)
        self._set_rates(number)
        faces, points = self._draw_faces(random)
        levels, level_points = self._levels(random)
        pictures = torch.cat([faces, levels]).to(self.device)
        side = self._side(number)
        with self._precision():
            w = self.encoder(
                pictures.contiguous(memory_format=torch.channels_last),
                closely=number >= o.closely_from * o.steps,
            )
            codes, rows = self._codes_to_show(w, len(faces))
            grain = torch.randn(codes.shape, generator=random).to(self.device)
            noisy = codes + o.noise * grain
            found = rendered(self.generator, noisy, side)
        wanted = F.avg_pool2d(pictures, o.size // side)[rows]
        weights = region_weights(torch.cat([points, level_points]), side).to(self.device)
        losses = {
            "reconstruction": reconstruction_loss(found, wanted, weights[rows]),
            "compact": o.compact * code_loss(w),
        }
        torch.autograd.backward(torch.stack(list(losses.values())).sum())
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self._average(number)
        return {name: float(loss.detach()) for name, loss in losses.items()}

    def _varied_faces(self) -> Pictures:
        """Return every rated face and every middle level picture, varied a few times: to draw from
        without warping anything during the steps."""
        o, rated, levels = self.options, self.data.train, self.data.levels
        random = random_of(o.seed, 0, 1)
        middle = levels.subset(range(1, len(levels), 3))
        images, points = [], []
        for _ in range(o.rounds):
            for faces in (rated, middle):
                for start in range(0, len(faces), 100):
                    some = faces.subset(range(start, min(start + 100, len(faces))))
                    seen, where = varied(some.images, some.points, o.size, random, o.augment)
                    images.append(((seen + 1) * 127.5).round().to(torch.uint8))
                    points.append(where)
        names = (*rated.names, *middle.names) * o.rounds
        return Pictures(names, torch.cat(images), torch.cat(points))

    def _start_encoder(self) -> None:
        """Let the encoder's linear look start from the components of varied faces."""
        o = self.options
        every = max(1, len(self.faces) // o.looked_at)
        weights = region_weights(self.faces.points[::every], o.size).mean(dim=0, keepdim=True)
        self.encoder.start(_floats(self.faces.images[::every]), weights)
        # Components stay: what a code means must not drift while the generator learns to read it.
        self.encoder.glance.requires_grad_(False)

    def _codes_to_show(self, w: Tensor, faces: int) -> tuple[Tensor, list[int]]:
        """Return codes to generate from, and the row of the picture each must give.

        The codes of the faces and of the outer levels as they are; the middle of the outer levels;
        the top level reached by another face's step.
        """
        low, high = w[faces::3], w[faces + 2 :: 3]
        middle = (low + high) / 2
        stepped = low + (high - low).roll(1, dims=0)
        n = len(low)
        first = [faces + 3 * i for i in range(n)]
        rows = [*range(faces), *first, *[i + 2 for i in first]]
        codes = torch.cat([w[rows], middle, stepped])
        return codes, [*rows, *[i + 1 for i in first], *[i + 2 for i in first]]

    def _draw_faces(self, random: torch.Generator) -> tuple[Tensor, Tensor]:
        rows = torch.randint(len(self.faces), (self.options.faces,), generator=random)
        return _floats(self.faces.images[rows]), self.faces.points[rows]

    def _levels(self, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the three levels of a few faces along one attribute, face by face."""
        o = self.options
        attribute = self.triples[int(torch.randint(len(self.triples), (), generator=random))]
        chosen = torch.randperm(len(attribute), generator=random)[: o.triples].tolist()
        rows = [row + level for row in (attribute[i] for i in chosen) for level in range(3)]
        images = _floats(self.levels[rows])
        points = self.data.levels.points[rows]
        if torch.rand((), generator=random) < 0.5:
            images, points = images.flip(-1), mirrored(points)
        return images, points

    def _side(self, number: int) -> int:
        """Return the side of the pictures generated in a step: coarse first, where steps cost
        little."""
        o = self.options
        return next((side for share, side in o.growth if number < share * o.steps), o.size)

    def _set_rates(self, number: int) -> None:
        o = self.options
        share = number / o.steps
        rate = min(1.0, (number + 1) / 50)
        if share > 0.5:
            rate *= 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * (share - 0.5) / 0.5))
        generator, encoder = self.optimiser.param_groups
        generator["lr"], encoder["lr"] = rate * o.generator_rate, rate * o.encoder_rate

    @torch.no_grad()
    def _average(self, number: int) -> None:
        decay = min(self.options.averaging, (1 + number) / (10 + number))
        pairs = (
            (self.kept_generator, self.generator),
            (self.kept_encoder, self.encoder),
        )
        for kept, live in pairs:
            for a, b in zip(kept.parameters(), live.parameters(), strict=True):
                a.lerp_(b, 1 - decay)

    def _precision(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.options.half)

    def job(self, folder: Path, *, every: int) -> Job:
        """Return the run that can be interrupted; it keeps its checkpoint in `folder`."""
        levels, faces = self.data.levels.images, self.data.train.images
        return Job(
            recipe={"what": "mini", **asdict(self.options), "data": digest_of(faces, levels)},
            modules={
                "generator": self.generator,
                "encoder": self.encoder,
                "kept_generator": self.kept_generator,
                "kept_encoder": self.kept_encoder,
            },
            optimisers={"networks": self.optimiser},
            steps=self.options.steps,
            every=every,
            checkpoint=folder / CHECKPOINT,
        )


def train(
    data: MiniData,
    options: MiniOptions,
    folder: Path,
    report: Report,
    *,
    every: int = 100,
    device: torch.device | None = None,
) -> tuple[Generator, SmallEncoder, list[dict[str, float]]]:
    """Return the averaged networks and the losses on the way; go on where `folder` left off.

    Raises:
        ModelError: the checkpoint in `folder` is of another run, or a loss is not finite.
    """
    folder.mkdir(parents=True, exist_ok=True)
    trainer = MiniTrainer(data, options, device)
    job = trainer.job(folder, every=every)
    job.run(trainer.step, report)
    return trainer.kept_generator.cpu(), trainer.kept_encoder.cpu(), job.history


def _floats(images: Tensor) -> Tensor:
    return images.float() / 127.5 - 1


def _triples(levels: Pictures) -> list[list[int]]:
    """Return, per attribute, the row of level 0 of every face; the next two rows follow it."""
    by_attribute: dict[str, list[int]] = {}
    for row in range(0, len(levels), 3):
        by_attribute.setdefault(levels.names[row].split("_")[1], []).append(row)
    return [by_attribute[name] for name in sorted(by_attribute)]
