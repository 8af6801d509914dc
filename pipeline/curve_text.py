"""Reading curves from text: this program's own form, and what is pasted from Nuke.

Own form: `WHEN:VALUE[@EASING]`, keys divided by spaces. Nuke's: `{curve x1009 0 x1030 0.5}`, the
grammar of its developers' guide ("Curve serialisation format"). What cannot be kept as it is meant
is refused: slopes set by hand, and the interpolations that overshoot.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator
from typing import Final, get_args

from .errors import UsageError
from .keyframes import Curve, Easing, Key, Named, Seconds
from .timecode import Timecode

_KEY: Final = "a key is WHEN:VALUE[@EASING]"
_WHEN: Final = "WHEN is a frame as in 24, seconds as in 1.5s, or a timecode as in 01:00:10:00"
_EASINGS: Final = f"{', '.join(get_args(Named))} or (x1,y1,x2,y2) with x1 and x2 from 0 to 1"
_NUKE: Final[dict[str, Named]] = {"K": "hold", "L": "linear", "S": "smooth"}


def is_curve(text: str) -> bool:
    """Return whether a text is meant as a curve, not as a number."""
    return ":" in text or "{" in text or "@" in text


def read_curve(text: str) -> Curve:
    """Return the curve that a text means.

    Raises:
        UsageError: a key that cannot be read, or is not after the one before it; it is named, with
            what is accepted.
    """
    stripped = text.strip()
    if stripped.startswith("{"):
        keys = list(_keys_of_nuke(stripped))
    else:
        # Spaces within the brackets of an easing divide nothing.
        words = re.sub(r"\([^()]*\)", lambda m: re.sub(r"\s", "", m[0]), stripped).split()
        keys = [_key(word) for word in words]
    if not keys:
        raise UsageError(f"the curve {text!r} has no key; {_KEY}")
    _check_order(keys)
    return Curve(tuple(keys))


def _key(word: str) -> Key:
    place, mark, easing = word.partition("@")
    when, colon, value = place.rpartition(":")
    if not colon or not when:
        raise UsageError(f"the key {word!r} lacks a time or a value; {_KEY}, {_WHEN}")
    return Key(_when(when, word), _number(value, word), _easing(easing, word) if mark else "linear")


def _when(text: str, word: str) -> float | Seconds | Timecode:
    if (timecode := Timecode.read(text)) is not None:
        return timecode
    try:
        number = float(text.removesuffix("s"))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UsageError(f"the key {word!r}: {text!r} is no time; {_WHEN}")
    return Seconds(number) if text.endswith("s") else number


def _number(text: str, word: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UsageError(
            f"the key {word!r}: the value {text!r} is not a number; {_KEY}, as in 24:0.8"
        )
    return number


def _easing(text: str, word: str) -> Easing:
    for name in get_args(Named):
        if text == name:
            return name  # type: ignore[no-any-return]  # one of the names, by the line before
    if text.startswith("(") and text.endswith(")"):
        parts = text[1:-1].split(",")
        try:
            x1, y1, x2, y2 = map(float, parts)
        except ValueError:
            x1 = x2 = y1 = y2 = math.nan
        if 0 <= x1 <= 1 and 0 <= x2 <= 1 and math.isfinite(y1) and math.isfinite(y2):
            return x1, y1, x2, y2
    raise UsageError(f"the key {word!r}: the easing {text!r} is unknown; accepted: {_EASINGS}")


def _keys_of_nuke(text: str) -> Iterator[Key]:
    """Yield the keys of `{curve …}`, in one pair of braces or several."""
    words = re.sub(r"^[{\s]+|[}\s]+$", "", text).split()
    if text.count("{") != text.count("}") or words[:1] != ["curve"]:
        raise UsageError(
            f"{text!r} is no curve of Nuke; accepted is one, as in {{curve x1009 0 x1030 0.5}}"
        )
    easing: Named = "smooth"
    at: float | None = None
    before: list[float] = []
    for word in words[1:]:
        if word in ("i", "I", "k"):  # not shown; constant before and after, as here always
            continue
        if word in _NUKE:
            easing = _NUKE[word]
        elif word.startswith("x"):
            at = _number(word[1:], word)
        else:
            _check_nuke(word)
            value = _number(word, word)
            here = _next(before) if at is None else at
            before, at = [*before[-1:], here], None
            yield Key(here, value, easing)
    if at is not None:
        raise UsageError(f"{text!r} ends with a time; its last key lacks a value")


def _next(before: list[float]) -> float:
    """Return where a key of Nuke is that does not say: as far on as the one before."""
    if not before:
        return 0.0
    return before[-1] + (before[1] - before[0] if len(before) == 2 else 1.0)


def _check_nuke(word: str) -> None:
    if word[0] in "stuv" and word[1:]:
        raise UsageError(
            f"{word!r} in a curve of Nuke is a slope set by hand, which cannot be kept; set its "
            "keys to smooth, linear or constant there, or add keys"
        )
    if word in ("R", "C"):
        raise UsageError(
            f"{word!r} in a curve of Nuke (Catmull-Rom or cubic) goes beyond its keys; set them to "
            "smooth (S), linear (L) or constant (K) there"
        )
    if word == "l":
        raise UsageError(
            "'l' in a curve of Nuke goes on beyond its last key; here values hold: add a key there"
        )


def _check_order(keys: list[Key]) -> None:
    """Refuse keys that are not in order, as far as that can be told without a clip."""
    for before, after in itertools.pairwise(keys):
        pair = [before.at, after.at]
        if all(isinstance(at, Seconds) for at in pair):
            a, b = (at.value for at in pair if isinstance(at, Seconds))
        elif all(isinstance(at, float) for at in pair):
            a, b = (at for at in pair if isinstance(at, float))
        else:
            continue
        if not a < b:
            raise UsageError(
                f"the key {after} is not after {before}; give keys in the order of time"
            )
