"""One numpy array out of a file, whose header is believed only as far as the file bears it out.

numpy's own reader reserves what a header claims before it reads a number: a file of a few bytes
can ask for terabytes.
"""

from __future__ import annotations

import math
import tokenize
from typing import IO, Any, Final

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from .inert import DamagedPickleError

_HEADER_BYTES: Final = 10_000
"""Of a header at most; numpy writes about a hundred."""


def read_array(file: IO[bytes], size: int) -> NDArray[Any]:
    """Return the array that a .npy file holds; it cannot be written to.

    Args:
        file: at its beginning.
        size: of the file, in bytes.

    Raises:
        DamagedPickleError: Python objects, or more numbers than the file can hold.
        ValueError: it is no .npy file.
    """
    version = npy.read_magic(file)
    header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    try:
        shape, is_fortran, dtype = header(file, max_header_size=_HEADER_BYTES)
    except (tokenize.TokenError, SyntaxError, TypeError, RuntimeError) as e:  # it is Python's text
        raise ValueError(f"its header cannot be read: {e}") from e
    if dtype.hasobject:
        raise DamagedPickleError("an array of Python objects, which could run code when opened")
    if dtype.kind not in "fiub":
        raise DamagedPickleError(f"an array of type {dtype}, not of numbers")
    count = math.prod(shape)
    if count < 0 or count * dtype.itemsize > size:
        raise DamagedPickleError(f"truncated: {count} numbers are promised in {size} bytes")
    data = file.read(count * dtype.itemsize)
    return np.frombuffer(data, dtype, count).reshape(shape, order="F" if is_fortran else "C")
