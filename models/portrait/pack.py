"""Save and load a portrait: bases and maps as int8 with one scale per row, everything else as
float32 or bool."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from ..base import WeightsError, command
from ..weights import load_safetensors, save_safetensors
from .layers import FineLayers
from .mouth import Teeth
from .net import PortraitModel
from .shape import ShapeModel
from .texture import TextureModel

DEFAULT_FILE: Final = Path(__file__).with_name("portrait.safetensors")
"""The embedded portrait."""

_QUANTISED = ("texture.basis", "layers.maps", "layers.spared")
_HALF = ("texture.field", "texture.mean")
_FORMAT = "portrait-2"


def save_portrait(model: PortraitModel, path: Path, *, notes: dict[str, str]) -> None:
    """Write a portrait to a safetensors file; `notes` go into its text metadata."""
    tensors: dict[str, Tensor] = {}
    for key, value in model.state_dict().items():
        if key in _QUANTISED:
            tensors[key], tensors[f"{key}.scale"] = _to_int8(value)
        else:
            tensors[key] = value.half() if key in _HALF else value
    save_safetensors(path, tensors, {"format": _FORMAT, **notes})


def load_portrait(
    path: Path = DEFAULT_FILE, *, expected_sha256: str | None = None
) -> PortraitModel:
    """Return the portrait of a file, on the CPU, in evaluation mode.

    Raises:
        WeightsError: the file is missing, damaged, has another hash, or is no portrait.
    """
    tensors, notes = load_safetensors(path, expected_sha256=expected_sha256)
    if notes.get("format") != _FORMAT:
        raise WeightsError(
            f"{path} has format {notes.get('format')!r}, expected {_FORMAT!r}; "
            f"make one with `{command('portrait')} train`"
        )
    for key in _QUANTISED:
        tensors[key] = _from_int8(tensors[key], tensors.pop(f"{key}.scale"))
    vertices = len(tensors["shape.mean"])
    texels = [int(tensors[f"texture.{kind}_mask"].sum()) for kind in ("luma", "chroma")]
    model = PortraitModel(
        ShapeModel(vertices, len(tensors["shape.sigma"])),
        TextureModel(vertices, len(tensors["texture.sigma"]), *texels),
        FineLayers(*tensors["layers.readout"].shape),
        Teeth(),
    )
    floats = {k: v.float() if v.is_floating_point() else v for k, v in tensors.items()}
    try:
        model.load_state_dict(floats)
    except RuntimeError as e:
        raise WeightsError(f"{path} does not fit a portrait: {e}") from e
    return model.eval()


def _to_int8(rows: Tensor) -> tuple[Tensor, Tensor]:
    flat = rows.flatten(1)
    scale = flat.abs().amax(dim=1).clamp_min(1e-12) / 127
    shape = (-1, *(1,) * (rows.dim() - 1))
    return (rows / scale.reshape(shape)).round().clamp(-127, 127).to(torch.int8), scale


def _from_int8(rows: Tensor, scale: Tensor) -> Tensor:
    return rows.float() * scale.reshape(-1, *(1,) * (rows.dim() - 1))
