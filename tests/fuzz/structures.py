"""Damage that knows what it damages: the values in JSON and TOML, the arrays in .npz, pickles."""

from __future__ import annotations

import copy
import io
import json
import pickletools
import random
import tomllib
import zipfile
from typing import Any

import numpy as np
import tomli_w

from .mutate import mutant

_VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 1, 2**31, 2**63, 10**400, 0.5, 1e37, 1e308, -1e308),
    *(float("nan"), float("inf"), "", "x", "\0", "é" * 300, "../" * 80, "/dev/zero", "~nobody/x"),
    *([], {}, [[]], {"a": 1}, [1, 2], ["x"] * 3),
)
"""What stands in for a value: wrong types, the edges of numbers, texts that mean something else."""

_HOSTILE_TEXT = ("[" * 100_000, '{"a":' * 100_000, "9" * 5000, "\ufeff", "\x00", ".a" * 5000)


def json_mutant(whole: bytes, name: str, seed: int) -> bytes:
    """Return a JSON file with some values, keys or numbers changed; one in three loses bytes."""
    chance = random.Random(f"{name}:{seed}")
    if chance.random() < 0.3:
        return _torn(whole, name, seed, chance)
    document = json.loads(whole)
    for _ in range(chance.choice((1, 1, 2, 8))):
        _change(document, chance)
    return json.dumps(document).encode("utf-8", "replace")


def toml_mutant(whole: bytes, name: str, seed: int) -> bytes:
    """Return a TOML file with some values changed; one in three loses bytes."""
    chance = random.Random(f"{name}:{seed}")
    if chance.random() < 0.3:
        return _torn(whole, name, seed, chance)
    table = tomllib.loads(whole.decode())
    for _ in range(chance.choice((1, 1, 2, 4))):
        _change(table, chance)
    return tomli_w.dumps(_without_none(table)).encode("utf-8", "replace")


def npz_mutant(whole: bytes, name: str, seed: int) -> bytes:
    """Return an .npz whose arrays are scaled, poisoned, cast or claim another shape; or bytes."""
    chance = random.Random(f"{name}:{seed}")
    if chance.random() < 0.4:
        return mutant(whole, name, seed)
    made = io.BytesIO()
    how = chance.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA))
    with np.load(io.BytesIO(whole)) as arrays, zipfile.ZipFile(made, "w", how) as archive:
        for member in arrays.files:
            archive.writestr(f"{member}.npy", _array(arrays[member], chance))
    return made.getvalue()


def pickle_mutant(whole: bytes, name: str, seed: int) -> bytes:
    """Return a weight file with instructions of a pickle put where they do not belong; or bytes."""
    chance = random.Random(f"{name}:{seed}")
    if chance.random() < 0.4 or not whole.startswith(b"\x80"):
        return mutant(whole, name, seed)
    damaged = bytearray(whole)
    for _ in range(chance.choice((1, 2, 8))):
        place = chance.randrange(2, min(len(damaged), 4000))
        piece = b"".join(chance.choice(_PIECES) for _ in range(chance.choice((1, 3, 40))))
        damaged[place : place + chance.choice((0, len(piece)))] = piece
    return bytes(damaged)


_NAMES = ("builtins\nbytearray", "builtins\nset", "collections\nOrderedDict", "os\nsystem")
_PIECES = (
    *(op.code.encode("latin1") for op in pickletools.opcodes if op.arg is None),
    *(b"h\x00", b"h\x01", b"q\x00", b"K\x01", b"M\xff\xff", b"J\xff\xff\xff\x7f"),
    *(f"c{name}\n".encode() for name in _NAMES),
)
"""Instructions: those without an argument, some that fetch, number or name."""


def _torn(whole: bytes, name: str, seed: int, chance: random.Random) -> bytes:
    if chance.random() < 0.7:
        return mutant(whole, name, seed)
    place = chance.randrange(len(whole) + 1)
    return whole[:place] + chance.choice(_HOSTILE_TEXT).encode() + whole[place:]


def _change(document: Any, chance: random.Random) -> None:
    """Change one value, anywhere in a document."""
    inner: Any = document
    while True:
        keys = list(inner) if isinstance(inner, dict) else list(range(len(inner)))
        if not keys:
            return
        key = chance.choice(keys)
        deeper = inner[key]
        if not isinstance(deeper, dict | list) or not deeper or chance.random() < 0.15:
            break
        inner = deeper
    way = chance.random()
    if way < 0.1:
        del inner[key]
    elif way < 0.3 and isinstance(deeper, int | float) and abs(deeper) < 1e300:
        inner[key] = deeper * chance.choice((-1, 0, 1e-9, 1.5, 1e7))
    elif way < 0.4 and isinstance(deeper, list):
        inner[key] = deeper * chance.choice((2, 50))
    else:
        # A copy: what is changed within it must not show in the files of other numbers.
        inner[key] = copy.deepcopy(chance.choice(_VALUES))


def _without_none(value: Any) -> Any:
    """Return a value as TOML can hold it."""
    if isinstance(value, dict):
        return {str(k): _without_none(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_without_none(v) for v in value]
    return "none" if value is None else value


def _array(array: np.ndarray[Any, Any], chance: random.Random) -> bytes:
    with np.errstate(all="ignore"):
        changed = array.astype(chance.choice(("<f4", ">f8", "<i2", "?", "<c8", "<f2")))
        if chance.random() < 0.5 and changed.size:
            worst = chance.choice((np.nan, np.inf, 1e7, -1e30, 0))
            changed = changed * chance.choice((1, worst))
            changed.flat[chance.randrange(changed.size)] = worst if changed.dtype.kind == "f" else 0
    made = io.BytesIO()
    np.save(made, changed if chance.random() < 0.7 else changed[..., :1].T)
    data = made.getvalue()
    if chance.random() < 0.3:
        claim = chance.choice(("1000000000,", "-1,", "0,", "9" * 30 + ","))
        data = data.replace(str(array.shape[0]).encode() + b",", claim.encode(), 1)
    return data
