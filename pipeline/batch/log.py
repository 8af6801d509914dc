"""The log of a run: one JSON object a line, so that other programs can read it."""

from __future__ import annotations

import json
import logging
import os
import time
from pathlib import Path
from typing import Any

from .store import node_name


class Log:
    """Writes `logs/<utc>.<host>.<pid>.jsonl`; a context manager. A disk that takes nothing more
    ends the log and not the run."""

    def __init__(self, folder: Path) -> None:
        now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{now}.{node_name()}.{os.getpid()}.jsonl"
        self._file = _Lines(self.path, encoding="utf-8", delay=True)

    def __enter__(self) -> Log:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, event: str, **facts: Any) -> None:
        """Write that something happened; for any thread."""
        line = json.dumps({"t": round(time.time(), 3), "event": event, **facts})
        self._file.handle(logging.LogRecord("reel", logging.INFO, "", 0, line, None, None))


class _Lines(logging.FileHandler):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # its name there
        """Let the line go."""
