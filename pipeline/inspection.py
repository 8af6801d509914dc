"""One frame, stage by stage, as pictures and JSON; and contact sheets of a clip."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from .errors import OutputError, UsageError
from .imaging.color import frame_to_rgb
from .imaging.geometry import head_pose
from .progress import Silent, Stopwatch
from .run import EditRequest, Plan, crops_of, make_plan, render
from .types import EditedBatch, FaceTrack, Frame
from .video.decode import VideoReader

Picture = NDArray[np.uint8]

_RESIDUAL_GAIN = 4.0
"""Differences are shown enlarged around mid-grey."""
_TILE_PX = 512
_SHEET_HEIGHT_PX = 300


def inspect(request: EditRequest, frame_index: int, folder: Path | None = None) -> Path:
    """Write everything about one frame into a folder and return the folder.

    Pictures (PNG): `frame`, `landmarks`, `composite`, and per face `crop`, `edited`, `mask`,
    `residual` (grey = no change), `blended`, `side-by-side`. `frame.json` holds the numbers.

    Raises:
        UsageError: the clip has no such frame.
        OutputError: the folder cannot be written.
    """
    plan = make_plan(request, Stopwatch(), Silent())
    if not 0 <= frame_index < plan.frame_count:
        raise UsageError(
            f"frame {frame_index} does not exist; {request.input} has frames 0 to "
            f"{plan.frame_count - 1}"
        )
    folder = folder or request.input.with_name(f"{request.input.stem}.frame{frame_index}")
    frame = _frames_at(plan, [frame_index])[0]
    result = next(iter(render(plan, [frame], Stopwatch())))
    pictures = {
        "frame": _rgb(frame),
        "landmarks": _draw_tracks(_rgb(frame), plan.tracks, frame_index),
        "composite": _rgb(result.frame),
    }
    facts: dict[str, Any] = {"frame": frame_index, "pts": frame.pts, "faces": []}
    outcomes = {outcome.track_id: outcome for outcome in result.faces}
    for batch in crops_of(plan, [frame]):
        with torch.inference_mode():
            edited = plan.chain(batch)
        pictures |= _face_pictures(edited, _rgb(result.frame))
    for track in _present(plan.tracks, frame_index):
        outcome = outcomes.get(track.track_id)
        facts["faces"].append(_face_facts(track, frame_index, plan))
        facts["faces"][-1]["edited"] = bool(outcome and outcome.edited)
        facts["faces"][-1]["skipped"] = outcome.reason if outcome else "not selected"
    _write_all(folder, pictures, facts)
    return folder


def preview(
    request: EditRequest,
    target: Path | None = None,
    *,
    count: int = 4,
    factors: Sequence[float] = (-1.0, 0.0, 1.0, 2.0),
) -> Path:
    """Write a contact sheet, `count` frames down and strength factors across; return its path.

    Raises:
        UsageError: no frame or no factor asked for.
        OutputError: the picture cannot be written.
    """
    if count < 1 or not factors:
        raise UsageError(f"a sheet of {count} frames × {len(factors)} strengths is empty")
    plan = make_plan(request, Stopwatch(), Silent())
    frames = _frames_at(plan, np.linspace(0, plan.frame_count - 1, count).astype(int).tolist())
    columns = []
    for factor in factors:
        edits = tuple(replace(e, strength=e.strength * factor) for e in plan.edits)
        shown = render(plan.with_edits(edits), frames, Stopwatch())
        tiles = [_fit(_rgb(result.frame), _SHEET_HEIGHT_PX) for result in shown]
        columns.append(np.vstack([_label(f"{factor:+g}", tiles[0].shape[1]), *tiles]))
    target = target or request.input.with_name(f"{request.input.stem}.preview.png")
    _write_png(target, np.hstack(columns))
    return target


def _frames_at(plan: Plan, indices: Sequence[int]) -> list[Frame]:
    wanted = set(indices)
    found: list[Frame] = []
    with VideoReader(plan.source) as reader:
        for frame in reader:
            if frame.index in wanted:
                found.append(frame)
            if frame.index >= max(wanted):
                break
    return found


def _present(tracks: Iterable[FaceTrack], frame_index: int) -> Iterator[FaceTrack]:
    return (t for t in tracks if t.first_frame <= frame_index < t.end_frame)


def _face_facts(track: FaceTrack, frame_index: int, plan: Plan) -> dict[str, Any]:
    row = frame_index - track.first_frame
    points = track.landmarks[row]
    yaw, pitch, roll = head_pose(points, pixel_aspect=float(plan.source.info.pixel_aspect))
    return {
        "track": track.track_id,
        "shot": track.shot,
        "state": int(track.states[row]),
        "score": round(float(track.scores[row]), 3),
        "weight": round(float(track.weights[row]), 3),
        "yaw_deg": round(float(yaw), 1),
        "pitch_deg": round(float(pitch), 1),
        "roll_deg": round(float(roll), 1),
        "landmarks_px": np.round(points.astype(float), 2).tolist(),
    }


def _face_pictures(edited: EditedBatch, composite: Picture) -> dict[str, Picture]:
    pictures: dict[str, Picture] = {}
    batch = edited.source
    for n, track in enumerate(batch.track_id):
        crop, changed = _tensor_rgb(batch.images[n]), _tensor_rgb(edited.images[n])
        residual = (edited.images[n] - batch.images[n]) * _RESIDUAL_GAIN
        views = {
            "crop": crop,
            "edited": changed,
            "mask": _tensor_rgb(edited.masks[n].expand(3, -1, -1) * 2 - 1),
            "residual": _tensor_rgb(residual),
            "blended": _crop_of(composite, batch.crop_to_frame[n], crop.shape[0]),
        }
        views["side-by-side"] = np.hstack([_fit(v, _TILE_PX) for v in views.values()])
        pictures |= {f"face{track}-{name}": picture for name, picture in views.items()}
    return pictures


def _crop_of(frame: Picture, crop_to_frame: NDArray[np.float64], side: int) -> Picture:
    shown = cv2.warpAffine(
        frame, crop_to_frame[:2], (side, side), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    )
    return np.asarray(shown, np.uint8)


def _draw_tracks(picture: Picture, tracks: Iterable[FaceTrack], frame_index: int) -> Picture:
    picture = np.ascontiguousarray(picture)
    for track in _present(tracks, frame_index):
        points = track.landmarks[frame_index - track.first_frame]
        radius = max(1, round(float(np.ptp(points[:, 0])) / 150))
        for x, y in points:
            cv2.circle(picture, (round(float(x)), round(float(y))), radius, (0, 255, 0), -1)
        x0, y0 = points.min(0).astype(int)
        x1, y1 = points.max(0).astype(int)
        cv2.rectangle(picture, (int(x0), int(y0)), (int(x1), int(y1)), (255, 200, 0), 1)
        cv2.putText(
            picture,
            f"track {track.track_id}",
            (int(x0), max(12, int(y0) - 6)),
            cv2.FONT_HERSHEY_SIMPLEX,
            0.5,
            (255, 200, 0),
            1,
            cv2.LINE_AA,
        )
    return picture


def _rgb(frame: Frame) -> Picture:
    return np.asarray(np.round(frame_to_rgb(frame) * 255), np.uint8)


def _tensor_rgb(image: torch.Tensor) -> Picture:
    shown = ((image.clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0)
    return np.asarray(shown.cpu().numpy(), np.uint8)


def _fit(picture: Picture, height: int) -> Picture:
    width = max(1, round(picture.shape[1] * height / picture.shape[0]))
    kernel = cv2.INTER_AREA if height < picture.shape[0] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, (width, height), interpolation=kernel), np.uint8)


def _label(text: str, width: int) -> Picture:
    strip = np.full((24, width, 3), 255, np.uint8)
    cv2.putText(strip, text, (6, 17), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
    return strip


def _write_all(folder: Path, pictures: dict[str, Picture], facts: dict[str, Any]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "frame.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    except OSError as e:
        raise OutputError(f"cannot write into the folder {folder}: {e}") from e
    for name, picture in pictures.items():
        _write_png(folder / f"{name}.png", picture)


def _write_png(path: Path, picture: Picture) -> None:
    done, data = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    try:
        if not done:
            raise OSError("the picture could not be encoded")
        path.write_bytes(data.tobytes())
    except OSError as e:
        raise OutputError(f"cannot write {path}: {e}") from e
