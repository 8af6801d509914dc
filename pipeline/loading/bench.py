"""Timing the networks themselves."""

from __future__ import annotations

from .seam import models


def time_generator(size: int, rounds: int) -> list[dict[str, str]]:
    """Return one row per way to compute a StyleGAN2 generator of `size` px, weights from names.

    Times are of the processor, all threads together, per picture.
    """
    bench = models("stylegan2.bench")
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
