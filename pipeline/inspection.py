"""One frame, stage by stage, as pictures and JSON.

The pictures `reconstruction` and `reconstruction-edited` show what the code of a face holds before
and after the edit, in the model's own frame: for the portrait the skin without its shape, for
StyleGAN2 packs what the generator draws.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from .diagrams import (
    Floats,
    Gate,
    areas_of,
    beside,
    gates,
    key_of,
    outline_key,
    outlined,
    paint_key,
    painted,
)
from .errors import UsageError
from .files import write_whole
from .imaging.geometry import head_pose, landmark_box, transform
from .lapses import Words
from .ledger import Ledger
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
from .progress import Progress, unheard
from .report import edit_facts, ledger_of
from .request import EditRequest
from .session import FrameView, Session
from .targets import check_folder, output_errors
from .types import PARTS, AlignedBatch, EditedBatch, FaceState, FaceTrack, Frame
from .viewing import aspect, frames_at, opened, present

_RESIDUAL_GAIN: Final = 4.0
"""Differences are shown enlarged around mid-grey."""
_TILE_PX: Final = 384
_DRAWN_PX: Final = 960
"""Small frames are enlarged to about this long side before landmarks are drawn on them …"""
_DRAWN_FACE_PX: Final = 300
"""… and further until faces are about this wide, but four times at most."""
_DRAWN_MOST_PX: Final = 3840


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
    `side-by-side`; for every face that is there `parsing` (what its crop shows where) and `gates`
    (what lets an edit through, here and over the shot); for every face that was edited `crop`,
    `edited`, `mask`, `residual`, `blended`, `edge` (how far the edit reaches) and `overview`, with
    `-2` behind the name where later edits see another crop; of edits with an exemplar `exemplar`,
    as it was read. `frame.json` holds the numbers. `warn`
    hears what is odd about the video.

    Raises:
        UsageError: the clip has no such frame.
        OutputError: the folder cannot be written, or holds something and `overwrite` is off.
    """
    folder = folder or request.input.with_name(f"{request.input.stem}.frame{frame_index}")
    taken = check_outputs(request, [], overwrite=overwrite)
    names = ("frame.json", "*.png")
    check_folder(folder, "the folder", names=names, taken=taken, overwrite=overwrite)
    progress = progress or Progress()
    session = opened(request, "inspect", progress, warn, frame_index)
    count = session.plan.frame_count
    if frame_index >= count:
        raise UsageError(
            f"frame {frame_index} does not exist; {request.input} has frames 0 to {count - 1}"
        )
    progress.start("inspect", 1)
    view = session.look(frames_at(session, [frame_index])[0])
    ledger = ledger_of(session)
    curves = {track.track_id: ledger.shares(track.track_id) for track in session.plan.tracks}
    ledger.add(view.frame, view.result.faces)
    gates_of = {
        track.track_id: _gates(aspect(session), track, row, curves[track.track_id], ledger)
        for track, row in present(session.plan.tracks, frame_index)
    }
    pictures = _frame_pictures(session, view) | _face_pictures(session, view, gates_of)
    pictures |= _exemplars(session)
    for track, views in view.views.items():
        pictures |= {f"face{track}-{name}": tensor_rgb(shown) for name, shown in views.items()}
    _write_all(folder, pictures, _facts(session, view, ledger))
    progress.advance(1)
    progress.finish()
    return folder


def _frame_pictures(session: Session, view: FrameView) -> dict[str, Picture]:
    frame = view.frame
    before, after = rgb_of(frame), rgb_of(view.result.frame)
    scale = _drawing_scale(session, frame)
    drawn = np.ascontiguousarray(fit(before, before.shape[0] * scale))
    crops = {int(t): _corners(b, n) for b in view.faces for n, t in enumerate(b.source.track_id)}
    for track, row in present(session.plan.tracks, frame.index):
        state = FaceState(int(track.states[row])).name.lower()
        text = f"face {track.track_id}: {state} {track.scores[row]:.2f}"
        draw_face(drawn, track.landmarks[row], crops.get(track.track_id), text, scale)
    tiles = [
        fit(p, max(_TILE_PX, p.shape[0]), pixel_aspect=aspect(session)) for p in (before, after)
    ]
    return {
        "frame": before,
        "landmarks": drawn,
        "composite": after,
        "change": difference(before, after, _RESIDUAL_GAIN),
        "side-by-side": sheet([tiles], [f"frame {frame.index}: original", "edited"], []),
    }


def _exemplars(session: Session) -> dict[str, Picture]:
    """Return the faces that edits take something from, as they were read."""
    pictures: dict[str, Picture] = {}
    for exemplar in dict.fromkeys(edit.exemplar for edit in session.edits if edit.exemplar):
        frame, points, _ = session.exemplars.face(exemplar)
        scale = max(1, min(round(_DRAWN_FACE_PX / max(1.0, float(np.ptp(points[:, 0])))), 4))
        drawn = np.ascontiguousarray(fit(rgb_of(frame), frame.height * scale))
        draw_face(drawn, points, None, exemplar.path.name, scale)
        mark = f"-{len(pictures) + 1}" if pictures else ""
        pictures[f"exemplar{mark}"] = drawn
    return pictures


def _drawing_scale(session: Session, frame: Frame) -> int:
    """Return how many picture px a frame px is drawn with."""
    long_side = max(frame.width, frame.height)
    widths = (
        float(np.ptp(track.landmarks[row, :, 0]))
        for track, row in present(session.plan.tracks, frame.index)
    )
    wanted = max([_DRAWN_PX / long_side, *(_DRAWN_FACE_PX / max(1.0, w) for w in widths)])
    return max(1, min(round(wanted), 4, _DRAWN_MOST_PX // long_side))


def _corners(batch: EditedBatch, n: int) -> Any:
    side = batch.images.shape[-1] - 0.5
    square = np.array([[-0.5, -0.5], [side, -0.5], [side, side], [-0.5, side]])
    return transform(batch.source.crop_to_frame[n], square)


def _face_pictures(
    session: Session, view: FrameView, gates_of: Mapping[int, list[Gate]]
) -> dict[str, Picture]:
    """Return the pictures of all faces: what is known of those that are there, and of those that
    were edited every stage."""
    composite, pictures = rgb_of(view.result.frame), {}
    parsings = {int(batch.track_id[0]): batch for batch in view.present}
    drawn_gates = {}
    for track, _ in present(session.plan.tracks, view.frame.index):
        name, batch = f"face{track.track_id}", parsings[track.track_id]
        shares = _shares_of(batch)
        if shares is not None:
            shown = painted(tensor_rgb(batch.images[0]), shares)
            pictures[f"{name}-parsing"] = beside(shown, paint_key(shares))
        rows, at = gates_of[track.track_id], (view.frame.index, track.first_frame)
        drawn_gates[track.track_id] = partial(gates, rows, *at)
        pictures[f"{name}-gates"] = gates(rows, *at)
    seen: Counter[int] = Counter()
    for edited in view.faces:
        track_id = int(edited.source.track_id[0])
        seen[track_id] += 1
        mark = f"-{seen[track_id]}" if seen[track_id] > 1 else ""
        stages = _stages(edited, composite)
        stages["overview"] = _overview(stages, edited, drawn_gates[track_id])
        pictures |= {f"face{track_id}-{name}{mark}": shown for name, shown in stages.items()}
    return pictures


def _stages(edited: EditedBatch, composite: Picture) -> dict[str, Picture]:
    """Return the pictures of an edit of one crop."""
    batch = edited.source
    crop, changed = tensor_rgb(batch.images[0]), tensor_rgb(edited.images[0])
    views = {
        "crop": crop,
        "edited": changed,
        "blended": crop_of(composite, batch.crop_to_frame[0], crop.shape[0]),
        "mask": tensor_rgb(edited.masks[0].expand(3, -1, -1) * 2 - 1),
        "residual": tensor_rgb((edited.images[0] - batch.images[0]) * _RESIDUAL_GAIN),
    }
    views["change"] = difference(crop, views["blended"], _RESIDUAL_GAIN)
    views["edge"] = beside(outlined(views["blended"], edited.masks[0, 0].numpy()), outline_key())
    return views


def _overview(
    stages: Mapping[str, Picture], edited: EditedBatch, gates_in: Callable[[int], Picture]
) -> Picture:
    """Return a page with all there is to see of an edit of one crop."""
    tiles = {name: fit(shown, _TILE_PX) for name, shown in stages.items() if name != "edge"}
    upper = [tiles[name] for name in ("crop", "edited", "blended")]
    lower = [tiles[name] for name in ("mask", "residual", "change")]
    shares = _shares_of(edited.source)
    keys = [outline_key()] if shares is None else [paint_key(shares), outline_key()]
    crop = np.zeros_like(stages["crop"]) if shares is None else painted(stages["crop"], shares)
    known = [
        fit(crop, _TILE_PX),
        fit(outlined(stages["blended"], edited.masks[0, 0].numpy()), _TILE_PX),
        key_of(keys, _TILE_PX, _TILE_PX)[:, :_TILE_PX],
    ]
    page = [
        sheet([upper], ("1 crop", "2 edited crop", "3 blended into the frame"), []),
        sheet([lower], ("mask", "2 - 1, four times", "3 - 1, four times"), []),
        sheet([known], ("parsing", "how far the edit reaches", "key"), []),
    ]
    below = gates_in(page[0].shape[1])
    width = max(below.shape[1], page[0].shape[1])
    return np.vstack([_widened(part, width) for part in (*page, below)])


def _widened(picture: Picture, width: int) -> Picture:
    more = ((0, 0), (0, width - picture.shape[1]), (0, 0))
    return np.pad(picture, more, constant_values=255)


def _shares_of(batch: AlignedBatch) -> Floats | None:
    """Return what one crop shows where, (13, S, S) 0–1, 0 beyond what was looked at; None where
    nobody told."""
    if batch.parsing is None:
        return None
    whole = slice(0, batch.images.shape[-1])
    shares: Floats = batch.parsing.sampled(batch.parsing.shares, whole, whole)[0].cpu().numpy()
    y, x = np.mgrid[whole, whole].astype(np.float32)
    across, down, at = batch.parsing.crop_to_grid[0].cpu().numpy().T[:, :, None, None]
    known = (np.abs(across * x + down * y + at) <= 1).all(0)
    return np.asarray(shares * known, np.float32)


def _gates(
    pixel_aspect: float,
    track: FaceTrack,
    row: int,
    curves: Mapping[str, tuple[Floats, Words]],
    ledger: Ledger,
) -> list[Gate]:
    """Return all gates of a face in one frame: what the face's place, its turn, its parts and the
    attributes let through; `curves`: of the attributes, over the track."""
    yaw = float(head_pose(track.landmarks[row], pixel_aspect=pixel_aspect)[0])
    state = FaceState(int(track.states[row])).name.lower()
    there = np.divide(
        track.weights, track.turned, out=np.ones_like(track.weights), where=track.turned > 0
    )
    known = [
        ("face", there, f"{state}, score {track.scores[row]:.2f}"),
        ("head's turn", track.turned, f"{yaw:+.0f} degrees"),
        *((f"{p} seen", track.parts[:, k], "") for k, p in enumerate(PARTS)),
    ]
    rows = [Gate(name, shares, float(shares[row]), note) for name, shares, note in known]
    taken = ledger.at(track.first_frame + row, track.track_id)
    return rows + [Gate(name, curves[name][0], *here) for name, here in taken.items()]


def _facts(session: Session, view: FrameView, ledger: Ledger) -> dict[str, Any]:
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
    shown = {int(batch.track_id[0]): _areas(batch) for batch in view.present}
    faces = []
    for track, row in present(session.plan.tracks, frame.index):
        outcome = outcomes.get(track.track_id)
        fact = _face_facts(aspect(session), track, row)
        fact["crop"] = crops.get(track.track_id)
        fact["edited"] = bool(outcome and outcome.edited)
        fact["skipped"] = outcome.reason if outcome else "not selected"
        fact["attributes"] = {
            name: {"share": round(share, 3), "cause": cause}
            for name, (share, cause) in ledger.at(frame.index, track.track_id).items()
        }
        fact["shows"] = shown.get(track.track_id)
        faces.append(fact)
    return {
        "frame": frame.index,
        "pts": frame.pts,
        "seconds": round(float(frame.pts * session.source.info.time_base), 6),
        "edits": [edit_facts(edit, session) for edit in session.edits],
        "faces": faces,
    }


def _areas(batch: AlignedBatch) -> dict[str, float] | None:
    """Return the share of one crop that every label covers; None where nobody told."""
    shares = _shares_of(batch)
    if shares is None:
        return None
    return {name: round(area, 4) for name, area in areas_of(shares).items()}


def _face_facts(pixel_aspect: float, track: FaceTrack, row: int) -> dict[str, Any]:
    points = track.landmarks[row]
    yaw, pitch, roll = head_pose(points, pixel_aspect=pixel_aspect)
    return {
        "track": track.track_id,
        "shot": track.shot,
        "state": FaceState(int(track.states[row])).name.lower(),
        "score": round(float(track.scores[row]), 3),
        "weight": round(float(track.weights[row]), 3),
        "turned": round(float(track.turned[row]), 3),
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
