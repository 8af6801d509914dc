"""Lapses: stretches of frames in which a face takes less than half of an edit, and why."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .causes import COMES, GONE, Shares
from .imaging.temporal import runs

Words = NDArray[np.object_]
"""(T,) the cause in every frame, '' where nothing is missing."""

Piece = tuple[int, int, str, Shares]
"""First and last frame, attribute, and its shares there."""

LOW, HIGH = 0.5, 0.9
"""A lapse goes below the first share of an edit; it begins and ends with the second."""
BRIEF_S = 0.2
"""A cause that lasts for less [s] within a lapse is put down to the one beside it."""
BRIDGED_S = 0.3
"""Lapses of one cause that follow each other within this time [s] are told as one."""
_SHOWN = 4
"""Lapses that a summary tells one by one: the longest."""
_NONE = 0.02
"""Share of an edit that nobody sees …"""
_HARDLY = 0.15
"""… and mean share up to which an edit is hardly there before it fades."""


@dataclass(frozen=True, slots=True)
class Lapse:
    """Frames in which less than half of an edit was done."""

    first_frame: int
    last_frame: int
    start_s: float
    """[s] from the first frame of the clip."""
    end_s: float
    """[s] of the last frame."""
    face: int | None
    """Number of its track; None: what is missing is a face."""
    cause: str
    least: Mapping[str, float]
    """By attribute, the least share 0–1 that a frame took."""
    mean: Mapping[str, float]
    """By attribute, the mean share 0–1."""
    lost_s: float
    """What is missing, as seconds without any edit: the share not taken, over time."""

    @property
    def when(self) -> str:
        """The frames, and their times [s]."""
        if self.first_frame == self.last_frame:
            return f"frame {self.first_frame} ({self.start_s:.2f} s)"
        span = f"{self.first_frame}–{self.last_frame}"
        return f"frames {span} ({self.start_s:.2f}–{self.end_s:.2f} s)"


def overlapping(pieces: Iterable[Piece]) -> Iterator[list[Piece]]:
    """Yield lapses of different attributes, of one face and cause, that are about the same
    frames."""
    groups: list[list[Piece]] = []
    for piece in sorted(pieces, key=lambda piece: piece[:2]):
        first, last, name, _ = piece
        for group in groups:
            shared = min(last, group[0][1]) - max(first, group[0][0]) + 1
            longest = max(last - first, group[0][1] - group[0][0]) + 1
            if 2 * shared > longest and name not in (other for *_, other, _ in group):
                group.append(piece)
                break
        else:
            groups.append([piece])
    yield from groups


def stretches(
    shares: Shares, words: Words, seconds: NDArray[np.float64], *, brief_s: float = BRIEF_S
) -> Iterator[tuple[slice, str]]:
    """Yield the lapses among shares (T,), each with its cause."""
    words = _named(words, seconds)
    pieces = [
        (_widened(slice(core.start + a, core.start + b), words, shares), word)
        for core in runs(shares < LOW)
        for a, b, word in _pieces(words[core], seconds[core], brief_s)
    ]
    for _, group in itertools.groupby(_linked(pieces, seconds), key=lambda p: p[0]):
        parts = [piece for _, piece in group]
        yield slice(parts[0][0].start, parts[-1][0].stop), parts[0][1]


def _widened(part: slice, words: Words, shares: Shares) -> slice:
    """Return a lapse with the frames around it in which its cause takes, or begins to take, an
    edit."""
    first, end = part.start, part.stop
    while first > 0 and shares[first - 1] < HIGH and words[first - 1] == words[part.start]:
        first -= 1
    while end < len(shares) and shares[end] < HIGH and words[end] == words[part.stop - 1]:
        end += 1
    return slice(first, end)


def _linked(
    pieces: Sequence[tuple[slice, str]], seconds: NDArray[np.float64]
) -> Iterator[tuple[int, tuple[slice, str]]]:
    """Yield pieces with a number that those have in common which are told as one."""
    number = 0
    for before, piece in zip([None, *pieces], pieces, strict=False):
        if before is not None:
            gap = seconds[piece[0].start] - seconds[before[0].stop - 1]
            number += before[1] != piece[1] or gap > BRIDGED_S
        yield number, piece


def _pieces(
    words: Words, seconds: NDArray[np.float64], brief_s: float
) -> list[tuple[int, int, str]]:
    """Return the parts of one lapse that have one cause each: begin, end and cause."""
    out: list[tuple[int, int, str]] = []
    end = 0
    for word, group in itertools.groupby(words):
        begin, end = end, end + len(list(group))
        brief = seconds[end - 1] - seconds[begin] < brief_s
        if out and (brief or out[-1][2] == word):
            out[-1] = (out[-1][0], end, out[-1][2])
        elif out and seconds[out[-1][1] - 1] - seconds[out[-1][0]] < brief_s:
            out[-1] = (out[-1][0], end, word)  # the first one was brief
        else:
            out.append((begin, end, word))
    return out


def _named(words: Words, seconds: NDArray[np.float64]) -> Words:
    """Return the causes (T,); where an edit fades before and after a gap, that of the gap."""
    gone = np.flatnonzero(np.isin(words, list(GONE)))
    if not len(gone):
        return words
    after = np.searchsorted(seconds[gone], seconds)
    left, right = gone[np.maximum(after - 1, 0)], gone[np.minimum(after, len(gone) - 1)]
    off = np.abs(seconds - seconds[[left, right]])
    nearest = np.where(off[0] < off[1], left, right)
    beside = (words == COMES) & (off.min(0) <= BRIDGED_S)
    return np.where(beside, words[nearest], words)


def summary(lapses: Sequence[Lapse], attributes: Sequence[str], faces: int) -> list[str]:
    """Return a few lines on the longest lapses, and one on the others.

    Args:
        lapses: in order.
        attributes: that were asked for.
        faces: to be edited.
    """
    if not lapses:
        return []
    longest = sorted(lapses, key=lambda lapse: -lapse.lost_s)[:_SHOWN]
    shown = [lapse for lapse in lapses if lapse in longest]
    lines = ["not or less edited:", *(f"  {told(lapse, attributes, faces)}" for lapse in shown)]
    if others := [lapse for lapse in lapses if lapse not in longest]:
        causes = [cause for cause, _ in Counter(lapse.cause for lapse in others).most_common()]
        named = ", ".join([*causes[:2], *["…"] * (len(causes) > 2)])
        more = "1 shorter stretch" if len(others) == 1 else f"{len(others)} shorter stretches"
        lines.append(f"  and {more} ({named}): see --report FILE")
    return lines


def told(lapse: Lapse, attributes: Sequence[str], faces: int) -> str:
    """Return a line on a lapse; arguments as of `summary`."""
    if lapse.face is None:
        return f"{lapse.when}: {lapse.cause}"
    who = f", face {lapse.face}" if faces > 1 else ""
    least, mean = max(lapse.least.values()), max(lapse.mean.values())
    are_all = len(lapse.least) == len(set(attributes)) > 1
    names = "all edits" if are_all else " and ".join(lapse.least)
    if least >= _NONE:
        said = f"{names} down to {least:.0%}"
    elif mean >= _HARDLY:
        said = f"{names} {'fades' if len(lapse.least) == 1 else 'fade'} out"
    else:
        said = "nothing edited" if are_all else f"no {' or '.join(lapse.least)}"
    return f"{lapse.when}{who}: {lapse.cause}; {said}"
