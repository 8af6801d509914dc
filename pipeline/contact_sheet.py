"""Contact sheets: some frames of a clip at several strengths, in one picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from .diagrams import strengths
from .doubts import Doubt, in_analysis, in_rendered, worst
from .edits import moved_by
from .errors import OutputError, UsageError
from .imaging.geometry import landmark_box
from .keyframes import shown
from .outputs import check_outputs
from .pictures import Picture, fit, label, rgb_of, sheet, write_png
from .progress import Progress, unheard
from .report import ledger_of
from .request import Edit, EditRequest
from .session import Session
from .types import Box, Frame
from .viewing import FACE_MARGIN, aspect, face_window, frames_at, opened, present

FACTORS: Final = (-1.0, 0.0, 1.0, 2.0)
"""Of the strengths asked for: the columns of a sheet …"""
WORST_FACTORS: Final = (0.0, 1.0)
"""… and of one of the worst frames."""
_SHEET_TILE_PX: Final = 300
_WORST_TILE_PX: Final = 400
_LOOKED_AT: Final = 24
"""Frames, spread over the clip, that are rendered to see what lies before the faces."""


def preview(
    request: EditRequest,
    target: Path | None = None,
    *,
    count: int = 4,
    factors: Sequence[float] = FACTORS,
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
    target = _target(request, target, "preview", count, factors, overwrite=overwrite)
    progress = progress or Progress()
    session = opened(request, "preview", progress, warn)
    columns, plan = _columns(session, factors), session.plan
    indices = np.linspace(0, plan.frame_count - 1, min(count, plan.frame_count))
    frames = frames_at(session, indices.round().astype(int).tolist())
    windows = _windows(session, frames)
    progress.start("preview", len(columns) * len(frames))
    tiles = _tiles(session, columns, frames, windows, _SHEET_TILE_PX, progress)
    progress.finish()
    picture = sheet(tiles, _heads(columns), [f"frame {frame.index}" for frame in frames])
    if curves := plan.curves():
        shown_frames = [frame.index for frame in frames]
        below = strengths(curves, shown_frames, picture.shape[1], request.render.first_frame)
        picture = np.vstack([picture, below])
    write_png(target, picture, overwrite=overwrite)
    return target


def preview_worst(
    request: EditRequest,
    target: Path | None = None,
    *,
    count: int = 6,
    factors: Sequence[float] = WORST_FACTORS,
    overwrite: bool = False,
    progress: Progress | None = None,
    warn: Callable[[str], None] = unheard,
) -> tuple[Path, list[Doubt]]:
    """Write a sheet of the frames that the program itself trusts least, each with the reason, and
    return its path and the doubts; spread over the clip, and fewer than `count` where there is
    less to doubt. Other arguments are those of `preview`.

    Raises:
        UsageError: no frame or no factor asked for, or a strength out of range.
        OutputError: the picture exists or cannot be written.
    """
    target = _target(request, target, "worst", count, factors, overwrite=overwrite)
    progress = progress or Progress()
    session = opened(request, "preview", progress, warn)
    columns, plan = _columns(session, factors), session.plan
    progress.start("preview", len(columns) * count + _LOOKED_AT)
    chosen = worst(list(_doubts(session, progress)), count, plan.analysis.times)
    frames = frames_at(session, [doubt.frame for doubt in chosen])
    windows = [face_window(plan.tracks, f, d.face) for f, d in zip(frames, chosen, strict=True)]
    tiles = _tiles(session, columns, frames, windows, _WORST_TILE_PX, progress)
    progress.finish()
    write_png(target, _cards(session, chosen, tiles, _heads(columns)), overwrite=overwrite)
    return target, chosen


def _target(
    request: EditRequest,
    target: Path | None,
    name: str,
    count: int,
    factors: Sequence[float],
    *,
    overwrite: bool,
) -> Path:
    """Return where a sheet is to be written, or refuse it."""
    if count < 1 or not factors:
        raise UsageError(f"a sheet of {count} frames × {len(factors)} strengths is empty")
    target = target or request.input.with_name(f"{request.input.stem}.{name}.png")
    if target.suffix.lower() != ".png":
        raise OutputError(f"the sheet {target} must be a .png file")
    check_outputs(request, [(target, "the sheet")], overwrite=overwrite)
    return target


def _columns(session: Session, factors: Sequence[float]) -> list[list[Edit]]:
    return [[moved_by(e, f, session.catalogue) for e in session.edits] for f in factors]


def _heads(columns: Sequence[Sequence[Edit]]) -> list[str]:
    return [
        ", ".join(f"{e.attribute} {shown(e.strength)}" for e in edits)
        if any(e.strength for e in edits)
        else "original"
        for edits in columns
    ]


def _tiles(
    session: Session,
    columns: Sequence[Sequence[Edit]],
    frames: Sequence[Frame],
    windows: Sequence[Box],
    side: int,
    progress: Progress,
) -> list[list[Picture]]:
    """Return the windows of frames, a row each, with the edits of every column."""
    tiles: list[list[Picture]] = [[] for _ in frames]
    for edits in columns:
        results = session.render(session.plan.with_edits(edits), frames)
        for row, (result, (x0, y0, x1, y1)) in enumerate(zip(results, windows, strict=True)):
            part = rgb_of(result.frame)[y0:y1, x0:x1]
            tiles[row].append(fit(part, side, pixel_aspect=aspect(session)))
            progress.advance(1)
    return tiles


def _doubts(session: Session, progress: Progress) -> Iterator[Doubt]:
    """Yield all there is to doubt: by how the faces were found, and by some frames rendered."""
    plan = session.plan
    yield from in_analysis(plan, ledger_of(session), pixel_aspect=aspect(session))
    indices = np.linspace(0, plan.frame_count - 1, min(_LOOKED_AT, plan.frame_count))
    frames = frames_at(session, indices.round().astype(int).tolist())
    for result in session.render(plan, frames):
        progress.advance(1)
        yield from in_rendered(result.frame.index, result.faces)


def _cards(
    session: Session,
    chosen: Sequence[Doubt],
    tiles: Sequence[Sequence[Picture]],
    heads: Sequence[str],
) -> Picture:
    """Return the doubts, each with its pictures and the reason above, in one or two columns."""
    seconds = session.plan.analysis.times - session.plan.analysis.times[0]
    cards = []
    for doubt, row in zip(chosen, tiles, strict=True):
        face = f", face {doubt.face}" if len(session.plan.tracks) > 1 else ""
        when = f"frame {doubt.frame} ({seconds[doubt.frame]:.2f} s){face}"
        below = sheet([row], heads, [])
        cards.append(np.vstack([label(f"{when}: {doubt.reason}", below.shape[1]), below]))
    if not cards:
        return label("nothing to doubt was found", _WORST_TILE_PX)
    across = 2 if len(cards) > 3 and len(heads) < 4 else 1
    blank = np.full_like(cards[0], 255)
    cards += [blank] * (-len(cards) % across)
    rows = [np.hstack(cards[k : k + across]) for k in range(0, len(cards), across)]
    return np.vstack(rows)


def _windows(session: Session, frames: Sequence[Frame]) -> list[Box]:
    """Return the part of each frame to show: a square around its faces, or all of every frame."""
    width, height = frames[0].width, frames[0].height
    whole: list[Box] = [(0, 0, width, height)] * len(frames)
    boxes = []
    for frame in frames:
        seen = [t.landmarks[row] for t, row in present(session.plan.tracks, frame.index)]
        boxes.append(landmark_box(np.concatenate(seen), margin=FACE_MARGIN) if seen else None)
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
