"""Whether a file is still the video that was looked at, in every pass that opens it anew."""

from __future__ import annotations

from pathlib import Path

from ...errors import VideoError
from .file import FileState, VideoFile
from .fingerprint import fingerprint


def state_of(path: Path) -> FileState | None:
    """Return the present state of a file; None if it cannot be told (opening it says why)."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns, found.st_ino


def check_unchanged(source: VideoFile, content: str) -> None:
    """Refuse a file that is not what was probed, before a pass begins.

    A file that was touched, or replaced by its copy, is let through if its content is `content`.

    Raises:
        VideoError: it holds something else.
    """
    now = state_of(source.path)
    if now is None or source.file is None or now == source.file:
        return
    if not content:
        raise changed(source.path)
    check_content(source, content, fingerprint(source.path, source.number).content)


def check_content(source: VideoFile, expected: str, found: str) -> None:
    """Raise a `VideoError` if another content than `expected` was found; empty: any is right."""
    if expected and found != expected:
        raise changed(source.path)


def changed(path: Path) -> VideoError:
    """Return the error of a file that is not what it was."""
    return VideoError(
        f"{path} changed since it was opened: other content took its place while it was being "
        "worked on. No output was written; start again, and leave the file alone meanwhile"
    )
