"""Opening a clip to look at some of its frames."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import numpy as np

from .imaging.geometry import landmark_box
from .media.opening import open_source
from .progress import Progress, passes
from .request import EditRequest
from .session import Session, open_session
from .types import Box, FaceState, FaceTrack, Frame

FACE_MARGIN: Final = 0.55
"""Of a face's box, left around it."""


def opened(
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


def frames_at(session: Session, indices: Sequence[int]) -> list[Frame]:
    """Return some frames of the clip, in the order asked for."""
    frames: list[Frame] = []
    for index in indices:
        with session.frames(session.plan, index, index + 1) as reading:
            frames += reading
    return frames


def aspect(session: Session) -> float:
    """Return width ÷ height of the clip's pixels."""
    return float(session.source.info.pixel_aspect)


def present(tracks: Iterable[FaceTrack], frame_index: int) -> Iterator[tuple[FaceTrack, int]]:
    """Yield the tracks that have a place in a frame, with their row of it."""
    for track in tracks:
        row = frame_index - track.first_frame
        if 0 <= row < len(track) and track.states[row] != FaceState.ABSENT:
            yield track, row


def face_window(
    tracks: Iterable[FaceTrack], frame: Frame, face: int, margin: float = FACE_MARGIN
) -> Box:
    """Return a square around one face, or all of the frame where that is less, or has no such
    face."""
    there = {track.track_id: track.landmarks[row] for track, row in present(tracks, frame.index)}
    if face not in there:
        return 0, 0, frame.width, frame.height
    box = landmark_box(there[face], margin=margin)
    side = min(round(float((box[2:] - box[:2]).max())), frame.width, frame.height)
    x, y = ((box[:2] + box[2:]) / 2 - side / 2).round().astype(int)
    x, y = int(np.clip(x, 0, frame.width - side)), int(np.clip(y, 0, frame.height - side))
    return x, y, x + side, y + side
