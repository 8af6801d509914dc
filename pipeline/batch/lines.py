"""In which line of a TOML file a key stands; the library's parser does not tell."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence

Place = Sequence[str | tuple[str, int]]
"""The table a key is in: names from the top, of arrays of tables with their number."""

_HEADER = re.compile(r"\s*(\[\[?)\s*([\w.\" -]+?)\s*\]\]?\s*(#.*)?")
_KEY = re.compile(r"\s*(\"?)([\w-]+)\1\s*=")


class Lines:
    """Where tables and keys of a text stand, as it is usually laid out.

    Keys within inline tables, and whatever is quoted in odd ways, are found at their table. Only
    messages depend on it.
    """

    def __init__(self, text: str) -> None:
        self._tables: dict[str, int] = {"": 0}
        self._keys: dict[tuple[str, str], int] = {}
        counts: Counter[str] = Counter()
        table = ""
        for number, line in enumerate(text.splitlines(), start=1):
            if header := _HEADER.fullmatch(line):
                table = self._opened(header[2], header[1] == "[[", counts)
                self._tables.setdefault(table, number)
            elif key := _KEY.match(line):
                self._keys.setdefault((table, key[2].replace("-", "_")), number)

    def of(self, place: Place, key: str) -> int:
        """Return the line of a key, or of its table; 0 if neither is found."""
        table = "/".join(_word(part) for part in place)
        return self._keys.get((table, key), self._tables.get(table, 0))

    def at(self, place: Place) -> Callable[[str], int]:
        """Return what finds the keys of one table."""
        return lambda key: self.of(place, key)

    @staticmethod
    def _opened(name: str, is_array: bool, counts: Counter[str]) -> str:
        """Return the place of a table that begins here: the last of the arrays it lies in."""
        parts = [part.strip(' "') for part in name.split(".")]
        path = ""
        for depth, part in enumerate(parts):
            inner = f"{path}/{part}" if path else part
            if is_array and depth == len(parts) - 1:
                counts[inner] += 1
            path = f"{inner}.{counts[inner] - 1}" if counts[inner] else inner
        return path


def _word(part: str | tuple[str, int]) -> str:
    return part if isinstance(part, str) else f"{part[0]}.{part[1]}"
