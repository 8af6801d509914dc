"""How long the generator takes, and how far the quick ways are from the plain one."""

from __future__ import annotations

import statistics
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
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


@dataclass(frozen=True, slots=True)
class BatchTiming:
    """One batch size in one precision on a device."""

    dtype: torch.dtype
    batch: int
    elapsed: float
    """Time on the wall per picture [s]; median over the rounds."""
    share: float
    """Of the device's arithmetic: products of the pictures made in that time, over those that a
    large matrix product of the same precision makes in it."""
    memory: int
    """Most bytes the device held; 0 where it does not tell."""


def products(plain: Generator) -> int:
    """Return how many products a picture takes, as they are counted in publications: a doubling
    convolution at the size of its output, fixed filters not (142 thousand million for 1024 px)."""
    return sum(
        layer.conv.weight[0].numel() * side**2
        for layer, side in zip(plain.styled_layers(), _sides(plain), strict=True)
    )


def _sides(plain: Generator) -> Iterator[int]:
    """Yield the side of the output of each styled layer."""
    yield from (4, 4)
    side = 8
    while side <= plain.size:
        yield from (side, side, side)
        side *= 2


@torch.no_grad()
def time_batches(
    plain: Generator,
    device: torch.device,
    *,
    rounds: int,
    batches: Sequence[int] = (1, 2, 4, 8, 16, 32),
) -> Iterator[BatchTiming]:
    """Yield timings of the prepared generator on a device, in both precisions, from small batches
    to large ones, as far as its memory goes."""
    for dtype in (torch.float32, torch.bfloat16):
        fast = FastGenerator(plain, dtype).to(device)
        bound = _products_per_second(dtype, device)
        for batch in batches:
            codes = torch.randn(batch, plain.layers, plain.style_dim, device=device)
            try:
                seconds = _elapsed(lambda: fast(codes), device, rounds) / batch  # noqa: B023
            except torch.OutOfMemoryError:
                break
            held = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0
            yield BatchTiming(dtype, batch, seconds, products(plain) / seconds / bound, held)


def _products_per_second(dtype: torch.dtype, device: torch.device) -> float:
    """Return the rate of a large matrix product."""
    side = 8192 if device.type == "cuda" else 512
    a = torch.randn(side, side, device=device).to(dtype)
    return float(side**3) / _elapsed(lambda: a @ a, device, 5)


def _elapsed(work: Callable[[], Tensor], device: torch.device, rounds: int) -> float:
    """Return the median time on the wall [s], after a first call that warms up."""
    times = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def table(timings: list[Timing]) -> str:
    """Return timings as lines for a terminal."""
    lines = [f"{'generator':<20}{'cpu ms':>9}{'ms':>9}{'ratio':>8}{'relative error':>17}"]
    for t in timings:
        times = f"{t.seconds * 1e3:>9.0f}{t.elapsed * 1e3:>9.0f}"
        lines.append(f"{t.name:<20}{times}{t.ratio:>7.1f}x{t.error:>17.1e}")
    return "\n".join(lines)
