"""How far an edit moves a face from the person it shows, said by a recogniser of faces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .imaging.geometry import ffhq_quad, quad_to_matrix
from .stages.align import cut

if TYPE_CHECKING:
    from .loading import FaceRecogniser
    from .request import Edit
    from .session import Session
    from .types import FaceTrack, Frame

Pair = tuple[Tensor, Tensor]
"""Pictures of a face (3, S, S) in [-1, 1], as FFHQ cuts them out: before, after."""

MOST_FRAMES: Final = 5
"""Of each face, evenly over the frames in which it is edited."""
_SIDE: Final = 256
_WHOLE: Final = 0.9
"""Weight from which a frame shows the whole edit."""


def identity_of(
    session: Session, edited: Mapping[int, Sequence[int]], recogniser: FaceRecogniser
) -> list[dict[str, Any]]:
    """Return, for every face that was edited, its distance from what the clip shows of it.

    `distance` is the mean over the `frames` looked at, `farthest` the largest; `in_the_clip` is how
    far these frames of the source lie from one another, which is what poses and expressions alone
    come to.

    Args:
        session: with its plan.
        edited: frames in which a face was edited, by track.
        recogniser: see `load_recogniser`.

    Raises:
        VideoError: the clip can no longer be read.
    """
    tracks = {track.track_id: track for track in session.plan.tracks}
    chosen = {name: to_look_at(track, edited.get(name, ())) for name, track in tracks.items()}
    pairs: dict[int, dict[int, Pair]] = {}
    for index in sorted({frame for frames in chosen.values() for frame in frames}):
        with session.frames(session.plan, index, index + 1) as reading:
            (frame,) = reading
        for track, pair in compared(session, frame).items():
            if index in chosen[track]:
                pairs.setdefault(track, {})[index] = pair
    return [told(track, pairs[track], recogniser) for track in sorted(pairs)]


def told(track: int, pairs: Mapping[int, Pair], recogniser: FaceRecogniser) -> dict[str, Any]:
    """Return what `identity_of` says of one face, of its pairs by frame."""
    return {"track": track, "frames": list(pairs), **_facts(recogniser, list(pairs.values()))}


def compared(
    session: Session, frame: Frame, edits: Sequence[Edit] | None = None
) -> dict[int, Pair]:
    """Return the faces of a frame that are edited in it, before and after, by track.

    `edits`: others than those asked for.
    """
    result, aspect = session.look(frame, edits).result, float(session.source.info.pixel_aspect)
    tracks = {track.track_id: track for track in session.plan.tracks}
    edited = [tracks[face.track_id] for face in result.faces if face.edited]
    return {track.track_id: pair_of(track, frame, result.frame, aspect) for track in edited}


def pair_of(track: FaceTrack, before: Frame, after: Frame, pixel_aspect: float) -> Pair:
    """Return a face in a frame of the clip, and in what became of that frame."""
    points = track.landmarks[before.index - track.first_frame]
    return _aligned(before, points, pixel_aspect), _aligned(after, points, pixel_aspect)


def to_look_at(track: FaceTrack, edited: Sequence[int]) -> list[int]:
    """Return a few of the frames in which a face was edited: those with the whole edit, if any."""
    weights = track.weights[np.asarray(edited, np.int64) - track.first_frame]
    whole = [frame for frame, weight in zip(edited, weights, strict=True) if weight >= _WHOLE]
    frames = whole or list(edited)
    places = np.linspace(0, len(frames) - 1, min(MOST_FRAMES, len(frames)))
    return [frames[place] for place in places.round().astype(int)]


def _aligned(frame: Frame, points: NDArray[np.float32], aspect: float) -> Tensor:
    """Return a face (3, S, S) in [-1, 1] as FFHQ would cut it out."""
    crop_to_frame = quad_to_matrix(ffhq_quad(points, pixel_aspect=aspect), _SIDE)
    return torch.from_numpy(cut(frame, crop_to_frame, _SIDE))


def _facts(recogniser: FaceRecogniser, pairs: Sequence[Pair]) -> dict[str, Any]:
    before, after = (torch.stack(pictures) for pictures in zip(*pairs, strict=True))
    moved = recogniser.distances(before, after)
    facts: dict[str, Any] = {
        "recogniser": recogniser.name,
        "other_person": recogniser.other_person,
        "distance": round(float(moved.mean()), 3),
        "farthest": round(float(moved.max()), 3),
    }
    if len(before) > 1:
        first, second = torch.triu_indices(len(before), len(before), 1)
        own = recogniser.distances(before[first], before[second])
        facts["in_the_clip"] = round(float(own.mean()), 3)
    return facts
