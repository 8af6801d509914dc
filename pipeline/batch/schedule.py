"""What is made next: units of earlier shots first, each once, and three times if its worker dies.

What another run is making is left to it, and looked at again when all else is done. By then it is
kept, or it is made here too, since nobody knows whether the other one ever ends.

A shot that cannot be used takes nobody with it. Trouble that may pass (a full disk, no memory)
stops the run when it comes three times in a row, so that a thousand shots do not fail one by one.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from ..errors import VisagistError
from .serving import trouble_of
from .units import Course, Ending, Kept, Outcome, Pool, State, Trouble, Unit

TRIES = 3
"""Of a unit whose worker died, or that met trouble that may pass."""
IN_A_ROW = 3
"""Times that trouble may pass until the run stops."""


@dataclass(slots=True, eq=False)
class _Shot:
    """A shot on its way."""

    number: int
    course: Course
    stages: Iterator[Sequence[Unit]]
    waiting: set[str] = field(default_factory=set)
    """Keys of the units that the next stage waits for."""
    made: int = 0
    is_over: bool = False


class Schedule:
    """Makes what is missing of some shots.

    Args:
        courses: the shots, opened one by one as workers get free.
        kept: the store.
        halt: stop at the first shot that fails.
        ended: hears of every shot what became of it.
        noted: hears of every outcome.
    """

    def __init__(
        self,
        courses: Iterable[Course],
        kept: Kept,
        *,
        halt: bool = False,
        ended: Callable[[Ending], None],
        noted: Callable[[Outcome], None] = lambda _: None,
    ) -> None:
        self._courses = enumerate(courses)
        self._kept, self._halt = kept, halt
        self._ended, self._noted = ended, noted
        self._queue: list[tuple[int, int, Unit]] = []
        """Units to be made: number of the shot, rank, unit."""
        self._wanted: dict[str, list[_Shot]] = {}
        """By key, who waits for a unit that is queued or being made."""
        self._tries: dict[str, int] = {}
        self._aside: deque[Unit] = deque()
        """Units that other runs were making when they were ordered."""
        self._running = 0
        self._rank = 0
        self._in_a_row = 0
        self._is_stopped = False

    def run(self, pool: Pool) -> bool:
        """Make all that can be made; return whether the run was not stopped on the way."""
        while True:
            while not self._is_stopped and pool.idle and (unit := self._next()) is not None:
                pool.give(unit)
                self._running += 1
            if not self._running:
                break
            outcome = pool.outcome()
            self._running -= 1
            self._take(outcome)
        self._abandon()
        return not self._is_stopped

    def _next(self) -> Unit | None:
        while True:
            while self._queue:
                _, _, unit = heapq.heappop(self._queue)
                if unit.key in self._wanted:
                    return unit
            opened = next(self._courses, None)
            if opened is None:
                if self._running or not self._aside:
                    return None
                self._look_again(self._aside.popleft())
                continue
            number, course = opened
            self._advance(_Shot(number, course, _left(course)))
            if self._is_stopped:
                return None

    def _look_again(self, unit: Unit) -> None:
        """Have a unit made that was left to another run, unless that one has made it."""
        if self._kept.has(unit.kind, unit.key):
            self._made(unit, by_others=True)
        elif unit.key in self._wanted:
            self._push(unit, self._wanted[unit.key][0].number)

    def _advance(self, shot: _Shot) -> None:
        """Queue what a shot lacks in its next stage that is not kept as a whole, or end it."""
        try:
            for stage in shot.stages:
                missing = [unit for unit in stage if not self._kept.has(unit.kind, unit.key)]
                for unit in missing:
                    self._want(unit, shot)
                if missing:
                    return
        except (VisagistError, OSError) as e:
            trouble = trouble_of(e)
            if trouble.may_pass:
                self._passing()
            self._fail(shot, trouble)
            return
        shot.is_over = True
        self._ended(Ending(shot.course.name, "done", shot.made))

    def _want(self, unit: Unit, shot: _Shot) -> None:
        shot.waiting.add(unit.key)
        if unit.key in self._wanted:  # another shot has it made
            self._wanted[unit.key].append(shot)
            return
        self._wanted[unit.key] = [shot]
        self._push(unit, shot.number)

    def _push(self, unit: Unit, number: int) -> None:
        self._rank += 1
        heapq.heappush(self._queue, (number, self._rank, unit))

    def _take(self, outcome: Outcome) -> None:
        if outcome.elsewhere:
            self._aside.append(outcome.unit)
            return
        self._noted(outcome)
        unit, trouble = outcome.unit, outcome.trouble
        if trouble is None:
            self._in_a_row = 0
            self._made(unit)
            return
        if trouble.may_pass and not outcome.worker_died:
            self._passing()
        tried = self._tries[unit.key] = self._tries.get(unit.key, 0) + 1
        may_help = trouble.may_pass or outcome.worker_died or outcome.broken
        if not may_help or tried >= TRIES or self._in_a_row >= IN_A_ROW:
            self._give_up(unit, trouble)
        elif outcome.broken:
            self._begin_again(unit)
        else:
            self._push(unit, self._wanted[unit.key][0].number)

    def _passing(self) -> None:
        """Count trouble that may pass."""
        self._in_a_row += 1
        self._is_stopped |= self._in_a_row >= IN_A_ROW

    def _made(self, unit: Unit, *, by_others: bool = False) -> None:
        shots = self._wanted.pop(unit.key, [])
        self._tries.pop(unit.key, None)
        if shots and not by_others:
            shots[0].made += 1
        for shot in shots:
            shot.waiting.discard(unit.key)
            if not shot.waiting and not shot.is_over:
                self._advance(shot)

    def _begin_again(self, unit: Unit) -> None:
        """Have those who wait for a unit look for what is missing, from their first stage on."""
        for shot in self._wanted.pop(unit.key, []):
            shot.waiting.discard(unit.key)
            shot.stages = iter(shot.course.stages())
            if not shot.is_over and not shot.waiting:
                self._advance(shot)

    def _give_up(self, unit: Unit, trouble: Trouble) -> None:
        for shot in self._wanted.pop(unit.key, []):
            self._fail(shot, trouble, unit.name)

    def _fail(self, shot: _Shot, trouble: Trouble, unit: str = "") -> None:
        if shot.is_over:
            return
        self._leave(shot)
        state: State = "later" if trouble.may_pass else "failed"
        self._ended(Ending(shot.course.name, state, shot.made, trouble, unit))
        self._is_stopped |= self._halt

    def _leave(self, shot: _Shot) -> None:
        """Have no unit made for a shot alone any more."""
        shot.is_over = True
        for key in shot.waiting:
            others = [other for other in self._wanted.get(key, []) if other is not shot]
            if others:
                self._wanted[key] = others
            else:
                self._wanted.pop(key, None)

    def _abandon(self) -> None:
        """End the shots that are under way, or were not begun, when the run is stopped."""
        begun = {id(shot): shot for shots in self._wanted.values() for shot in shots}
        for shot in sorted(begun.values(), key=lambda shot: shot.number):
            if not shot.is_over:
                self._ended(Ending(shot.course.name, "stopped", shot.made))
        for _, course in self._courses:
            self._ended(Ending(course.name, "stopped"))


def _left(course: Course) -> Iterator[Sequence[Unit]]:
    """Yield the stages of a shot; of one that is delivered nothing else is looked at."""
    if not course.is_delivered():
        yield from course.stages()
