"""HyperStyle's inversion: a W code, then the generator's weights adapted to the face step by step.

The generator is any module whose convolutions have the rosinality key names; it is run with changed
weights and stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from ..base import ModelInputError
from .hyperstyle import HyperNetwork, tuned_weights

STEPS = 5
"""Iterations of the published evaluation."""


@torch.no_grad()
def refine(
    net: HyperNetwork, generator: nn.Module, images: Tensor, codes: Tensor, *, steps: int = STEPS
) -> dict[int, Tensor]:
    """Return the weight changes that make the generator draw these faces from their codes.

    Each step looks at the picture and at what the generator draws with the changes so far, and adds
    to them (Alaluf et al., CVPR 2022, §3.3).

    Args:
        net: the hypernetwork.
        generator: codes (N, L, D) -> pictures (N, 3, S, S) about [-1, 1].
        images: (N, 3, size, size) float32 RGB in [-1, 1], aligned faces.
        codes: (N, L, D) of the W encoder.
        steps: how often.

    Returns:
        slot -> (N, C_out, C_in, 3, 3) relative changes, for `generate_tuned`.

    Raises:
        ModelInputError: images and codes do not fit.
    """
    size = net.shape.size
    if tuple(images.shape[1:]) != (3, size, size) or len(images) != len(codes):
        raise ModelInputError(
            f"expected as many faces (N, 3, {size}, {size}) as codes, got {tuple(images.shape)} "
            f"and {tuple(codes.shape)}"
        )
    changes: dict[int, Tensor] = {}
    for _ in range(steps):
        drawn = F.adaptive_avg_pool2d(generate_tuned(generator, codes, changes), size)
        for slot, change in net(torch.cat([images, drawn], dim=1)).items():
            changes[slot] = changes[slot] + change if slot in changes else change
    return changes


@torch.no_grad()
def generate_tuned(generator: nn.Module, codes: Tensor, changes: Mapping[int, Tensor]) -> Tensor:
    """Return the pictures (N, 3, S, S) of codes, each with its own generator weights.

    Args:
        generator: codes (N, L, D) -> pictures; its weights are not touched.
        codes: (N, L, D).
        changes: slot -> (N, C_out, C_in, 3, 3), from `refine`; empty for the plain generator.
    """
    if not changes:
        plain: Tensor = generator(codes)
        return plain
    state = generator.state_dict()
    pictures = []
    for index, code in enumerate(codes):
        own = {slot: change[index : index + 1] for slot, change in changes.items()}
        pictures.append(functional_call(generator, tuned_weights(state, own), (code[None],)))
    return torch.cat(pictures)
