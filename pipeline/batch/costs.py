"""What units cost: seconds by the clock and of the processor, memory."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Mapping

Cost = dict[str, float]
"""`seconds` by the clock; `cpu_s`, of the processor, all threads of the process; `peak_mb`, the
most memory the process has held in its life so far [MB, 10⁶ bytes], where the system tells."""


class Meter:
    """Counts from when it was made."""

    def __init__(self) -> None:
        self._begin, self._cpu = time.monotonic(), time.process_time()

    def so_far(self, without: Mapping[str, float] | None = None) -> Cost:
        """Return the cost until now; `without`: what was counted of it before."""
        before = without or {}
        cost = {
            "seconds": time.monotonic() - self._begin - before.get("seconds", 0.0),
            "cpu_s": time.process_time() - self._cpu - before.get("cpu_s", 0.0),
            **_peak(),
        }
        return {name: round(value, 3) for name, value in cost.items()}


def _peak() -> Cost:
    if sys.platform == "win32":
        return {}
    import resource

    most = float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    return {"peak_mb": most / 1e6 if sys.platform == "darwin" else most * 1024 / 1e6}


def together(costs: Iterable[Mapping[str, float]]) -> Cost:
    """Return what several units cost together; of memory the most of any."""
    whole: Cost = {}
    for cost in costs:
        for name, value in cost.items():
            known = whole.get(name, 0.0)
            whole[name] = max(known, value) if name == "peak_mb" else round(known + value, 3)
    return whole
