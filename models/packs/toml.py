"""Read and write TOML, for cards and pack files (the standard library only reads)."""

from __future__ import annotations

import json
import math
import stat
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from ..base import WeightsError, words_of

Value = str | bool | int | float | Sequence["Value"] | Mapping[str, "Value"]


PLAIN_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "str": (str,),
    "int": (int,),
    "bool": (bool,),
    "float": (int, float),
}
"""What TOML must hold for a field of that annotation."""

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


def dumps(table: Mapping[str, Value]) -> str:
    """Return a table as TOML text: plain values first, then `[tables]` and `[[lists of tables]]`.

    Tables within those are written inline. Empty text, lists and tables are left out.
    """
    full = {key: value for key, value in table.items() if not _is_empty(value)}
    lines = [f"{_key(key)} = {_inline(v)}" for key, v in full.items() if not _is_section(v)]
    for key, value in full.items():
        if isinstance(value, Mapping):
            lines += ["", f"[{_key(key)}]", *_body(value)]
        elif isinstance(value, Sequence) and _is_section(value):
            for entry in value:
                lines += ["", f"[[{_key(key)}]]", *_body(entry)]
    return "\n".join(lines) + "\n"


def _is_empty(value: Value) -> bool:
    return isinstance(value, str | Sequence | Mapping) and not value


def _is_section(value: Value) -> bool:
    if isinstance(value, str) or not isinstance(value, Sequence):
        return isinstance(value, Mapping)
    return all(isinstance(entry, Mapping) for entry in value)


def _body(table: Value) -> list[str]:
    assert isinstance(table, Mapping)
    return [f"{_key(k)} = {_inline(v)}" for k, v in table.items() if not _is_empty(v)]


def _inline(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, str):
        # JSON's escapes are a subset of those of TOML's basic strings, but for DEL.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(k)} = {_inline(v)}" for k, v in value.items()) + " }"
    return "[" + ", ".join(_inline(v) for v in value) + "]"


def _key(key: str) -> str:
    bare = key.replace("-", "").replace("_", "")
    return key if bare.isascii() and bare.isalnum() else json.dumps(key, ensure_ascii=False)
