"""Standard output and standard error, whatever they are: closed, full, or of ASCII alone.

Results go to stdout (`show`), all else to stderr (`tell`). What stdout cannot take is an error,
since the result is lost; what stderr cannot take is let go, since there is nobody to tell.
"""

from __future__ import annotations

import codecs
import datetime
import io
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TextIO

from .errors import OutputError, words_of

_SIGNS = "–—−‘’“”·×÷"
_PLAIN = dict(zip(_SIGNS, "---''\"\"*x/", strict=True))
_PLAIN |= {"…": "...", "→": "->", "≥": ">=", "≤": "<=", "±": "+-"}
"""Typographic signs of messages and tables, in ASCII."""


def prepare() -> None:
    """Make both streams take any text, and keep closed ones from becoming other files.

    A closed stderr leaves its number free: the next file opened, perhaps the output, would get it,
    and what libraries report would be written into that file.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
    if sys.stdout is None:  # what Python makes of a closed one
        sys.stdout = _nowhere()
    if sys.stderr is None:
        sys.stderr = _nowhere()
    codecs.register_error("visagist", _in_plain_letters)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="visagist")


def show(text: str) -> None:
    """Write a line to stdout, now.

    Raises:
        OutputError: it cannot be written.
        BrokenPipeError: whoever read it is gone.
    """
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as e:
        abandon_stdout()
        raise OutputError(
            f"cannot write to standard output: {words_of(e)}; what it should have shown is lost"
        ) from e


_log = {"form": "text"}


@contextmanager
def log_restored() -> Iterator[None]:
    """Have stderr written as text again when the block is left."""
    try:
        yield
    finally:
        _log["form"] = "text"


def log_as(form: str) -> None:
    """Have all that goes to stderr written as `text`, or as `json`: one object a line, with the
    time `t` [UTC], `level`, `message` and whatever else is known."""
    _log["form"] = form


def tell(text: str, level: str = "info", facts: Mapping[str, object] | None = None) -> None:
    """Write lines to stderr, now; as JSON together with what else is known."""
    if _log["form"] == "json":
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        text = json.dumps({"t": now, "level": level, "message": text, **(facts or {})})
    try:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()
    except OSError:
        # Full, or its reader is gone, and there is no other place to say so: the exit code speaks.
        sys.stderr = _let_go(sys.stderr)


def printable(text: str) -> str:
    """Return a text with its control characters written out; bytes of odd names stay."""
    return "".join(c if c.isprintable() or _is_byte(c) else ascii(c)[1:-1] for c in text)


def _is_byte(character: str) -> bool:
    """Return whether a character stands for a byte of a file's name that is no text."""
    return "\udc80" <= character <= "\udcff"


def abandon_stdout() -> None:
    """Let what stdout still holds go nowhere, so that the interpreter's last flush succeeds."""
    sys.stdout = _let_go(sys.stdout)


def _let_go(stream: TextIO) -> TextIO:
    """Return a stream that leads nowhere; what the old one still holds goes there too."""
    try:
        number = stream.fileno()
    except (OSError, ValueError):
        return _nowhere()  # no file of the system: a stream that a caller put there
    os.dup2(os.open(os.devnull, os.O_WRONLY), number)
    return stream


def _nowhere() -> io.TextIOWrapper:
    return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123  # a device, and open to the end


def _in_plain_letters(error: UnicodeError) -> tuple[str | bytes, int]:
    """Return what stands for characters that an encoding lacks.

    Half of a surrogate pair stands for a byte of a file's name that is no text: it is written as
    the byte it was, so that the name that is shown is the name of the file.
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    if all(map(_is_byte, text)):
        return bytes(ord(character) - 0xDC00 for character in text), error.end
    plain = (_PLAIN.get(c) or ascii(c)[1:-1] for c in text)
    return "".join(plain), error.end


def say(kind: str, message: str) -> None:
    """Write one line to stderr, whatever line breaks a library's words bring along, and whatever
    a file's name would have a terminal do."""
    sentence = printable(" ".join(message.split()))
    tell(sentence if _log["form"] == "json" else f"visagist: {kind}: {sentence}", kind)
