"""Strips: over the frames of a shot, what was edited, faded or skipped, and how strongly."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..plan import Plan
from ..report import Report

COLUMNS: Final = 240
"""Of a strip at most; of frames that share one, the worst shows."""
EDITED, FADED, SKIPPED, NOBODY, UNASKED = "efsna"
"""A frame in which a face takes (nearly) all of an edit; a part of it; nothing though a face is
there; in which there is no face; for which strength 0 was asked."""
_GRAVITY: Final = EDITED + UNASKED + NOBODY + FADED + SKIPPED
_WHOLE: Final = 0.9
"""Share of an edit from which on it is all of it, as far as one sees."""
_NONE: Final = 0.02


def strip_of(report: Report, plan: Plan) -> dict[str, Any]:
    """Return the strip of an edit, as plain data.

    `label` says what was asked; `states` has a letter and `strength` a number per column: of the
    strength that most was done of, what was done; `asked` is the largest of all.
    """
    asked = {
        edit.attribute: np.broadcast_to(np.asarray(plan.strength(edit)), plan.frame_count)
        for edit in plan.edits
    }
    rows = [_of_frame(report, asked, entry) for entry in report.frames]
    states = "".join(state for state, _ in rows)
    done = np.array([strength for _, strength in rows])
    label = ", ".join(
        f"{edit['attribute']} {edit['strength']}" for edit in report.options["attributes"]
    )
    values = [float(np.abs(v).max(initial=0)) for v in asked.values()]
    return {
        "label": label,
        "asked": round(max(values, default=0.0), 3),
        "states": "".join(max(part, key=_GRAVITY.index) for part in columns(states)),
        "strength": [round(float(np.mean(part)), 3) for part in columns(done)],
    }


def _of_frame(
    report: Report, asked: Mapping[str, NDArray[np.generic]], entry: Mapping[str, Any]
) -> tuple[str, float]:
    """Return the state of a frame, and the largest strength any face took of any attribute."""
    frame, faces = entry["frame"], entry["faces"]
    wanted = {name: float(values[frame]) for name, values in asked.items() if values[frame]}
    if not wanted:
        return UNASKED, 0.0
    if not faces:
        return NOBODY, 0.0
    assert report.ledger is not None
    best = most = 0.0
    for face in faces:
        if not face["edited"]:
            continue
        taken = report.ledger.at(frame, face["track"])
        for name, strength in wanted.items():
            share = taken[name][0] if name in taken else 1.0
            best, most = max(best, share), max(most, abs(strength) * share)
    return (EDITED if best >= _WHOLE else FADED if best >= _NONE else SKIPPED), most


def columns(values: Sequence[Any] | NDArray[Any]) -> Iterator[Any]:
    """Yield the values of every column, in order; none is empty."""
    count = len(values)
    edges = np.linspace(0, count, min(COLUMNS, count) + 1).round().astype(int)
    for begin, end in itertools.pairwise(edges):
        yield values[begin:end]
