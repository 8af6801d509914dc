"""Write TOML: what `tomllib` reads, for cards and pack files (the standard library only reads)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

Value = str | bool | int | float | Sequence["Value"] | Mapping[str, "Value"]


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
