"""The discriminator's part in training `mini`: sharpness, if there is time for it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..stylegan2.discriminator import Discriminator
from .networks import MiniOptions

_PENALTY_EVERY = 16


class Adversary:
    """A discriminator with its optimiser."""

    def __init__(self, options: MiniOptions) -> None:
        """Start from random weights."""
        self.options = options
        self.judge = Discriminator(options.size, channels=options.judge_channels)
        self.optimiser = torch.optim.Adam(self.judge.parameters(), betas=(0.0, 0.99), fused=True)

    def losses(self, found: Tensor, wanted: Tensor) -> dict[str, Tensor]:
        """Return what the generator is told: the non-saturating loss, and the match of features
        (Larsen et al., ICML 2016).

        Args:
            found: reconstructions (N, 3, S, S).
            wanted: the pictures themselves.
        """
        self.judge.requires_grad_(False)
        with self._precision():
            logits, features = judged_features(self.judge, found)
            with torch.no_grad():
                _, aims = judged_features(self.judge, wanted)
        match = [F.l1_loss(a.float(), b.float()) for a, b in zip(features, aims, strict=True)]
        return {
            "adversarial": self.options.adversarial * F.softplus(-logits.float()).mean(),
            "matching": self.options.matching * torch.stack(match).mean(),
        }

    def learn(self, found: Tensor, wanted: Tensor, number: int, rate: float) -> dict[str, Tensor]:
        """Make one step of the discriminator: softplus losses, R1 every 16th step (Mescheder et
        al., ICML 2018; lazily as in Karras et al., CVPR 2020)."""
        self.judge.requires_grad_(True)
        self.optimiser.param_groups[0]["lr"] = rate
        with self._precision():
            real = self.judge(wanted.contiguous(memory_format=torch.channels_last)).float()
            fake = self.judge(found.contiguous(memory_format=torch.channels_last)).float()
        loss = F.softplus(-real).mean() + F.softplus(fake).mean()
        out = {"judge": loss.detach(), "real": real.mean().detach(), "fake": fake.mean().detach()}
        if number % _PENALTY_EVERY == 0:
            loss = loss + _PENALTY_EVERY * 0.5 * gradient_penalty(self.judge, wanted[:8])
        torch.autograd.backward(loss)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        return out

    def _precision(self) -> torch.autocast:
        return torch.autocast("cpu", torch.bfloat16, enabled=self.options.half)


def judged_features(judge: Discriminator, images: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Return a discriminator's logits (N, 1) and what its blocks saw on the way."""
    seen: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: object, output: Tensor) -> None:
        seen.append(output)

    hooks = [block.register_forward_hook(keep) for block in list(judge.convs)[1:]]
    try:
        logits = judge(images.contiguous(memory_format=torch.channels_last))
    finally:
        for hook in hooks:
            hook.remove()
    return logits, seen


def gradient_penalty(judge: Discriminator, images: Tensor) -> Tensor:
    """Return the mean squared gradient of the logits at real pictures (R1), in float32."""
    images = images.detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(judge(images).sum(), images, create_graph=True)
    return gradient.square().sum((1, 2, 3)).mean()
