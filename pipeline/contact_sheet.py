"""Contact sheets: some frames of a clip at several strengths, in one picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from .edits import moved_by
from .errors import OutputError, UsageError
from .imaging.geometry import landmark_box
from .outputs import check_outputs
from .pictures import Picture, fit, rgb_of, sheet, write_png
from .progress import Progress, unheard
from .request import EditRequest
from .session import Session
from .types import Box, Frame
from .viewing import aspect, frames_at, opened, present

_SHEET_TILE_PX: Final = 300
_FACE_MARGIN: Final = 0.55
"""Of a face's box, left around it."""


def preview(
    request: EditRequest,
    target: Path | None = None,
    *,
    count: int = 4,
    factors: Sequence[float] = (-1.0, 0.0, 1.0, 2.0),
    overwrite: bool = False,
    progress: Progress | None = None,
    warn: Callable[[str], None] = unheard,
) -> Path:
    """Write a contact sheet, `count` frames down and strength factors across; return its path.

    Frames are shown around the faces to be edited, if these are close together; else whole. `warn`
    hears what is odd about the video.

    Raises:
        UsageError: no frame or no factor asked for, or a strength out of range.
        OutputError: the picture exists or cannot be written.
    """
    if count < 1 or not factors:
        raise UsageError(f"a sheet of {count} frames × {len(factors)} strengths is empty")
    target = target or request.input.with_name(f"{request.input.stem}.preview.png")
    if target.suffix.lower() != ".png":
        raise OutputError(f"the sheet {target} must be a .png file")
    check_outputs(request, [(target, "the sheet")], overwrite=overwrite)
    progress = progress or Progress()
    session = opened(request, "preview", progress, warn)
    columns = [[moved_by(e, f, session.catalogue) for e in session.edits] for f in factors]
    plan = session.plan
    indices = np.linspace(0, plan.frame_count - 1, min(count, plan.frame_count))
    frames = frames_at(session, indices.round().astype(int).tolist())
    windows = _windows(session, frames)
    tiles: list[list[Picture]] = [[] for _ in frames]
    progress.start("preview", len(columns) * len(frames))
    for edits in columns:
        results = session.render(plan.with_edits(edits), frames)
        for row, (result, (x0, y0, x1, y1)) in enumerate(zip(results, windows, strict=True)):
            part = rgb_of(result.frame)[y0:y1, x0:x1]
            tiles[row].append(fit(part, _SHEET_TILE_PX, pixel_aspect=aspect(session)))
            progress.advance(1)
    progress.finish()
    heads = [", ".join(f"{e.attribute} {e.strength:+g}" for e in edits) for edits in columns]
    heads = [
        h if any(e.strength for e in c) else "original" for h, c in zip(heads, columns, strict=True)
    ]
    picture = sheet(tiles, heads, [f"frame {frame.index}" for frame in frames])
    write_png(target, picture, overwrite=overwrite)
    return target


def _windows(session: Session, frames: Sequence[Frame]) -> list[Box]:
    """Return the part of each frame to show: a square around its faces, or all of every frame."""
    width, height = frames[0].width, frames[0].height
    whole: list[Box] = [(0, 0, width, height)] * len(frames)
    boxes = []
    for frame in frames:
        seen = [t.landmarks[row] for t, row in present(session.plan.tracks, frame.index)]
        boxes.append(landmark_box(np.concatenate(seen), margin=_FACE_MARGIN) if seen else None)
    sides = [float((box[2:] - box[:2]).max()) for box in boxes if box is not None]
    side = round(max(sides, default=np.inf)) if sides else width + height
    if side > min(width, height):
        return whole
    windows: list[Box] = []
    for box in boxes:
        centre = (box[:2] + box[2:]) / 2 if box is not None else np.array([width, height]) / 2
        x = int(np.clip(round(float(centre[0]) - side / 2), 0, width - side))
        y = int(np.clip(round(float(centre[1]) - side / 2), 0, height - side))
        windows.append((x, y, x + side, y + side))
    return windows
