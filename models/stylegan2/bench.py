"""How long the generator takes, and how far the quick ways are from the plain one."""

from __future__ import annotations

import statistics
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..ops.upfirdn import binomial_kernel
from .fast import FastGenerator
from .layouts import build
from .net import Generator

_SALT = 0x5EED


@dataclass(frozen=True, slots=True)
class Timing:
    """One way to compute the same pictures."""

    name: str
    seconds: float
    """Processor time per picture, all threads together; median over the rounds."""
    elapsed: float
    """Time on the wall per picture; median over the rounds."""
    ratio: float
    """How many times less processor time than the plain generator; median of the rounds."""
    error: float
    """Root mean square difference from the plain pictures, relative to their root mean square."""


def named_generator(size: int) -> Generator:
    """Return a generator of published width whose weights follow from their names alone.

    Not a trained one, but its activations have the spread of one: equalised layers see weights
    from N(0, 1), noise strengths from N(0, 0.5²), biases from N(0 or 1, 0.1²).
    """
    with torch.device("meta"):
        shapes = {key: list(value.shape) for key, value in Generator(size).state_dict().items()}
    return build({key: _named(key, shape) for key, shape in shapes.items()})


def _named(key: str, shape: list[int]) -> Tensor:
    if key.endswith(".kernel"):
        return binomial_kernel(4.0)
    mean, std = 0.0, 1.0
    if key.startswith("style."):
        std = 100.0 if key.endswith("weight") else 10.0  # the mapping is stored divided by 0.01
    elif key.endswith("noise.weight"):
        std = 0.5
    elif key.endswith("bias"):
        mean, std = float(key.endswith("modulation.bias")), 0.1
    generator = np.random.Generator(np.random.PCG64(zlib.crc32(key.encode()) ^ _SALT))
    drawn = np.float32(mean) + np.float32(std) * generator.standard_normal(shape, dtype=np.float32)
    return torch.from_numpy(np.asarray(drawn))


@torch.no_grad()
def time_variants(plain: Generator, *, rounds: int, batch: int = 1) -> list[Timing]:
    """Return the timing of each way, the plain generator first.

    The ways take turns, so that a busy machine slows all of them alike.
    """
    z = torch.randn(batch, plain.style_dim, generator=torch.Generator().manual_seed(0))
    w = plain.mapping(z.to(plain.input.input.device))
    ways: dict[str, Callable[[Tensor], Tensor]] = {
        "reference float32": lambda codes: plain(codes, impl="ref"),
        "eager float32": plain,
        "prepared float32": FastGenerator(plain),
        "prepared bfloat16": FastGenerator(plain, torch.bfloat16),
    }
    expected = plain(w, impl="ref")
    scale = expected.norm()
    errors = {name: float((way(w) - expected).norm() / scale) for name, way in ways.items()}
    cpu: dict[str, list[float]] = {name: [] for name in ways}
    wall: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            start, begin = time.process_time(), time.perf_counter()
            way(w)
            cpu[name].append((time.process_time() - start) / batch)
            wall[name].append((time.perf_counter() - begin) / batch)
    first = cpu["reference float32"]
    return [
        Timing(
            name,
            statistics.median(cpu[name]),
            statistics.median(wall[name]),
            statistics.median(a / b for a, b in zip(first, cpu[name], strict=True)),
            errors[name],
        )
        for name in ways
    ]


def table(timings: list[Timing]) -> str:
    """Return timings as lines for a terminal."""
    lines = [f"{'generator':<20}{'cpu ms':>9}{'ms':>9}{'ratio':>8}{'relative error':>17}"]
    for t in timings:
        times = f"{t.seconds * 1e3:>9.0f}{t.elapsed * 1e3:>9.0f}"
        lines.append(f"{t.name:<20}{times}{t.ratio:>7.1f}x{t.error:>17.1e}")
    return "\n".join(lines)
