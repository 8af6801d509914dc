"""Timelines that OpenTimelineIO reads (the extra `editorial`): .otio, .ale, .xml of Final Cut 7.

The only file that imports the library, and only once such a file is to be read.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from math import ceil, floor
from pathlib import Path
from typing import Any, Final

from .edl import Event, counted_event, file_of
from .errors import InputError, UsageError
from .fcpxml import read_xml
from .side_files import DAMAGE, read_text

ADAPTERS: Final = {".otio": "otio_json", ".ale": "ale", ".xml": "fcp_xml"}
"""Which of the library's readers reads which files."""
_MOST_BYTES: Final = 1 << 28


def read_timeline(path: Path, warn: Callable[[str], None]) -> list[Event]:
    """Return the picture events of a timeline, or of a list of clips; `warn` hears of what needs a
    look.

    Raises:
        UsageError: the extra `editorial` is not installed.
        InputError: it cannot be read, or has no event.
    """
    otio = _library(path)
    text = read_text(path, "cannot read the edit list", most=_MOST_BYTES, error=InputError)
    if path.suffix.lower() == ".xml":
        read_xml(path)  # says better what is wrong with it
    try:
        found = otio.adapters.read_from_string(text, ADAPTERS[path.suffix.lower()])
        events = list(_Reader(otio, warn).events(found))
    except (otio.exceptions.OTIOError, *DAMAGE) as e:
        raise InputError(f"cannot read the edit list {path}: {e or type(e).__name__}") from e
    if not events:
        raise InputError(f"{path} has no clip of a picture track")
    return events


def _library(path: Path) -> Any:
    """Return OpenTimelineIO, if it can read a file of this kind."""
    try:
        import opentimelineio as otio

        if ADAPTERS[path.suffix.lower()] in otio.adapters.available_adapter_names():
            return otio
    except ImportError:
        pass
    raise UsageError(
        f"{path.name} is read by the extra `editorial`, which is not installed; install it with "
        "`pip install 'visagist[editorial]'` (Python 3.11 to 3.13), or give the edit as EDL or "
        "FCPXML, which are read without it"
    )


class _Reader:
    """Goes through what OpenTimelineIO found."""

    def __init__(self, otio: Any, warn: Callable[[str], None]) -> None:
        self._schema, self._otio, self._warn = otio.schema, otio, warn
        self._taken = 0

    def events(self, thing: Any) -> Iterator[Event]:
        """Yield the events of a timeline, of its tracks, or of a list of clips."""
        schema = self._schema
        if isinstance(thing, schema.Timeline):
            yield from self.events(thing.tracks)
        elif isinstance(thing, schema.Track):
            if thing.kind == schema.TrackKind.Video and thing.enabled:
                yield from self._of_track(list(thing))
        elif isinstance(thing, schema.Clip):
            yield from self._of(thing, (), ())
        elif isinstance(thing, (schema.Stack, schema.SerializableCollection)):
            heading = dict(thing.metadata.get("ALE", {})).get("header")
            if heading is not None and "FPS" not in heading:
                self._warn("its heading has no FPS; its timecodes are read at 24 frames a second")
            for part in thing:
                yield from self.events(part)

    def _of_track(self, items: Sequence[Any]) -> Iterator[Event]:
        schema = self._schema
        for number, item in enumerate(items):
            if isinstance(item, schema.Clip):
                yield from self._of(item, items[:number][-1:], items[number + 1 : number + 3])
            elif isinstance(item, (schema.Stack, schema.Track)):
                self._warn(
                    f"{item.name or 'a nested sequence'} is a sequence in a sequence, and left "
                    "out; break it apart in the editing program"
                )

    def _of(self, clip: Any, before: Sequence[Any], after: Sequence[Any]) -> Iterator[Event]:
        if _is_sound(clip):
            return
        self._taken += 1
        where = f"event {self._taken} ({clip.name})"
        if not clip.enabled or _said(clip, "fcp_xml", "enabled") == "FALSE":
            self._warn(f"{where} is switched off, and left out")
        elif isinstance(clip.media_reference, self._schema.GeneratorReference):
            self._warn(f"{where} is no file but made by the editing program; left out")
        else:
            yield from self._event(clip, self._joins(before, after, where), where)

    def _joins(self, before: Sequence[Any], after: Sequence[Any], where: str) -> tuple[Any, Any]:
        """Return how much of a clip is seen before its beginning and after its end, in transitions;
        each is told once."""
        sooner = later = self._otio.opentime.RationalTime(0, 1)
        told = []
        if before and isinstance(before[0], self._schema.Transition):
            sooner = before[0].in_offset
            told.append(("begins", before[0]))
        if after and isinstance(after[0], self._schema.Transition):
            later = after[0].out_offset
            told += [("ends", after[0])] if len(after) == 1 else []
        for place, transition in told:
            length = transition.in_offset + transition.out_offset
            self._warn(
                f"{where} {place} with a transition of {length.value:g} frames; both of its sides "
                "are edited whole, and it is to be made after the edit"
            )
        return sooner, later

    def _event(self, clip: Any, joins: tuple[Any, Any], where: str) -> Iterator[Event]:
        try:
            seen = clip.trimmed_range()
        except self._otio.exceptions.OTIOError:
            self._warn(f"{where} does not say which of its frames are seen; left out")
            return
        rate = Fraction(seen.start_time.rate).limit_denominator(1001)
        sooner, later = (_frames(time, rate) for time in joins)
        speed, whole = self._speed(clip, where)
        first = _frames(seen.start_time, rate) - sooner * (1.0 if speed is None else speed)
        length = _frames(seen.duration, rate) + sooner + later
        known = getattr(clip.media_reference, "available_range", None)
        names = _names(clip)
        start = 0 if known is None else floor(_frames(known.start_time, rate) + _CLOSE)
        begin = max(floor(first + _CLOSE), start)  # a transition has no more than the file
        event = counted_event(
            *(str(self._taken), begin, ceil(first + length - _CLOSE), rate),
            clip=next(iter(names), ""),
        )
        yield dataclasses.replace(
            event,
            others=names[1:],
            start="" if known is None else counted_event("", start, start, rate).begin,
            fps=None if speed is None else speed * round(rate),
            whole=whole,
        )

    def _speed(self, clip: Any, where: str) -> tuple[float | None, bool]:
        """Return the speed of a retimed clip, or None, and whether which frames are seen is
        unknown."""
        for effect in clip.effects:
            if isinstance(effect, self._schema.LinearTimeWarp):
                self._warn(
                    f"{where} is retimed, {100 * effect.time_scalar:g} %; its frames are those of "
                    "the source that are seen, to be retimed after the edit"
                )
                return effect.time_scalar, False
            if isinstance(effect, self._schema.TimeEffect) or (
                _said(effect, "fcp_xml", "effectid") == "timeremap"
            ):
                self._warn(
                    f"{where} is retimed in a way of which its frames do not follow; its whole "
                    "plate is taken"
                )
                return None, True
        return None, False


_CLOSE: Final = 1e-3
"""Of a frame: times that were rounded are meant to lie on its edge."""


def _names(clip: Any) -> tuple[str, ...]:
    """Return the names that a clip's plate may have, the likeliest first."""
    media = clip.media_reference
    names = [file_of(str(getattr(media, "target_url", None) or "")), media.name, clip.name]
    names += [_said(clip, "ALE", "Tape"), _said(clip, "cmx_3600", "reel")]
    return tuple(dict.fromkeys(filter(None, names)))


def _is_sound(clip: Any) -> bool:
    """Return whether a line of an ALE names tracks, and no picture among them."""
    tracks = _said(clip, "ALE", "Tracks")
    return bool(tracks) and "V" not in tracks.upper()


def _said(thing: Any, program: str, name: str) -> str:
    """Return what a reader noted of something, or ''."""
    noted = thing.metadata.get(program, {})
    return str(noted.get(name) or "") if hasattr(noted, "get") else ""


def _frames(time: Any, rate: Fraction) -> float:
    """Return a time in frames of a rate [frames/s]."""
    return float(time.value) * float(rate / Fraction(time.rate).limit_denominator(1001))
