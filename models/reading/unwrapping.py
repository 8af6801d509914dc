"""What training frameworks wrap around weights, taken off: DataParallel's and torch.compile's
prefixes, Lightning's checkpoints, StyleGAN2-ADA's modules.

Only names change; which network it is, the families say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from .plain import Module

_WRAPPERS: Final = frozenset(("module", "_orig_mod"))
"""What `DataParallel` and `torch.compile` put before the keys of the network they wrap."""

_LIGHTNING: Final = "pytorch-lightning_version"
_MERGED: Final = ("encoder", "decoder")
_MOST_LEVELS: Final = 4


def unwrapped(content: Any) -> Any:
    """Return a file's content with modules as state dicts and without wrappers' prefixes, at any
    depth: `module.` before all keys, in `g_ema`, in `state_dict`, or after `encoder.`."""
    if isinstance(content, Module):
        return _without_wrappers(content.tensors())
    if not isinstance(content, Mapping):
        return content
    opened = {
        key: unwrapped(value) if isinstance(value, Module | Mapping) else value
        for key, value in content.items()
    }
    return _without_wrappers(opened)


def readings(content: Any) -> Iterator[tuple[str, Any]]:
    """Yield a file's content as families may know it, unwrapped: as it is, named ''; for a
    checkpoint of Lightning also its state dict without the names of the attributes the networks
    were kept under, and each network alone, by these names (`model.T`)."""
    plain = unwrapped(content)
    yield "", plain
    if not is_lightning(plain):
        return
    told = plain.get("hyper_parameters")
    told = told if isinstance(told, Mapping) else {}
    opts = told.get("opts", told)
    yield from _lightning(plain["state_dict"], opts if isinstance(opts, Mapping) else {}, ())


def is_lightning(content: Any) -> bool:
    """Return whether PyTorch Lightning wrote a checkpoint."""
    return (
        isinstance(content, Mapping)
        and _LIGHTNING in content
        and isinstance(content.get("state_dict"), Mapping)
    )


def _lightning(
    state: Mapping[str, Any], opts: Mapping[str, Any], place: tuple[str, ...]
) -> Iterator[tuple[str, Any]]:
    groups, name = _groups(state), ".".join(place)
    if "encoder" in groups:
        merged = {
            f"{name}.{key}": value
            for name in _MERGED
            for key, value in groups.pop(name, {}).items()
        }
        yield name, {"state_dict": merged, "opts": opts, **groups, **_alone(state)}
        return
    yield name, {**state, **opts}
    if len(groups) > 1:
        yield name, {**groups, **_alone(state)}
    if len(place) < _MOST_LEVELS:
        for first, inside in groups.items():
            yield from _lightning(inside, opts, (*place, first))


def _groups(state: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what stands behind each first name of a state dict."""
    groups: dict[str, dict[str, Any]] = {}
    for key, value in state.items():
        first, dot, rest = key.partition(".")
        if dot:
            groups.setdefault(first, {})[rest] = value
    return groups


def _alone(state: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in state.items() if "." not in key}


def _without_wrappers(state: Mapping[Any, Any]) -> Mapping[Any, Any]:
    """Return the entries without wrappers' names in their keys; as they are if two would then be
    called the same."""
    names = {key: _bare(key) if isinstance(key, str) else key for key in state}
    if len(set(names.values())) < len(names):
        return state
    return {names[key]: value for key, value in state.items()}


def _bare(key: str) -> str:
    parts = key.split(".")
    kept = [part for part in parts[:-1] if part not in _WRAPPERS]
    return ".".join([*kept, parts[-1]])
