"""Save and load a head: modes of shape as float16, numbers of vertices as int16."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from ..base import ModelInputError, WeightsError
from ..weights import save_safetensors
from .basis import Head

DEFAULT_FILE = Path(__file__).with_name("head.safetensors")
"""The embedded head."""


def save_head(head: Head, path: Path, *, notes: dict[str, str]) -> None:
    """Write a head of at most 32,767 vertices to a safetensors file; `notes` go into its text
    metadata."""
    tensors = dict(head.state_dict())
    for name in ("identity", "expression"):
        tensors[name] = tensors[name].half()
    for name in ("faces", "landmarks68", "contour", "mirror", "group"):
        tensors[name] = tensors[name].short()
    save_safetensors(path, tensors, notes)


def build(state: Mapping[str, Tensor]) -> Head:
    """Return the head of a state dict, in evaluation mode.

    Raises:
        WeightsError: keys or shapes are not those of `save_head`.
    """
    tensors = {k: v.long() if v.dtype == torch.int16 else v for k, v in state.items()}
    try:
        head = Head(tensors)
    except (ModelInputError, UnicodeDecodeError) as e:
        raise WeightsError(f"this is no head: {e}; make one with `models.head`") from e
    return head.eval().requires_grad_(False)
