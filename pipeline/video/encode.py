"""Edited frames into a finished file: complete and verified, or not there at all.

The file grows under a temporary name beside its target (`.name.visagist-PID.part.ext`), is read
back, flushed to disk and only then renamed; a killed run leaves nothing that looks finished.
"""

from __future__ import annotations

import os
from array import array
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from ..errors import OutputError, VideoError
from ..types import Frame
from .mux import Muxer
from .plan import OutputPlan
from .verify import verify


def temporary_path(path: Path) -> Path:
    """Return the hidden name beside `path` that is written before the rename."""
    return path.with_name(f".{path.stem}.visagist-{os.getpid()}.part{path.suffix}")


class VideoWriter:
    """Writes the frames of one video; a context manager.

    Leaving the `with` block normally finishes, verifies and renames the file; leaving it by any
    exception, Ctrl-C included, removes the temporary file and leaves the target as it was. An
    input whose frames are not edited is encoded all the same.

    Args:
        plan: from `preflight.preflight_output`.
        threads: encoder threads; 0 lets FFmpeg choose. x264 and x265 give the same file for the
            same number of threads.

    Raises:
        OutputError: the file cannot be written, or does not hold every frame.
    """

    def __init__(self, plan: OutputPlan, *, threads: int = 0) -> None:
        self.plan = plan
        self.threads = threads
        self.warnings: list[str] = list(plan.warnings)
        self._temporary = temporary_path(plan.path)
        self._pts = array("q")
        self._muxer: Muxer | None = None

    @property
    def frames_written(self) -> int:
        """Frames taken so far."""
        return len(self._pts)

    def __enter__(self) -> VideoWriter:
        try:
            self._muxer = Muxer(self.plan, self._temporary, threads=self.threads)
        except BaseException:
            self._remove()
            raise
        return self

    def write(self, frame: Frame) -> None:
        """Encode the next frame, in presentation order.

        Raises:
            OutputError: writing failed (for instance a full disk), or the time cannot be stored.
        """
        if self._muxer is None:
            raise RuntimeError("VideoWriter must be entered with `with`")
        self._muxer.encode(frame)
        self._pts.append(frame.pts)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        muxer, self._muxer = self._muxer, None
        if muxer is None:
            return
        try:
            if error is None:
                self._finish(muxer)
            else:
                muxer.discard()
        finally:
            self._remove()

    def _finish(self, muxer: Muxer) -> None:
        if not self._pts:
            muxer.discard()
            raise OutputError(f"{self.plan.path}: no frame was given, so nothing was written")
        try:
            muxer.finish()
        except BaseException:
            muxer.discard()
            raise
        self.warnings.extend(muxer.warnings)
        try:
            self.warnings.extend(verify(self._temporary, self.plan, self._pts, muxer.copied))
        except VideoError as e:
            raise OutputError(f"{self.plan.path}: the written file cannot be read: {e}") from e
        self._rename()

    def _rename(self) -> None:
        path = self.plan.path
        if path.exists() and not self.plan.overwrite:
            raise OutputError(f"{path} appeared while it was being made; use --overwrite")
        try:
            _sync(self._temporary)
            self._temporary.replace(path)
        except OSError as e:
            raise OutputError(f"{path} cannot be written: {e.strerror}") from e
        with suppress(OSError):  # some systems cannot flush a folder; the file itself is safe
            _sync(path.parent)

    def _remove(self) -> None:
        with suppress(OSError):
            self._temporary.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    # Windows flushes only what is open for writing; folders open only for reading.
    handle = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
