"""What a task of a farm makes: a unit of a shot, or a share of its chunks, with what it needs."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..errors import UsageError
from .making import Maker
from .shots import RENDER, ShotCourse
from .units import Unit


@dataclass(frozen=True, slots=True)
class Share:
    """Every `count`th chunk from the `number`th on, from 1: right for any number of chunks."""

    number: int
    count: int

    @classmethod
    def read(cls, text: str) -> Share | None:
        """Return what `K/N` means; None: it is the name of a unit.

        Raises:
            UsageError: there is no such share.
        """
        if (found := re.fullmatch(r"(\d{1,9})/(\d{1,9})", text, re.ASCII)) is None:
            return None
        share = cls(int(found[1]), int(found[2]))
        if not 1 <= share.number <= share.count:
            raise UsageError(f"--unit {text}: there is no such share; accepted: 1/N to N/N")
        return share


def make_task(
    maker: Maker, course: ShotCourse, unit: str, reached: Callable[[str, Sequence[Unit]], None]
) -> None:
    """Make a unit, or a share of the chunks, and whatever of what that needs is missing.

    `reached` hears what is next.

    Raises:
        VisagistError: it cannot be made.
    """
    share = Share.read(unit)
    if share is None:
        maker.make_all(course, unit, reached)
        return
    for stage in course.stages():
        is_last = stage[0].kind == RENDER
        units = stage[share.number - 1 :: share.count] if is_last else stage
        if units:
            reached(course.name, units)
        for one in units:
            maker.make(one)
        if is_last:
            return
