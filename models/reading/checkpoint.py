"""Read any file that weights come in, without executing anything in it.

torch's zip and legacy files, safetensors, numpy arrays, and the pickles of StyleGAN2-ADA, which
hold source code beside their tensors: the tensors are read, the code is left alone. A file that
could run something when other programs open it is refused, and what it would have called is named.
"""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import safetensors
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..base import WeightsError, words_of
from .arrays import ArrayError, read_array, read_npz
from .inert import DamagedPickleError, RefusedNameError
from .shards import INDEX_SUFFIX, read_sharded, refuse_shard
from .torchfile import LEGACY_START, Content, mapped, read_legacy, read_plain, read_zip

_TENSORFLOW = "dnnlib.tflib."
_HEAD_BYTES = 512

_DAMAGE: Final = (
    *(DamagedPickleError, zipfile.BadZipFile, safetensors.SafetensorError, struct.error),
    *(ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError),
    *(EOFError, OSError, SyntaxError, zlib.error),
)
"""What readers raise when a few bytes of a file are wrong: nearly anything, as trials showed."""

_ADVICE: Final = "download it again from where its authors offer it, and compare its size"

_WRONG_KINDS: Final[tuple[tuple[bytes, str], ...]] = (
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself; run `git lfs pull`"),
    (b"Rar!", "a RAR archive; unpack it and import the files inside"),
    (b"7z\xbc\xaf", "a 7-Zip archive; unpack it and import the files inside"),
    (b"\x1f\x8b", "a gzip archive; unpack it and import the files inside"),
    (b"BZh", "a bzip2 archive; unpack it and import the files inside"),
    (b"\x89HDF", "an HDF5 file (Keras); only PyTorch weights can be used"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (
        b"{",
        f"a JSON text; a refused download often is one (an index of shards ends in {INDEX_SUFFIX})",
    ),
)
"""How other files begin, and what to say of them."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The content of a weight file."""

    path: Path
    content: Content
    """Dicts, lists, tuples, texts, numbers, tensors and `Module`s."""
    texts: Mapping[str, str] = field(default_factory=dict)
    """Text metadata of a safetensors file."""
    files: tuple[Path, ...] = ()
    """What it was read from: the file, or the index and the files that it names."""


def read_checkpoint(path: Path) -> Checkpoint:
    """Return what is in a weight file; large tensors look into the mapped file.

    Raises:
        WeightsError: what the file is instead, or what it would have run, and what to do.
    """
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise WeightsError(f"{path} is a folder; give the weight files in it")
        if not stat.S_ISREG(status.st_mode):
            raise WeightsError(f"{path} is a pipe or a device; give a file on a disk")
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
        size = status.st_size
    except (OSError, ValueError) as e:
        raise WeightsError(f"cannot read {path}: {words_of(e)}; give a file you may read") from e
    refuse_shard(path)
    # First of all: a safetensors file begins with a length, whose bytes may look like anything.
    is_safetensors = head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= size - 8
    is_index = path.name.endswith(INDEX_SUFFIX)
    if not is_safetensors and not is_index:
        _refuse_other_kinds(path, head)
    try:
        if is_index:
            tensors, texts, files = read_sharded(path)
            return Checkpoint(path, tensors, texts, (path, *files))
        found = _read_safetensors(path) if is_safetensors else _read(path, head)
        return replace(found, files=(path,))
    except RefusedNameError as e:
        raise WeightsError(_refusal(path, e.name)) from e
    except _DAMAGE as e:
        reason = str(e) if isinstance(e, DamagedPickleError | ArrayError) else f"damaged ({e})"
        reason = "it ends too early" if isinstance(e, zipfile.BadZipFile) else reason
        raise WeightsError(
            f"{path} cannot be used: {reason:.300} ({size / 1e6:.1f} MB); {_ADVICE}"
        ) from e


def _read(path: Path, head: bytes) -> Checkpoint:
    if head[:2] == b"PK":
        if _is_npz(path):
            return Checkpoint(path, _arrays(path))
        return Checkpoint(path, read_zip(path))
    if head[:6] == b"\x93NUMPY":
        return Checkpoint(path, _arrays(path))
    if head.startswith(LEGACY_START):
        return Checkpoint(path, read_legacy(mapped(path)))
    if head[:1] == b"\x80":
        return Checkpoint(path, read_plain(mapped(path)))
    if head[8:9] == b"{":
        raise DamagedPickleError("the header of this safetensors file is cut off")
    raise DamagedPickleError("it is no kind of weight file this program knows")


def _read_safetensors(path: Path) -> Checkpoint:
    with safetensors.safe_open(path, framework="pt", device="cpu") as file:
        tensors = {key: file.get_tensor(key) for key in list(file.keys())}
        return Checkpoint(path, tensors, dict(file.metadata() or {}))


def _refuse_other_kinds(path: Path, head: bytes) -> None:
    if not head:
        raise WeightsError(f"{path} is empty; {_ADVICE}")
    if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<":
        raise WeightsError(
            f"{path} is a web page saved under this name, as file hosts send when a quota is "
            f"used up or a link has expired; open the link in a browser and {_ADVICE}"
        )
    for start, words in _WRONG_KINDS:
        if head.startswith(start):
            raise WeightsError(f"{path} is {words}")
    if head[257:262] == b"ustar":
        raise WeightsError(f"{path} is a tar archive; unpack it and import the files inside")


def _refusal(path: Path, name: str) -> str:
    if name.startswith(_TENSORFLOW):
        return (
            f"{path} is a pickle of TensorFlow StyleGAN2 ({name}), which only its own code can "
            "open; bring the PyTorch file: stylegan2-ffhq-config-f.pt, or the ADA ffhq.pkl"
        )
    return (
        f"{path} is refused: opening it the usual way would call {name!r}, which no plain weight "
        "file does. Nothing in it was executed. Get the file from its authors, or have whoever "
        "made it save the plain state dict as safetensors"
    )


def _is_npz(path: Path) -> bool:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    if names and not any(n.endswith("data.pkl") for n in names):
        if all(n.endswith(".npy") for n in names):
            return True
        inside = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
        raise WeightsError(
            f"{path} is a zip archive with {len(names)} files ({inside}), not one weight file; "
            "unpack it and import the files inside"
        )
    return False


def _arrays(path: Path) -> Tensor | dict[str, Tensor]:
    """Return the array of a .npy file, or those of a .npz by name; objects are refused."""
    size = path.stat().st_size
    with path.open("rb") as file:
        if file.read(2) == b"PK":
            arrays = read_npz(file, most=max(_PACKED * size, _SMALL_BYTES))
            return {name: _tensor(array) for name, array in arrays.items()}
        file.seek(0)
        return _tensor(read_array(file, size))


_PACKED = 50
"""Times that arrays of numbers can be larger than the file they are compressed in."""
_SMALL_BYTES = 1 << 26


def _tensor(array: NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.array(array, array.dtype.newbyteorder("="), order="C"))
