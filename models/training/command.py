"""What command lines of recipes and measures share: figures as JSON, errors, how far a run is,
where it saves itself, and which files hold what it learns from."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
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
    note(f"step {progress.step}/{progress.steps}  {losses}")


def note(*sentences: str) -> None:
    """Write sentences to standard error, one a line."""
    for sentence in sentences:
        sys.stderr.write(f"{sentence}\n")
    sys.stderr.flush()


def add_checkpoint_options(command: argparse.ArgumentParser, *, path: bool = True) -> None:
    """Add what `checkpoint_of` reads: going on with an interrupted run is the default.

    Args:
        command: where to.
        path: whether the place can be chosen; else the command knows it.
    """
    if path:
        command.add_argument("--checkpoint", type=Path, help="default beside --out")
    either = command.add_mutually_exclusive_group()
    either.add_argument(
        "--resume",
        action="store_true",
        help="refuse to begin if there is no interrupted run to go on with",
    )
    either.add_argument(
        "--restart",
        action="store_true",
        help="drop the checkpoint of an interrupted run; otherwise the same command goes on",
    )


def checkpoint_of(options: argparse.Namespace, path: Path | None = None) -> Path:
    """Return where the run saves itself, and goes on from if something is there.

    Args:
        options: as `add_checkpoint_options` has them read.
        path: the place, if it cannot be chosen.

    Raises:
        ModelError: there is nothing to go on with.
    """
    if path is None:
        path = options.checkpoint or options.out.with_suffix(".checkpoint.safetensors")
    if options.restart:
        path.unlink(missing_ok=True)
    elif options.resume and not path.exists():
        raise ModelError(f"no checkpoint at {path}; leave --resume out to start anew")
    elif path.exists():
        note(f"going on with the run in {path} (--restart starts anew)")
    return path


def add_generator_option(command: argparse.ArgumentParser, *, required: bool) -> None:
    """Add `--generator`, which `home.generator_of` understands."""
    command.add_argument(
        "--generator",
        required=required,
        default="",
        metavar="ID|PACK",
        help="whose codes they are: the id of the generator, or a pack (`visagist models` lists "
        "them)",
    )


def add_label_options(command: argparse.ArgumentParser) -> None:
    """Add `--labels` and `--same-order`."""
    command.add_argument(
        "--labels",
        type=Path,
        help=".csv with a column of faces first, .npz or .npy (N, A); default: in the .npz of the "
        "codes. Rows are joined by face",
    )
    add_order_option(command)


def add_order_option(command: argparse.ArgumentParser) -> None:
    """Add `--same-order`."""
    command.add_argument(
        "--same-order",
        action="store_true",
        help="the files do not name their faces, and hold the same ones in the same order (as "
        "celebahq_dlatents_psp.npy and celebahq_anno.npy do)",
    )


def told(left_out: Sequence[str]) -> dict[str, object]:
    """Say on standard error which rows had no partner, and return it for the figures."""
    note(*left_out)
    return {"left_out": list(left_out)} if left_out else {}
