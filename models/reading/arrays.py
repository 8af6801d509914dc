"""Arrays out of .npy and .npz files, whose headers are believed only as far as the files bear out.

numpy's own reader reserves what a header claims before it reads a number: a file of a few bytes
can ask for terabytes. The video pipeline reads landmarks with this file, so it needs no networks.
"""

from __future__ import annotations

import math
import tokenize
import zipfile
from collections.abc import Container
from typing import IO, Any, Final

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

_HEADER_BYTES: Final = 10_000
"""Of a header at most; numpy writes about a hundred."""
_MOST_SIDES: Final = 8


class ArrayError(ValueError):
    """An array that is not what its file claims, or holds something else than numbers."""


def read_array(file: IO[bytes], size: int, *, texts: bool = False) -> NDArray[Any]:
    """Return the array that a .npy file holds; it cannot be written to.

    Args:
        file: at its beginning.
        size: of the file, in bytes.
        texts: whether an array of texts is read too.

    Raises:
        ArrayError: Python objects, more numbers than the file can hold, or no .npy file.
        OSError, EOFError, zlib.error: from the file.
    """
    try:
        version = npy.read_magic(file)
        header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, is_fortran, dtype = header(file, max_header_size=_HEADER_BYTES)
    except (tokenize.TokenError, SyntaxError, TypeError, RuntimeError, ValueError) as e:
        raise ArrayError(f"its header, which is Python's text, cannot be read: {e}") from e
    if dtype.hasobject:
        raise ArrayError("an array of Python objects, not of numbers; they could run code")
    if dtype.kind not in ("fiubU" if texts else "fiub"):
        raise ArrayError(f"an array of type {dtype}, not of numbers")
    if len(shape) > _MOST_SIDES or min(shape, default=0) < 0:
        raise ArrayError(f"an array has the shape {shape}")
    count = math.prod(shape)
    if count * dtype.itemsize > size:
        raise ArrayError(f"truncated: {count} numbers are promised in {size} bytes")
    data = file.read(count * dtype.itemsize)
    return np.frombuffer(data, dtype, count).reshape(shape, order="F" if is_fortran else "C")


def read_npz(
    file: IO[bytes], *, most: int, names: Container[str] | None = None, texts: bool = False
) -> dict[str, NDArray[Any]]:
    """Return the arrays of an .npz file by name; they cannot be written to.

    Args:
        file: open for reading, and for going back and forth.
        most: bytes of all of them, once unpacked.
        names: of those that are read, all others are left alone; None: all.
        texts: whether arrays of texts are read too.

    Raises:
        ArrayError: they are larger, or one is not what it claims.
        zipfile.BadZipFile, OSError, EOFError, zlib.error: from the archive.
    """
    with zipfile.ZipFile(file) as archive:
        members = {m.filename.removesuffix(".npy"): m for m in archive.infolist()}
        members = {name: m for name, m in members.items() if names is None or name in names}
        inside = sum(m.file_size for m in members.values())
        if inside > most:
            raise ArrayError(f"it claims to hold {inside} bytes; accepted are up to {most}")
        arrays = {}
        for name, member in members.items():
            with archive.open(member) as part:
                arrays[name] = read_array(part, member.file_size, texts=texts)
        return arrays
