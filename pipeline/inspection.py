"""One frame, stage by stage, as pictures and JSON; and contact sheets of a clip.

The pictures `reconstruction` and `reconstruction-edited` show what the code of a face holds before
and after the edit, in the model's own frame: for the portrait the skin without its shape, for
StyleGAN2 packs what the generator draws.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from .edits import moved_by
from .errors import OutputError, UsageError
from .files import write_whole
from .imaging.geometry import head_pose, landmark_box, transform
from .media.opening import open_source
from .outputs import check_outputs
from .pictures import (
    Picture,
    crop_of,
    difference,
    draw_face,
    fit,
    rgb_of,
    sheet,
    tensor_rgb,
    write_png,
)
from .progress import Progress, passes, unheard
from .report import edit_facts
from .request import EditRequest
from .session import FrameView, Session, open_session
from .targets import check_folder, output_errors
from .types import PARTS, Box, EditedBatch, FaceState, FaceTrack, Frame

_RESIDUAL_GAIN: Final = 4.0
"""Differences are shown enlarged around mid-grey."""
_TILE_PX: Final = 384
_SHEET_TILE_PX: Final = 300
_DRAWN_PX: Final = 960
"""Small frames are enlarged to about this long side before landmarks are drawn on them …"""
_DRAWN_FACE_PX: Final = 300
"""… and further until faces are about this wide, but four times at most."""
_DRAWN_MOST_PX: Final = 3840
_FACE_MARGIN: Final = 0.55
"""Of a face's box, left around it on a contact sheet."""


def inspect(
    request: EditRequest,
    frame_index: int,
    folder: Path | None = None,
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
    warn: Callable[[str], None] = unheard,
) -> Path:
    """Write everything about one frame into a folder and return the folder.

    Pictures (PNG): `frame`, `landmarks` (with box and crop), `composite`, `change` (grey = none),
    `side-by-side`, and per face `crop`, `edited`, `mask`, `residual`, `blended` and `overview`.
    `frame.json` holds the numbers. `warn` hears what is odd about the video.

    Raises:
        UsageError: the clip has no such frame.
        OutputError: the folder cannot be written, or holds something and `overwrite` is off.
    """
    folder = folder or request.input.with_name(f"{request.input.stem}.frame{frame_index}")
    taken = check_outputs(request, [], overwrite=overwrite)
    names = ("frame.json", "*.png")
    check_folder(folder, "the folder", names=names, taken=taken, overwrite=overwrite)
    progress = progress or Progress()
    session = _opened(request, "inspect", progress, warn, frame_index)
    count = session.plan.frame_count
    if frame_index >= count:
        raise UsageError(
            f"frame {frame_index} does not exist; {request.input} has frames 0 to {count - 1}"
        )
    progress.start("inspect", 1)
    view = session.look(_frames_at(session, [frame_index])[0])
    pictures = _frame_pictures(session, view)
    for face in view.faces:
        pictures |= _face_pictures(face, rgb_of(view.result.frame))
    for track, views in view.views.items():
        pictures |= {f"face{track}-{name}": tensor_rgb(shown) for name, shown in views.items()}
    _write_all(folder, pictures, _facts(session, view))
    progress.advance(1)
    progress.finish()
    return folder


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
    session = _opened(request, "preview", progress, warn)
    columns = [[moved_by(e, f, session.catalogue) for e in session.edits] for f in factors]
    plan = session.plan
    indices = np.linspace(0, plan.frame_count - 1, min(count, plan.frame_count))
    frames = _frames_at(session, indices.round().astype(int).tolist())
    windows = _windows(session, frames)
    tiles: list[list[Picture]] = [[] for _ in frames]
    progress.start("preview", len(columns) * len(frames))
    for edits in columns:
        results = session.render(plan.with_edits(edits), frames)
        for row, (result, (x0, y0, x1, y1)) in enumerate(zip(results, windows, strict=True)):
            part = rgb_of(result.frame)[y0:y1, x0:x1]
            tiles[row].append(fit(part, _SHEET_TILE_PX, pixel_aspect=_aspect(session)))
            progress.advance(1)
    progress.finish()
    heads = [", ".join(f"{e.attribute} {e.strength:+g}" for e in edits) for edits in columns]
    heads = [
        h if any(e.strength for e in c) else "original" for h, c in zip(heads, columns, strict=True)
    ]
    picture = sheet(tiles, heads, [f"frame {frame.index}" for frame in frames])
    write_png(target, picture, overwrite=overwrite)
    return target


def _opened(
    request: EditRequest,
    last_pass: str,
    progress: Progress,
    warn: Callable[[str], None],
    frame_index: int | None = None,
) -> Session:
    """Return a session, with what is odd about its video told."""
    source = open_source(request.input, request.analyze.video_stream)
    if frame_index is not None:
        source.check_frame(frame_index)
    for sentence in source.warnings:
        warn(sentence)
    progress.expect(passes(last_pass))
    return open_session(request, source=source, progress=progress)


def _frames_at(session: Session, indices: Sequence[int]) -> list[Frame]:
    frames: list[Frame] = []
    for index in indices:
        with session.frames(session.plan, index, index + 1) as reading:
            frames += reading
    return frames


def _aspect(session: Session) -> float:
    return float(session.source.info.pixel_aspect)


def _present(tracks: Iterable[FaceTrack], frame_index: int) -> Iterator[tuple[FaceTrack, int]]:
    """Yield the tracks that have a place in a frame, with their row of it."""
    for track in tracks:
        row = frame_index - track.first_frame
        if 0 <= row < len(track) and track.states[row] != FaceState.ABSENT:
            yield track, row


def _windows(session: Session, frames: Sequence[Frame]) -> list[Box]:
    """Return the part of each frame to show: a square around its faces, or all of every frame."""
    width, height = frames[0].width, frames[0].height
    whole: list[Box] = [(0, 0, width, height)] * len(frames)
    boxes = []
    for frame in frames:
        seen = [t.landmarks[row] for t, row in _present(session.plan.tracks, frame.index)]
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


def _frame_pictures(session: Session, view: FrameView) -> dict[str, Picture]:
    frame = view.frame
    before, after = rgb_of(frame), rgb_of(view.result.frame)
    scale = _drawing_scale(session, frame)
    drawn = np.ascontiguousarray(fit(before, before.shape[0] * scale))
    crops = {int(t): _corners(b, n) for b in view.faces for n, t in enumerate(b.source.track_id)}
    for track, row in _present(session.plan.tracks, frame.index):
        state = FaceState(int(track.states[row])).name.lower()
        text = f"face {track.track_id}: {state} {track.scores[row]:.2f}"
        draw_face(drawn, track.landmarks[row], crops.get(track.track_id), text, scale)
    tiles = [
        fit(p, max(_TILE_PX, p.shape[0]), pixel_aspect=_aspect(session)) for p in (before, after)
    ]
    return {
        "frame": before,
        "landmarks": drawn,
        "composite": after,
        "change": difference(before, after, _RESIDUAL_GAIN),
        "side-by-side": sheet([tiles], [f"frame {frame.index}: original", "edited"], []),
    }


def _drawing_scale(session: Session, frame: Frame) -> int:
    """Return how many picture px a frame px is drawn with."""
    long_side = max(frame.width, frame.height)
    widths = (
        float(np.ptp(track.landmarks[row, :, 0]))
        for track, row in _present(session.plan.tracks, frame.index)
    )
    wanted = max([_DRAWN_PX / long_side, *(_DRAWN_FACE_PX / max(1.0, w) for w in widths)])
    return max(1, min(round(wanted), 4, _DRAWN_MOST_PX // long_side))


def _corners(batch: EditedBatch, n: int) -> Any:
    side = batch.images.shape[-1] - 0.5
    square = np.array([[-0.5, -0.5], [side, -0.5], [side, side], [-0.5, side]])
    return transform(batch.source.crop_to_frame[n], square)


def _face_pictures(edited: EditedBatch, composite: Picture) -> dict[str, Picture]:
    pictures: dict[str, Picture] = {}
    batch = edited.source
    for n, track in enumerate(batch.track_id):
        crop, changed = tensor_rgb(batch.images[n]), tensor_rgb(edited.images[n])
        views = {
            "crop": crop,
            "edited": changed,
            "blended": crop_of(composite, batch.crop_to_frame[n], crop.shape[0]),
            "mask": tensor_rgb(edited.masks[n].expand(3, -1, -1) * 2 - 1),
            "residual": tensor_rgb((edited.images[n] - batch.images[n]) * _RESIDUAL_GAIN),
        }
        views["change"] = difference(crop, views["blended"], _RESIDUAL_GAIN)
        tiles = [fit(view, _TILE_PX) for view in views.values()]
        heads = ("1 crop", "2 edited crop", "3 blended into the frame")
        lower = ("mask", "2 - 1, four times", "3 - 1, four times")
        page = [sheet([tiles[:3]], heads, []), sheet([tiles[3:]], lower, [])]
        pictures |= {f"face{track}-{name}": view for name, view in views.items()}
        pictures[f"face{track}-overview"] = np.vstack(page)
    return pictures


def _facts(session: Session, view: FrameView) -> dict[str, Any]:
    frame = view.frame
    outcomes = {outcome.track_id: outcome for outcome in view.result.faces}
    crops = {
        int(track): {
            "side_px": int(b.images.shape[-1]),
            "crop_to_frame": np.round(b.source.crop_to_frame[n], 4).tolist(),
            "mask_share": round(float(b.masks[n].mean()), 4),
        }
        for b in view.faces
        for n, track in enumerate(b.source.track_id)
    }
    faces = []
    for track, row in _present(session.plan.tracks, frame.index):
        outcome = outcomes.get(track.track_id)
        fact = _face_facts(_aspect(session), track, row)
        fact["crop"] = crops.get(track.track_id)
        fact["edited"] = bool(outcome and outcome.edited)
        fact["skipped"] = outcome.reason if outcome else "not selected"
        faces.append(fact)
    return {
        "frame": frame.index,
        "pts": frame.pts,
        "seconds": round(float(frame.pts * session.source.info.time_base), 6),
        "edits": [edit_facts(edit) for edit in session.edits],
        "faces": faces,
    }


def _face_facts(pixel_aspect: float, track: FaceTrack, row: int) -> dict[str, Any]:
    points = track.landmarks[row]
    yaw, pitch, roll = head_pose(points, pixel_aspect=pixel_aspect)
    return {
        "track": track.track_id,
        "shot": track.shot,
        "state": FaceState(int(track.states[row])).name.lower(),
        "score": round(float(track.scores[row]), 3),
        "weight": round(float(track.weights[row]), 3),
        "seen": {p: round(float(v), 3) for p, v in zip(PARTS, track.parts[row], strict=True)},
        "yaw_deg": round(float(yaw), 1),
        "pitch_deg": round(float(pitch), 1),
        "roll_deg": round(float(roll), 1),
        "box_px": np.round(landmark_box(points).astype(float), 2).tolist(),
        "landmarks_px": np.round(points.astype(float), 2).tolist(),
    }


def _write_all(folder: Path, pictures: dict[str, Picture], facts: dict[str, Any]) -> None:
    # Rows of numbers stay on one line: 68 points are 68 lines, not 272.
    text = re.sub(
        r"\[[\s\d.,e+-]+\]", lambda m: re.sub(r"\s+", " ", m[0]), json.dumps(facts, indent=1)
    )
    with output_errors(folder, "the folder"):
        folder.mkdir(parents=True, exist_ok=True)
    with output_errors(folder / "frame.json", "the facts"):
        write_whole(folder / "frame.json", text + "\n")
    for name, picture in pictures.items():
        write_png(folder / f"{name}.png", picture)
