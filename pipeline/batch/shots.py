"""Which units a shot consists of, and what each of them depends on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..ranges import frame_range
from ..segments import chunk_grid
from .delivery import JOIN, Targets
from .manifest import Reel, Shot
from .program import Program
from .sources import Outlook, Sources
from .store import UnitStore, key_of
from .units import Unit

ANALYSIS, CODES, RENDER = "analysis", "codes", "render"


@dataclass(frozen=True)
class Desk:
    """What units are made with and kept in."""

    reel: Reel
    store: UnitStore
    targets: Targets
    sources: Sources
    program: Program

    @classmethod
    def of(cls, reel: Reel, *, rehash: bool = False) -> Desk:
        """Return the desk of a reel."""
        store = UnitStore(reel.work)
        sources = Sources(store, rehash=rehash)
        return cls(reel, store, Targets(store), sources, Program(sources))


class ShotCourse:
    """The units of a shot: its analysis, what is prepared for its faces, chunks, the target."""

    def __init__(self, shot: Shot, desk: Desk) -> None:
        self.shot, self._desk = shot, desk
        self.aspects: dict[str, dict[str, str]] = {}
        """By unit, a short hash of each thing that decides its key: what changed can be told. Those
        of all chunks are alike but for their frames, and stand once, under `RENDER`."""

    @property
    def name(self) -> str:
        """Of the shot."""
        return self.shot.name

    def stages(self) -> Iterator[Sequence[Unit]]:
        """Yield what can be made side by side; see `units.Course`."""
        yield (self.analysis,)
        yield (self.codes,)
        chunks = self.chunks()
        yield chunks
        yield (self.join(chunks),)

    def is_delivered(self) -> bool:
        """Return whether the target is what it is to be: then no other unit is needed, or read.

        Raises:
            VisagistError: the shot cannot be used.
        """
        if not self._desk.store.has(ANALYSIS, self.analysis.key):
            return False
        join = self.join(self.chunks())
        return self._desk.targets.has(join.kind, join.key)

    def unit(self, name: str) -> Unit:
        """Return a unit by its name; the analysis must be kept for chunks and what follows.

        Raises:
            VisagistError: the shot cannot be used, or has no such unit.
        """
        if name in (ANALYSIS, CODES):
            return self.analysis if name == ANALYSIS else self.codes
        chunks = self.chunks()
        for unit in (*chunks, self.join(chunks)):
            if unit.name == name:
                return unit
        raise InputError(
            f"the shot {self.name!r} has no unit {name!r}; accepted: {ANALYSIS}, {CODES}, 0 to "
            f"{len(chunks) - 1}, {JOIN}"
        )

    @cached_property
    def outlook(self) -> Outlook:
        """What the output will be like."""
        given = Path(self.shot.output).suffix
        return self._desk.sources.outlook(self.shot.request, "" if "{" in given else given)

    @cached_property
    def target(self) -> Path:
        """The file that is delivered."""
        return self.shot.target(self.outlook.ending)

    @cached_property
    def analysis(self) -> Unit:
        """Where the faces are: of the whole clip, so that shots of one clip share it."""
        facts = self._desk.program.analysis_facts(self.shot.request)
        return self._unit(ANALYSIS, ANALYSIS, **facts)

    @cached_property
    def codes(self) -> Unit:
        """What editors prepare for the faces, of all edits of the shot."""
        program = self._desk.program
        edits = [program.codes_facts(request) for request in self.shot.requests]
        span = [self.shot.frames, self.shot.handles]
        return self._unit(CODES, CODES, analysis=self.analysis.key, edits=edits, frames=span)

    @property
    def frames(self) -> range:
        """The frames that are delivered, handles with them; the analysis must be kept.

        Raises:
            UsageError: the clip has not all that were asked for.
        """
        wanted, count = self._wanted()
        handles = self.shot.handles
        return range(max(0, wanted.start - handles), min(count, wanted.stop + handles))

    @property
    def short_handles(self) -> int:
        """How many frames of the handles the clip has not; the analysis must be kept."""
        wanted, _ = self._wanted()
        return len(wanted) + 2 * self.shot.handles - len(self.frames)

    def _wanted(self) -> tuple[range, int]:
        """Return the frames that are asked for, without handles, and how many the clip has."""
        count = int(self._desk.store.facts(ANALYSIS, self.analysis.key)["frames"])
        rate, timecode = Fraction(*self.outlook.rate), self.outlook.timecode
        return frame_range(self.shot.frames, count, timecode=timecode, rate=rate), count

    def chunk(self, unit: Unit) -> range:
        """Return the frames of a unit of rendering."""
        return self._grid()[int(unit.name)]

    def chunks(self) -> tuple[Unit, ...]:
        """Return the units of rendering; the analysis must be kept."""
        program, request = self._desk.program, self.shot.request
        facts = {
            "codes": self.codes.key,
            "edits": [program.render_facts(one) for one in self.shot.requests],
            "encode": program.plain(request.encode),
            "ending": self.outlook.ending,
        }
        self.aspects[RENDER] = _aspects(facts)
        alike = key_of(**facts)
        return tuple(
            Unit(
                self.name,
                str(number),
                RENDER,
                sha256(f"{alike} {piece.start} {piece.stop}".encode()).hexdigest(),
                len(piece),
            )
            for number, piece in enumerate(self._grid())
        )

    def join(self, chunks: Sequence[Unit]) -> Unit:
        """Return the unit of the target, and have it known to the targets."""
        clip = self._desk.sources.digest(self.shot.request.input)
        keys = [unit.key for unit in chunks]
        unit = self._unit(
            JOIN,
            JOIN,
            shot=self.name,  # two shots may be alike in all else, and each has a target
            clip=clip,
            segments=keys,
            on_unedited=self.shot.on_unedited,
            ending=self.target.suffix,
        )
        self._desk.targets.expect(unit.key, self.name, self.target)
        return unit

    def _grid(self) -> tuple[range, ...]:
        return chunk_grid(
            self.frames, self.shot.request.encode.chunk or self.outlook.segment_frames
        )

    def _unit(self, kind: str, name: str, **facts: Any) -> Unit:
        self.aspects[name] = _aspects(facts)
        return Unit(self.name, name, kind, key_of(kind=kind, **facts))


def _aspects(facts: Mapping[str, Any]) -> dict[str, str]:
    return {what: key_of(value=value)[:12] for what, value in facts.items()}
