"""Whether a file is still the video that was looked at, in every pass that opens it anew."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import AnalysisError, VideoError
from .fingerprint import Fingerprint, fingerprint

if TYPE_CHECKING:
    from .probe import Source


@dataclass(frozen=True, slots=True)
class FileState:
    """What tells at no cost that a file was not touched."""

    size: int
    """[bytes]"""
    changed_ns: int
    """Time of the last change of its content [ns]."""
    number: int
    """Of the file in its file system: another file under the same name has another."""


def state_of(path: Path) -> FileState | None:
    """Return the present state of a file; None if it cannot be told (opening it says why)."""
    try:
        found = path.stat()
    except OSError:
        return None
    return FileState(found.st_size, found.st_mtime_ns, found.st_ino)


def check_unchanged(source: Source, content: str) -> None:
    """Refuse a file that is not what was probed, before a pass begins.

    A file that was touched, or replaced by its copy, is let through if its content is `content`.

    Raises:
        VideoError: it holds something else.
    """
    now = state_of(source.path)
    if now is None or source.file is None or now == source.file:
        return
    if not content:
        raise VideoError(_CHANGED.format(source.path))
    check_content(source, content, fingerprint(source.path, source.number).content)


def check_content(source: Source, expected: str, found: str) -> None:
    """Refuse another content than was expected; nothing is expected where that is empty.

    Raises:
        VideoError: they differ.
    """
    if expected and found != expected:
        raise VideoError(_CHANGED.format(source.path))


def checked_print(path: Path, stored: object, found: Fingerprint) -> str:
    """Return the fingerprint an analysis file is to have from now on, or refuse it.

    One of the former kind is taken where it proves the video.

    Args:
        path: of the analysis file.
        stored: the fingerprint in it, of today's kind or of the former.
        found: of the video it is to be used with.

    Raises:
        AnalysisError: it is of another video, or cannot be told to be of this one.
    """
    if isinstance(stored, str) and stored in (found.content, found.former):
        return found.content
    text = str(stored)
    why = f"fingerprint {text[:19]}…, this video has {found.content[:19]}…"
    if ":" not in text and found.former is None:
        why = (
            "its fingerprint is of the former kind, over the sizes of packets, and all of this "
            "video have one size; make it again with `analyze`"
        )
    raise AnalysisError(
        f"the analysis file {path} belongs to another video or stream of it ({why})"
    )


_CHANGED = (
    "{} changed since it was opened: other content took its place while it was being worked on. "
    "No output was written; start again, and leave the file alone meanwhile"
)
