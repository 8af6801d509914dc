"""One damaged file out of a whole one, the same for the same number."""

from __future__ import annotations

import random
from collections.abc import Callable

_HEAD_BYTES = 1024
"""Where headers lie; half of the damage goes there."""

_NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF)
"""Numbers at the edges of their types, which programs forget."""


def mutant(whole: bytes, name: str, seed: int) -> bytes:
    """Return the damaged version number `seed` of a file called `name`; never the whole one."""
    chance = random.Random(f"{name}:{seed}")
    damaged = bytearray(whole)
    for _ in range(chance.choice((1, 1, 1, 2, 4, 16))):
        chance.choice(_WAYS)(damaged, chance)
    return bytes(damaged) if damaged != whole else whole[: len(whole) // 2]


def _place(data: bytearray, chance: random.Random) -> int:
    end = min(len(data), _HEAD_BYTES) if chance.random() < 0.5 else len(data)
    return chance.randrange(end) if end else 0


def _span(data: bytearray, chance: random.Random) -> slice:
    start = _place(data, chance)
    longest = chance.choice((4, 64, max(1, len(data) // 4)))
    return slice(start, start + chance.randint(1, longest))


def _flip(data: bytearray, chance: random.Random) -> None:
    if data:
        data[_place(data, chance)] ^= 1 << chance.randrange(8)


def _noise(data: bytearray, chance: random.Random) -> None:
    span = _span(data, chance)
    data[span] = chance.randbytes(len(data[span]))


def _zeros(data: bytearray, chance: random.Random) -> None:
    span = _span(data, chance)
    data[span] = bytes(len(data[span]))


def _number(data: bytearray, chance: random.Random) -> None:
    width, order = chance.choice((1, 2, 4, 8)), chance.choice(("big", "little"))
    value = chance.choice(_NUMBERS) & ((1 << 8 * width) - 1)
    start = _place(data, chance)
    data[start : start + width] = value.to_bytes(width, order)  # type: ignore[arg-type]


def _cut(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(len(data) + 1) :]


def _remove(data: bytearray, chance: random.Random) -> None:
    del data[_span(data, chance)]


def _repeat(data: bytearray, chance: random.Random) -> None:
    span = _span(data, chance)
    data[span.start : span.start] = data[span]


def _move(data: bytearray, chance: random.Random) -> None:
    span = _span(data, chance)
    piece = data[span]
    del data[span]
    place = _place(data, chance)
    data[place:place] = piece


_WAYS: tuple[Callable[[bytearray, random.Random], None], ...] = (
    *(_flip, _flip, _noise, _zeros, _number, _number, _cut, _remove, _repeat, _move),
)
