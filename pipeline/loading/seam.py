"""Reaching `models`, wherever it is, and turning its errors into the program's own."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..errors import UsageError, WeightsError, reason

if TYPE_CHECKING:
    from models.weights import WeightCard


def models(name: str) -> Any:
    """Return a module of `models` (untyped: its name is only known when the program runs)."""
    parent = (__package__ or "").rpartition(".")[0].rpartition(".")[0]
    return importlib.import_module(f"{parent}.models.{name}" if parent else f"models.{name}")


@contextmanager
def weights_errors() -> Iterator[None]:
    """Turn what `models` raises about a weight file into the program's own error."""
    try:
        yield
    except models("base").WeightsError as e:
        raise WeightsError(str(e)) from e
    except OSError as e:
        raise WeightsError(f"{e.filename or 'a weight file'} cannot be used: {reason(e)}") from e


@contextmanager
def usage_errors() -> Iterator[None]:
    """Turn what `models` raises about something it does not offer into the program's own error."""
    with weights_errors():
        try:
            yield
        except models("base").WeightsError:
            raise
        except models("base").ModelError as e:
            raise UsageError(str(e)) from e


def card(name: str) -> WeightCard:
    """Return the facts of an embedded weight file."""
    found: WeightCard = models("weights").embedded()[name]
    return found
