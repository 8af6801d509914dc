"""What the names in a weight file stand for: tensors, arrays, containers; all else is refused."""

from __future__ import annotations

import math
import pathlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from .inert import Builder, DamagedPickleError, Name, Record, as_keys, as_text

STORAGES: Final[Mapping[str, torch.dtype]] = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
"""torch's storage classes, in `torch` and, from GPUs of old, in `torch.cuda`."""

_LIGHTNING_DICTS: Final = (
    "pytorch_lightning.utilities.parsing.AttributeDict",
    "lightning_fabric.utilities.data.AttributeDict",
    "lightning.fabric.utilities.data.AttributeDict",
)
"""Dicts in which Lightning keeps the options of a training."""

PERSISTENT: Final = "torch_utils.persistence._reconstruct_persistent_obj"
"""How StyleGAN2-ADA pickles an object together with the source code of its class."""

_DEEPEST = 60
"""Containers in containers; no weight file comes near."""
_MOST_VALUES = 10_000_000
"""Values in all containers, one that is in ten of them counted ten times."""
_REPEATED = 1 << 16
"""Numbers up to which a tensor may repeat those it looks at (the code of one layer for all of
them); larger ones would become gigabytes, once stored, out of a few bytes."""


@dataclass(eq=False, slots=True)
class Storage:
    """A flat run of numbers in a file, read when first asked for and then shared."""

    dtype: torch.dtype
    load: Callable[[], Tensor]
    """Returns all its numbers (n,)."""
    _numbers: Tensor | None = field(default=None)

    def numbers(self) -> Tensor:
        """Return its numbers (n,); the same tensor at every call."""
        if self._numbers is None:
            self._numbers = self.load()
        return self._numbers


def rebuilt_tensor(arguments: tuple[Any, ...]) -> Tensor:
    """Return the view of a storage that torch's `_rebuild_tensor_v2` describes.

    Raises:
        DamagedPickleError: the view reaches beyond the storage.
    """
    storage, offset, size, stride = arguments[:4]
    if not isinstance(storage, Storage) or not isinstance(offset, int):
        raise DamagedPickleError("a tensor of no storage")
    numbers = storage.numbers()
    shape = [int(n) for n in size]
    steps = [int(n) for n in stride]
    reach = offset + sum((n - 1) * s for n, s in zip(shape, steps, strict=True))
    if min([offset, *shape, *steps]) < 0 or (0 not in shape and reach >= len(numbers)):
        raise DamagedPickleError(
            f"a tensor of shape {shape} reaches beyond its {len(numbers)} numbers"
        )
    if math.prod(shape) > max(len(numbers), _REPEATED):
        raise DamagedPickleError(
            f"a tensor of shape {shape} is made of only {len(numbers)} numbers, each repeated"
        )
    return torch.as_strided(numbers, shape, steps, offset)


def _mapping(arguments: tuple[Any, ...]) -> dict[Any, Any]:
    """Return the dict of an OrderedDict; a defaultdict's first argument makes defaults: dropped."""
    pairs = arguments[-1] if arguments else []
    if isinstance(pairs, dict):
        return pairs
    if not isinstance(pairs, list):
        return {}
    return {as_keys([key])[0]: value for key, value in pairs}


def _persistent(arguments: tuple[Any, ...]) -> Record:
    (meta,) = arguments
    facts = meta.items if isinstance(meta, Record) else meta
    return Record(PERSISTENT, (facts.get("class_name", ""),), facts.get("state"))


def _kept(name: str) -> Builder:
    return lambda arguments: Record(name, arguments)


def _first(arguments: tuple[Any, ...]) -> Any:
    return arguments[0]


def _collection(kind: type) -> Builder:
    """Return what makes a list, tuple or bytes of another collection.

    One of the same kind is given back as it is: a copy of a large one takes five bytes of a pickle
    to ask for, and can be asked for without end. Others are small where weights are saved.
    """

    def made(arguments: tuple[Any, ...]) -> Any:
        if not arguments:
            return kind()
        first = arguments[0]
        if isinstance(first, kind):
            return first
        if not isinstance(first, list | tuple | set | frozenset) or len(first) > _LONGEST_COPY:
            raise DamagedPickleError(f"a {kind.__name__} of a {type(first).__name__}")
        return kind(as_keys(first) if kind in (set, frozenset) else first)

    return made


_LONGEST_COPY = 1000


def _bytes(arguments: tuple[Any, ...]) -> bytes:
    """Return the bytes of a bytearray; a number would ask for that many."""
    data = arguments[0] if arguments else b""
    if not isinstance(data, bytes):
        raise DamagedPickleError(f"a bytearray of a {type(data).__name__}")
    return data


def _once(make: Callable[..., Any]) -> Builder:
    """Return a builder that makes one value of each first argument, however often it is asked: the
    same text may be named a million times in a file of a few megabytes."""
    made: dict[int, tuple[Any, Any]] = {}

    def build(arguments: tuple[Any, ...]) -> Any:
        first = arguments[0]
        if id(first) not in made:
            made[id(first)] = (first, make(*arguments))  # with the argument, so that its id stays
        return made[id(first)][1]

    return build


def _text_to_bytes(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise DamagedPickleError("bytes in another encoding than latin1")
    return bytes(text, "latin1")


def _path(arguments: tuple[Any, ...]) -> str:
    return str(pathlib.PurePosixPath(*(as_text(a) for a in arguments)))


def builders(from_bytes: Callable[[bytes], Storage]) -> dict[str, Builder]:
    """Return what each accepted global makes.

    Args:
        from_bytes: a storage from a torch file within the pickle, as plain pickles hold them.
    """
    table: dict[str, Builder] = {
        "collections.OrderedDict": _mapping,
        "collections.defaultdict": _mapping,
        "collections.Counter": _mapping,
        "argparse.Namespace": _kept("argparse.Namespace"),
        "dnnlib.util.EasyDict": _kept("dict"),
        "dnnlib.EasyDict": _kept("dict"),
        **{name: _kept("dict") for name in _LIGHTNING_DICTS},
        PERSISTENT: _persistent,
        "torch._utils._rebuild_tensor_v2": rebuilt_tensor,
        "torch._utils._rebuild_tensor": rebuilt_tensor,
        "torch._utils._rebuild_parameter": _first,
        "torch.storage._load_from_bytes": _once(from_bytes),
        "torch.Size": _collection(tuple),
        "torch.device": lambda arguments: ":".join(as_text(a) for a in arguments),
        "_codecs.encode": _once(_text_to_bytes),
        "numpy.ndarray": _kept("numpy.ndarray"),
        "numpy.dtype": _kept("numpy.dtype"),
    }
    for core in ("numpy.core", "numpy._core"):
        table[f"{core}.multiarray._reconstruct"] = _kept("array")
        table[f"{core}.multiarray.scalar"] = _kept("scalar")
    for module in ("builtins", "__builtin__"):
        for kind in (set, frozenset, list, tuple):
            table[f"{module}.{kind.__name__}"] = _collection(kind)
        table |= {f"{module}.dict": _mapping, f"{module}.bytearray": _bytes}
    for kind_of_path in ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath", "Path"):
        table[f"pathlib.{kind_of_path}"] = _path
        table[f"pathlib._local.{kind_of_path}"] = _path
    for module in ("torch", "torch.cuda"):
        table |= {f"{module}.{name}": _kept(f"{module}.{name}") for name in STORAGES}
    for dtype in set(STORAGES.values()):
        table[str(dtype)] = _kept(str(dtype))
    return table


def plainly(value: Any, file_bytes: int) -> Any:
    """Return a value of `read_pickle` with its records resolved: dicts, lists, tensors, arrays.

    What was saved as one tensor under several names stays one tensor.

    Args:
        value: what was read.
        file_bytes: of the file it was read from; all its arrays together cannot be larger.

    Raises:
        DamagedPickleError: an array whose parts do not fit, or nesting without end.
    """
    return _Resolver(file_bytes).resolve(value, 0)


class _Resolver:
    def __init__(self, file_bytes: int) -> None:
        self._done: dict[int, Any] = {}
        self._sizes: dict[int, int] = {}
        """Values in a container and all that is in it."""
        self._bytes_left = file_bytes

    def resolve(self, value: Any, depth: int) -> Any:
        if depth > _DEEPEST:
            raise DamagedPickleError("its containers are nested without end")
        if isinstance(value, Name):
            return value.name
        if not isinstance(value, dict | list | tuple | Record):
            return value
        if id(value) not in self._done:
            self._done[id(value)] = self._resolved(value, depth + 1)
            self._sizes[id(value)] = self._size(value)
        return self._done[id(value)]

    def _size(self, value: Any) -> int:
        """Return how many values whoever walks through a container will meet.

        What is named again and again is small in a file, and endless for whoever walks through it.
        """
        parts: Iterable[Any] = (value.state, value.items) if isinstance(value, Record) else value
        parts = value.values() if isinstance(value, dict) else parts
        size = 1 + sum(self._sizes.get(id(part), 1) for part in parts)
        if size > _MOST_VALUES:
            raise DamagedPickleError("its containers are nested without end")
        return size

    def _resolved(self, value: Any, depth: int) -> Any:
        if isinstance(value, dict):
            return {k: self.resolve(v, depth) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self.resolve(v, depth) for v in value)
        if value.name == PERSISTENT:
            state = self.resolve(value.state, depth)
            return Module(as_text(value.arguments[0]), state if isinstance(state, dict) else {})
        if value.name == "tensor":
            return value.state
        if value.name == "array":
            return self._array(value)
        if value.name == "scalar":
            dtype, raw = value.arguments
            return np.frombuffer(raw, _numpy_dtype(dtype), 1)[0].item()
        if value.name in ("dict", "argparse.Namespace"):
            found = value.items if value.name == "dict" else value.state
            return self.resolve(found, depth) if found else {}
        return value.name

    def _array(self, record: Record) -> Tensor:
        """Return a pickled numpy array as a tensor of its own."""
        if not isinstance(record.state, tuple) or len(record.state) != 5:
            raise DamagedPickleError("an array without its numbers")
        _, shape, dtype, is_fortran, raw = record.state
        if not isinstance(raw, bytes):
            raise DamagedPickleError("an array of objects, not of numbers")
        self._bytes_left -= len(raw)
        if self._bytes_left < 0:
            raise DamagedPickleError("arrays that share their numbers, more than the file holds")
        flat = np.frombuffer(raw, _numpy_dtype(dtype))
        native = flat.astype(flat.dtype.newbyteorder("="))  # a copy: `raw` cannot be written to
        shaped = native.reshape(shape, order="F" if is_fortran else "C")
        return torch.from_numpy(np.ascontiguousarray(shaped))


@dataclass(frozen=True, slots=True)
class Module:
    """A network from a StyleGAN2-ADA pickle: the name of its class and what it held."""

    class_name: str
    state: Mapping[str, Any]

    def tensors(self) -> dict[str, Tensor]:
        """Return its parameters and buffers under the keys of `state_dict()`.

        Raises:
            DamagedPickleError: a part of it is in it twice, as no network of that kind is.
        """
        found: dict[str, Tensor] = {}
        seen: set[int] = set()
        waiting: list[tuple[str, Module]] = [("", self)]
        while waiting:
            prefix, module = waiting.pop()
            if id(module) in seen:
                raise DamagedPickleError(f"its part {prefix[:-1]!r} is in it twice")
            seen.add(id(module))
            for kind in ("_parameters", "_buffers"):
                for name, value in module.table(kind).items():
                    if isinstance(value, Tensor):
                        found[f"{prefix}{name}"] = value
            for name, value in module.table("_modules").items():
                if isinstance(value, Module):
                    waiting.append((f"{prefix}{name}.", value))
        return found

    def table(self, name: str) -> Mapping[str, Any]:
        """Return a dict it holds under a name, or an empty one."""
        value = self.state.get(name)
        return value if isinstance(value, dict) else {}


def _numpy_dtype(record: Any) -> np.dtype[Any]:
    """Return a pickled numpy dtype; only numbers in the order of this machine or marked as such."""
    if not isinstance(record, Record) or record.name != "numpy.dtype":
        raise DamagedPickleError("an array of unknown type")
    code, order = as_text(record.arguments[0]), "="
    if isinstance(record.state, tuple) and len(record.state) > 1:
        order = as_text(record.state[1])
    if code[:1] not in tuple("fiub") or not code[1:].isdigit() or order not in tuple("<>=|"):
        raise DamagedPickleError(f"an array of type {code!r}, not of numbers")
    return np.dtype(code).newbyteorder("=" if order == "|" else order)  # type: ignore[arg-type]
