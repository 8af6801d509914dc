"""What files of face recognition look like."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from ..parts import Contents, Part
from .net import ARCFACE, CURRICULARFACE, RecognitionNet, load

KNOWN = "ArcFace, CurricularFace"
ROLES = ("identity",)


def detect(contents: Contents) -> bool:
    """Return whether a file holds an IR-SE trunk with an embedding head."""
    return {"input_layer.0.weight", "output_layer.3.weight"} <= set(contents.tensors)


def parts(contents: Contents) -> tuple[Part, ...]:
    """Return the network of a file that `detect` has approved.

    Raises:
        WeightsError: keys or shapes are not those of the network.
    """
    state = contents.tensors
    build(state)
    name = "ArcFace IR-SE50" if _is_arcface(state) else "CurricularFace IR-101"
    title = f"{name}, face recognition"
    return (Part("identity", title, name.split()[0].lower(), state),)


def build(state: Mapping[str, Tensor]) -> RecognitionNet:
    """Return the network of a state dict; which of the two, its keys tell.

    Raises:
        WeightsError: keys or shapes are not those of the network.
    """
    return load(state, ARCFACE if _is_arcface(state) else CURRICULARFACE)


def _is_arcface(state: Mapping[str, Tensor]) -> bool:
    return "output_layer.4.weight" in state
