"""What the names in a weight file stand for: tensors, arrays, containers; all else is refused."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from .inert import Builder, DamagedPickleError, Name, Record

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

PERSISTENT: Final = "torch_utils.persistence._reconstruct_persistent_obj"
"""How StyleGAN2-ADA pickles an object together with the source code of its class."""

_DEEPEST = 60
"""Containers in containers; no weight file comes near."""


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
    if not isinstance(storage, Storage):
        raise DamagedPickleError("a tensor of no storage")
    numbers = storage.numbers()
    shape = [int(n) for n in size]
    steps = [int(n) for n in stride]
    reach = offset + sum((n - 1) * s for n, s in zip(shape, steps, strict=True))
    if min([offset, *shape, *steps]) < 0 or (0 not in shape and reach >= len(numbers)):
        raise DamagedPickleError(
            f"a tensor of shape {shape} reaches beyond its {len(numbers)} numbers"
        )
    return torch.as_strided(numbers, shape, steps, offset)


def _mapping(arguments: tuple[Any, ...]) -> dict[Any, Any]:
    """Return the dict of an OrderedDict; a defaultdict's first argument makes defaults: dropped."""
    pairs = arguments[-1] if arguments and isinstance(arguments[-1], list | dict) else []
    return dict(pairs)


def _persistent(arguments: tuple[Any, ...]) -> Record:
    (meta,) = arguments
    facts = meta.items if isinstance(meta, Record) else meta
    return Record(PERSISTENT, (facts.get("class_name", ""),), facts.get("state"))


def _kept(name: str) -> Builder:
    return lambda arguments: Record(name, arguments)


def _first(arguments: tuple[Any, ...]) -> Any:
    return arguments[0]


def _collection(kind: type) -> Builder:
    return lambda arguments: kind(*arguments[:1])


def _text_to_bytes(arguments: tuple[Any, ...]) -> bytes:
    text, encoding = arguments
    if encoding != "latin1":
        raise DamagedPickleError(f"bytes in the encoding {encoding!r}")
    return bytes(text, "latin1")


def _path(arguments: tuple[Any, ...]) -> str:
    return str(pathlib.PurePosixPath(*(str(a) for a in arguments)))


def _dtype_name(name: str) -> Builder:
    return _kept(f"torch.{name}")


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
        PERSISTENT: _persistent,
        "torch._utils._rebuild_tensor_v2": rebuilt_tensor,
        "torch._utils._rebuild_tensor": rebuilt_tensor,
        "torch._utils._rebuild_parameter": _first,
        "torch.storage._load_from_bytes": lambda arguments: from_bytes(arguments[0]),
        "torch.Size": _collection(tuple),
        "torch.device": lambda arguments: ":".join(str(a) for a in arguments),
        "_codecs.encode": _text_to_bytes,
        "numpy.ndarray": _kept("numpy.ndarray"),
        "numpy.dtype": _kept("numpy.dtype"),
    }
    for core in ("numpy.core", "numpy._core"):
        table[f"{core}.multiarray._reconstruct"] = _kept("array")
        table[f"{core}.multiarray.scalar"] = _kept("scalar")
    for module in ("builtins", "__builtin__"):
        for kind in (set, frozenset, list, tuple, dict, bytearray):
            table[f"{module}.{kind.__name__}"] = _collection(kind)
    for kind_of_path in ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath", "Path"):
        table[f"pathlib.{kind_of_path}"] = _path
        table[f"pathlib._local.{kind_of_path}"] = _path
    for module in ("torch", "torch.cuda"):
        table |= {f"{module}.{name}": _kept(f"{module}.{name}") for name in STORAGES}
    for dtype in set(STORAGES.values()):
        table[str(dtype)] = _kept(str(dtype))
    return table


def plainly(value: Any) -> Any:
    """Return a value of `read_pickle` with its records resolved: dicts, lists, tensors, arrays.

    What was saved as one tensor under several names stays one tensor.

    Raises:
        DamagedPickleError: an array whose parts do not fit, or nesting without end.
    """
    return _Resolver().resolve(value, 0)


class _Resolver:
    def __init__(self) -> None:
        self._done: dict[int, Any] = {}

    def resolve(self, value: Any, depth: int) -> Any:
        if depth > _DEEPEST:
            raise DamagedPickleError("its containers are nested without end")
        if isinstance(value, Name):
            return value.name
        if not isinstance(value, dict | list | tuple | Record):
            return value
        if id(value) not in self._done:
            self._done[id(value)] = self._resolved(value, depth + 1)
        return self._done[id(value)]

    def _resolved(self, value: Any, depth: int) -> Any:
        if isinstance(value, dict):
            return {k: self.resolve(v, depth) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self.resolve(v, depth) for v in value)
        if value.name == PERSISTENT:
            state = self.resolve(value.state, depth)
            return Module(str(value.arguments[0]), state if isinstance(state, dict) else {})
        if value.name == "tensor":
            return value.state
        if value.name == "array":
            return _array(value)
        if value.name == "scalar":
            dtype, raw = value.arguments
            return np.frombuffer(raw, _numpy_dtype(dtype), 1)[0].item()
        if value.name in ("dict", "argparse.Namespace"):
            found = value.items if value.name == "dict" else value.state
            return self.resolve(found or {}, depth)
        return value.name


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


def _array(record: Record) -> Tensor:
    """Return a pickled numpy array as a tensor of its own."""
    if not isinstance(record.state, tuple) or len(record.state) != 5:
        raise DamagedPickleError("an array without its numbers")
    _, shape, dtype, is_fortran, raw = record.state
    if not isinstance(raw, bytes):
        raise DamagedPickleError("an array of objects, not of numbers")
    flat = np.frombuffer(raw, _numpy_dtype(dtype))
    native = flat.astype(flat.dtype.newbyteorder("="))  # a copy: `raw` cannot be written to
    shaped = native.reshape(shape, order="F" if is_fortran else "C")
    return torch.from_numpy(np.ascontiguousarray(shaped))


def _numpy_dtype(record: Any) -> np.dtype[Any]:
    """Return a pickled numpy dtype; only numbers in the order of this machine or marked as such."""
    if not isinstance(record, Record) or record.name != "numpy.dtype":
        raise DamagedPickleError("an array of unknown type")
    code, order = str(record.arguments[0]), "="
    if isinstance(record.state, tuple) and len(record.state) > 1:
        order = str(record.state[1])
    if code[:1] not in tuple("fiub") or not code[1:].isdigit() or order not in tuple("<>=|"):
        raise DamagedPickleError(f"an array of type {code!r}, not of numbers")
    return np.dtype(code).newbyteorder("=" if order == "|" else order)  # type: ignore[arg-type]
