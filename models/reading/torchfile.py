"""The two ways `torch.save` has written files: a zip since 1.6, one pickle after another before.

Nothing is executed (see `inert`), and the numbers are not copied: tensors look into the mapped
file until they are written elsewhere, and what was saved as one tensor under ten names stays one.
"""

from __future__ import annotations

import io
import mmap
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from .inert import DamagedPickleError, Record, as_text, read_pickle
from .plain import STORAGES, Storage, builders, plainly

LEGACY_START: Final = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""A pickle of torch's magic number, 0x1950a86a20f9469cfc6c: how files before 1.6 begin."""

_ORDER_BYTES: Final = 64
"""Of the member that says `little` or `big`."""

Buffer = mmap.mmap | bytearray
Content = Any
"""Dicts, lists, tuples, texts, numbers, tensors and `Module`s."""

_LOCAL_HEADER = struct.Struct("<26xHH")
"""Of a zip member: the lengths of its name and of the extra field, after 26 bytes."""


def mapped(path: Path) -> mmap.mmap:
    """Return a file mapped into memory; writing to it changes the copy in memory, never the file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is empty.
    """
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)


def read_zip(path: Path) -> Content:
    """Return what is in a file of torch 1.6 or newer.

    Raises:
        RefusedNameError: it names something that could run code.
        DamagedPickleError: it is truncated, damaged, or a zip of another kind.
    """
    buffer = mapped(path)
    with zipfile.ZipFile(path) as archive:
        members = {m.filename: m for m in archive.infolist()}
        root = next((n[: -len("data.pkl")] for n in members if n.endswith("/data.pkl")), None)
        if root is None:
            raise DamagedPickleError("a zip archive that torch.save did not write")
        if f"{root}constants.pkl" in members or any(n.startswith(f"{root}code/") for n in members):
            raise DamagedPickleError(
                "a TorchScript program, which is code; ask for the plain state dict"
            )
        order = f"{root}byteorder"
        if order in members and members[order].file_size > _ORDER_BYTES:
            raise DamagedPickleError("it does not say in which order its numbers are")
        if order in members and archive.read(order).strip() not in (b"little", b""):
            raise DamagedPickleError(
                "numbers in big-endian order; save it again on another machine"
            )
        spans = {name.removeprefix(root): _span(buffer, m) for name, m in members.items()}

    storages: dict[str, Storage] = {}
    named_bytes = 0

    def persistent(key: Any) -> Storage:
        nonlocal named_bytes
        dtype, name, count = _storage_key(key)
        if name not in storages:
            span = spans.get(f"data/{name}")
            if span is None:
                raise DamagedPickleError(f"truncated: the numbers `data/{name}` are not there")
            named_bytes += span[1] - span[0]
            if named_bytes > len(buffer):
                raise DamagedPickleError("its parts lie one over the other")
            storages[name] = Storage(dtype, lambda: _numbers(buffer, span, dtype, count))
        return storages[name]

    start, stop = spans["data.pkl"]
    content = read_pickle(buffer[start:stop], builders(_from_bytes), persistent)
    return plainly(content, len(buffer))


def read_legacy(buffer: Buffer) -> Content:
    """Return what is in a file of torch before 1.6, or in a storage within a plain pickle.

    Raises:
        RefusedNameError: it names something that could run code.
        DamagedPickleError: it is truncated or damaged.
    """
    file = buffer if isinstance(buffer, mmap.mmap) else io.BytesIO(buffer)
    waiting: dict[str, tuple[torch.dtype, int]] = {}
    spans: dict[str, tuple[int, int]] = {}
    storages: dict[str, Storage] = {}

    def persistent(key: Any) -> Storage:
        dtype, name, count = _storage_key(key)
        if name not in storages:
            waiting[name] = (dtype, count)
            storages[name] = Storage(dtype, lambda: _numbers(buffer, spans[name], dtype, count))
        view = key[5] if len(key) > 5 else None
        return storages[name] if view is None else _view(storages[name], view)

    table = builders(_from_bytes)
    # Tensors can be made only once it is known where their numbers are: after the pickle.
    later: list[tuple[Record, tuple[Any, ...]]] = []
    rebuild = table["torch._utils._rebuild_tensor_v2"]

    def postponed(arguments: tuple[Any, ...]) -> Record:
        later.append((Record("tensor"), arguments))
        return later[-1][0]

    for name in ("_rebuild_tensor_v2", "_rebuild_tensor"):
        table[f"torch._utils.{name}"] = postponed
    for _ in range(3):  # magic number, version, what the machine was like
        read_pickle(file, table, persistent)
    content = read_pickle(file, table, persistent)
    names = read_pickle(file, table, persistent)
    _locate(buffer, file.tell(), [as_text(name) for name in names], waiting, spans)
    for record, arguments in later:
        record.state = rebuild(arguments)
    return plainly(content, len(buffer))


def read_plain(buffer: Buffer) -> Content:
    """Return what is in a pickle that torch.save did not write, such as StyleGAN2-ADA's.

    Raises:
        RefusedNameError: it names something that could run code.
        DamagedPickleError: it is truncated or damaged.
    """

    def persistent(_key: Any) -> Storage:
        raise DamagedPickleError("it refers to what is not in the file")

    file = buffer if isinstance(buffer, mmap.mmap) else io.BytesIO(buffer)
    return plainly(read_pickle(file, builders(_from_bytes), persistent), len(buffer))


def _from_bytes(data: bytes) -> Storage:
    """Return the storage of a torch file that lies within a plain pickle."""
    if not isinstance(data, bytes) or not data.startswith(LEGACY_START):
        raise DamagedPickleError("numbers in a form that torch.save does not write")
    content = read_legacy(bytearray(data))
    if not isinstance(content, Storage):
        raise DamagedPickleError("a storage that holds something else")
    return content


def _storage_key(key: Any) -> tuple[torch.dtype, str, int]:
    """Return type, name and length that a persistent id of torch states."""
    if not isinstance(key, tuple) or len(key) < 5 or key[0] != "storage":
        raise DamagedPickleError("it refers to something that is no storage")
    kind, name, count = str(getattr(key[1], "name", "")), as_text(key[2]), key[4]
    dtype = STORAGES.get(kind.rpartition(".")[2])
    if dtype is None or not isinstance(count, int) or count < 0:
        raise DamagedPickleError(f"a storage of kind {kind!r:.80} whose length cannot be")
    return dtype, name, count


def _span(buffer: Buffer, member: zipfile.ZipInfo) -> tuple[int, int]:
    """Return where the bytes of an uncompressed zip member begin and end."""
    if member.compress_type != zipfile.ZIP_STORED:
        raise DamagedPickleError("a compressed zip, which torch.save does not write; unpack it")
    name, extra = _LOCAL_HEADER.unpack_from(buffer, member.header_offset)
    start = member.header_offset + _LOCAL_HEADER.size + name + extra
    if start + member.file_size > len(buffer):
        raise DamagedPickleError(f"truncated within {member.filename}")
    return start, start + member.file_size


def _numbers(buffer: Buffer, span: tuple[int, int], dtype: torch.dtype, count: int) -> Tensor:
    """Return `count` numbers (count,) that begin at a place of the file; they look into it."""
    start, stop = span
    if start + count * dtype.itemsize > stop:
        raise DamagedPickleError(f"truncated: {count} numbers are promised, fewer are there")
    if count == 0:
        return torch.empty(0, dtype=dtype)
    if start % dtype.itemsize:
        buffer, start = bytearray(buffer[start : start + count * dtype.itemsize]), 0
    return torch.frombuffer(buffer, dtype=dtype, count=count, offset=start)


def _view(whole: Storage, view: Any) -> Storage:
    """Return a part of a storage, as torch before 0.4 saved it."""
    _, offset, count = view
    if not isinstance(offset, int) or not isinstance(count, int):
        raise DamagedPickleError("a view that does not say where it lies")
    if not 0 <= offset <= offset + count:
        raise DamagedPickleError("a view that begins before its storage")

    def load() -> Tensor:
        numbers = whole.numbers()
        if offset + count > len(numbers):
            raise DamagedPickleError("a view that reaches beyond its storage")
        return numbers[offset : offset + count]

    return Storage(whole.dtype, load)


def _locate(
    buffer: Buffer,
    position: int,
    names: list[str],
    waiting: Mapping[str, tuple[torch.dtype, int]],
    spans: dict[str, tuple[int, int]],
) -> None:
    """Find the numbers of each storage: after the pickles, a length (8 bytes) before each."""
    for name in names:
        if name not in waiting or position + 8 > len(buffer):
            raise DamagedPickleError("truncated: the numbers of its tensors are not there")
        dtype, _ = waiting[name]
        (count,) = struct.unpack_from("<q", buffer, position)
        stop = position + 8 + count * dtype.itemsize
        if count < 0 or stop > len(buffer):
            raise DamagedPickleError("truncated: the numbers of its tensors are cut off")
        spans[name] = (position + 8, stop)
        position = stop
