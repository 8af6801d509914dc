"""Protect: what is not of the face keeps its pixels, whatever the editors do.

What lies before a face (print, hands, microphones, hair, rims of glasses) is taken away before an
edit, what is under it guessed from beside it, and put back afterwards: so it is neither carried
along nor doubled. A picture that fades takes the edit along.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..causes import FADED, HELD_OUT, IN_FRONT
from ..imaging.fading import Fade
from ..imaging.filling import Beside, filled, grown
from ..imaging.front import before_faces, person_behind, seen_whole
from ..imaging.geometry import eye_distance
from ..imaging.masks import unseen_mask
from ..imaging.occlusion import hidden_by_colour
from ..imaging.overlays import printed
from ..imaging.sampling import blurred
from ..types import AlignedBatch, EditedBatch

_EDGE_PX = 2
"""How far the edge of what is before a face spreads, by compression and colour at half size."""
_SURROUNDINGS = 0.025
"""Half of how far beside letters nothing is edited [outer eye distances]."""
Floats = NDArray[np.float32]
Hidden = Callable[[AlignedBatch], Tensor | None]
"""Says what is in front of the faces of a batch, (N, 1, S, S) 0–1, on the CPU as the batch is."""


@dataclass(frozen=True, slots=True)
class Protection:
    """What is known of the faces of a clip to tell what is not of them."""

    tones: Mapping[int, NDArray[np.float32]] = field(default_factory=dict)
    """By track, (2,) the usual tone of the face (see `fading.tones`)."""
    hidden: Mapping[int, Hidden] = field(default_factory=dict)
    """By track, what tells more than the colours do."""
    occlusion: bool = True
    """Whether what lies in front of a face is kept."""
    spares_hair: bool = True
    """Whether hair in front of a face is kept, too: not where it is what is to be edited."""
    spares_glasses: bool = True
    """Whether rims of glasses are kept, too: not where the head moves on which they sit."""

    def around(
        self,
        batch: AlignedBatch,
        edit: Callable[[AlignedBatch], EditedBatch],
        held: Tensor | None = None,
    ) -> EditedBatch:
        """Return an edit of crops of one track, on the CPU, made of them as they are without fade
        and without what is before the faces.

        `held`: (N, 1, S, S) 0–1 where the user's mattes keep the plate.
        """
        fade = self._fade(batch)
        if fade is None:
            return self._behind(batch, edit, held)
        edited = fade.put_on(self._behind(fade.taken_back(batch), edit, held), batch)
        return _with_left(edited, FADED, fade.left[:, 0, 0, 0])

    def _behind(
        self,
        batch: AlignedBatch,
        edit: Callable[[AlignedBatch], EditedBatch],
        held: Tensor | None,
    ) -> EditedBatch:
        """Return an edit of crops made of them without what is before the faces."""
        own = self._front(batch)
        front = _larger(own, held)
        # More is filled than is put back: nothing of an edge is carried along. A matte is taken at
        # its word: it may end amid a face, where a guess beyond it would show.
        covered = _larger(None if own is None else grown(own, _EDGE_PX), held)
        if front is None or covered is None:
            return self._seen(edit(batch))
        bare = dataclasses.replace(batch, images=filled(batch.images, covered, _beside(batch)))
        edited = self._seen(edit(bare))
        rows, columns = edited.part
        here, below = batch.images[:, :, rows, columns], bare.images[:, :, rows, columns]
        share = front[:, :, rows, columns]
        # What an edit changes is put on what is there: where a share of a pixel is before the face,
        # at the edges of hair above all, the guess of what is under it would show instead.
        changed = (here + (edited.images - below)).clamp_(-1, 1)
        images = torch.where(share >= 1, here, changed)
        before = dataclasses.replace(edited, source=batch, images=images)
        if own is not None:
            before = _masked(before, edited.masks * (1 - own[:, :, rows, columns]))
        return before if held is None else _masked(before, edited.masks * (1 - share), HELD_OUT)

    def _front(self, batch: AlignedBatch) -> Tensor | None:
        """Return how surely pixels show what is before the faces, (N, 1, S, S) 0–1; None: none."""
        if not self.occlusion:
            return None
        front: Tensor | None = None
        for found in self._found(batch):
            front = _larger(front, found)
        return front

    def _found(self, batch: AlignedBatch) -> Iterator[Tensor]:
        """Yield what is before the faces, (N, 1, S, S) 0–1, where anything is."""
        side = batch.images.shape[-1]
        letters = printed(batch.images, batch.landmarks)
        finds = [None if letters is None else _with_surroundings(letters, batch.landmarks)]
        if batch.parsing is not None:
            rims = self.spares_glasses
            finds.append(
                before_faces(batch.parsing, batch.landmarks, side, letters=letters, rims=rims)
            )
        if self.spares_hair:
            finds.append(hidden_by_colour(batch.images, batch.landmarks))
            finds.append(self._departed(batch))
        yield from (found for found in finds if found is not None)

    def _departed(self, batch: AlignedBatch) -> Tensor | None:
        """Return what only the whole shot tells, of faces that their parsing does not see whole."""
        tell = self.hidden.get(int(batch.track_id[0]))
        if tell is None or batch.parsing is None:
            return None if tell is None else tell(batch)
        whole = torch.from_numpy(seen_whole(batch.parsing, batch.landmarks))
        found = None if bool(whole.all()) else tell(batch)
        return None if found is None else found * ~whole[:, None, None, None]

    def _seen(self, edited: EditedBatch) -> EditedBatch:
        """Return an edit without the parts of the faces that are covered."""
        source = edited.source
        if not self.occlusion or source.parts is None or not edited.masks.any():
            return edited
        unseen = unseen_mask(source.landmarks, source.parts, source.images.shape[-1])
        if unseen is None:
            return edited
        rows, columns = edited.part
        return _masked(edited, edited.masks * (1 - unseen[:, :, rows, columns]))

    def _fade(self, batch: AlignedBatch) -> Fade | None:
        """Return how faded the crops are against the rest of their shots."""
        tones = [self.tones.get(int(track)) for track in batch.track_id]
        if not tones or any(tone is None for tone in tones):
            return None
        return Fade.of(batch, np.stack([tone for tone in tones if tone is not None]))


def _with_surroundings(letters: Tensor, landmarks: Tensor) -> Tensor:
    """Return letters (N, 1, S, S) with a smooth seam: of thin ones parts are missed, and what is
    missed would be carried along."""
    out = []
    for n, eyes in enumerate(eye_distance(landmarks.double().numpy())):
        reach = max(1, round(_SURROUNDINGS * float(eyes)))
        out.append(blurred(grown(letters[n : n + 1], 2 * reach), reach / 2))
    return (torch.cat(out) * 1.1 - 0.05).clamp(0, 1)


def _beside(batch: AlignedBatch) -> Beside | None:
    """Return what is known of how crops go on under what covers them; None: nothing."""
    parsing = batch.parsing
    if parsing is None:
        return None
    features = parsing.of("lips", "mouth", "eyes", "brows")
    both = torch.cat([person_behind(parsing), features], dim=1)

    def told(n: int, rows: slice, columns: slice) -> tuple[Floats, Floats]:
        person, ending = parsing[n : n + 1].sampled(both[n : n + 1], rows, columns)[0].numpy()
        return person, ending

    return told


def _larger(one: Tensor | None, other: Tensor | None) -> Tensor | None:
    """Return the larger of two masks, either of which may be missing."""
    if one is None or other is None:
        return one if other is None else other
    return torch.maximum(one, other)


def _masked(edited: EditedBatch, masks: Tensor, cause: str = IN_FRONT) -> EditedBatch:
    """Return an edit with less of its masks, and what share of them is left."""
    before, after = (m.sum((1, 2, 3)) for m in (edited.masks, masks))
    share = torch.where(before > 0, after / before.clamp_min(1e-6), 1.0)
    return _with_left(dataclasses.replace(edited, masks=masks), cause, share)


def _with_left(edited: EditedBatch, cause: str, share: Tensor) -> EditedBatch:
    """Return an edit of which a cause leaves a share (N,) 0–1."""
    left = {**edited.left, cause: edited.left.get(cause, 1.0) * share}
    return dataclasses.replace(edited, left=left)
