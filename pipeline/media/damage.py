"""What of a video could not be read as it was meant, and the one sentence that says so."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from ..errors import VideoError

DamageKind = Literal["packet", "concealed", "logged", "missing", "container", "truncated"]

_MOST = 10_000
"""Damages kept of one video; more tell nobody more."""
_MOST_SAID = 3
"""Different messages in the sentence; the report holds all."""
_VARYING = re.compile(r"0x[0-9a-fA-F]+|\b[0-9A-F]{8}\b|\d+")
"""What differs between messages that say the same."""


@dataclass(frozen=True, slots=True)
class Damage:
    """Something in the video that could not be read or decoded as it was meant."""

    kind: DamageKind
    """`packet`: undecodable, its frame is missing; `concealed`: decoded with guessed parts;
    `logged`: FFmpeg calls it an error, the picture may be wrong; `missing`: stored, and without an
    error not shown; `container`: the file's structure; `truncated`: the file announces more."""
    message: str
    where_s: float
    """Presentation time [s] of its first frame, as far as known."""
    first_frame: int
    """Number of the first frame concerned, or of the one that follows where it is missing."""
    last_frame: int
    count: int = 1
    """How often it was said of these frames."""


def damage_of(entry: Mapping[str, object]) -> Damage:
    """Return a damage from its fields as they are stored.

    Raises:
        ValueError: it is another kind of object.
    """
    kinds: tuple[DamageKind, ...] = get_args(DamageKind)
    kind = next((kind for kind in kinds if kind == entry["kind"]), None)
    first, last, count = (entry[name] for name in ("first_frame", "last_frame", "count"))
    where = float(str(entry["where_s"]))
    if kind and isinstance(first, int) and isinstance(last, int) and isinstance(count, int):
        return Damage(kind, str(entry["message"]), where, first, last, count)
    raise ValueError(f"'damage' holds {str(entry)[:80]}, which is none")


def merged(damages: Iterable[Damage]) -> list[Damage]:
    """Return what was noted of consecutive ranges as of one: the same said on is said once."""
    found: list[Damage] = []
    for damage in damages:
        last = found[-1] if found else None
        same = last is not None and (last.kind, last.message) == (damage.kind, damage.message)
        if last is not None and same and damage.first_frame <= last.last_frame + 1:
            count = last.count + damage.count
            found[-1] = replace(last, last_frame=damage.last_frame, count=count)
        else:
            found.append(damage)
    return found


class DamageLog:
    """Takes damage while a video is read; frames get their numbers when all are known."""

    def __init__(self) -> None:
        self._noted: list[tuple[Damage, int | None]] = []
        self._stamps = array("q")
        self._rising = True

    def __bool__(self) -> bool:
        return bool(self._noted)

    def note(
        self, kind: DamageKind, message: str, where_s: float, *, frame: int, pts: int | None = None
    ) -> None:
        """Take a damage.

        Args:
            frame: the frame that was to be read next, the best guess without a time.
            pts: stored time of the damaged packet or frame [ticks].
        """
        if len(self._noted) < _MOST:
            self._noted.append((Damage(kind, message, where_s, frame, frame), pts))

    def shown(self, pts: int | None) -> None:
        """Take the stored time of the next frame [ticks]."""
        if pts is None or (self._stamps and pts <= self._stamps[-1]):
            self._rising = False  # then times tell no frame's number
        if self._rising and pts is not None:
            self._stamps.append(pts)

    def damages(self, start: int = 0, stop: int | None = None, *, ahead: int = 0) -> list[Damage]:
        """Return all that was noted of some frames, the same damage of frames in a row as one.

        Args:
            start: first frame of the clip that counts.
            stop: frame after the last; None: to the end.
            ahead: frames of the clip before the first one shown.
        """
        numbered: list[Damage] = []
        for damage, pts in self._noted:
            frame = damage.first_frame + ahead
            if pts is not None and self._rising:
                frame = bisect_left(self._stamps, pts) + ahead
            if start <= frame and (stop is None or frame < stop):
                numbered.append(replace(damage, first_frame=frame, last_frame=frame))
        merged: list[Damage] = []
        last: dict[tuple[DamageKind, str], int] = {}
        for damage in sorted(numbered, key=lambda d: d.first_frame):
            key = (damage.kind, alike(damage.message))
            place = last.get(key)
            if place is not None and damage.first_frame <= merged[place].last_frame + 1:
                before = merged[place]
                merged[place] = replace(
                    before, last_frame=damage.last_frame, count=before.count + 1
                )
            else:
                last[key] = len(merged)
                merged.append(damage)
        return merged


def alike(message: str) -> str:
    """Return a message without the numbers and addresses that differ from frame to frame."""
    return _VARYING.sub("…", message)


def summarize(damages: Sequence[Damage]) -> list[str]:
    """Return one sentence on all damage: where, what, how often; nothing if there is none."""
    if not damages:
        return []
    inside = [d for d in damages if d.kind not in ("truncated", "container")]
    said: Counter[str] = Counter()
    first: dict[str, str] = {}
    for damage in damages:
        key = alike(damage.message)
        said[key] += damage.count
        first.setdefault(key, damage.message)
    # What says most comes first: where the file ends too soon, then what is said most often.
    ends = dict.fromkeys(alike(d.message) for d in damages if d.kind == "truncated")
    order = list(dict.fromkeys([*ends, *(key for key, _ in said.most_common())]))
    parts = [
        f"{first[key]} ({said[key]} ×)" if said[key] > 1 else first[key]
        for key in order[: _MOST_SAID + len(ends)]
    ]
    if more := len(order) - len(parts):
        parts.append(f"and {more} other messages, see the report")
    where = f" at {_ranges(inside)}" if inside else ""
    return [f"the input is damaged{where}: {'; '.join(parts)}"]


def check_whole(path: Path, damages: Sequence[Damage], on_damage: str) -> None:
    """Refuse a damaged input where `on_damage` is `fail`.

    Raises:
        VideoError: it is damaged.
    """
    if damages and on_damage == "fail":
        first = summarize(damages)[0].rstrip(".")
        raise VideoError(
            f"{path}: {first}. Nothing was written; --on-damage warn edits what can be read"
        )


def _ranges(damages: Iterable[Damage]) -> str:
    """Return `frame 3 (0.12 s)` or `frames 3–5, 9 (from 0.12 s)`."""
    spans: list[list[int]] = []
    ordered = sorted(damages, key=lambda d: d.first_frame)
    for damage in ordered:
        if spans and damage.first_frame <= spans[-1][1] + 1:
            spans[-1][1] = max(spans[-1][1], damage.last_frame)
        else:
            spans.append([damage.first_frame, damage.last_frame])
    texts = [str(a) if a == b else f"{a}–{b}" for a, b in spans]
    shown = ", ".join(texts[:8]) + (f" and {len(texts) - 8} more places" if len(texts) > 8 else "")
    one = len(texts) == 1 and spans[0][0] == spans[0][1]
    noun, preposition = ("frame", "") if one else ("frames", "from ")
    return f"{noun} {shown} ({preposition}{ordered[0].where_s:.2f} s)"
