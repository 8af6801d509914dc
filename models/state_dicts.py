"""From a state dict to a module: which keys and shapes a network has, and filling it without a
second copy of its weights.

Networks are built on the meta device, where nothing is allocated or drawn, then take over the
tensors of the file. Reading a file is the business of `weights.py` and of the safe checkpoint
reader, not of this one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn

from .base import WeightsError

Shapes = dict[str, tuple[int, ...]]
ModuleT = TypeVar("ModuleT", bound=nn.Module)

_COUNTER = ".num_batches_tracked"
"""How many batches a BatchNorm saw: used only in training, dropped by some converters."""
_NAMED = 5
"""How many keys an error message names."""


def expected_shapes(build: Callable[[], nn.Module]) -> Shapes:
    """Return every key of a module's state dict with its shape, without allocating the weights."""
    with torch.device("meta"):
        module = build()
    return {key: tuple(value.shape) for key, value in module.state_dict().items()}


def fill(build: Callable[[], ModuleT], state: Mapping[str, Tensor], *, what: str) -> ModuleT:
    """Return the module that `build` makes, in evaluation mode, holding the tensors of `state`.

    Float tensors of other precision become float32; float32 tensors are taken over, not copied.
    BatchNorm counters that a converter dropped are set to 0.

    Args:
        build: makes the module; called on the meta device.
        state: key -> tensor, exactly the module's keys.
        what: what the state dict should be, for the message ("a pSp encoder").

    Raises:
        WeightsError: keys are missing or left over, or shapes differ; the message names them.
    """
    with torch.device("meta"):
        module = build()
    wanted = module.state_dict()
    full = dict(state)
    for key in wanted:
        if key.endswith(_COUNTER) and key not in full:
            full[key] = torch.zeros((), dtype=torch.long)
    _check(full, {key: tuple(value.shape) for key, value in wanted.items()}, what)
    ready = {
        key: value.float() if value.is_floating_point() else value for key, value in full.items()
    }
    module.load_state_dict(ready, strict=True, assign=True)
    return module.eval().requires_grad_(False)


def randomised(build: Callable[[], ModuleT], seed: int, *, spread: float = 0.1) -> ModuleT:
    """Return the module that `build` makes, in evaluation mode, drawn from a seed, for tests.

    Every number is moved by noise of standard deviation `spread`: norms, biases and statistics then
    show in what it computes, as they do after training. The global random state is left alone.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = build()
        for key, value in module.state_dict().items():
            if value.is_floating_point():
                value.add_(spread * torch.randn(value.shape))
                if key.endswith("running_var"):
                    value.abs_()
    return module.eval().requires_grad_(False)


def _check(state: Mapping[str, Tensor], wanted: Shapes, what: str) -> None:
    missing = [key for key in wanted if key not in state]
    left_over = [key for key in state if key not in wanted]
    other = [
        f"{key} {list(state[key].shape)} instead of {list(shape)}"
        for key, shape in wanted.items()
        if key in state and tuple(state[key].shape) != shape
    ]
    complaints = [
        f"{len(keys)} {label}: {', '.join(keys[:_NAMED])}{', …' if len(keys) > _NAMED else ''}"
        for label, keys in (
            ("missing", missing),
            ("left over", left_over),
            ("of other shape", other),
        )
        if keys
    ]
    if complaints:
        raise WeightsError(
            f"these tensors are not {what}: {'; '.join(complaints)}; bring the file that its "
            "authors published"
        )
