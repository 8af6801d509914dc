"""What the attribute curves are drawn of: the embedded portrait, or a StyleGAN2 pack, behind one
face."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from ..ops import Move
from ..packs.naming import open_named
from ..packs.opening import StylePack
from ..portrait import PortraitModel, load_portrait
from ..portrait_movers import MoverPack, load_movers

RATED: Final = {
    "smile": "happy",
    "toothy-smile": "happy",
    "age": "age",
    "gender": "gender",
    "weight": "weight",
}
"""Rating that stands for an attribute."""

_BATCH = 8

Face = tuple[Tensor, Tensor]
"""A picture (3, S, S) in [-1, 1] and its 68 points (68, 2) px."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """Faces with their codes."""

    w: Tensor
    """(N, L, D)"""
    faces: tuple[Face, ...]
    states: Tensor
    """(N, G): per-face measures that are no part of the code; empty for StyleGAN2."""


class Subject(Protocol):
    """A pack that can be measured."""

    name: str
    whitened: bool
    """Whether codes are coordinates along principal components already."""

    attributes: tuple[str, ...]
    """Those that have a rating."""

    def encode(self, faces: Iterator[Face], *, keep: bool = True) -> Encoded:
        """Return faces with their codes, to be shown with other codes if they are kept."""
        ...

    def shown(self, encoded: Encoded, row: int, moved: Tensor) -> Tensor:
        """Return face `row` with the codes `moved` (M, L, D) as pictures (M, 3, S, S)."""
        ...

    def mover(self, editor: str, attribute: str) -> Move:
        """Return what the pack itself moves codes with."""
        ...


class PortraitSubject:
    """The embedded appearance model: an edit carries the change of code into the picture."""

    name = "portrait"
    whitened = True

    def __init__(self, model: PortraitModel, movers: MoverPack) -> None:
        self._model, self._movers = model, movers
        self.attributes = tuple(a.name for a in movers.attributes if a.name in RATED)

    def encode(self, faces: Iterator[Face], *, keep: bool = True) -> Encoded:
        """Return faces with their codes (N, 1, D)."""
        kept, codes, states = [], [], []
        for picture, points in faces:
            w, state = self._model.encode(picture[None], points[None])
            codes.append(w)
            states.append(state)
            kept += [(picture, points)] if keep else []
        return Encoded(torch.stack(codes), tuple(kept), torch.cat(states))

    def shown(self, encoded: Encoded, row: int, moved: Tensor) -> Tensor:
        """Return face `row` with the codes `moved` (M, 1, D) as pictures (M, 3, S, S)."""
        picture, points = encoded.faces[row]
        before, state = encoded.w[row], encoded.states[row : row + 1]
        return torch.cat(
            [
                self._model.render(picture[None], points[None], before, after, state)[0]
                for after in moved
            ]
        )

    def mover(self, editor: str, attribute: str) -> Move:
        """Return what the pack itself moves codes with."""
        network = self._movers.mover(editor, attribute)

        def move(w: Tensor, strength: Tensor) -> Tensor:
            moved: Tensor = network(w[:, 0], strength)
            return moved[:, None]

        return move


class StyleSubject:
    """A StyleGAN2 pack: what is judged is what it generates, before and after."""

    whitened = False

    def __init__(self, pack: StylePack) -> None:
        self.name, self._pack = pack.name, pack
        self.attributes = tuple(a.name for a in pack.attributes if a.name in RATED)

    def encode(self, faces: Iterator[Face], *, keep: bool = True) -> Encoded:
        """Return faces as their codes: the generator needs nothing else to show them."""
        side = self._pack.encoder_size
        sized = (
            F.interpolate(picture[None], side, mode="bilinear", antialias=True)
            for picture, _ in faces
        )
        codes = []
        while batch := list(itertools.islice(sized, _BATCH)):
            codes.append(self._pack.encode(torch.cat(batch)))
        w = torch.cat(codes)
        return Encoded(w, (), torch.empty(len(w), 0))

    def shown(self, encoded: Encoded, row: int, moved: Tensor) -> Tensor:
        """Return face `row` with the codes `moved` (M, L, D) as pictures (M, 3, S, S)."""
        del encoded, row
        pictures = [self._pack.generate(part) for part in torch.split(moved, _BATCH)]
        return torch.cat(pictures).clamp(-1, 1)

    def mover(self, editor: str, attribute: str) -> Move:
        """Return what the pack itself moves codes with."""
        return self._pack.mover(editor, attribute)


def open_subject(name: str) -> Subject:
    """Return the subject of a pack: `portrait`, or a StyleGAN2 pack by its name or folder.

    Raises:
        ModelError: there is no such pack, or it cannot be opened.
    """
    if name == "portrait":
        return PortraitSubject(load_portrait(), load_movers())
    return StyleSubject(open_named(name))
