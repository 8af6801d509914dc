"""Read a pickle without executing it.

A pickle is a program for a small stack machine, and two of its instructions import a name and call
it. `pickle.loads` obeys; here the machine is our own: plain data is built, a call becomes one of a
fixed list of harmless constructions, and any other name is refused. No name is ever imported.
"""

from __future__ import annotations

import io
import mmap
import pickletools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..base import WeightsError

Builder = Callable[[tuple[Any, ...]], Any]
"""Makes a value from the arguments of a call; it must never run anything they hold."""

_PLAIN: Final = frozenset(
    [
        "INT",
        "BININT",
        "BININT1",
        "BININT2",
        "LONG",
        "LONG1",
        "LONG4",
        "FLOAT",
        "BINFLOAT",
        "STRING",
        "BINSTRING",
        "SHORT_BINSTRING",
        "BINBYTES",
        "SHORT_BINBYTES",
        "BINBYTES8",
        "UNICODE",
        "BINUNICODE",
        "SHORT_BINUNICODE",
        "BINUNICODE8",
        "BYTEARRAY8",
    ]
)
"""Instructions that push what stands behind them."""

_CONSTANTS: Final[Mapping[str, object]] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_PUTS: Final = frozenset(["PUT", "BINPUT", "LONG_BINPUT"])
_GETS: Final = frozenset(["GET", "BINGET", "LONG_BINGET"])
_TUPLES: Final[Mapping[str, int]] = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_IGNORED: Final = frozenset(["PROTO", "FRAME"])


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
    data: bytes | io.BufferedIOBase | mmap.mmap,
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
    machine = _Machine(builders, persistent)
    try:
        for instruction, argument, _ in pickletools.genops(data):  # type: ignore[arg-type]  # mmap
            if instruction.name == "STOP":
                return machine.stack.pop()
            machine.step(instruction.name, argument)
    except WeightsError:
        raise
    except (LookupError, ArithmeticError, AttributeError, RuntimeError, TypeError, ValueError) as e:
        raise DamagedPickleError(f"truncated or damaged ({type(e).__name__}: {e})") from e
    raise DamagedPickleError("truncated: it has no end")


class _Machine:
    """The stack, the marks and the memo of a pickle being read."""

    def __init__(self, builders: Mapping[str, Builder], persistent: Callable[[Any], Any]) -> None:
        self.stack: list[Any] = []
        self._below: list[list[Any]] = []
        self._memo: dict[int, Any] = {}
        self._builders = builders
        self._persistent = persistent

    def step(self, name: str, argument: Any) -> None:
        """Follow one instruction."""
        if name in _PLAIN:
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in _GETS:
            self.stack.append(self._memo[argument])
        elif name in _PUTS:
            self._memo[argument] = self.stack[-1]
        elif name in _TUPLES:
            count = _TUPLES[name]
            self.stack.append(tuple(self._take(count)))
        elif name not in _IGNORED:
            step = _STEPS.get(name)
            if step is None:
                raise DamagedPickleError(f"it uses the instruction {name}, which weights never do")
            step(self, argument)

    def _take(self, count: int) -> list[Any]:
        if count > len(self.stack):
            raise IndexError("the stack is empty")
        taken = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return taken

    def _since_mark(self) -> list[Any]:
        taken, self.stack = self.stack, self._below.pop()
        return taken

    def mark(self, _: Any) -> None:
        self._below.append(self.stack)
        self.stack = []

    def pop(self, _: Any) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self.stack = self._below.pop()

    def pop_mark(self, _: Any) -> None:
        self._since_mark()

    def duplicate(self, _: Any) -> None:
        self.stack.append(self.stack[-1])

    def memoize(self, _: Any) -> None:
        self._memo[len(self._memo)] = self.stack[-1]

    def empty_list(self, _: Any) -> None:
        self.stack.append([])

    def empty_dict(self, _: Any) -> None:
        self.stack.append({})

    def empty_set(self, _: Any) -> None:
        self.stack.append(set())

    def tuple_since_mark(self, _: Any) -> None:
        items = tuple(self._since_mark())
        self.stack.append(items)

    def list_since_mark(self, _: Any) -> None:
        items = self._since_mark()
        self.stack.append(items)

    def dict_since_mark(self, _: Any) -> None:
        items = self._since_mark()
        self.stack.append(dict(zip(as_keys(items[::2]), items[1::2], strict=True)))

    def frozen_set(self, _: Any) -> None:
        items = frozenset(as_keys(self._since_mark()))
        self.stack.append(items)

    def append(self, _: Any) -> None:
        value = self.stack.pop()
        self.stack[-1].append(value)

    def appends(self, _: Any) -> None:
        values = self._since_mark()
        self.stack[-1].extend(values)

    def add_items(self, _: Any) -> None:
        values = self._since_mark()
        self.stack[-1].update(as_keys(values))

    def set_item(self, _: Any) -> None:
        key, value = self._take(2)
        self._put([key, value])

    def set_items(self, _: Any) -> None:
        self._put(self._since_mark())

    def _put(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, Record):
            target.items = target.items or {}
            target = target.items
        if not isinstance(target, dict):
            raise TypeError("keys are put into what is no dict")
        target.update(zip(as_keys(items[::2]), items[1::2], strict=True))

    def global_text(self, argument: Any) -> None:
        module, _, name = argument.partition(" ")
        self._name(module, name)

    def global_stack(self, _: Any) -> None:
        module, name = self._take(2)
        self._name(module, name)

    def _name(self, module: Any, name: Any) -> None:
        full = f"{as_text(module)}.{as_text(name)}"
        if full not in self._builders:
            raise RefusedNameError(full)
        self.stack.append(Name(full))

    def call(self, _: Any) -> None:
        function, arguments = self._take(2)
        self.stack.append(self._built(function, arguments))

    def call_with_keywords(self, _: Any) -> None:
        function, arguments, keywords = self._take(3)
        if keywords:
            raise DamagedPickleError("it calls a class with keywords, which weights never do")
        self.stack.append(self._built(function, arguments))

    def call_since_mark(self, _: Any) -> None:
        function, *arguments = self._since_mark()
        self.stack.append(self._built(function, tuple(arguments)))

    def instance(self, argument: Any) -> None:
        arguments = tuple(self._since_mark())
        self.global_text(argument)
        self.stack.append(self._built(self.stack.pop(), arguments))

    def _built(self, function: Any, arguments: Any) -> Any:
        if not isinstance(function, Name) or not isinstance(arguments, tuple):
            raise TypeError("it calls what is no global")
        return self._builders[function.name](arguments)

    def build(self, _: Any) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        if isinstance(target, Record):
            target.state = state
        # What else has a state (an OrderedDict with attributes) has nothing in it that is weights.

    def persistent_id(self, _: Any) -> None:
        self.stack.append(self._persistent(self.stack.pop()))


_STEPS: Final[Mapping[str, Callable[[_Machine, Any], None]]] = {
    "MARK": _Machine.mark,
    "POP": _Machine.pop,
    "POP_MARK": _Machine.pop_mark,
    "DUP": _Machine.duplicate,
    "MEMOIZE": _Machine.memoize,
    "EMPTY_LIST": _Machine.empty_list,
    "EMPTY_DICT": _Machine.empty_dict,
    "EMPTY_SET": _Machine.empty_set,
    "TUPLE": _Machine.tuple_since_mark,
    "LIST": _Machine.list_since_mark,
    "DICT": _Machine.dict_since_mark,
    "FROZENSET": _Machine.frozen_set,
    "APPEND": _Machine.append,
    "APPENDS": _Machine.appends,
    "ADDITEMS": _Machine.add_items,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items,
    "GLOBAL": _Machine.global_text,
    "STACK_GLOBAL": _Machine.global_stack,
    "REDUCE": _Machine.call,
    "NEWOBJ": _Machine.call,
    "NEWOBJ_EX": _Machine.call_with_keywords,
    "OBJ": _Machine.call_since_mark,
    "INST": _Machine.instance,
    "BUILD": _Machine.build,
    "BINPERSID": _Machine.persistent_id,
}
