"""Pieces of a long measurement that are kept on disk, so that a repeated command goes on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..base import ModelError
from ..files import opened_whole

Arrays = Mapping[str, NDArray[Any]]


class Parts:
    """A folder of arrays, each written whole; its name follows from what they depend on."""

    def __init__(self, folder: Path, depends: Mapping[str, object]) -> None:
        """Make the folder.

        Args:
            folder: where.
            depends: everything that decides the arrays; other facts have another folder.

        Raises:
            ModelError: it cannot be made.
        """
        text = json.dumps(depends, sort_keys=True)
        self.folder = folder / hashlib.sha256(text.encode()).hexdigest()[:12]
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as e:
            raise ModelError(f"cannot make the folder {self.folder}: {e.strerror or e}") from e

    def get(self, name: str, make: Callable[[], Arrays]) -> dict[str, NDArray[Any]]:
        """Return arrays by name, mapped from the disk, made first if they are not there.

        Raises:
            ModelError: they cannot be written.
        """
        listed = self.folder / f"{name}.json"
        if not listed.exists():
            try:
                self._write(name, make(), listed)
            except OSError as e:
                raise ModelError(f"cannot write {name} below {self.folder}: {e}") from e
        keys = json.loads(listed.read_text(encoding="utf-8"))
        return {
            key: np.load(self.folder / f"{name}.{key}.npy", mmap_mode="r", allow_pickle=False)
            for key in keys
        }

    def _write(self, name: str, arrays: Arrays, listed: Path) -> None:
        for key, array in arrays.items():
            with opened_whole(self.folder / f"{name}.{key}.npy") as file:
                np.save(file, array)
        # Written last: what it names is there.
        with opened_whole(listed) as file:
            file.write(json.dumps(sorted(arrays)).encode())
