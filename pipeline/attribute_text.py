"""Reading what `--attr` takes: `[KIND:]NAME[=STRENGTH|->LEVEL][@rows=FIRST-LAST]`.

`@rows=` stands at the end and is of the whole attribute. It cannot be taken for the `@EASING` of a
key (see `curve_text`): no easing has a `=` in it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from .errors import UsageError

_ROWS: Final = re.compile(r"(\d+)(?:-(\d+))?")
_END: Final = re.compile(r"@\s*rows\s*=\s*([^@]*)$")


@dataclass(frozen=True, slots=True)
class Typed:
    """One attribute as it was typed."""

    name: str
    """Small letters, `-` between words; a number of a kind that has them."""
    kind: str = ""
    """Of mover; '': what `--editor` says, or what the pack has."""
    value: str | None = None
    """The strength, a number or a curve; None if it was left out."""
    rows: str = ""
    """Of the codes, `2-5` or `3`; '': those of the mover."""
    level: str = ""
    """That the face is moved to, 0–1, `0.8`; '': by a strength."""


def read_attribute(text: str) -> Typed:
    """Return what a text asks for.

    Raises:
        UsageError: rows or a level that are none.
    """
    rows = ""
    if (end := _END.search(text)) is not None:
        text, rows = text[: end.start()], end[1].strip()
        row_window(rows)
    place, arrow, level = text.partition("->")
    if arrow:
        check_level(level.strip() or "nothing")
    place, mark, value = place.partition("=")
    kind, _, name = place.rpartition(":")
    return Typed(_plain(name), _plain(kind), value if mark else None, rows, level.strip())


def row_window(text: str) -> tuple[int, int] | None:
    """Return the rows that `2-5` or `3` means, the first and one past the last; None for ''.

    Raises:
        UsageError: it means none.
    """
    if not text:
        return None
    found = _ROWS.fullmatch(text)
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
    if first > last:
        raise UsageError(
            f"rows {text!r} of a code are none; try @rows=2-5 (the first and the last) or @rows=3"
        )
    return first, last + 1


def check_level(text: str) -> None:
    """Refuse a level that is none; '' is none and may be.

    Raises:
        UsageError: it is no number between 0 and 1.
    """
    try:
        is_level = not text or 0 < float(text) < 1
    except ValueError:
        is_level = False
    if not is_level:
        raise UsageError(
            f"the level {text!r} is no number between 0 and 1; try 'smile->0.8': the face is moved "
            "until the pack's classifier says 0.8 of it"
        )


def _plain(text: str) -> str:
    return text.strip().lower().replace("_", "-")
