"""Read TOML of a bounded size, and turn its tables into dataclasses and back."""

from __future__ import annotations

import math
import reprlib
import stat
import tomllib
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Final, TypeVar, get_args, get_type_hints

import msgspec

from ..base import WeightsError, words_of

T = TypeVar("T")

_MOST_BYTES = 1 << 20
_LARGEST = 2**63 - 1


def read(path: Path) -> dict[str, Any]:
    """Return the table that a file holds.

    Raises:
        FileNotFoundError: there is none.
        WeightsError: it is no plain file, too large, no TOML, or may not be read.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > _MOST_BYTES:
            raise ValueError(f"it is no plain file of up to {_MOST_BYTES // 1000} kB")
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        _check_numbers(table)
    except FileNotFoundError:
        raise
    except RecursionError as e:
        raise WeightsError(f"{path} cannot be read: it is nested without end") from e
    except (OSError, ValueError) as e:
        words = words_of(e)
        words = "a number of thousands of digits" if words.startswith("Exceeds") else words
        raise WeightsError(f"{path} cannot be read: {words}") from e
    return table


def _check_numbers(value: object) -> None:
    """Refuse numbers that TOML does not have, but Python reads, and those that are none."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            _check_numbers(part)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"it holds the number {value}")
    elif isinstance(value, int) and not -_LARGEST <= value <= _LARGEST:
        raise ValueError("it holds a whole number of more than 64 bits")


def record(kind: type[T], table: object) -> T:
    """Return a table as the dataclass that says which keys and values it takes; others are passed
    over.

    Raises:
        ValueError: a key is missing, or a value is none of the accepted ones; says which and where.
    """
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as e:
        words = str(e).replace("`$.", "`")
        for word, here in _WORDS.items():  # msgspec's are those of JSON
            words = words.replace(word, here)
        raise ValueError(words) from e


_WORDS: Final = {"`object`": "a table", "Object": "the table", "`array`": "a list"}


def plain(value: Any) -> Any:
    """Return a dataclass as a table: what is not at its default; all else as it is."""
    if isinstance(value, tuple):
        return [plain(part) for part in value]
    if not is_dataclass(value):
        return value
    entries = ((f, getattr(value, f.name)) for f in fields(value))
    return {f.name: plain(entry) for f, entry in entries if entry != f.default}


def unknown_key(table: object, kind: Any, where: str = "") -> str:
    """Return, in words, the first key of a table or of those within it that a dataclass lacks; ''
    if it has them all."""
    hints = get_type_hints(kind)
    for key, value in table.items() if isinstance(table, dict) else ():
        if key not in hints:
            known = ", ".join(hints)
            return f"{where or 'it'} has the unknown key {reprlib.repr(key)}; known are {known}"
        kinds = [t for t in (hints[key], *get_args(hints[key])) if is_dataclass(t)]
        for part in value if isinstance(value, list) else [value]:
            for inner in kinds:
                if words := unknown_key(part, inner, f"[{key}]"):
                    return words
    return ""
