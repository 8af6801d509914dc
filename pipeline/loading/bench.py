"""Timing the networks themselves."""

from __future__ import annotations

import torch

from .seam import models


def time_generator(size: int, rounds: int, device: torch.device) -> list[dict[str, str]]:
    """Return one row per way to compute a StyleGAN2 generator of `size` px, weights from names.

    On a CPU times are of the processor, all threads together, per picture; on another device there
    is a row for every batch size and precision.
    """
    bench = models.stylegan2.bench
    if device.type != "cpu":
        found = bench.time_batches(bench.named_generator(size), device, rounds=rounds)
        return [
            {
                "precision": str(t.dtype).removeprefix("torch."),
                "batch": f"{t.batch}",
                "ms/picture": f"{1e3 * t.elapsed:.2f}",
                "pictures/s": f"{1 / t.elapsed:.1f}",
                "of the arithmetic": f"{100 * t.share:.0f} %",
                "memory": f"{t.memory / 1e9:.2f} GB",
            }
            for t in found
        ]
    timings = bench.time_variants(bench.named_generator(size), rounds=rounds)
    return [
        {
            "way": t.name,
            "cpu": f"{t.seconds:.2f} s",
            "wall": f"{t.elapsed:.2f} s",
            "speed-up": f"{t.ratio:.2f}",
            "relative error": f"{t.error:.1e}",
        }
        for t in timings
    ]
