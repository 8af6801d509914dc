"""Shots from a spreadsheet: a CSV file whose header names keys of a shot, one shot a line."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from ..config import preset_types
from ..errors import UsageError
from ..side_files import FACES_BYTES, read_text
from .keys import SHOT_KEYS, Complaints, Values

_LISTS: Final = ("attr", "set", "holdout", "only")
"""Keys of which a cell may hold several values, with ; between."""


def rows_of(path: Path, wrong: Complaints) -> Iterator[Values]:
    """Yield the keys of every shot of a table; empty cells are left out.

    What cannot be read is added to `wrong`, with the line of the table.
    """
    try:
        text = read_text(path, "cannot use the table", most=FACES_BYTES, error=UsageError)
    except UsageError as e:
        wrong.add(0, str(e))
        return
    here = wrong.within(path.name)
    reader = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True)
    try:
        header = [_key(name) for name in next(reader, [])]
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            yield _row(header, cells, reader.line_num, here)
    except csv.Error as e:
        here.add(reader.line_num, f"it is no CSV: {e}")


def _key(name: str) -> str:
    return name.strip().replace("-", "_")


def _row(header: list[str], cells: list[str], line: int, wrong: Complaints) -> Values:
    if len(cells) > len(header):
        wrong.add(line, f"{len(cells)} cells, but the header names {len(header)} columns")
    filled = {key: cell.strip() for key, cell in zip(header, cells, strict=False) if cell.strip()}
    values = {key: _value(key, cell) for key, cell in filled.items()}
    name = f"shot {filled.get('name', '')!r}"
    return Values.of(values, SHOT_KEYS, lambda _: line, wrong, name)


def _value(key: str, cell: str) -> Any:
    """Return what a cell says as TOML would have it; a text that is no number stays one, and is
    refused later."""
    if key in _LISTS:
        return [part.strip() for part in cell.split(";") if part.strip()]
    kind = {**preset_types(), "handles": int}.get(key, str)
    if kind is bool and cell.lower() in ("true", "false"):
        return cell.lower() == "true"
    if kind in (int, float):
        try:
            return kind(cell)
        except ValueError:
            return cell
    return cell
