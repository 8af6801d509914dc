"""What command lines of recipes and measures share: figures as JSON, errors, how far a run is."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

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


def checkpoint_of(options: argparse.Namespace) -> Path:
    """Return where the run saves itself; remove an old checkpoint unless it is to go on.

    Raises:
        ModelError: there is nothing to go on with.
    """
    path: Path = options.checkpoint or options.out.with_suffix(".checkpoint.safetensors")
    if options.resume and not path.exists():
        raise ModelError(f"no checkpoint at {path}; leave --resume out to start anew")
    if not options.resume:
        path.unlink(missing_ok=True)
    return path
