"""Edit: aligned crops in, edited crops out.

Latent edits in a row share one encode and one render; an image edit ends the row. What the code of
a face holds of texture is constant over a shot (`ShotCodes`), so it cannot flicker; what changes
from frame to frame is the layers that hold the expression, the state the generator needs (mouth,
yaw) and how much of the edit a frame takes (`weights`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..editors._base import FACE, ImageEditor, LatentEditor, LatentModel
from ..imaging.fading import Fade
from ..imaging.masks import unseen_mask
from ..imaging.occlusion import hidden_by_colour
from ..imaging.overlays import filled, printed
from ..imaging.parsing import Region
from ..progress import Stopwatch
from ..types import AlignedBatch, Codes, EditedBatch, Needs

_KEPT = 64
"""Moved codes remembered: of the batches that recur, one for each track and share of the edit."""


@dataclass(frozen=True, slots=True, repr=False)
class ShotCodes:
    """The latent code of one track over its shot."""

    w: Tensor
    """(L, D) float32, one code for the shot."""
    state: Tensor
    """(T, G) float32, one row per frame of the track."""
    first_frame: int
    moving: Tensor = field(default_factory=lambda: torch.zeros(0, 0, 0))
    """(M, K, D) float32, the first K layers in M sampled frames, smoothed; empty: `w` is all."""
    places: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    """(T,) float64, place of every frame of the track among the samples, 0 … M - 1."""
    tone: NDArray[np.float32] = field(default_factory=lambda: np.zeros(2, np.float32))
    """(2,) float32, the usual tone of the face (see `fading.tones`); 0: not known."""

    def of(self, frame: int) -> Tensor:
        """Return the code (L, D) of a frame: layers that move are interpolated between samples."""
        if not self.moving.numel():
            return self.w
        place = float(self.places[frame - self.first_frame])
        low = min(int(place), len(self.moving) - 1)
        high = min(low + 1, len(self.moving) - 1)
        layers = torch.lerp(self.moving[low], self.moving[high], place - low)
        return torch.cat([layers, self.w[len(layers) :]])

    def __repr__(self) -> str:
        return (
            f"ShotCodes(w={tuple(self.w.shape)}, state={tuple(self.state.shape)}, "
            f"moving={tuple(self.moving.shape)})"
        )


@dataclass(frozen=True, slots=True)
class LatentStep:
    """Consecutive latent edits, rendered once."""

    editor: LatentEditor
    edits: tuple[tuple[str, float], ...]
    """(attribute, strength) in order."""
    regions: frozenset[Region] = FACE
    """What of the picture the edits change together."""
    needs: Mapping[str, Needs] = field(default_factory=dict)
    """By attribute: parts of a face without which nothing of it is done; left out: none."""

    def shares(self, batch: AlignedBatch) -> Tensor:
        """Return how much of each edit each crop takes, (edits, N) 0–1."""
        return torch.stack([batch.share(self.needs.get(a, frozenset())) for a, _ in self.edits])


@dataclass(frozen=True, slots=True)
class ImageStep:
    """One image-space edit."""

    editor: ImageEditor
    attribute: str
    strength: float
    needs: Needs = frozenset()
    """Parts of a face without which nothing is done."""


Step = LatentStep | ImageStep

_CPU = torch.device("cpu")


class EditChain:
    """The edits of one request, applied to batches of crops in order.

    Crops come from the CPU's memory and return there; where the networks lie elsewhere they travel
    once each way. With `occlusion`, what lies in front of a face keeps its pixels.
    """

    def __init__(
        self,
        steps: Sequence[Step],
        model: LatentModel | None,
        codes: Mapping[int, ShotCodes],
        *,
        occlusion: bool = False,
        device: torch.device = _CPU,
    ) -> None:
        self._steps = tuple(steps)
        self._model = model
        self._codes = codes
        self._occlusion = occlusion
        self._device = device
        # Threads share it: each step is whole, and at worst one code is moved twice.
        self._known: dict[tuple[int, bytes, bytes], Tensor] = {}
        self.clock = Stopwatch()

    def __call__(self, batch: AlignedBatch) -> EditedBatch:
        """Return the edited crops; strength 0 or weight 0 leaves a crop exactly as it was."""
        fade = self._fade(batch)
        if fade is None:
            return self._under_print(batch)
        return fade.put_on(self._under_print(fade.taken_back(batch)), batch)

    def _under_print(self, batch: AlignedBatch) -> EditedBatch:
        """Return the edited crops; print over them stays where it is, and is not carried along."""
        letters = printed(batch.images, batch.landmarks) if self._occlusion else None
        if letters is None:
            return self._edited(batch)
        bare = dataclasses.replace(batch, images=filled(batch.images, letters))
        edited = self._edited(bare)
        rows, columns = edited.part
        here, below = batch.images[:, :, rows, columns], bare.images[:, :, rows, columns]
        images = torch.where(here == below, edited.images, here + (edited.images - below))
        masks = edited.masks * (1 - letters[:, :, rows, columns])
        return EditedBatch(batch, images.clamp(-1, 1), masks, edited.corner)

    def _fade(self, batch: AlignedBatch) -> Fade | None:
        """Return how faded the crops are against the rest of their shots."""
        known = [self._codes.get(int(track)) for track in batch.track_id]
        if not len(batch) or any(codes is None for codes in known):
            return None
        return Fade.of(batch, np.stack([codes.tone for codes in known if codes is not None]))

    def _edited(self, batch: AlignedBatch) -> EditedBatch:
        edited: EditedBatch | None = None
        there = batch.to(self._device)
        for step in self._steps:
            if edited is None:
                edited = self._done(there, step)
                continue
            edited = edited.whole()
            done = self._done(dataclasses.replace(there, images=edited.images), step).whole()
            edited = EditedBatch(there, done.images, torch.maximum(edited.masks, done.masks))
        if edited is None:
            return EditedBatch(batch, batch.images, torch.zeros_like(batch.images[:, :1]))
        edited = _fetched(edited, batch)
        if self._occlusion and edited.masks.any():
            with self.clock.time("edit / occlusion"):
                rows, columns = edited.part
                for hidden in self._hidden(batch, there):
                    seen = 1 - hidden[:, :, rows, columns]
                    edited = dataclasses.replace(edited, masks=edited.masks * seen)
        return edited

    def _done(self, batch: AlignedBatch, step: Step) -> EditedBatch:
        if isinstance(step, LatentStep):
            return self._latent(batch, step)
        return step.editor.apply(batch, step.attribute, step.strength * batch.share(step.needs))

    def _hidden(self, batch: AlignedBatch, there: AlignedBatch) -> Iterator[Tensor]:
        """Yield what is in front of the faces (N, 1, S, S) 0–1, where anything is.

        `there` is the batch on the device.
        """
        if batch.parts is not None:
            side = batch.images.shape[-1]
            unseen = unseen_mask(batch.landmarks, batch.parts, side)
            if unseen is not None:
                yield unseen
        if self._touches_hair:
            return
        by_colour = hidden_by_colour(batch.images, batch.landmarks)
        if by_colour is not None:
            yield by_colour
        if self._model is None or not {int(t) for t in batch.track_id} <= self._codes.keys():
            return
        by_shot = self._model.hidden(there, self._codes_of(there))
        if by_shot is not None:
            yield by_shot.cpu()

    @property
    def _touches_hair(self) -> bool:
        """Hair in front of a face is to be edited, not to be spared, if one step is about hair."""
        return any(isinstance(s, LatentStep) and "hair" in s.regions for s in self._steps)

    def codes(self, batch: AlignedBatch) -> list[tuple[Codes, Codes]]:
        """Return the codes of the crops before and after each latent step."""
        steps = (step for step in self._steps if isinstance(step, LatentStep))
        there = batch.to(self._device)
        return [self._moved(there, step) for step in steps]

    def _moved(self, batch: AlignedBatch, step: LatentStep) -> tuple[Codes, Codes]:
        """Return the codes before and after a step.

        Where the codes of a shot stand still, so do the moved ones, for each share of the edit.
        """
        before = self._codes_of(batch)
        if any(self._codes[int(track)].moving.numel() for track in batch.track_id):
            return before, self._after(before, batch, step)
        shares = step.shares(batch).cpu().numpy()
        key = (id(step), batch.track_id.tobytes(), shares.tobytes())
        if (w := self._known.get(key)) is None:
            if len(self._known) >= _KEPT:
                self._known.clear()
            w = self._known[key] = self._after(before, batch, step).w
        return before, Codes(w=w, state=before.state)

    @staticmethod
    def _after(before: Codes, batch: AlignedBatch, step: LatentStep) -> Codes:
        for (attribute, strength), share in zip(step.edits, step.shares(batch), strict=True):
            before = step.editor.move(before, attribute, strength * share)
        return before

    def _latent(self, batch: AlignedBatch, step: LatentStep) -> EditedBatch:
        assert self._model is not None, "a latent step needs a latent model"
        with self.clock.time("edit / move"):
            before, after = self._moved(batch, step)
        with self.clock.time("edit / render"):
            # A model that draws a face anew fades what it drew as the edits fade.
            faded = dataclasses.replace(batch, weights=step.shares(batch).amax(0))
            done = self._model.render(faded, before, after, step.regions)
        return EditedBatch(batch, done.images, done.masks, done.corner)

    def _codes_of(self, batch: AlignedBatch) -> Codes:
        rows = [
            (self._codes[int(track)], int(frame))
            for track, frame in zip(batch.track_id, batch.frame_index, strict=True)
        ]
        w = torch.stack([codes.of(frame) for codes, frame in rows])
        state = torch.stack([codes.state[frame - codes.first_frame] for codes, frame in rows])
        device = batch.images.device
        return Codes(w=w.to(device, non_blocking=True), state=state.to(device, non_blocking=True))


def _fetched(edited: EditedBatch, source: AlignedBatch) -> EditedBatch:
    """Return the edited crops beside those they were made of, in the CPU's memory."""
    if edited.source is source:
        return edited
    both = torch.cat([edited.images, edited.masks], dim=1)
    here = torch.empty(both.shape, dtype=both.dtype, pin_memory=both.is_cuda)
    here.copy_(both)  # the one wait for all that was asked of the device
    return EditedBatch(source, here[:, :3], here[:, 3:], edited.corner)
