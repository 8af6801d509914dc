"""Opening a clip to look at some of its frames."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from .media.opening import open_source
from .progress import Progress, passes
from .request import EditRequest
from .session import Session, open_session
from .types import FaceState, FaceTrack, Frame


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
