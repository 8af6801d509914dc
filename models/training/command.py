"""What command lines of recipes and measures share: figures as JSON, errors, how far a run is."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping

from ..base import ModelError
from .steps import Progress


def run_command(work: Callable[[], Mapping[str, object]]) -> int:
    """Do the work, write its figures to standard output as JSON, and return the exit code.

    What the user can mend (`ModelError`) becomes one line on standard error and exit code 1.
    """
    try:
        figures = work()
    except ModelError as e:
        sys.stderr.write(f"error: {e}\n")
        return 1
    sys.stdout.write(json.dumps(figures, indent=1) + "\n")
    return 0


def show(progress: Progress) -> None:
    """Write one line about a training run to standard error."""
    losses = "  ".join(f"{name} {value:.4g}" for name, value in progress.losses.items())
    sys.stderr.write(f"step {progress.step}/{progress.steps}  {losses}\n")
    sys.stderr.flush()
