"""A whole batch: everything checked, then what is missing made, then told what became of it."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import LaterError, OutputError, SomeFailedError, UsageError, VisagistError
from ..progress import counted
from ..targets import check_target
from ..tracking.select import FaceChoice
from .delivery import JOIN
from .keys import Complaint
from .log import Log
from .manifest import ManifestError, Shot
from .reporting import save, trouble_facts
from .schedule import IN_A_ROW, Schedule
from .serving import trouble_of
from .shots import ANALYSIS, CODES, RENDER, Desk, ShotCourse
from .units import Course, Ending, Outcome, Pool, State, Trouble
from .watch import Watch

_UNEDITED = 7


@dataclass(slots=True)
class Account:
    """What became of the shots of a run."""

    endings: list[Ending] = field(default_factory=list)

    def counts(self) -> dict[State, int]:
        """Return how many shots there are of each state."""
        return dict(Counter(ending.state for ending in self.endings))

    def error(self) -> VisagistError | None:
        """Return the error that the command ends with; None: all is done."""
        counts = self.counts()
        told = ", ".join(f"{count} {state}" for state, count in counts.items())
        if not counts.keys() - {"done", "skipped"}:
            return None
        if counts.get("later") or not counts.get("failed"):
            return LaterError(f"not all is done ({told}); the same command goes on")
        return SomeFailedError(
            f"{counted(counts['failed'], 'shot')} failed, all else that could be is done ({told}); "
            "the same command goes on once they are mended"
        )


def check(desk: Desk, shots: Sequence[Shot], *, overwrite: bool) -> dict[str, Trouble]:
    """Look at everything that can be wrong before the first frame is; return what is with clips.

    Raises:
        ManifestError: lines that ask for what is not there; all of them.
        OutputError: targets that would replace files of somebody else; all of them.
        LaterError: the disk is full, or lost.
        VisagistError: weights or the device cannot be used.
    """
    complaints: list[Complaint] = []
    troubles: dict[str, Trouble] = {}
    targets: dict[Path, Shot] = {}
    taken: list[str] = []
    for shot in shots:
        complaints += _wrong_edits(desk, shot)
    if complaints:  # of one wrong default, one
        lines = {complaint.line or number: complaint for number, complaint in enumerate(complaints)}
        raise ManifestError(desk.reel.path, [*lines.values()])
    for shot in shots:
        try:
            target = ShotCourse(shot, desk).target
        except (VisagistError, OSError) as e:
            troubles[shot.name] = trouble_of(e)
            _check_may_go_on([*troubles.values()][-IN_A_ROW:])
            continue
        if (other := targets.setdefault(target, shot)) is not shot:
            words = f"shots {other.name!r} and {shot.name!r} have one output, {target}"
            complaints.append(Complaint(shot.line(), words))
        taken += _not_ours(desk, shot, target, overwrite=overwrite)
    if complaints:
        raise ManifestError(desk.reel.path, complaints)
    if taken:
        raise OutputError("; ".join(taken))
    return troubles


def _check_may_go_on(last: Sequence[Trouble]) -> None:
    """Stop before a thousand shots meet the same full disk.

    Raises:
        LaterError: the last shots that met trouble met such as may pass.
    """
    if len(last) == IN_A_ROW and all(trouble.may_pass for trouble in last):
        raise LaterError(last[-1].words)


def _wrong_edits(desk: Desk, shot: Shot) -> Iterator[Complaint]:
    for number, request in enumerate(shot.requests):
        key = "faces"
        try:
            FaceChoice.parse(request.render.faces)
            key = "attr"
            desk.program.edits(request)
        except UsageError as e:
            key = next((k for k in ("set", "exemplar") if f"--{k} " in str(e)), key)
            edit = f", edit {number}" if len(shot.requests) > 1 else ""
            yield Complaint(shot.line(key, number), f"shot {shot.name!r}{edit}: {key}: {e}")


def _not_ours(desk: Desk, shot: Shot, target: Path, *, overwrite: bool) -> list[str]:
    """Return why a target cannot be written, if it cannot."""
    inputs = dict.fromkeys((request.input for request in shot.requests), "the input itself")
    if not target.parent.exists():
        return []  # it will be made
    is_ours = target.exists() and not overwrite and desk.targets.is_ours(shot.name, target)
    try:
        what = f"the output of shot {shot.name!r}"
        check_target(target, what, taken=inputs, overwrite=overwrite or is_ours)
    except OutputError as e:
        return [str(e)]
    return []


def run(
    desk: Desk,
    shots: Sequence[Shot],
    pool: Pool,
    log: Log,
    *,
    troubles: dict[str, Trouble],
    halt: bool = False,
    told: Callable[[Ending], None],
    watch: Watch | None = None,
) -> Account:
    """Make all that is missing of some shots, and write down what became of them.

    Args:
        desk: of the reel.
        shots: those to be made.
        pool: who makes the units.
        log: of the run.
        troubles: shots that cannot be begun, as `check` found.
        halt: stop at the first shot that fails.
        told: hears of every shot what became of it.
        watch: tells how far the run is.
    """
    account, begin = Account(), time.time()
    courses = {shot.name: ShotCourse(shot, desk) for shot in shots if shot.name not in troubles}

    def ended(ending: Ending) -> None:
        shot = desk.reel.shot(ending.shot)
        ending = _named(ending, shot)
        account.endings.append(ending)
        course = courses.pop(ending.shot, None)
        _note(desk, ending, course)
        log.write("shot", shot=ending.shot, state=ending.state, **trouble_facts(ending))
        told(ending)
        if watch is not None:
            watch.ended(ending)

    def noted(outcome: Outcome) -> None:
        unit, trouble = outcome.unit, outcome.trouble
        words = {} if trouble is None else {"words": trouble.words}
        state = "made" if trouble is None else "not made"
        log.write(state, shot=unit.shot, unit=unit.name, seconds=round(outcome.seconds, 3), **words)
        if watch is not None:
            watch.noted(outcome)

    try:
        for name, trouble in troubles.items():
            ended(Ending(name, "later" if trouble.may_pass else "failed", trouble=trouble))
        if not (halt and troubles):
            opened = _opened(courses, watch)
            Schedule(opened, desk.targets, halt=halt, ended=ended, noted=noted).run(pool)
        for name in list(courses):
            ended(Ending(name, "stopped"))
    finally:
        desk.store.sweep()
    if len(shots) == len(desk.reel.shots):
        with contextlib.suppress(OSError):  # a full disk: that is told already
            save(desk, account.endings, seconds=time.time() - begin)
    return account


def _opened(courses: dict[str, ShotCourse], watch: Watch | None) -> Iterator[Course]:
    """Yield the courses in their order; each is let go of when its shot has ended."""
    for name in list(courses):
        yield courses[name] if watch is None else watch.course(courses[name])


def _named(ending: Ending, shot: Shot) -> Ending:
    """Return an ending; a shot in which nothing could be edited may be left out, if one says so."""
    trouble = ending.trouble
    if trouble is not None and trouble.exit_code == _UNEDITED and shot.on_unedited == "skip":
        return Ending(ending.shot, "skipped", ending.made, trouble, ending.unit)
    return ending


def _note(desk: Desk, ending: Ending, course: ShotCourse | None) -> None:
    """Write down what became of a shot, and what decided the keys of its units."""
    before = desk.targets.note(ending.shot)
    note = {**before, "shot": ending.shot, "state": ending.state}
    note["trouble"] = trouble_facts(ending)
    if course is not None and course.aspects:
        few = {name: course.aspects.get(name) for name in (ANALYSIS, CODES, RENDER, JOIN)}
        note["aspects"] = few
    if note == before:
        return
    with contextlib.suppress(OSError):  # all of it can be found out again
        desk.targets.write(ending.shot, note)
