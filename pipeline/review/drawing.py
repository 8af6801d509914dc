"""Small drawings of a page, as SVG text: strips of states, lines over the frames of a shot."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from .strips import EDITED, FADED, NOBODY, SKIPPED, UNASKED

NAMES = {
    EDITED: "edited",
    FADED: "in part",
    SKIPPED: "skipped",
    NOBODY: "no face",
    UNASKED: "strength 0, as asked",
}
"""Of the states, as a page names them."""
_CLASSES = {EDITED: "e", FADED: "f", SKIPPED: "s", NOBODY: "n", UNASKED: "a"}


def strip(states: str, height: int = 10) -> str:
    """Return a strip of states, one unit of width each, stretched to whatever width it is given."""
    parts, x = [], 0
    for state, run in itertools.groupby(states):
        width = len(list(run))
        kind = _CLASSES.get(state, "n")
        parts.append(f'<rect class="{kind}" x="{x}" width="{width}" height="{height}"/>')
        x += width
    return _svg("strip", max(x, 1), height, "".join(parts))


def line(values: Sequence[float], most: float, kind: str, height: int = 40) -> str:
    """Return a line over the frames of a shot, from 0 at the bottom to `most` at the top."""
    scale = (height - 2) / most if most > 0 else 0.0
    points = [f"{x},{height - 1 - value * scale:.1f}" for x, value in enumerate(values)]
    # Of a row of equal values the first and last say it all.
    kept = [
        point
        for n, point in enumerate(points)
        if not 0 < n < len(points) - 1 or not values[n - 1] == values[n] == values[n + 1]
    ]
    drawn = f'<polyline class="{kind}" points="{" ".join(kept)}"/>'
    return _svg("line", max(len(values) - 1, 1), height, drawn)


def _svg(kind: str, width: int, height: int, inner: str) -> str:
    return (
        f'<svg class="{kind}" viewBox="0 0 {width} {height}" preserveAspectRatio="none" '
        f'aria-hidden="true">{inner}</svg>'
    )
