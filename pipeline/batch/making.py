"""Making the units of shots, one after the other, in one process.

What was opened for a shot stays open until another shot's turn comes: a process that renders the
chunks of one shot finds out what there is to know of it once.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from .. import analysis as analysis_file
from ..analysis import Analysis
from ..errors import InputError, NoFaceError, WeightsError
from ..files import write_whole
from ..loading import FaceRecogniser, load_recogniser, resolve_device
from ..media.damage import check_whole
from ..media.opening import open_sink, open_source
from ..passes.analyze import analyze
from ..progress import Progress, Stopwatch, counted
from ..review.findings import Finding
from ..review.looking import review
from ..segments import join_segments, write_segment
from ..session import Session, open_session
from .costs import Meter, together
from .delivery import JOIN, REVIEW
from .manifest import Shot
from .serving import ElsewhereError, Order
from .shots import ANALYSIS, CODES, RENDER, Desk, ShotCourse
from .units import Unit

FACES: Final = "faces.json"
_SEGMENT, _FACTS = "segment", "facts.json"
_CACHE: Final = "artefacts"


class Maker:
    """Makes units of the shots of one reel.

    Args:
        desk: what they are made with.
        watch: hears how far a unit is, 0–1.
    """

    def __init__(self, desk: Desk, watch: Callable[[Unit, float], None] | None = None) -> None:
        self._desk, self._watch = desk, watch
        self._course: ShotCourse | None = None
        self._sessions: list[Session] = []
        """Of the course, one an edit; opened when first needed."""

    def carry_out(self, order: Order) -> None:
        """Make the unit of an order, unless it is kept.

        Raises:
            ElsewhereError: another run is making it; ordered again, it is made all the same.
            InputError: it is another one here, since a file changed after the order was given.
            VisagistError: it cannot be made.
        """
        if self._desk.store.yields(order.key):
            raise ElsewhereError
        with self._desk.store.scratch(order.key):  # by which others see what is being made here
            course = self._opened(order.shot)
            unit = course.unit(order.unit)
            if unit.key != order.key:
                raise InputError(
                    f"the manifest, or a file it names, changed while shot {order.shot} was being "
                    "made; run the same command again"
                )
            self.make(unit)

    def make_all(
        self, course: ShotCourse, name: str, reached: Callable[[str, Sequence[Unit]], None]
    ) -> None:
        """Make a unit, and whatever of what it needs is missing; `reached` hears what is next."""
        self._opened(course.name)
        for stage in course.stages():
            named = [unit for unit in stage if unit.name == name]
            reached(course.name, named or stage)
            for unit in named or stage:
                self.make(unit)
            if named:
                return
        course.unit(name)  # says which there are

    def make(self, unit: Unit) -> None:
        """Make a unit of a shot whose needs are kept; nothing is done if it is kept itself."""
        course = self._opened(unit.shot)
        if self._desk.targets.has(unit.kind, unit.key):
            return
        makers = {ANALYSIS: self._analyse, CODES: self._prepare, RENDER: self._render}
        makers.get(unit.kind, self._join)(course, unit)

    def _progress(self, unit: Unit) -> Progress:
        """Return what is told of the frames of a unit while it is made."""
        watch = self._watch
        return Progress(None if watch is None else lambda moment: watch(unit, moment.share))

    def _opened(self, shot: str) -> ShotCourse:
        if self._course is None or self._course.name != shot:
            self._course = ShotCourse(self._desk.reel.shot(shot), self._desk)
            self._sessions = []
        return self._course

    @contextmanager
    def _making(self, unit: Unit) -> Iterator[tuple[Path, dict[str, Any]]]:
        """Give what `UnitStore.making` gives, and note what the unit costs."""
        cost = Meter()
        with self._desk.store.making(unit.kind, unit.key) as (folder, facts):
            yield folder, facts
            facts["cost"] = cost.so_far()

    def _analyse(self, course: ShotCourse, unit: Unit) -> None:
        request, clock = course.shot.request, Stopwatch()
        with self._making(unit) as (folder, facts):
            source = open_source(request.input, request.analyze.video_stream)
            if request.analysis_path is None:
                device = resolve_device(request.device)
                found = analyze(
                    source,
                    request.analyze,
                    device=device,
                    progress=self._progress(unit),
                    clock=clock,
                )
            else:
                size = (source.info.width, source.info.height)
                found = analysis_file.load(request.analysis_path, source.fingerprint(), size=size)
            check_whole(source.path, found.damage, request.analyze.on_damage)
            analysis_file.save(found, folder / FACES)
            facts.update(_analysis_facts(found), seconds=clock.seconds())
            self._desk.sources.check_unchanged(request.input)

    def _prepare(self, course: ShotCourse, unit: Unit) -> None:
        faces = self._desk.store.checked(ANALYSIS, course.analysis.key) / FACES
        with self._making(unit) as (folder, facts):
            (folder / _CACHE).mkdir()
            sessions = _sessions(course, faces, folder / _CACHE)
            facts["artefacts"] = [list(session.plan.artefacts) for session in sessions]
            facts["tracks"] = [len(session.plan.tracks) for session in sessions]
            facts["seconds"] = sessions[0].clock.seconds()
            for session in sessions:
                if session.store.refusal is not None:  # without its files it is half a unit
                    raise session.store.refusal
            self._desk.sources.check_unchanged(course.shot.request.input)
        self._sessions = sessions

    def _render(self, course: ShotCourse, unit: Unit) -> None:
        frames = course.chunk(unit)
        with self._making(unit) as (folder, facts):
            first, *after = self._opened_sessions(course)
            with self._desk.store.scratch() as scratch:
                trial = scratch / f"trial{course.outlook.ending}"
                sink = open_sink(trial, first.source, first.request.encode)
            first.progress = self._progress(unit)
            segment = f"{_SEGMENT}{sink.segment_ending}"
            told = write_segment(first, frames, folder / segment, sink, after=after)
            write_whole(folder / _FACTS, json.dumps(told, separators=(",", ":")))
            facts.update(segment=segment, frames=len(frames), seconds=told["seconds"])
            facts["edited"] = [_edited(told["rows"], number) for number in range(1 + len(after))]
            self._desk.sources.check_unchanged(course.shot.request.input)

    def _join(self, course: ShotCourse, unit: Unit) -> None:
        desk, shot, cost = self._desk, course.shot, Meter()
        recogniser = self._recogniser  # damaged ones are told of before the work, not after
        chunks = [desk.store.checked(RENDER, chunk.key) for chunk in course.chunks()]
        told = [desk.store.facts(RENDER, chunk.key) for chunk in course.chunks()]
        edited = [sum(counts) for counts in zip(*(one["edited"] for one in told), strict=True)]
        first, *after = self._opened_sessions(course)
        _check_edited(shot, (first, *after), edited)
        with desk.store.scratch() as scratch:
            made = scratch / f"joined{course.target.suffix}"
            sink = open_sink(made, first.source, first.request.encode)
            segments = [
                (chunk / facts["segment"], json.loads((chunk / _FACTS).read_bytes()))
                for chunk, facts in zip(chunks, told, strict=True)
            ]
            reports = join_segments(first, segments, sink, after=after)
            desk.sources.check_unchanged(shot.request.input)
            joined = cost.so_far()
            cells = [text for _, one in segments for text in one["touched"]]
            more = _handles(course)
            sessions = [first, *after]
            seen = review(sessions, reports, made, cells, recogniser=recogniser, more=more)
            stages = {ANALYSIS: [course.analysis], CODES: [course.codes], RENDER: course.chunks()}
            costs = {stage: self._costs(units) for stage, units in stages.items()}
            facts = {
                "frames": sum(one["frames"] for one in told),
                "edited": edited,
                "warnings": list(dict.fromkeys(w for report in reports for w in report.warnings)),
                "weights": {name: sha for one in reports for name, sha in one.weights.items()},
                "costs": {**costs, JOIN: joined, "review": cost.so_far(joined)},
            }
            desk.targets.deliver(unit.key, made, facts, {REVIEW: json.dumps(seen)})

    @cached_property
    def _recogniser(self) -> FaceRecogniser | None:
        return load_recogniser()

    def _costs(self, units: Iterable[Unit]) -> dict[str, float]:
        facts = [self._desk.store.facts(unit.kind, unit.key) for unit in units]
        return together(one["cost"] for one in facts if "cost" in one)

    def _opened_sessions(self, course: ShotCourse) -> list[Session]:
        """Return the sessions of a shot, one an edit, with all that was prepared for it."""
        if not self._sessions:
            store = self._desk.store
            faces = store.checked(ANALYSIS, course.analysis.key) / FACES
            cache = store.checked(CODES, course.codes.key) / _CACHE
            self._sessions = _sessions(course, faces, cache)
            kept = store.facts(CODES, course.codes.key)["artefacts"]
            if kept != [list(session.plan.artefacts) for session in self._sessions]:
                raise WeightsError(
                    f"what was prepared for the faces of shot {course.name} is of another version "
                    "of the program; remove the work folder"
                )
        return self._sessions


def _sessions(course: ShotCourse, faces: Path, cache: Path) -> list[Session]:
    """Return sessions, one an edit, that find no faces of their own; their plans, of the shot's
    frames, are made."""
    frames = f"{course.frames.start}-{course.frames.stop - 1}"
    clock = Stopwatch()
    sessions = []
    for request in course.shot.requests:
        known = dataclasses.replace(request, analysis_path=faces, cache=cache, frames=frames)
        sessions.append(open_session(known, clock=clock))
        _ = sessions[-1].plan
    return sessions


def _edited(rows: Sequence[Sequence[Any]], number: int) -> int:
    """Return in how many frames the edit of a number, from 0, changed a face."""
    return sum(any(face[1] for face in row[1 + number]) for row in rows)


def _check_edited(shot: Shot, sessions: Sequence[Session], edited: Sequence[int]) -> None:
    """Refuse a shot if an edit that asks for something changed no face in any frame.

    Raises:
        NoFaceError: which one.
    """
    idle = [n for n, session in enumerate(sessions) if session.plan.asks and not edited[n]]
    if not idle or shot.on_unedited == "warn" or (shot.on_unedited == "skip" and any(edited)):
        return
    which = f" by edit {idle[0]} ({shot.words(idle[0])})" if len(sessions) > 1 else ""
    raise NoFaceError(f"no face could be edited in {shot.request.input}{which}")


def _handles(course: ShotCourse) -> Iterator[Finding]:
    if missing := course.short_handles:
        text = f"the clip has {counted(missing, 'frame')} less than the handles asked for"
        yield Finding("short-handles", text)


def _analysis_facts(found: Analysis) -> Mapping[str, Any]:
    return {
        "frames": len(found.pts),
        "cuts": len(found.cuts),
        "tracks": len(found.tracks),
        "warnings": list(found.warnings),
    }
