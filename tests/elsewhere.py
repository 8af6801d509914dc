"""A device that is none: its tensors say they lie elsewhere, and are computed on the CPU.

What runs on it runs on an accelerator: numpy and OpenCV cannot reach its tensors, one of them among
tensors of the CPU raises as it does on CUDA, and `waits` counts how often the host waited for it:
every value or tensor that is fetched, and every upload that does not say `non_blocking`.
"""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

ROOT = Path(__file__).resolve().parents[1]
NAME = "elsewhere"
_CPU = torch.device("cpu")
_FETCHING = (
    *("aten._local_scalar_dense", "aten.nonzero", "aten.unique", "aten._unique"),
    *("aten.masked_select", "aten.is_nonzero", "aten.equal"),
)
"""Operations whose result, or the size of it, the host must know."""

waits: Counter[str] = Counter()
"""Operation and line of the project, how often."""


class _There(Tensor):
    """A tensor of the CPU behind a wrapper that says it is not."""

    inner: Tensor  # type: ignore[assignment]

    @staticmethod
    def __new__(cls: type[_There], inner: Tensor) -> _There:
        made = Tensor._make_wrapper_subclass(
            cls,
            inner.size(),
            strides=inner.stride(),
            dtype=inner.dtype,
            layout=inner.layout,
            device=torch.device(NAME, 0),
        )
        made.inner = inner
        return made

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        # What torch makes of lists below Python's sight.
        if func is Tensor.tolist:
            _count("tolist")
            return args[0].inner.tolist()
        if func is Tensor.new_tensor:
            _count("new_tensor")
            return _There(args[0].inner.new_tensor(*args[1:], **(kwargs or {})))
        if func in (Tensor.__getitem__, Tensor.__setitem__):
            index = args[1] if isinstance(args[1], tuple) else (args[1],)
            args = (args[0], tuple(map(_uploaded, index)), *args[2:])
        with torch._C.DisableTorchFunctionSubclass():
            return func(*args, **(kwargs or {}))

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        return _run(func, args, kwargs or {})


def _uploaded(index: Any) -> Any:
    if not isinstance(index, list):
        return index
    _count("list as index")
    return _There(torch.tensor(index))


def _count(what: str) -> None:
    lines = (f for f in reversed(traceback.extract_stack()) if f.filename != __file__)
    own = next((f for f in lines if f.filename.startswith(str(ROOT))), None)
    waits[f"{what} in {own.filename}:{own.lineno} {own.line}" if own else what] += 1


def _run(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Do on the CPU what is asked of tensors elsewhere, and keep to the rules of a device."""
    name = str(func)
    tensors = [a for a in tree_leaves((args, kwargs)) if isinstance(a, Tensor)]
    wrapped = [t for t in tensors if isinstance(t, _There)]
    device = kwargs.get("device")
    there = bool(wrapped) if device is None else torch.device(device).type == NAME
    copies = "copy" in name or name.startswith("aten.to.")
    if name.startswith("aten.copy_"):
        blocking = not (args[2] if len(args) > 2 else kwargs.get("non_blocking", False))
        if len(wrapped) == 1 and (not isinstance(args[0], _There) or blocking):
            _count(name)
    elif wrapped and (not there or name.startswith(_FETCHING) or _picks(name, args)):
        _count(name)
    odd = [t for t in tensors if not isinstance(t, _There) and t.dim()]
    if wrapped and odd and not copies:
        shapes = [tuple(t.shape) for t in odd]
        raise RuntimeError(f"{name}: tensors {shapes} of the CPU among tensors elsewhere")
    if device is not None:
        kwargs = {**kwargs, "device": _CPU}
    out = func(*tree_map(_inner, args), **tree_map(_inner, kwargs))
    same = {id(t.inner): t for t in wrapped}

    def outer(value: Any) -> Any:
        if not there or not isinstance(value, Tensor):
            return value
        return same[id(value)] if id(value) in same else _There(value)

    if name.startswith("aten.copy_"):
        return args[0]
    return tree_map(outer, out)


def _picks(name: str, args: tuple[Any, ...]) -> bool:
    """Whether a mask picks elements: how many, the host must know."""
    if not name.startswith("aten.index.Tensor"):
        return False
    return any(isinstance(t, Tensor) and t.dtype == torch.bool for t in args[1])


def _inner(value: Any) -> Any:
    return value.inner if isinstance(value, _There) else value


class _Module:
    """What torch wants to know of a kind of devices."""

    @staticmethod
    def is_initialized() -> bool:
        return True

    @staticmethod
    def is_available() -> bool:
        return True

    @staticmethod
    def current_device() -> int:
        return 0

    @staticmethod
    def _is_in_bad_fork() -> bool:
        return False

    @staticmethod
    def manual_seed_all(seed: int) -> None:
        pass

    @staticmethod
    def device_count() -> int:
        return 1

    @staticmethod
    def get_amp_supported_dtype() -> list[torch.dtype]:
        return [torch.float32, torch.bfloat16]


_library: list[Any] = []
"""Holds what is registered with torch; once in a process."""


def _register() -> None:
    try:
        from torch.utils.backend_registration import _setup_privateuseone_for_python_backend
    except ImportError:
        pytest.skip("this torch cannot pretend to have another device")
    if not _library:
        _setup_privateuseone_for_python_backend(NAME, _Module())
        _library.append(torch.library.Library("_", "IMPL"))
        _library[0].fallback(lambda op, *a, **k: _run(op, a, k), "PrivateUse1")


def _made_there(make: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Make a tensor on the CPU and call it elsewhere: below, torch would set its size too late."""

    def made(*args: Any, device: Any = None, **more: Any) -> Tensor:
        if device is None or torch.device(device).type != NAME:
            return make(*args, device=device, **more)
        if make is torch.tensor:
            _count("torch.tensor")
        return _There(make(*args, **more))

    return made


@contextmanager
def pretended(patch: pytest.MonkeyPatch) -> Iterator[torch.device]:
    """Give the device, for as long as some of torch's ways are turned round it."""
    _register()
    for make in (torch.tensor, torch.arange):
        patch.setattr(torch, make.__name__, _made_there(make))
    patch.setattr(torch, "inference_mode", torch.no_grad)
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    waits.clear()
    try:
        yield torch.device(NAME, 0)
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(False)


DEVICES = ("pretended", "cuda")


def device_of(name: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[torch.device]:
    """Yield the pretended device, or the GPU where there is one; else the test is skipped."""
    if name == "pretended":
        with pretended(monkeypatch) as found:
            yield found
    elif torch.cuda.is_available():
        yield torch.device("cuda")
    else:
        pytest.skip("no CUDA device here")
