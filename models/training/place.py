"""Where a training computes, and in which precision."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

import torch
from torch import Tensor

from ..base import ModelError

Precision = Literal["fp32", "bf16"]
Network = Callable[[Tensor], Tensor]
PRECISIONS: Final[tuple[Precision, ...]] = get_args(Precision)


@dataclass(frozen=True, slots=True)
class Place:
    """A device, and the precision of the products computed there; weights stay float32."""

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    precision: Precision = "fp32"

    def autocast(self) -> torch.autocast:
        """Return the context in which networks run."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16")

    def run(self, network: Network) -> Network:
        """Return a network that computes in this precision and gives float32."""

        def computed(x: Tensor) -> Tensor:
            with self.autocast():
                return network(x).float()

        return computed if self.precision == "bf16" else network

    @property
    def recipe(self) -> dict[str, str]:
        """What of it decides the numbers, for the recipe of a checkpoint."""
        return {"device": self.device.type, "precision": self.precision}


def add_place_options(command: argparse.ArgumentParser, *, precision: Precision = "fp32") -> None:
    """Add `--device` and `--precision`."""
    command.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N (default cpu)")
    command.add_argument(
        "--precision",
        choices=PRECISIONS,
        default=precision,
        help=f"of the products; bf16 is faster where the processor has it (default {precision})",
    )


def place_of(options: argparse.Namespace) -> Place:
    """Return where to train.

    Raises:
        ModelError: there is no such device here.
    """
    try:
        device = torch.device(options.device)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as e:
        first = str(e).partition("\n")[0]
        raise ModelError(
            f"no device {options.device!r} here ({first}); accepted: cpu, cuda, cuda:N"
        ) from e
    return Place(device, options.precision)
