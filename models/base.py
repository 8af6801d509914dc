"""What every model family shares: the errors a model can raise, and how its commands are called."""

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


def command(module: str) -> str:
    """Return how a module of `models` is run from where this one came: a checkout calls the folder
    `models`, an installed wheel `visagist.models`."""
    return f"python -m {__package__}.{module}"


def words_of(error: BaseException) -> str:
    """Return what the system said, without the path (the caller names it)."""
    return getattr(error, "strerror", None) or str(error)
