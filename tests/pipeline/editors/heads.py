"""The embedded head, and a kit that holds it."""

from __future__ import annotations

import torch

from models.head.basis import Head
from models.networks import open_network


def embedded_head() -> Head:
    """Return the network `head` as it ships."""
    network = open_network("head")
    assert isinstance(network, Head)
    return network


class Hands:
    """A kit with the embedded head."""

    device = torch.device("cpu")

    def __init__(self, head: Head) -> None:
        self.network = lambda role: {"head": head}[role]
