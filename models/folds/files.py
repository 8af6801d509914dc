"""Save and load the folds: patterns as int8 with one scale each, maps as they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from ..base import WeightsError
from ..weights import save_safetensors
from .net import FoldModel

DEFAULT_FILE = Path(__file__).with_name("folds.safetensors")
"""The embedded folds."""


def save_folds(model: FoldModel, path: Path, *, notes: dict[str, str]) -> None:
    """Write folds to a safetensors file; `notes` go into its text metadata."""
    tensors = dict(model.state_dict())
    patterns = tensors["patterns"]
    scale = patterns.flatten(1).abs().amax(1).clamp_min(1e-12) / 127
    tensors["patterns"] = (patterns / scale[:, None, None]).round().char()
    tensors["scale"] = scale
    tensors["flow"], tensors["depth"] = tensors["flow"].half(), tensors["depth"].half()
    save_safetensors(path, tensors, notes)


def build(state: Mapping[str, Tensor]) -> FoldModel:
    """Return the folds of a state dict, in evaluation mode.

    Raises:
        WeightsError: keys or shapes are not those of `save_folds`.
    """
    tensors = dict(state)
    try:
        patterns, scale = tensors["patterns"], tensors.pop("scale")
        tensors["patterns"] = patterns.float() * scale[:, None, None]
        model = FoldModel(len(patterns))
        model.load_state_dict(
            {k: v.float() if v.is_floating_point() else v for k, v in tensors.items()}
        )
    except (RuntimeError, KeyError, IndexError) as e:
        raise WeightsError(f"these are no folds: {e}; make some with `models.folds`") from e
    return model.eval().requires_grad_(False)
