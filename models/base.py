"""What every model family shares: the errors a model can raise."""

from __future__ import annotations


class ModelError(Exception):
    """Base of everything `models` raises.

    ModelError
    ├── WeightsError       a weight file that cannot be used: missing, damaged, not tensors
    │   └── PackError      a pack that is incomplete, inconsistent or not there
    └── ModelInputError    a tensor of the wrong shape, type or range
    """


class WeightsError(ModelError):
    """A weight file that cannot be used; the message says what it is and what to do."""


class PackError(WeightsError):
    """A pack that is incomplete, inconsistent or not there; the message says what is missing."""


class ModelInputError(ModelError, ValueError):
    """A tensor of the wrong shape, type or range."""


def words_of(error: BaseException) -> str:
    """Return what the system said, without the path (the caller names it)."""
    return getattr(error, "strerror", None) or str(error)
