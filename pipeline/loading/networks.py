"""Networks by role, for editors that need more than the face model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from .seam import models, weights_errors

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True)
class Network:
    """An opened network."""

    module: nn.Module
    sha256: str
    """Of its weight file."""


def load_network(role: str, device: torch.device) -> Network:
    """Return the network of a family of `models`, by the name of its folder.

    Raises:
        WeightsError: there is no such family, or its weights are missing or damaged.
    """
    with weights_errors():
        card = models.networks.find_weights(role)
        module = models.networks.open_network(role)
    return Network(module.to(device), card.sha256)
