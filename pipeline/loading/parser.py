"""What tells what lies where round a face."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import torch

from ..parsing import Parsing
from .device import multiplies_bf16
from .networks import load_network
from .seam import models

if TYPE_CHECKING:
    from ..types import AlignedBatch


class FaceParser:
    """The embedded parsing network, looking at crops."""

    def __init__(self, network: models.parsing.ParsingModel, sha256: str) -> None:
        self._network, self.sha256 = network, sha256

    def __call__(self, batch: AlignedBatch) -> Parsing:
        """Return what crops on the network's device show where; for any thread."""
        with torch.inference_mode():
            return Parsing(*self._network.parse(batch.images, batch.landmarks))


def load_parser(device: torch.device) -> FaceParser:
    """Return the parser on a device; in bfloat16 where the hardware multiplies in it.

    It is read once for all clips of a process, and never written to.

    Raises:
        WeightsError: its weights are missing or damaged.
    """
    return _parser(device, torch.bfloat16 if multiplies_bf16(device) else torch.float32)


@lru_cache(maxsize=2)
def _parser(device: torch.device, dtype: torch.dtype) -> FaceParser:
    network = load_network("parsing", device)
    assert isinstance(network.module, models.parsing.ParsingModel)
    return FaceParser(network.module.frozen(dtype), network.sha256)
