"""Reading mattes: clips, pictures and sequences of pictures, found by the number of the frame.

A sequence is named by a pattern, `hand.####.png` or `hand.%04d.png`. Nothing is matched by order: a
frame whose picture is missing is an error, said before the first frame is made.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Generator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from .errors import InputError, UsageError, reason
from .imaging.color import frame_to_rgb
from .imaging.picture_size import picture_size
from .mattes import Matte, Mattes
from .media.base import Reading
from .media.opening import open_source
from .request import EditRequest, MatteFile
from .side_files import DAMAGE, PICTURE_BYTES, in_words, read_bytes
from .types import Frame

_LUMA: Final = np.array([0.2126, 0.7152, 0.0722], np.float32)
"""Shares of red, green and blue in brightness (ITU-R BT.709)."""
_NEARLY: Final = 0.005
"""What is this near to black or white is meant so: one step of an 8-bit video."""
_SKIPPED: Final = 48
"""Frames that are rather read and dropped than looked for anew."""
_HEAD_BYTES: Final = 1 << 16
"""Of a picture, within which its size mostly stands."""
_PICTURES: Final = (".png", ".tif", ".tiff", ".jpg", ".jpeg", ".webp", ".bmp")
_PATTERN: Final = re.compile(r"#+|%0?(\d*)d")


class _Pictures:
    """A matte that is a picture, or a sequence of them."""

    def __init__(self, file: MatteFile, what: str, first_frame: int) -> None:
        self._file, self._what, self._first = file, what, first_frame

    def path_of(self, index: int) -> Path:
        """Return the picture of a frame, counted from 0."""
        path, number = self._file.path, self._first + index

        def digits(match: re.Match[str]) -> str:
            width = match[1] if match[0].startswith("%") else len(match[0])
            return f"{number:0{int(width or 1)}d}"

        return path.with_name(_PATTERN.sub(digits, path.name))

    def begin(self, size: tuple[int, int]) -> None:
        """Refuse what no frame could use: no picture, another size, a channel that is not there."""
        there = [path for path in files_of(self._file) if path.is_file()]
        if not there:
            raise InputError(f"{self._what} {self._file.path}: there is no such picture")
        _check_size(self._what, there[0], _size_of(there[0], self._what), size)
        self._read(there[0])

    def check(self, start: int, stop: int, size: tuple[int, int]) -> None:
        """Refuse pictures that are missing or of another size, of a range of frames."""
        for index in range(start, stop):
            path = self.path_of(index)
            if index > start and path == self._file.path:
                return
            if not path.is_file():
                raise InputError(
                    f"{self._what} {self._file.path} lacks frame {self._first + index}: "
                    f"{path.name} is not there; frames {self._first + start} to "
                    f"{self._first + stop - 1} are needed. Give the number of the clip's first "
                    "frame with --first-frame"
                )
            _check_size(self._what, path, _size_of(path, self._what), size)

    def at(self, index: int) -> Matte:
        """Return the matte of a frame."""
        return self._read(self.path_of(index))

    def _read(self, path: Path) -> Matte:
        data = read_bytes(path, f"cannot read {self._what}", most=PICTURE_BYTES, error=InputError)
        try:
            picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
            if picture is None or picture.dtype.kind not in "uf":
                raise ValueError("what it holds is damaged")
        except (*DAMAGE, cv2.error) as e:
            raise InputError(f"{self._what} {path} cannot be read: {in_words(e)}") from e
        whole = np.iinfo(picture.dtype).max if picture.dtype.kind == "u" else 1
        values = np.atleast_3d(picture).astype(np.float32) / np.float32(whole)
        colours, alpha = values, None
        if values.shape[2] in (2, 4):
            colours, alpha = values[..., :-1], values[..., -1]
        return _channel(self._file, self._what, colours[..., ::-1], alpha)

    def digests(self, start: int, stop: int) -> Iterator[str]:
        """Yield the channel, and what the pictures of a range of frames are recognised by."""
        yield self._file.channel or ""
        for path in dict.fromkeys(map(self.path_of, range(start, stop))):
            try:
                with path.open("rb") as opened:
                    yield hashlib.file_digest(opened, "sha256").hexdigest()
            except OSError as e:
                raise InputError(f"cannot read {self._what} {path}: {reason(e)}") from e

    def close(self) -> None:
        """Nothing is open."""


class _Clip:
    """A matte that is a clip; it is read on, or anew where the frames asked for leap."""

    def __init__(self, file: MatteFile, what: str) -> None:
        self._file, self._what = file, what
        self._source = open_source(file.path)
        self._reading: Reading | None = None
        self._frames: Iterator[Frame] = iter(())
        self._next = 0

    def begin(self, size: tuple[int, int]) -> None:
        """Refuse what no frame could use: another size, a channel that is not there."""
        info = self._source.info
        _check_size(self._what, self._file.path, (info.width, info.height), size)
        self.at(0)
        self.close()

    def check(self, start: int, stop: int, size: tuple[int, int]) -> None:
        """Refuse a clip that ends before a range of frames does."""
        del size
        if stop > start:
            try:
                self._source.check_frame(stop - 1)
            except UsageError as e:
                raise InputError(f"{self._what} is shorter than the clip: {e}") from e

    def at(self, index: int) -> Matte:
        """Return the matte of a frame."""
        if self._reading is None or not self._next <= index <= self._next + _SKIPPED:
            self.close()
            self._reading = self._source.frames(index).__enter__()
            self._frames = iter(self._reading)
        for frame in self._frames:
            self._next = frame.index + 1
            if frame.index == index:
                return self._matte(frame)
        raise InputError(f"{self._what} {self._file.path} ends before frame {index}")

    def _matte(self, frame: Frame) -> Matte:
        alpha = None
        if len(frame.planes) in (2, 4):
            whole = (1 << frame.encoding.bits) - 1
            alpha = frame.planes[-1].astype(np.float32) / np.float32(whole)
        return _channel(self._file, self._what, frame_to_rgb(frame), alpha)

    def digests(self, start: int, stop: int) -> Iterator[str]:
        """Yield the channel, and what the clip is recognised by, whatever the range."""
        del start, stop
        yield self._file.channel or ""
        yield self._source.fingerprint().content

    def close(self) -> None:
        """Close what is read."""
        if self._reading is not None:
            self._reading.__exit__(None, None, None)
        self._reading = None


class MatteReader:
    """The mattes that a request names, frame by frame; it belongs to one thread.

    Args:
        request: names them.
        size: width and height [px] of the clip, upright.

    Raises:
        InputError: one is missing, no picture or clip, or not as large as the clip.
        UsageError: one has an alpha channel, and it is not said whether that is meant.
    """

    def __init__(self, request: EditRequest, size: tuple[int, int]) -> None:
        self._size = size
        first = request.render.first_frame
        self._held = [_opened(file, "the holdout", first) for file in request.holdout]
        self._only = [_opened(file, "the matte", first) for file in request.only]
        self._checked: set[tuple[int, int]] = set()
        for matte in (*self._held, *self._only):
            matte.begin(size)

    def __bool__(self) -> bool:
        return bool(self._held or self._only)

    def check(self, start: int, stop: int) -> None:
        """Refuse, before a range of frames is made, what would fail on the way.

        Raises:
            InputError: a frame is missing or of another size than the clip; it is named.
        """
        if (start, stop) in self._checked:
            return
        for matte in (*self._held, *self._only):
            matte.check(start, stop, self._size)
        self._checked.add((start, stop))

    def at(self, index: int) -> Mattes:
        """Return the mattes of a frame, counted from 0.

        Raises:
            InputError: one cannot be read.
        """
        return Mattes(_joined(self._held, index), _joined(self._only, index))

    def beside(self, frames: Iterable[Frame]) -> Generator[tuple[Frame, Mattes], None, None]:
        """Yield frames, each with its mattes; close it if it is not used up."""
        try:
            for frame in frames:
                yield frame, self.at(frame.index) if self else Mattes()
        finally:
            self.close()

    def digests(self, start: int, stop: int) -> list[list[str]]:
        """Return what tells the mattes of a range of frames from all others (JSON values): for
        keys of what is rendered.

        Raises:
            InputError: one cannot be read.
        """
        return [
            [kind, *matte.digests(start, stop)]
            for kind, mattes in (("holdout", self._held), ("only", self._only))
            for matte in mattes
        ]

    def close(self) -> None:
        """Close what is open; it is opened again where it is needed."""
        for matte in (*self._held, *self._only):
            matte.close()


def files_of(file: MatteFile) -> list[Path]:
    """Return the files of a matte that are there: of a sequence, all of its pictures."""
    pattern = _PATTERN.sub("*", file.path.name)
    if pattern == file.path.name or file.path.exists():
        return [file.path]
    return sorted(file.path.parent.glob(pattern))


def _opened(file: MatteFile, what: str, first_frame: int) -> _Pictures | _Clip:
    if file.path.suffix.lower() in _PICTURES:
        return _Pictures(file, what, first_frame)
    if _PATTERN.search(file.path.name) and not file.path.exists():
        raise InputError(
            f"{what} {file.path} is no sequence that can be read; accepted are "
            f"{', '.join(_PICTURES)}, and clips"
        )
    return _Clip(file, what)


def _joined(mattes: Sequence[_Pictures | _Clip], index: int) -> Matte | None:
    """Return where any of some mattes is white; None if there are none."""
    if not mattes:
        return None
    return np.asarray(np.maximum.reduce([matte.at(index) for matte in mattes]))


def _channel(file: MatteFile, what: str, colours: Matte, alpha: Matte | None) -> Matte:
    """Return the channel that is meant, of RGB or grey (H, W, 3 or 1) and what alpha there is."""
    name = file.channel
    if name is None and alpha is not None:
        raise UsageError(
            f"{what} {file.path} has an alpha channel; say what is meant: {file.path}:A, or "
            f"{file.path}:Y for how bright it is"
        )
    if name == "A":
        if alpha is None:
            raise InputError(f"{what} {file.path} has no alpha channel; accepted: R, G, B, Y")
        values = alpha
    elif colours.shape[2] == 1:
        values = colours[..., 0]
    else:
        values = colours[..., "RGB".index(name)] if name in ("R", "G", "B") else colours @ _LUMA
    values = np.where(values >= 1 - _NEARLY, np.float32(1), values)
    return np.asarray(np.where(values <= _NEARLY, np.float32(0), values), np.float32)


def _size_of(path: Path, what: str) -> tuple[int, int]:
    """Return width and height [px] of a picture, from its first bytes if they say it."""
    try:
        with path.open("rb") as opened:
            return picture_size(opened.read(_HEAD_BYTES))
    except DAMAGE:
        pass  # or they stand further back
    data = read_bytes(path, f"cannot read {what}", most=PICTURE_BYTES, error=InputError)
    try:
        return picture_size(data)
    except DAMAGE as e:
        raise InputError(
            f"{what} {path} is no picture that can be read ({in_words(e)}); accepted: PNG, TIFF, "
            "JPEG, WebP, BMP"
        ) from e


def _check_size(what: str, path: Path, size: tuple[int, int], wanted: tuple[int, int]) -> None:
    if size != wanted:
        raise InputError(
            f"{what} {path} has {size[0]}x{size[1]} px and the clip {wanted[0]}x{wanted[1]}; a "
            "matte must be as large as the clip"
        )
