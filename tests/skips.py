"""Which tests may be skipped where everything they need is said to be there."""

from __future__ import annotations

ALLOWED = ("CUDA", "VISAGIST_BIG_TESTS", "another device", "the extra", "openjd-cli")
"""Words of reasons that name what `shared` has nothing to do with: a GPU, files of many gigabytes,
a torch that can pretend, packages that only extras install, programs of others."""


def is_refused(reason: str, *, no_skips: bool, has_shared: bool) -> bool:
    """Return whether a test skipped for a reason counts as failed.

    Args:
        reason: as pytest tells it.
        no_skips: whether `VISAGIST_NO_SKIPS=1` is set.
        has_shared: whether the folder `shared` is beside the checkout.
    """
    return no_skips and has_shared and not any(word in reason for word in ALLOWED)
