"""What files of the face parser look like."""

from __future__ import annotations

from ..parts import Contents, Licence, Part
from .net import load as build

__all__ = ["KNOWN", "ROLES", "build", "detect", "parts"]

KNOWN = "BiSeNet"
ROLES = ("parsing",)

LICENCE = Licence("MIT code, trained on non-commercial faces")
"""Of the published file, which says nothing of it."""


def detect(contents: Contents) -> bool:
    """Return whether a file holds BiSeNet."""
    return "cp.resnet.conv1.weight" in contents.tensors


def parts(contents: Contents) -> tuple[Part, ...]:
    """Return the network of a file that `detect` has approved.

    Raises:
        WeightsError: keys or shapes are not those of the network.
    """
    build(contents.tensors)
    title = "BiSeNet face parsing, 19 labels"
    return (Part("parsing", title, "bisenet", contents.tensors, LICENCE),)
