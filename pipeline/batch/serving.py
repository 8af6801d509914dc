"""What a worker process does: orders in, one a line; each is carried out and answered.

It ends when there are no more; and at once when whoever gave them is gone in the middle of one.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from ..errors import LaterError, VisagistError, lack_of, may_pass, reason
from .store import DamagedUnitError
from .units import Trouble, Unit

EXIT_FAILED: Final = 1
EXIT_BUG: Final = 70
EXIT_LATER: Final = LaterError.exit_code
"""EX_TEMPFAIL: the same command may succeed later."""


_PAUSE_S: Final = 0.5
"""Between two lines on how far a unit is."""


class ElsewhereError(Exception):
    """Another run is making the unit that was ordered; it is left to that one for now."""


@dataclass(frozen=True, slots=True)
class Order:
    """A unit that is to be made."""

    shot: str
    unit: str
    key: str
    """That it has for whoever gave the order."""


def serve(
    make: Callable[[Order], None], lines: Iterable[str], answer: Callable[[str], None]
) -> None:
    """Carry out orders until there are no more.

    Args:
        make: makes a unit, or raises why it cannot.
        lines: the orders, as they come.
        answer: sends a line back.
    """
    orders: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    is_busy = threading.Event()

    def listen() -> None:
        for line in lines:
            orders.put(line)
        orders.put(None)
        if is_busy.is_set():  # nobody is there to be answered: stop as if one was asked to
            os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=listen, daemon=True).start()
    while (line := orders.get()) is not None:
        is_busy.set()
        told = carried_out(make, Order(**json.loads(line)))
        is_busy.clear()
        answer(json.dumps(told))


def shares(
    answer: Callable[[str], None], *, pause_s: float = _PAUSE_S
) -> Callable[[Unit, float], None]:
    """Return what tells whoever gave an order how far it is, 0–1, every so many seconds."""
    said = -pause_s

    def tell(_: Unit, share: float) -> None:
        nonlocal said
        now = time.monotonic()
        if now - said >= pause_s:
            said = now
            answer(json.dumps({"share": round(share, 4)}))

    return tell


def carried_out(make: Callable[[Order], None], order: Order) -> dict[str, Any]:
    """Carry out an order; return what is answered."""
    try:
        make(order)
    except ElsewhereError:
        return {"made": False, "elsewhere": True}
    except Exception as e:
        trouble = trouble_of(e)
        if trouble.exit_code == EXIT_BUG:
            sys.stderr.write("".join(traceback.format_exception(e)))
        return {
            "made": False,
            "words": trouble.words,
            "code": trouble.exit_code,
            "may_pass": trouble.may_pass,
            "broken": isinstance(e, DamagedUnitError),
        }
    return {"made": True}


def trouble_of(error: Exception) -> Trouble:
    """Return what an error means for a batch: whether the same may succeed later."""
    words = f"{type(error).__name__}: {error}"
    if lack := lack_of(error):
        return Trouble(f"out of {lack} ({words})", EXIT_LATER, may_pass=True)
    later = may_pass(error) or isinstance(error, LaterError)
    if isinstance(error, VisagistError):
        return Trouble(str(error), EXIT_LATER if later else error.exit_code, later)
    if isinstance(error, OSError):
        where = error.filename or "a file of the work folder"
        return Trouble(f"{where}: {reason(error)}", EXIT_LATER if later else EXIT_FAILED, later)
    if later:
        return Trouble(words, EXIT_LATER, may_pass=True)
    return Trouble(f"a bug in visagist, please report it: {words}", EXIT_BUG)
