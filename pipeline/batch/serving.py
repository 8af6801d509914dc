"""What a worker process does: orders in, one a line; each is carried out and answered.

It ends when there are no more; and at once when whoever gave them is gone in the middle of one.
"""

from __future__ import annotations

import errno
import json
import os
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from ..errors import LaterError, VisagistError, lack_of, reason
from .store import DamagedUnitError
from .units import Trouble

EXIT_FAILED: Final = 1
EXIT_BUG: Final = 70
EXIT_LATER: Final = LaterError.exit_code
"""EX_TEMPFAIL: the same command may succeed later."""

_PASSING: Final = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.ETIMEDOUT)
"""What the system says of disks and shares that may be well again later."""


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


def carried_out(make: Callable[[Order], None], order: Order) -> dict[str, Any]:
    """Carry out an order; return what is answered."""
    try:
        make(order)
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
    behind: BaseException | None = error
    while behind is not None:
        if isinstance(behind, OSError) and behind.errno in _PASSING:
            return Trouble(str(error), EXIT_LATER, may_pass=True)
        behind = behind.__cause__
    if isinstance(error, VisagistError):
        return Trouble(str(error), error.exit_code)
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return Trouble(f"{where}{reason(error)}", EXIT_FAILED)
    return Trouble(f"a bug in visagist, please report it: {words}", EXIT_BUG)
