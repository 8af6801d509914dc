"""Workers for a reel on a Ray cluster: what they need, and that they are as this machine is."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from ..errors import VisagistError
from ..thread_limit import variables
from .making import Maker
from .manifest import Reel, read_manifest
from .program import Program, processor_of
from .ray_pool import Actors
from .serving import Order
from .shots import Desk

_USUAL_THREADS: Final = 2
"""Of a worker, and so cores that it takes."""


def ray_workers(
    desk: Desk,
    *,
    count: int | None,
    threads: int | None,
    rehash: bool,
    environment: Mapping[str, str],
) -> Actors:
    """Return workers for a reel: each takes a GPU where shots ask for one, and some cores.

    Args:
        desk: of the reel.
        count: how many; None: as many as there is room for.
        threads: of each, and cores that it takes; None: 2.
        rehash: whether each reads all inputs.
        environment: added to that of each.
    """
    facts = facts_of(desk.reel, desk.program)
    has_gpu = any(kind.startswith("cuda") for kind in facts["processors"].values())
    threads = threads or _USUAL_THREADS
    # Threads that wait by spinning take the processor from those that work.
    usual = {"OMP_WAIT_POLICY": "PASSIVE", **variables(threads)}
    return Actors(
        partial(maker_of, desk.reel.path, rehash, facts),
        count,
        cores=threads,
        gpus=1 if has_gpu else 0,
        environment={**usual, **environment},
    )


def facts_of(reel: Reel, program: Program) -> dict[str, Any]:
    """Return what has to be the same on all machines, or units would have other keys there."""
    devices = sorted({request.device for shot in reel.shots for request in shot.requests})
    return {**program.facts, "processors": {name: processor_of(name) for name in devices}}


def maker_of(manifest: Path, rehash: bool, facts: Mapping[str, Any]) -> Callable[[Order], None]:
    """Return what makes units, on whatever machine this is.

    Raises:
        VisagistError: the program, a library or the sort of processor is another one here.
    """
    desk = Desk.of(read_manifest(manifest), rehash=rehash)
    here = facts_of(desk.reel, desk.program)
    for name in facts:
        if here[name] != facts[name]:
            told = "" if name == "code" else f": {here[name]}, and there {facts[name]}"
            raise VisagistError(
                f"the machine {platform.node()} is not like the one that gives orders, in its "
                f"{name}{told}; what they make cannot be mixed"
            )
    return Maker(desk).carry_out
