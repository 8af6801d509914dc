"""A clip edited in pieces: the grid they lie on, one of them rendered, all of them joined.

Frames are cut on a grid that depends on nothing but their number, and every piece is encoded by an
encoder of its own. So whoever renders which piece, the file they are joined to is the same, byte
for byte, and the same as that of one run with `--chunk`.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from .errors import UsageError
from .imaging.likeness import cells_to_text, changed_cells
from .ledger import is_blank
from .media.base import FrameWriter, JoiningSink, Reading
from .media.damage import check_whole, damage_of, merged, summarize
from .media.threads import BackgroundWriter, prefetch
from .plan import Plan
from .report import UNEDITED, Report, open_report
from .session import Session
from .types import EditResult, FaceOutcome, Frame

Facts = Mapping[str, Any]
"""What is known of a segment: plain data, as JSON has it."""


def chunk_grid(frames: range, size: int) -> tuple[range, ...]:
    """Return frames cut into pieces of `size`, counted from the first; the last may be shorter.

    Raises:
        UsageError: `size` is less than 1.
    """
    if size < 1:
        raise UsageError(f"a chunk of {size} frames is out of range; accepted: 1 and more")
    return tuple(frames[at : at + size] for at in range(0, len(frames), size))


def fit(sink: JoiningSink, plan: Plan) -> None:
    """Have an output hold the frames of a plan, in the pieces its request asks for."""
    times = plan.analysis.pts.tolist()
    if (plan.start, plan.stop) != (0, plan.frame_count):
        sink.take(range(plan.start, plan.stop), times)
    if (size := plan.request.encode.chunk) is not None:
        sink.cut(size, times[plan.start : plan.stop])


@contextmanager
def written(
    session: Session,
    plan: Plan,
    sink: FrameWriter,
    *,
    after: Sequence[Session] = (),
    originals: deque[Frame] | None = None,
) -> Iterator[tuple[Reading, Iterator[tuple[EditResult, ...]]]]:
    """Give what reads the frames of a plan, and an iterator that renders and writes them.

    It yields of every frame what each session made of it, that of the plan first. Those `after` it
    are of other edits of the clip: each is given what the one before left, and what the last one
    leaves is written. Frames as they were read are left in `originals`, each before its results
    come. Leaving the block finishes the output; leaving it by an exception takes it back.
    """
    clock, progress = session.clock, session.progress
    progress.start("edit", plan.stop - plan.start)
    with (
        session.frames(plan) as reader,
        BackgroundWriter(sink, clock=clock) as writer,
        prefetch(clock.timed("decode", reader)) as frames,
        ExitStack() as rendering,
    ):
        given = _left(frames, originals)
        results = _first(rendering.enter_context(closing(session.render(plan, given))))
        for other in after:
            part = other.plan.chunk(plan.start, plan.stop)
            results = rendering.enter_context(closing(_then(other, part, results)))

        def each() -> Iterator[tuple[EditResult, ...]]:
            for result in clock.timed("wait for edits", results):
                with clock.time("wait for encoder"):
                    writer.write(result[-1].frame)
                yield result
                progress.advance(1)

        yield reader, each()
    progress.finish()


Results = Generator[tuple[EditResult, ...], None, None]


def _first(results: Iterable[EditResult]) -> Results:
    for result in results:
        yield (result,)


def _then(session: Session, plan: Plan, before: Results) -> Results:
    """Yield of every frame what was made of it before, and what a session makes of that."""
    under_way: deque[tuple[EditResult, ...]] = deque()

    def left() -> Iterator[Frame]:
        for results in before:
            under_way.append(results)
            yield results[-1].frame

    with closing(session.render(plan, left())) as rendered:
        for result in rendered:
            yield (*under_way.popleft(), result)


def _left(frames: Iterable[Frame], originals: deque[Frame] | None) -> Iterator[Frame]:
    for frame in frames:
        if originals is not None:
            originals.append(frame)
        yield frame


def write_segment(
    session: Session,
    frames: range,
    target: Path,
    sink: JoiningSink,
    *,
    after: Sequence[Session] = (),
) -> dict[str, Any]:
    """Render some frames of a clip into a segment file and return its facts.

    The frames are as they are among all frames of the clip. The file is there as a whole or not at
    all; what stands at `target` is replaced. Nothing else is written.

    Args:
        session: of the request; its plan is made if it was not yet.
        frames: numbers of the frames in the clip, consecutive.
        target: the segment, whose name ends with `sink.segment_ending`.
        sink: the output the segment is for, as `open_sink` gives it; it is not entered, and lies
            where the process may write (a trial of it is made there when it is opened).
        after: sessions of more edits of the same clip, see `written`.

    Returns:
        Plain data for `join_segments`: that of `base.SegmentSink.facts`; `first`, the number of the
        first frame; `rows`, one a frame: whether it is blank, and of each session what became of
        its faces; `touched`, one a frame, where it was changed (see `likeness.cells_to_text`);
        `damage`, `warnings`, `seconds`.

    Raises:
        UsageError: they are no frames of the plan.
        VideoError: the clip changed, or is damaged and that is to fail.
        OutputError: the segment cannot be written.
    """
    plan = session.plan.chunk(frames.start, frames.stop)
    before = session.clock.seconds()
    rows: list[list[Any]] = []
    originals, touched = deque[Frame](), list[str]()
    segment = sink.segment(target)
    with written(session, plan, segment, after=after, originals=originals) as (reader, made):
        for results in made:
            changed = changed_cells(originals.popleft().planes, results[-1].frame.planes)
            touched.append(cells_to_text(changed))
            outcomes = [face for result in results for face in result.faces]
            blank = is_blank(results[-1].frame, outcomes)
            rows.append([blank, *(_plain(result.faces) for result in results)])
        check_whole(session.source.path, reader.damage, session.request.analyze.on_damage)
    return {
        **segment.facts,
        "first": frames.start,
        "rows": rows,
        "touched": touched,
        "damage": [dataclasses.asdict(damage) for damage in reader.damage],
        "warnings": [*reader.warnings, *sink.warnings],
        "seconds": _since(before, session.clock.seconds()),
    }


def _since(before: Mapping[str, float], now: Mapping[str, float]) -> dict[str, float]:
    """Return the seconds of every stage that a clock has counted since it showed `before`."""
    spent = {stage: round(total - before.get(stage, 0.0), 4) for stage, total in now.items()}
    return {stage: seconds for stage, seconds in spent.items() if seconds}


def _plain(faces: Iterable[FaceOutcome]) -> list[list[Any]]:
    return [[f.track_id, f.edited, f.reason, dict(f.left)] for f in faces]


def join_segments(
    session: Session,
    segments: Sequence[tuple[Path, Facts]],
    sink: JoiningSink,
    *,
    after: Sequence[Session] = (),
) -> tuple[Report, ...]:
    """Put segments together to the output, with sound and all else of the clip; return the account
    of each session.

    Packets are copied; the output is verified and put in place as that of a plain edit is.

    Args:
        session: of the request.
        segments: files and their facts, in order; together all frames of the plan.
        sink: the output, as `open_sink` gives it; it is not entered.
        after: sessions of more edits, as the segments were written with.

    Raises:
        UsageError: frames are missing, or given twice.
        OutputError: a segment is damaged, or was made with other options; the output cannot be
            written.
    """
    plan = session.plan
    _check_complete(range(plan.start, plan.stop), [facts for _, facts in segments])
    fit(sink, plan)
    sessions = (session, *after)
    reports = tuple(open_report(one, sink) for one in sessions)
    for _, facts in segments:
        _account(reports, facts)
    with session.clock.time("join"), sink:
        sink.join(segments)
    damage = merged([damage_of(entry) for _, facts in segments for entry in facts["damage"]])
    said = [sentence for _, facts in segments for sentence in facts["warnings"]]
    said += [*summarize(damage), *sink.warnings]
    for report, one in zip(reports, sessions, strict=True):
        report.close()
        report.damage = damage
        report.warnings += list(dict.fromkeys(said))
        if one.plan.asks and not report.edited_frames:
            report.warnings.append(UNEDITED)
        report.seconds = session.clock.seconds()
    return reports


def _account(reports: Sequence[Report], facts: Facts) -> None:
    """Count the frames of a segment."""
    for number, (pts, (blank, *made)) in enumerate(zip(facts["pts"], facts["rows"], strict=True)):
        for report, faces in zip(reports, made, strict=True):
            outcomes = [FaceOutcome(*face) for face in faces]
            report.count(facts["first"] + number, pts, outcomes, blank=blank)


def _check_complete(frames: range, segments: Sequence[Facts]) -> None:
    due = frames.start
    for facts in segments:
        if facts["first"] != due:
            raise UsageError(
                f"the segments do not follow each other: frame {due} is due and the next segment "
                f"begins with {facts['first']}"
            )
        due += len(facts["pts"])
    if due != frames.stop:
        raise UsageError(f"the segments end before frame {due}; the output has {frames.stop}")
