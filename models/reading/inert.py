"""Read a pickle without executing it.

A pickle is a program for a small stack machine, and two of its instructions import a name and call
it. Here names are never imported: each becomes a `Name`, which nobody can call, a call becomes one
of a fixed list of harmless constructions, and any other name is refused.

The machine is the standard library's own, in its Python form, with every instruction that could
call, set an attribute, or hash what it was given replaced, and those left out that weights never
use: a new one of a later Python is refused until somebody has looked at it. The C form cannot
serve: `find_class` does not keep it from hashing a tuple of itself 58 times, which takes years, or
from setting attributes. A machine of our own needed ninety lines more and was no stricter: of
15 000 damaged files both refused the same ones, but for six that only this one refuses.
"""

from __future__ import annotations

import io
import mmap
import pickle
import pickletools
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..base import WeightsError

Builder = Callable[[tuple[Any, ...]], Any]
"""Makes a value from the arguments of a call; it must never run anything they hold."""


class RefusedNameError(WeightsError):
    """A pickle names something that could run code; `name` says what."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class DamagedPickleError(WeightsError):
    """A pickle that ends too early or makes no sense."""


@dataclass(eq=False, slots=True)
class Record:
    """An object that was named but not built: its class, its arguments, its state."""

    name: str
    arguments: tuple[Any, ...] = ()
    state: Any = None
    items: Any = None
    """Keys and values put into it, if its class is a kind of dict."""


@dataclass(frozen=True, slots=True)
class Name:
    """A global that is on the list."""

    name: str


_KEYS: Final = (str, bytes, int, float, bool, type(None), Name)
"""What weight files have as keys; each is hashed in no time."""


def as_keys(values: Iterable[Any]) -> list[Any]:
    """Return values that may be keys of a dict or members of a set.

    Containers are refused: to hash one that is nested fifty times in itself takes years, and one
    nested a hundred thousand times ends the process.

    Raises:
        DamagedPickleError: there is another value among them.
    """
    keys = list(values)
    for key in keys:
        if not isinstance(key, _KEYS):
            raise DamagedPickleError(f"a {type(key).__name__} is used as a key")
    return keys


def as_text(value: Any) -> str:
    """Return a text, or a number as text; never what would take for ever to write down.

    Raises:
        DamagedPickleError: it is something else.
    """
    if not isinstance(value, str | int | float | None):
        raise DamagedPickleError(f"a {type(value).__name__} stands where a name should be")
    return str(value)


def read_pickle(
    data: bytes | io.BytesIO | mmap.mmap,
    builders: Mapping[str, Builder],
    persistent: Callable[[Any], Any],
) -> Any:
    """Return the value of one pickle; a file is left behind its end.

    Args:
        data: the bytes, or a file that stands at the first instruction.
        builders: what a call of each accepted global makes, by `module.name`.
        persistent: what a persistent id stands for (a storage, in torch's files).

    Raises:
        RefusedNameError: it names a global that is not in `builders`.
        DamagedPickleError: it is cut off or makes no sense.
    """
    file = io.BytesIO(data) if isinstance(data, bytes) else data
    try:
        return _Machine(file, builders, persistent).load()
    except WeightsError:
        raise
    except _NONSENSE as e:
        raise DamagedPickleError(f"truncated or damaged ({type(e).__name__}: {e})") from e


_NONSENSE: Final = (
    *(pickle.UnpicklingError, struct.error, EOFError, AssertionError, MemoryError),
    *(LookupError, ArithmeticError, AttributeError, RuntimeError, TypeError, ValueError),
)


class _Machine(pickle._Unpickler):
    """The standard library's machine without any instruction that could run something.

    What it inherits reads plain values, keeps the memo and the marks, and makes lists and tuples.
    Nothing that can be called is ever on its stack, so that even an instruction that slipped in
    would find nothing to run.
    """

    append: Callable[[Any], None]
    pop_mark: Callable[[], list[Any]]
    read: Callable[[int], bytes]
    stack: list[Any]

    def __init__(
        self,
        file: io.BytesIO | mmap.mmap,
        builders: Mapping[str, Builder],
        persistent: Callable[[Any], Any],
    ) -> None:
        super().__init__(file, encoding="latin1")
        self._builders = builders
        self._persistent = persistent

    def find_class(self, module: str, name: str) -> Name:
        full = f"{module}.{name}"
        if full not in self._builders:
            raise RefusedNameError(full)
        return Name(full)

    def persistent_load(self, pid: Any) -> Any:
        return self._persistent(pid)

    def _instantiate(self, function: Any, arguments: Any) -> None:
        """Make what stands for a call; all instructions that call something end here."""
        if not isinstance(function, Name) or not isinstance(arguments, list | tuple):
            raise TypeError("it calls what is no global")
        self.append(self._builders[function.name](tuple(arguments)))

    def load_reduce(self) -> None:
        arguments = self.stack.pop()
        self._instantiate(self.stack.pop(), arguments)

    load_newobj = load_reduce

    def load_newobj_ex(self) -> None:
        if self.stack.pop():
            raise DamagedPickleError("it calls a class with keywords, which weights never do")
        self.load_reduce()

    def load_build(self) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        if isinstance(target, Record):
            target.state = state
        # What else has a state (an OrderedDict with attributes) has nothing in it that is weights.

    def load_append(self) -> None:
        value = self.stack.pop()
        self._top(list).append(value)

    def load_appends(self) -> None:
        values = self.pop_mark()
        self._top(list).extend(values)

    def load_additems(self) -> None:
        members = as_keys(self.pop_mark())
        self._top(set).update(members)

    def load_frozenset(self) -> None:
        members = frozenset(as_keys(self.pop_mark()))
        self.append(members)

    def load_dict(self) -> None:
        items = self.pop_mark()
        self.append({})
        self._put(items)

    def load_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._put([key, value])

    def load_setitems(self) -> None:
        self._put(self.pop_mark())

    def _put(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, Record):
            target.items = target.items or {}
            target = target.items
        if not isinstance(target, dict):
            raise TypeError("keys are put into what is no dict")
        target.update(zip(as_keys(items[::2]), items[1::2], strict=True))

    def _top(self, kind: type) -> Any:
        if not isinstance(self.stack[-1], kind):
            raise TypeError(f"values are put into what is no {kind.__name__}")
        return self.stack[-1]

    def load_bytearray8(self) -> None:
        (count,) = struct.unpack("<Q", self.read(8))
        data = self.read(count)  # the library reserves what is claimed before it reads
        self.append(bytearray(data))


_INSTRUCTIONS: Final = (
    "PROTO FRAME STOP MARK POP POP_MARK DUP PUT BINPUT LONG_BINPUT MEMOIZE GET BINGET LONG_BINGET "
    "NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT STRING "
    "BINSTRING SHORT_BINSTRING BINBYTES SHORT_BINBYTES BINBYTES8 UNICODE BINUNICODE BINUNICODE8 "
    "SHORT_BINUNICODE BYTEARRAY8 EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_LIST LIST APPEND "
    "APPENDS EMPTY_DICT DICT SETITEM SETITEMS EMPTY_SET ADDITEMS FROZENSET GLOBAL STACK_GLOBAL "
    "REDUCE NEWOBJ NEWOBJ_EX OBJ INST BUILD BINPERSID"
)
"""All that weight files use; by the names `pickletools` has for them."""

_CODES: Final = {ord(op.code) for op in pickletools.opcodes if op.name in _INSTRUCTIONS.split()}
_Machine.dispatch = {
    code: getattr(_Machine, step.__name__)  # its own where it has one
    for code, step in _Machine.dispatch.items()  # the inherited one
    if code in _CODES
}
