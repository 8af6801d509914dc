"""Making the units of shots, one after the other, in one process.

What was opened for a shot stays open until another shot's turn comes: a process that renders the
chunks of one shot finds out what there is to know of it once.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from .. import analysis as analysis_file
from ..analysis import Analysis
from ..errors import InputError, NoFaceError, WeightsError
from ..files import write_whole
from ..loading import resolve_device
from ..media.damage import check_whole
from ..media.opening import open_sink, open_source
from ..passes.analyze import analyze
from ..progress import Progress, Stopwatch
from ..request import EditRequest
from ..segments import join_segments, write_segment
from ..session import Session, open_session
from .serving import Order
from .shots import ANALYSIS, CODES, RENDER, Desk, ShotCourse
from .units import Unit

FACES: Final = "faces.json"
_SEGMENT, _FACTS = "segment", "facts.json"
_CACHE: Final = "artefacts"


class Maker:
    """Makes units of the shots of one reel."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._course: ShotCourse | None = None
        self._sessions: list[Session] = []
        """Of the course, one an edit; opened when first needed."""

    def carry_out(self, order: Order) -> None:
        """Make the unit of an order, unless it is kept.

        Raises:
            InputError: it is another one here, since a file changed after the order was given.
            VisagistError: it cannot be made.
        """
        course = self._opened(order.shot)
        unit = course.unit(order.unit)
        if unit.key != order.key:
            raise InputError(
                f"the manifest, or a file it names, changed while shot {order.shot} was being "
                "made; run the same command again"
            )
        self.make(unit)

    def make_all(self, course: ShotCourse, name: str) -> None:
        """Make a unit, and whatever of what it needs is missing."""
        self._opened(course.name)
        for stage in course.stages():
            named = [unit for unit in stage if unit.name == name]
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

    def _opened(self, shot: str) -> ShotCourse:
        if self._course is None or self._course.name != shot:
            self._course = ShotCourse(self._desk.reel.shot(shot), self._desk)
            self._sessions = []
        return self._course

    def _analyse(self, course: ShotCourse, unit: Unit) -> None:
        request, clock = course.shot.request, Stopwatch()
        with self._desk.store.making(unit.kind, unit.key) as (folder, facts):
            source = open_source(request.input, request.analyze.video_stream)
            if request.analysis_path is None:
                device = resolve_device(request.device)
                found = analyze(
                    source, request.analyze, device=device, progress=Progress(), clock=clock
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
        with self._desk.store.making(unit.kind, unit.key) as (folder, facts):
            (folder / _CACHE).mkdir()
            requests = course.shot.requests
            sessions = [_session(course, one, faces, folder / _CACHE) for one in requests]
            facts["artefacts"] = [list(session.plan.artefacts) for session in sessions]
            facts["tracks"] = [len(session.plan.tracks) for session in sessions]
            facts["seconds"] = [session.clock.seconds() for session in sessions]
            self._desk.sources.check_unchanged(course.shot.request.input)
        self._sessions = sessions

    def _render(self, course: ShotCourse, unit: Unit) -> None:
        session = self._session(course)
        frames = course.chunk(unit)
        with self._desk.store.making(unit.kind, unit.key) as (folder, facts):
            with self._desk.store.scratch() as scratch:
                trial = scratch / f"trial{course.outlook.ending}"
                sink = open_sink(trial, session.source, session.request.encode)
            segment = f"{_SEGMENT}{sink.segment_ending}"
            told = write_segment(session, frames, folder / segment, sink)
            write_whole(folder / _FACTS, json.dumps(told, separators=(",", ":")))
            edited = sum(any(outcome[1] for outcome in row[1]) for row in told["rows"])
            facts.update(segment=segment, frames=len(frames), edited=edited)
            facts["seconds"] = told["seconds"]
            self._desk.sources.check_unchanged(course.shot.request.input)

    def _join(self, course: ShotCourse, unit: Unit) -> None:
        desk, shot = self._desk, course.shot
        chunks = [desk.store.checked(RENDER, chunk.key) for chunk in course.chunks()]
        told = [desk.store.facts(RENDER, chunk.key) for chunk in course.chunks()]
        edited, frames = (sum(one[name] for one in told) for name in ("edited", "frames"))
        if not edited and shot.on_unedited != "warn" and self._asks_for_edits(course):
            raise NoFaceError(f"no face could be edited in {shot.request.input}")
        session = self._session(course)
        with desk.store.scratch() as scratch:
            made = scratch / f"joined{course.target.suffix}"
            sink = open_sink(made, session.source, session.request.encode)
            segments = [
                (chunk / facts["segment"], json.loads((chunk / _FACTS).read_bytes()))
                for chunk, facts in zip(chunks, told, strict=True)
            ]
            report = join_segments(session, segments, sink)
            self._desk.sources.check_unchanged(shot.request.input)
            facts = {"frames": frames, "edited": edited, "warnings": report.warnings}
            desk.targets.deliver(unit.key, made, facts)

    def _asks_for_edits(self, course: ShotCourse) -> bool:
        requests = course.shot.requests
        edits = [edit for request in requests for edit in self._desk.program.edits(request)]
        return any(edit.strength for edit in edits)

    def _session(self, course: ShotCourse) -> Session:
        """Return the session of a shot, with all that was prepared for it."""
        if not self._sessions:
            store = self._desk.store
            faces = store.checked(ANALYSIS, course.analysis.key) / FACES
            cache = store.checked(CODES, course.codes.key) / _CACHE
            requests = course.shot.requests
            self._sessions = [_session(course, one, faces, cache) for one in requests]
            kept = store.facts(CODES, course.codes.key)["artefacts"]
            if kept != [list(session.plan.artefacts) for session in self._sessions]:
                raise WeightsError(
                    f"what was prepared for the faces of shot {course.name} is of another version "
                    "of the program; remove the work folder"
                )
        return self._sessions[0]


def _session(course: ShotCourse, request: EditRequest, faces: Path, cache: Path) -> Session:
    """Return a session that finds no faces of its own; its plan, of the shot's frames, is made."""
    frames = f"{course.frames.start}-{course.frames.stop - 1}"
    known = dataclasses.replace(request, analysis_path=faces, cache=cache, frames=frames)
    session = open_session(known)
    _ = session.plan
    return session


def _analysis_facts(found: Analysis) -> Mapping[str, Any]:
    return {
        "frames": len(found.pts),
        "cuts": len(found.cuts),
        "tracks": len(found.tracks),
        "warnings": list(found.warnings),
    }
