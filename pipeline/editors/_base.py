"""What an editor is: the specs, and the two ways to work.

A **latent editor** only moves codes; a latent model turns the move into pixels. An **image editor**
maps crops to crops. Both are the identity at strength 0, and both declare themselves in a spec from
which tables, checks and contract tests are made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from ..imaging.parsing import Region
from ..types import AlignedBatch, Codes, EditedBatch, Needs

if TYPE_CHECKING:
    from torch import Tensor


FACE: frozenset[Region] = frozenset({"face"})


@dataclass(frozen=True, slots=True)
class Attribute:
    """One thing that can be changed in a face."""

    name: str
    summary: str
    """What strength +1 does, in one line."""
    aliases: tuple[str, ...] = ()
    low: float = -3.0
    """Lowest strength that still looks like a photograph."""
    high: float = 3.0
    """Highest strength that still looks like a photograph."""
    experimental: bool = False
    """True if it works on some faces only."""
    regions: frozenset[Region] = FACE
    """What of the picture it changes."""
    needs: Needs = frozenset()
    """Parts of a face without which it fades; while others are covered, only they stay as they
    are."""


@dataclass(frozen=True, slots=True)
class EditorSpec:
    """The declaration of one editor."""

    name: str
    kind: Literal["latent", "image"]
    summary: str
    attributes: tuple[Attribute, ...] = ()
    """Of an image editor. A latent editor takes its attributes from the pack."""


class Mover(Protocol):
    """Moves latent codes along one attribute."""

    def __call__(self, w: Tensor, strength: Tensor) -> Tensor:
        """Return (N, L, D) codes from w (N, L, D) and strength (N,); identity at strength 0."""
        ...


@dataclass(frozen=True, slots=True)
class CodeRule:
    """How the codes of a shot are made from codes of single frames."""

    samples_hz: float = 10.0
    """Frames encoded per second of a track (mouths open and close in a fifth of a second);
    infinity: every frame."""
    most_samples: int | None = None
    """Frames encoded of one track at most, spread evenly: a median needs no more of a long shot."""
    states_hz: float | None = None
    """Frames per second whose state is observed, for a model whose codes are held and whose states
    change faster than they need be encoded; None: states come with the codes."""
    moving_layers: int = 0
    """First layers of the code that follow the face through the shot; the others are held at their
    median over the shot: what they draw (texture, colour) would flicker."""
    smoothing_s: float = 0.0
    """Sigma of the zero-phase smoothing of the layers that move [s]."""
    version: int = 1
    """Raised when the same weights give other codes or states than before: stored ones are of no
    more use then."""
    shape: tuple[int, int] | None = None
    """Rows L and numbers D of a code, which stored ones must have; None: any."""
    states: int | None = None
    """Numbers G of a state, which stored ones must have; None: any."""


class LatentModel(Protocol):
    """A generator with its encoder."""

    crop_side: float | None
    """Side of a native crop, in distances between the outer eye corners; None: an upright square
    round the square that FFHQ cuts out."""
    codes: CodeRule
    """How its codes change over a shot."""

    def encode(self, batch: AlignedBatch) -> Codes:
        """Return the codes of N crops."""
        ...

    def observe(self, batch: AlignedBatch) -> Tensor:
        """Return the states (N, G) of N crops without their codes, NaN in the columns that only
        `encode` can tell. Asked for where `codes.states_hz` is given."""
        ...

    def reconstruct(self, codes: Codes) -> Tensor:
        """Return what the codes know of the faces, (N, 3, S, S) in [-1, 1], to be looked at."""
        ...

    def settle(self, state: Tensor, rate: float) -> Tensor:
        """Return the states (T, G) of a shot steadied over time; rate in frames per second."""
        ...

    def hidden(self, batch: AlignedBatch, codes: Codes) -> Tensor | None:
        """Return what is in front of the faces (N, 1, S, S) 0–1 by the codes of their shots; None
        if nothing is, or if the model cannot tell."""
        ...

    def render(
        self, batch: AlignedBatch, before: Codes, after: Codes, regions: frozenset[Region] = FACE
    ) -> EditedBatch:
        """Carry what lies between two codes into the crops; where they are equal, nothing."""
        ...


class Pack(Protocol):
    """A latent model with everything that moves its codes."""

    @property
    def name(self) -> str:
        """Name of the pack."""
        ...

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        """What the pack can change."""
        ...

    @property
    def model(self) -> LatentModel:
        """The generator with its encoder."""
        ...

    @property
    def hashes(self) -> Mapping[str, str]:
        """SHA-256 of every weight file, by file name."""
        ...

    @property
    def regions(self) -> frozenset[Region]:
        """Parts of a picture it can tell, so that an edit of them reaches all of them."""
        ...

    @property
    def settings(self) -> Mapping[str, str]:
        """How it was resolved, for the report: transfer, precision and the like."""
        ...

    def mover(self, editor: str, attribute: str) -> Mover:
        """Return what moves codes along an attribute, by the name of a latent editor."""
        ...


class LatentEditor(Protocol):
    """Moves codes; one file in this folder with `SPEC` and `build(pack)`."""

    def move(self, codes: Codes, attribute: str, strength: Tensor) -> Codes:
        """Return moved codes; strength (N,) float32 in standard deviations.

        Where a code moves to depends on the code alone; the state stays as it is.
        """
        ...


class MoverEditor:
    """A latent editor that uses what its pack offers under the editor's name."""

    def __init__(self, name: str, pack: Pack) -> None:
        self._name = name
        self._pack = pack

    def move(self, codes: Codes, attribute: str, strength: Tensor) -> Codes:
        """Return moved codes; strength (N,) float32 in standard deviations."""
        mover = self._pack.mover(self._name, attribute)
        return Codes(w=mover(codes.w, strength), state=codes.state)


class ImageEditor(Protocol):
    """Maps crops to crops; one file in this folder with `SPEC` and `build()`."""

    def apply(self, batch: AlignedBatch, attribute: str, strength: Tensor) -> EditedBatch:
        """Return edited crops; strength (N,) float32."""
        ...
