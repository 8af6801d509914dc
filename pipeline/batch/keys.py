"""The keys a shot may have, their values checked one by one, and requests made of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final, TypeVar, get_args

from ..config import (
    LANDMARKERS,
    AnalyzeOptions,
    EncodeOptions,
    OnUnedited,
    RenderOptions,
    has_type,
    load_preset,
    preset_types,
    type_in_words,
)
from ..errors import UsageError, did_you_mean
from ..request import EditRequest, Exemplar, MatteFile
from ..side_files import expanded, shown

T = TypeVar("T", AnalyzeOptions, RenderOptions, EncodeOptions)

_TEXTS: Final = ("name", "input", "output", "frames", "analysis", "on_unedited", "config", "device")
REEL_KEYS: Final[Mapping[str, type]] = {  # what is within a dict, its own reader checks
    **dict.fromkeys(("work", "output", "on_unedited"), str),
    **dict.fromkeys(("version", "handles", "chunk"), int),
    **dict.fromkeys(("defaults", "shot", "table"), dict),
}
EDIT_KEYS: Final[Mapping[str, type]] = {
    **dict.fromkeys(("attr", "set", "holdout", "only"), list),
    **dict.fromkeys(("faces", "exemplar", "editor", "config"), str),
    "strength": float,
}
SHOT_KEYS: Final[Mapping[str, type]] = {
    **preset_types(),
    **EDIT_KEYS,
    **dict.fromkeys(_TEXTS, str),
    "handles": int,
}


@dataclass(frozen=True, slots=True)
class Complaint:
    """One thing that cannot be used."""

    line: int
    """Where; 0: nowhere in particular."""
    words: str
    file: str = ""
    """Beside the manifest, if it stands in another one."""

    def __str__(self) -> str:
        file = f"{self.file}, " if self.file else ""
        return f"{file}line {self.line}: {self.words}" if self.line else f"{file}{self.words}"


@dataclass(slots=True)
class Complaints:
    """All that cannot be used."""

    found: list[Complaint] = field(default_factory=list)
    file: str = ""
    _about: set[tuple[str, int, str]] = field(default_factory=set)

    def add(self, line: int, words: str, about: str = "") -> None:
        """Note one; of what is `about` the same in the same line, once: a thousand shots may take
        one wrong default."""
        if about and (self.file, line, about) in self._about:
            return
        self._about.add((self.file, line, about))
        self.found.append(Complaint(line, words, self.file))

    def within(self, file: str) -> Complaints:
        """Return what notes complaints about another file in the same list."""
        return Complaints(self.found, file, self._about)


@dataclass(frozen=True, slots=True)
class Values:
    """The keys of a table with values of the right type, and where they stand."""

    values: Mapping[str, Any]
    lines: Mapping[str, int]
    wrong: Complaints
    what: str
    """For messages: `shot 'sh010'`."""
    begin: int = 0
    """Line where the table begins."""

    @classmethod
    def of(
        cls,
        given: object,
        accepted: Mapping[str, type],
        line_of: Callable[[str], int],
        wrong: Complaints,
        what: str,
    ) -> Values:
        """Return what of a table can be used; what cannot is added to `wrong`."""
        begin = line_of("")
        if not isinstance(given, dict):
            wrong.add(begin, f"{what} = {shown(given)} is not a table of keys and values")
            given = {}
        values, lines = {}, {}
        for name, value in given.items():
            key = name.replace("-", "_")
            line = line_of(key)
            if key not in accepted:
                names = sorted(accepted)
                hint = did_you_mean(key, names)
                wrong.add(line, f"{what}: unknown key {name!r}; {hint}accepted: {', '.join(names)}")
            elif accepted[key] is list and isinstance(value, str):
                values[key], lines[key] = [value], line
            elif accepted[key] is not dict and not has_type(value, accepted[key]):
                kind = type_in_words(accepted[key])
                wrong.add(line, f"{what}: {name} = {shown(value)} is not {kind}, which it must be")
            elif isinstance(value, str) and "\0" in value:
                wrong.add(line, f"{what}: {name} = {shown(value)} holds a zero byte")
            else:
                values[key], lines[key] = value, line
        return cls(values, lines, wrong, what, begin)

    def over(self, usual: Values) -> Values:
        """Return these values, and usual ones where there are none."""
        return Values(
            {**usual.values, **self.values},
            {**usual.lines, **self.lines},
            self.wrong,
            self.what,
            self.begin,
        )

    def with_default(self, key: str, other: Values) -> Values:
        """Return these values and one of another table, unless it is among them."""
        if key in self.values or key not in other.values:
            return self
        return Values(
            {**self.values, key: other.values[key]},
            {**self.lines, key: other.lines[key]},
            self.wrong,
            self.what,
            self.begin,
        )

    def line(self, key: str = "") -> int:
        """Return where a key, or the table, stands."""
        return self.lines.get(key, self.begin)

    def complain(self, key: str, why: str) -> None:
        """Note that a value cannot be used."""
        value = shown(self.values.get(key))
        self.wrong.add(self.line(key), f"{self.what}: {key} = {value}: {why}", f"{key} {why}")

    def text(self, key: str, *, needed: bool = False) -> str | None:
        """Return a text; one that is needed and missing is complained about."""
        value: str | None = self.values.get(key)
        if needed and not value:
            self.wrong.add(self.begin, f"{self.what} has no {key!r}, which every shot needs")
        return value

    def number(self, key: str, usual: int, low: int, high: int) -> int:
        """Return a whole number of a range."""
        value: int = self.values.get(key, usual)
        if not low <= value <= high:
            self.complain(key, f"accepted: {low} to {high}")
            return usual
        return value

    def choice(self, key: str) -> OnUnedited:
        """Return what `on_unedited` says, by default that such a shot fails."""
        value: OnUnedited = self.values.get(key, "fail")
        if value not in get_args(OnUnedited):
            self.complain(key, f"accepted: {', '.join(get_args(OnUnedited))}")
            return "fail"
        return value


def request_of(own: Values, base: Path) -> EditRequest | None:
    """Return what one edit of a shot asks for; None, and a complaint, if it cannot be.

    `base`: the folder that paths are relative to.
    """
    preset: dict[str, Any] = {}
    if (config := own.text("config")) is not None:
        try:
            preset = load_preset(base / expanded(config))
        except UsageError as e:
            own.complain("config", str(e))
            return None
    values = {**preset, **own.values}
    if not values.get("attr"):
        own.wrong.add(own.begin, f"{own.what}: nothing to change: it has no 'attr'")
        return None
    try:
        exemplar = values.get("exemplar")
        return EditRequest(
            input=base / expanded(values["input"]),
            attributes=tuple(values["attr"]),
            strength=values.get("strength", 1.0),
            exemplar=None if exemplar is None else _exemplar(exemplar, base),
            settings=tuple(values.get("set", ())),
            analyze=_options(AnalyzeOptions, _based(values, "landmarks", base)),
            render=_options(RenderOptions, _based(values, "faces", base)),
            encode=_options(EncodeOptions, values),
            analysis_path=base / expanded(values["analysis"]) if "analysis" in values else None,
            device=values.get("device", "cpu"),
            holdout=_mattes(values, "holdout", base),
            only=_mattes(values, "only", base),
        )
    except UsageError as e:
        key = next((key for key in own.values if str(e).startswith(f"{key} ")), "")
        own.wrong.add(own.line(key), f"{own.what}: {e}", str(e) if key else "")
        return None


def _options(kind: type[T], values: Mapping[str, Any]) -> T:
    chosen = {f.name: values[f.name] for f in fields(kind) if f.name in values}
    return kind(**chosen)


def _exemplar(text: str, base: Path) -> Exemplar:
    """Return an exemplar whose path is relative to a folder; `@FRAME` may follow."""
    return Exemplar.parse(str(base / expanded(text)))


def _mattes(values: Mapping[str, Any], key: str, base: Path) -> tuple[MatteFile, ...]:
    """Return mattes whose paths are relative to a folder; `:CHANNEL` may follow."""
    return tuple(MatteFile.parse(str(base / expanded(text))) for text in values.get(key, ()))


def _based(values: Mapping[str, Any], key: str, base: Path) -> Mapping[str, Any]:
    """Return values of which one, if it names a file, does so from a folder on."""
    text = values.get(key)
    if not isinstance(text, str):
        return values
    if key == "landmarks" and text not in LANDMARKERS:
        return {**values, key: str(base / expanded(text))}
    if key == "faces" and text.startswith("reference:"):
        picture = text.removeprefix("reference:")
        if not picture.partition(":")[0].isdecimal():
            return {**values, key: f"reference:{base / expanded(picture)}"}
    return values
