"""What a face model is: a generator with its encoder, and what moves its codes.

The pack that `--pack` names is opened as one; editors that need it ask their kit for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ..imaging.parsing import Region
from ..types import AlignedBatch, CropRule, EditedBatch
from ._attribute import FACE, Attribute

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True, repr=False)
class Codes:
    """Latent codes of N crops."""

    w: Tensor
    """(N, L, D) float32: L latent layers (1 for the portrait pack, 18 for W+)."""
    state: Tensor
    """(N, G) float32: what the generator must know of each frame beside the code (may be G = 0)."""

    def __post_init__(self) -> None:
        if self.w.ndim != 3 or self.state.ndim != 2 or len(self.state) != len(self.w):
            raise ValueError(
                f"Codes need w (N, L, D) and state (N, G), got {tuple(self.w.shape)} and "
                f"{tuple(self.state.shape)}"
            )

    def __len__(self) -> int:
        return int(self.w.shape[0])

    def __repr__(self) -> str:
        return f"Codes(w={tuple(self.w.shape)}, state={tuple(self.state.shape)})"


class Mover(Protocol):
    """Moves latent codes along one attribute."""

    def __call__(self, w: Tensor, strength: Tensor) -> Tensor:
        """Return (N, L, D) codes from w (N, L, D) and strength (N,); identity at strength 0."""


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


class LatentModel(Protocol):
    """A generator with its encoder."""

    crop: CropRule
    """Which square of a frame it sees."""
    codes: CodeRule
    """How its codes change over a shot."""

    def encode(self, batch: AlignedBatch) -> Codes:
        """Return the codes of N crops."""

    def observe(self, batch: AlignedBatch) -> Tensor:
        """Return the states (N, G) of N crops without their codes, NaN in the columns that only
        `encode` can tell. Asked for where `codes.states_hz` is given."""

    def reconstruct(self, codes: Codes) -> Tensor:
        """Return what the codes know of the faces, (N, 3, S, S) in [-1, 1], to be looked at."""

    def settle(self, state: Tensor, rate: float) -> Tensor:
        """Return the states (T, G) of a shot steadied over time; rate in frames per second."""

    def limits(self, before: Tensor, after: Tensor, state: Tensor) -> Mapping[str, Tensor]:
        """Return what `render` leaves of the way from one code (L, D) to another in frames of
        states (T, G): shares (T,) 0–1 by cause, in a few words."""

    def hidden(self, batch: AlignedBatch, codes: Codes) -> Tensor | None:
        """Return what is in front of the faces (N, 1, S, S) 0–1 by the codes of their shots; None
        if nothing is, or if the model cannot tell."""

    def render(
        self, batch: AlignedBatch, before: Codes, after: Codes, regions: frozenset[Region] = FACE
    ) -> EditedBatch:
        """Carry what lies between two codes into the crops; where they are equal, nothing."""


class Carrier(Protocol):
    """Carries a region of one face into another; tensors by name are its own matter."""

    def yaw(self, landmarks: Tensor) -> Tensor:
        """Return by how much heads, landmarks (N, 68, 2) px, are turned (N,) [radians]."""

    def turned(self, yaw: Tensor) -> Tensor:
        """Return what turns (N,) [radians] leave of an edit (N,) 0–1."""

    def likeness(self, batch: AlignedBatch) -> Mapping[str, Tensor]:
        """Return how faces look, whatever their pose: tensors (N, …) by name."""

    def seen(self, batch: AlignedBatch, region: str) -> float:
        """Return which share of a region one face shows, 0–1."""

    def carried(
        self,
        own: Mapping[str, Tensor],
        other: Mapping[str, Tensor],
        region: str,
        kept_out: Tensor,
        beard: bool,
    ) -> Mapping[str, Tensor]:
        """Return what turns a region of a face, seen in N frames, into that of another one, without
        what lies along directions (A, D); `beard`: whether one is carried."""

    def directions(self, movers: Sequence[Mover]) -> Tensor:
        """Return the steps (A, D) that movers make of the mean face's code."""

    def render(
        self, batch: AlignedBatch, carried: Mapping[str, Tensor], amount: Tensor, yaw: Tensor
    ) -> EditedBatch:
        """Return crops with so much of what is carried, amount (N,), of heads turned by `yaw` (N,)
        [radians]; 0 is the identity."""


class Pack(Protocol):
    """A latent model with everything that moves its codes."""

    @property
    def name(self) -> str:
        """Name of the pack."""

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        """What the pack can change."""

    @property
    def model(self) -> LatentModel:
        """The generator with its encoder."""

    @property
    def carrier(self) -> Carrier | None:
        """What carries regions of another face; None: it cannot."""

    @property
    def hashes(self) -> Mapping[str, str]:
        """SHA-256 of every weight file, by file name."""

    @property
    def regions(self) -> frozenset[Region]:
        """Parts of a picture it can tell, so that an edit of them reaches all of them."""

    @property
    def settings(self) -> Mapping[str, str]:
        """How it was resolved, for the report: transfer, precision and the like."""

    def mover(self, kind: str, attribute: str, rows: tuple[int, int] | None = None) -> Mover:
        """Return what moves codes along an attribute, by the kind of mover; `rows`: only these of
        the codes, the first and one past the last."""

    def reader(self, attribute: str) -> Callable[[Tensor], Tensor]:
        """Return what says of codes (N, L, D) how much they have of an attribute, (N,) 0–1."""

    def kinds_of(self, attribute: str) -> tuple[str, ...]:
        """Return the kinds of the movers that the pack has for an attribute."""

    def numbered(self, kind: str, number: int) -> Attribute | None:
        """Return what a kind of mover with numbers has under one of them; None if the pack has no
        such mover."""
