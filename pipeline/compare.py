"""A clip to judge an edit by: the original on the left, the edited frame on the right.

Same times, same other streams, same encoder rules as an edit; pixels stay in the encoding of the
input, so what is seen is what `edit` would write.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np

from .media.damage import summarize
from .media.opening import default_ending, open_sink, open_source, plane_shapes
from .media.threads import BackgroundWriter, prefetch
from .outputs import check_outputs
from .progress import Progress, passes, unheard
from .request import EditRequest
from .session import open_session
from .types import EditResult, Frame, Plane


def side_by_side(
    request: EditRequest,
    target: Path | None = None,
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
    warn: Callable[[str], None] = unheard,
) -> tuple[Path, list[str]]:
    """Write a clip of twice the width, upright; return its path and what could not be kept.

    Arguments are those of `run.edit`; the target is `NAME.compare.EXT` beside the input if left
    out.

    Raises:
        VisagistError: any of the tree in `errors.py`; then no file was written.
    """
    progress = progress or Progress()
    progress.expect(passes("compare"))
    source = open_source(request.input, request.analyze.video_stream)
    ending, why = default_ending(source, request.encode)
    notes = [why] if target is None and why else []
    target = target or source.path.with_name(f"{source.path.stem}.compare{ending}")
    check_outputs(request, [(target, "the clip")], overwrite=overwrite)
    width = 2 * _even_chroma(source.info.width, source.encoding.pix_fmt)
    size = (width, source.info.height)
    sink = open_sink(target, source, request.encode, size=size, overwrite=overwrite)
    for sentence in (*notes, *sink.warnings):
        warn(sentence)
    session = open_session(request, source=source, progress=progress)
    plan = session.plan
    progress.start("compare", plan.frame_count)
    originals: deque[Frame] = deque()  # as far as the render pass reads ahead, on its own thread
    with (
        session.frames(plan) as reader,
        BackgroundWriter(sink) as writer,
        prefetch(reader) as frames,
        closing(session.render(plan, _kept(frames, originals))) as results,
    ):
        for original, edited in paired(originals, results):
            writer.write(_joined(original, edited))
            progress.advance(1)
    progress.finish()
    return target, [*notes, *reader.warnings, *summarize(reader.damage), *sink.warnings]


def _kept(frames: Iterable[Frame], originals: deque[Frame]) -> Iterator[Frame]:
    """Yield the frames, leaving each behind for the picture on the left."""
    for frame in frames:
        originals.append(frame)
        yield frame


def paired(originals: deque[Frame], results: Iterable[EditResult]) -> Iterator[tuple[Frame, Frame]]:
    """Yield every edited frame with the original it was made of.

    `originals` grows while the results are made; each is there before its result.

    Raises:
        RuntimeError: a frame was lost, or came twice or out of order on the way.
    """
    for result in results:
        if not originals or originals[0].index != result.frame.index:
            raise RuntimeError(f"the render pass gave frame {result.frame.index} out of turn")
        yield originals.popleft(), result.frame
    if originals:
        raise RuntimeError(f"the render pass kept frames from {originals[0].index} on to itself")


def _even_chroma(width: int, pix_fmt: str) -> int:
    """Return the width rounded up so that a chroma sample covers pixels of one picture only."""
    step = 1024 // min(columns for _, columns in plane_shapes(pix_fmt, 1024, 16))
    return -(-width // step) * step


def _joined(left: Frame, right: Frame) -> Frame:
    more = _even_chroma(left.width, left.encoding.pix_fmt) - left.width
    planes = (
        _pair(a, b, more if a.shape[1] == left.width else 0)
        for a, b in zip(left.planes, right.planes, strict=True)
    )
    return dataclasses.replace(left, planes=tuple(planes))


def _pair(left: Plane, right: Plane, more_columns: int) -> Plane:
    grow = ((0, 0), (0, more_columns))
    joined: Plane = np.hstack([np.pad(left, grow, mode="edge"), np.pad(right, grow, mode="edge")])
    return joined
