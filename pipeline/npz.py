"""Arrays out of an .npz file, whose header is believed only as far as the file bears it out.

`numpy.load` reserves what a header claims before it reads a number: a file of a few bytes can ask
for terabytes. Here the header must agree with the length of its member, and that with a limit.
`models/reading/arrays.py` does so for weight files; only `loading/` may reach that.
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

_HEADER_BYTES = 10_000
"""Of an array's header at most; numpy writes about a hundred."""
_MOST_SIDES = 8


def read_npz(data: bytes, names: Sequence[str], *, most: int) -> dict[str, NDArray[Any]]:
    """Return those of some arrays that are in an .npz file; all others are left alone.

    Args:
        data: the file.
        names: of the arrays, without `.npy`.
        most: bytes of an array.

    Raises:
        ValueError: an array is larger than that, does not hold what it claims, or holds no numbers.
            Other damage raises what the reader of the zip archive raises (`side_files.DAMAGE`).
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        there = {member.filename: member for member in archive.infolist()}
        wanted = ((name, there.get(f"{name}.npy")) for name in names)
        return {n: _array(archive, member, n, most) for n, member in wanted if member is not None}


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str, most: int) -> NDArray[Any]:
    if member.file_size > most:
        raise ValueError(
            f"{name} has {member.file_size / 1e6:.0f} MB; accepted are up to {most / 1e6:.0f}"
        )
    with archive.open(member) as file:
        version = npy.read_magic(file)
        header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, is_fortran, dtype = header(file, max_header_size=_HEADER_BYTES)
        if dtype.kind not in "fiub":
            raise ValueError(f"{name} is of type {dtype}, not of numbers")
        if len(shape) > _MOST_SIDES or min(shape, default=0) < 0:
            raise ValueError(f"{name} has the shape {shape}")
        claimed = math.prod(shape) * dtype.itemsize
        if claimed > member.file_size:
            raise ValueError(f"{name} claims {claimed} bytes, but has {member.file_size}")
        numbers = np.frombuffer(file.read(claimed), dtype, math.prod(shape))
    return numbers.reshape(shape, order="F" if is_fortran else "C")
