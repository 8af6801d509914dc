"""What an editor is: its declaration, and the three things it does.

Every editor works the same way, whether it filters pixels, moves latent codes or optimises for
minutes. The session builds it with what it declared to need, has it **prepare** once for every face
of a shot (what comes out is kept, see `artefacts`), and then **applies** it to batches of crops.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, TypeVar

import numpy as np
import torch

from ..types import AlignedBatch, CropRule, EditedBatch, FaceTrack
from ._attribute import Attribute
from ._face_model import Pack

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from ..causes import Shares
    from ..parsing import Parsing
    from ..progress import Stopwatch
    from ..request import Edit

T = TypeVar("T")

FACE_MODEL = "face-model"
"""The need of an editor that works with the pack chosen by `--pack`."""
PARSING = "parsing"
"""The need of an editor that looks at `AlignedBatch.parsing` while it prepares; when it is applied,
it is always there."""


@dataclass(frozen=True, slots=True)
class NoOptions:
    """Of an editor that has none."""


@dataclass(frozen=True, slots=True)
class EditorSpec:
    """The declaration of one editor."""

    name: str
    summary: str
    attributes: tuple[Attribute, ...] | None = None
    """What it can change; None: what the face model can."""
    needs: frozenset[str] = frozenset()
    """Networks, by the name of their folder in `models`; `FACE_MODEL`: the pack; `PARSING`."""
    takes: frozenset[Literal["exemplar"]] = frozenset()
    """What a user has to give beside the strength."""
    crop: CropRule | None = None
    """Which square of the frame it sees; None: that of the face model, as most do."""
    options: type = NoOptions
    """A frozen dataclass with a default for every field, `str`, `float`, `int`, `bool` or a
    `Literal` of texts: what `--set EDITOR.NAME=VALUE` and presets may set."""
    last: bool = False
    """Whether it is applied after all others, in whatever order they are typed: it moves the places
    that they look for."""
    version: int = 1
    """Raised when what it prepares is no longer of use to it."""


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Artefact:
    """What preparing made, as it is kept: tensors, with facts that JSON can hold."""

    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        shapes = {name: tuple(tensor.shape) for name, tensor in self.tensors.items()}
        return f"Artefact({shapes}, {dict(self.facts)})"


Change = tuple[slice, slice, "Tensor", "Tensor"]
"""Rows and columns of a crop that changed, (3, h, w) what they show, (1, h, w) their mask."""


def in_part(batch: AlignedBatch, changes: Sequence[Change | None]) -> EditedBatch:
    """Return crops of which each changed in one place, or nowhere, as far as any changed."""
    places = [change[:2] for change in changes if change is not None]
    if not places:
        return EditedBatch(batch, batch.images, torch.zeros_like(batch.images[:, :1]))
    rows, columns = (
        slice(min(s.start for s in along), max(s.stop for s in along))
        for along in zip(*places, strict=True)
    )
    corner = (columns.start, rows.start)
    if len(changes) == 1 and changes[0] is not None:
        _, _, image, mask = changes[0]
        return EditedBatch(batch, image[None], mask[None], corner)
    images = batch.images[:, :, rows, columns].clone()
    masks = torch.zeros_like(images[:, :1])
    for n, change in enumerate(changes):
        if change is not None:
            height, width = (s.stop - s.start for s in change[:2])
            top, left = change[0].start - rows.start, change[1].start - columns.start
            at = (n, slice(None), slice(top, top + height), slice(left, left + width))
            images[at], masks[at] = change[2:]
    return EditedBatch(batch, images, masks, corner)


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """One face over one shot, as an editor that prepares sees it."""

    track: FaceTrack
    times: NDArray[np.float64]
    """(frames of the clip,) [s]."""
    clip: str
    """Fingerprint of the clip's content."""

    @property
    def key(self) -> int:
        """The number of its track, by which results go."""
        return self.track.track_id

    def facts(self) -> Mapping[str, object]:
        """Return what tells it from other shots, and its face from others (JSON values)."""
        return {"clip": self.clip, "face": self.digest()}

    def digest(self) -> str:
        """Return the SHA-256 of where the face is, when, and how much of an edit it takes."""
        track = self.track
        digest = hashlib.sha256(f"{track.first_frame}".encode())
        times = self.times[track.first_frame : track.end_frame]
        for values in (track.landmarks, track.states, track.weights, track.parts, times):
            digest.update(np.ascontiguousarray(values).data)
        return digest.hexdigest()


class Work(Protocol):
    """What preparing is done with; it may be stopped, and goes on from its last checkpoint."""

    @property
    def device(self) -> torch.device:
        """Where crops are."""

    def of(self, shot: Shot) -> Work:
        """Return the work on one of several faces."""

    def crops(self, frames: Collection[int] | None = None) -> Iterator[AlignedBatch]:
        """Yield the crops of the shot, or of some frames of the clip, in order, on the device."""

    def parsed(self, batch: AlignedBatch, *, wider: float) -> Parsing | None:
        """Return what crops show in a square that is so many times as large as that of
        `AlignedBatch.parsing`, with as many cells; None if nobody knows."""

    def looked(
        self,
        look: Callable[[AlignedBatch], Sequence[T]],
        frames: Mapping[int, Collection[int]],
    ) -> Iterator[T]:
        """Yield what `look` says of the crops of some frames by track, in any order: one pass over
        the clip for all of them, on several threads."""

    def restored(self) -> Artefact | None:
        """Return the state at the last checkpoint; None at the beginning."""

    def checkpoint(self, state: Artefact) -> None:
        """Keep a state to go on from."""

    def step(self, done: int, total: int) -> None:
        """Say how far the work is."""


class Kit(Protocol):
    """What an editor is built with; it loads nothing itself."""

    device: torch.device
    clock: Stopwatch
    """Takes the times of what an editor does."""

    @property
    def face_model(self) -> Pack:
        """The pack, for editors that need `FACE_MODEL`."""

    def network(self, role: str) -> nn.Module:
        """Return a network that the spec needs, ready to be called on the device."""

    def exemplar(self, edit: Edit, crop: CropRule) -> AlignedBatch:
        """Return the crop (N = 1) of the face that an edit takes something from, on the device."""


class Editor:
    """One editor, built: `apply` is all that a simple one has.

    Args:
        kit: what the session hands in.
    """

    spec: ClassVar[EditorSpec]

    def __init__(self, kit: Kit) -> None:
        self.kit = kit

    def apply(self, batch: AlignedBatch, edit: Edit, amount: Tensor, prepared: Any) -> EditedBatch:
        """Return edited crops; the identity where the amount is 0, else pure and frame by frame.

        Args:
            batch: N crops of one track.
            edit: what is asked for.
            amount: (N,) float32 its strength, less where a frame takes less of it.
            prepared: what `opened` returned for the track.
        """
        raise NotImplementedError

    def check(self, edit: Edit) -> None:
        """Refuse, before all work, an edit whose exemplar is of no use, with an error that says
        why."""
        del edit

    def prepare(self, shot: Shot, edit: Edit, work: Work) -> Artefact:
        """Return what `apply` needs to know of a face over a shot. It may take minutes."""
        del shot, edit, work
        return Artefact()

    def opened(self, shot: Shot, artefact: Artefact) -> Any:
        """Return an artefact as `apply` uses it."""
        del shot
        return artefact

    def limits(self, shot: Shot, edit: Edit, prepared: Any) -> Mapping[str, Shares]:
        """Return what the editor itself leaves of an edit in every frame of a track, (T,) 0–1, by
        cause in a few words: for the account of a run. `apply` does what is told here.

        Only what is not in the track already (its weights and covered parts).
        """
        del shot, edit, prepared
        return {}

    def depends(self, shot: Shot, edit: Edit) -> Mapping[str, object]:
        """Return what an artefact depends on beside the editor and its networks (JSON values).

        The session adds what tells the exemplar.
        """
        return {"attribute": edit.attribute, "options": dict(edit.options), **shot.facts()}

    def prepare_all(self, shots: Sequence[Shot], edit: Edit, work: Work) -> dict[int, Artefact]:
        """Prepare several faces at once, by track: for editors that look at all in one pass."""
        return {shot.key: self.prepare(shot, edit, work.of(shot)) for shot in shots}

    @property
    def prepares(self) -> bool:
        """Whether there is anything to prepare."""
        own = type(self)
        return own.prepare is not Editor.prepare or own.prepare_all is not Editor.prepare_all

    @property
    def draws_together(self) -> bool:
        """Whether edits that follow each other are applied at once."""
        return type(self).apply_row is not Editor.apply_row

    def apply_row(
        self, batch: AlignedBatch, edits: Sequence[Edit], amounts: Tensor, prepared: Any
    ) -> EditedBatch:
        """Apply edits in a row, amounts (E, N): for editors that draw them at once."""
        raise NotImplementedError
