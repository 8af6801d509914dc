"""Write safetensors files of any size without a second copy in memory, and know their hash first.

The library's own writer gathers all numbers before it writes. Here they go from the mapped file of
origin to the new one; the order, and so the hash, depends on the content alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from .base import WeightsError
from .files import opened_whole

_NAMES: Final[Mapping[torch.dtype, str]] = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
_CHUNK_NUMBERS = 1 << 22


def size_of(tensors: Mapping[str, Tensor], texts: Mapping[str, str]) -> int:
    """Return how many bytes the file will have."""
    return len(_header(tensors, texts)) + sum(t.nbytes for t in tensors.values())


def hash_of(tensors: Mapping[str, Tensor], texts: Mapping[str, str]) -> str:
    """Return the SHA-256 the file will have; and look at every number once.

    Raises:
        WeightsError: a number is not finite.
    """
    digest = hashlib.sha256(_header(tensors, texts))
    for key in _ordered(tensors):
        for chunk in _chunks(tensors[key]):
            if not bool(chunk.isfinite().all()):
                raise WeightsError(
                    f"{key} holds numbers that are not finite: the training went wrong, or the "
                    "file is damaged; bring another one"
                )
            digest.update(_bytes(chunk))
    return digest.hexdigest()


def write_tensors(path: Path, tensors: Mapping[str, Tensor], texts: Mapping[str, str]) -> None:
    """Write a file; it is there as a whole or not at all.

    Raises:
        OSError: it cannot be written; nothing is left behind.
    """
    with opened_whole(path) as file:
        file.write(_header(tensors, texts))
        for key in _ordered(tensors):
            for chunk in _chunks(tensors[key]):
                file.write(_bytes(chunk))


def _ordered(tensors: Mapping[str, Tensor]) -> list[str]:
    """Wide numbers first, so that each lies at a multiple of its size; then by name."""
    return sorted(tensors, key=lambda key: (-tensors[key].itemsize, key))


def _header(tensors: Mapping[str, Tensor], texts: Mapping[str, str]) -> bytes:
    table: dict[str, object] = {"__metadata__": dict(sorted(texts.items()))} if texts else {}
    position = 0
    for key in _ordered(tensors):
        value = tensors[key]
        span = [position, position + value.nbytes]
        table[key] = {
            "dtype": _NAMES[value.dtype],
            "shape": list(value.shape),
            "data_offsets": span,
        }
        position = span[1]
    text = json.dumps(table, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _chunks(value: Tensor) -> Iterator[Tensor]:
    """Yield the numbers of a tensor in order, (n,), a few million at a time."""
    flat = value.detach().contiguous().reshape(-1)
    for start in range(0, len(flat), _CHUNK_NUMBERS):
        yield flat[start : start + _CHUNK_NUMBERS]


def _bytes(chunk: Tensor) -> memoryview:
    return chunk.view(torch.uint8).numpy().data
