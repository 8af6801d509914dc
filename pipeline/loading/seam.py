"""Reaching `models`, wherever it is, and turning its errors into the program's own.

`models` stands beside `pipeline`: a folder of the checkout, or `visagist.models` once installed.
The type checker sees the modules themselves.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING

from ..errors import UsageError, WeightsError, reason

__all__ = ["card", "models", "usage_errors", "weights_errors"]

if TYPE_CHECKING:
    import models
    import models.attributes
    import models.base
    import models.importing.bring
    import models.landmarks
    import models.movers
    import models.networks
    import models.packs.cards
    import models.packs.layers
    import models.packs.opening
    import models.packs.packfile
    import models.packs.reading
    import models.packs.store
    import models.parsing
    import models.parts
    import models.portrait
    import models.portrait_movers
    import models.recognition
    import models.stylegan2.bench
    import models.topology68
    import models.weights
else:

    class _Module:
        """A module of `models`; what is below it is imported when it is first asked for."""

        def __init__(self, name: str) -> None:
            self._name = name

        def __getattr__(self, name: str) -> object:
            module = importlib.import_module(self._name)
            if not hasattr(module, name):
                importlib.import_module(f"{self._name}.{name}")
            value = getattr(module, name)
            return _Module(value.__name__) if isinstance(value, ModuleType) else value

    models = _Module(__name__.removesuffix("pipeline.loading.seam") + "models")


@contextmanager
def weights_errors() -> Iterator[None]:
    """Turn what `models` raises about a weight file into the program's own error."""
    try:
        yield
    except models.base.WeightsError as e:
        raise WeightsError(str(e)) from e
    except OSError as e:
        raise WeightsError(f"{e.filename or 'a weight file'} cannot be used: {reason(e)}") from e


@contextmanager
def usage_errors() -> Iterator[None]:
    """Turn what `models` raises about something it does not offer into the program's own error."""
    with weights_errors():
        try:
            yield
        except models.base.WeightsError:
            raise
        except models.base.ModelError as e:
            raise UsageError(str(e)) from e


def card(name: str) -> models.weights.WeightCard:
    """Return the facts of an embedded weight file."""
    return models.weights.embedded()[name]
