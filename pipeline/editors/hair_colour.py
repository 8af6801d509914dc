"""Hair colour: hair in another colour, lighter or darker, or greyer; its strands stay.

What the hair of a face looks like, and where it hangs beyond what the face's parsing sees, is found
once for a shot; so colour and place do not change with every frame, only the edge does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..imaging.hair import Found, Hair, Sight, learnt
from ..imaging.hair_grey import greyed
from ..imaging.hair_place import PARSED_WIDER
from ..imaging.hair_tones import HairTone, dyed, lightened, recoloured
from ..imaging.parsing import Region
from ..imaging.tones import Floats
from ..request import Edit
from ..types import AlignedBatch, CropRule, EditedBatch
from ._attribute import Attribute
from ._base import PARSING, Artefact, Editor, EditorSpec, Kit, Shot, Work
from ._colour import ColourOptions

COLOURS = {
    "auburn": "#673a28",
    "black": "#1c1917",
    "brown": "#4b3528",
    "chestnut": "#593a2c",
    "blond": "#b9956d",
    "platinum": "#d2c6b2",
    "copper": "#965a39",
    "red": "#743a2c",
    "blue": "#3c5478",
    "green": "#4a6a55",
    "pink": "#b98494",
    "purple": "#5c4670",
}
"""Of hair in good light, by name."""
HAIR: frozenset[Region] = frozenset({"face", "hair"})


@dataclass(frozen=True, slots=True)
class Options(ColourOptions):
    """What `--set hair-colour.NAME=VALUE` may set."""

    editor = "hair-colour"
    names = COLOURS

    colour: str = "auburn"
    """A name in `COLOURS`, or #rrggbb."""


SPEC = EditorSpec(
    name="hair-colour",
    summary="gives hair a colour (--set hair-colour.colour=copper, or #rrggbb), depth, or grey",
    attributes=(
        Attribute(
            "hair-colour",
            "hair has the colour set, auburn by default; below 0 it turns to ash",
            aliases=("hair-color", "hair"),
            low=-1.0,
            high=1.2,
            regions=HAIR,
        ),
        Attribute(
            "hair-lightness",
            "hair lighter by about a level; below 0 it is darker",
            aliases=("hair-lighter",),
            low=-2.0,
            high=2.0,
            regions=HAIR,
        ),
        Attribute(
            "hair-grey",
            "temples grey, a third of the strands on top white; below 0 fewer pale strands",
            aliases=("hair-gray", "grey-hair", "gray-hair"),
            low=-1.0,
            high=2.0,
            regions=HAIR,
        ),
    ),
    needs=frozenset({PARSING}),
    crop=CropRule(side_eyes=5.0),
    options=Options,
    version=3,
)

_LOOKED_AT = 16
"""Frames of a shot that are looked at."""


class HairColour(Editor):
    """Colours hair; edits in a row share one matte."""

    spec = SPEC

    def depends(self, shot: Shot, edit: Edit) -> Mapping[str, object]:
        """Return what an artefact depends on: neither on the attribute nor on the colour."""
        return shot.facts()

    def prepare(self, shot: Shot, edit: Edit, work: Work) -> Artefact:
        """Return the colours of the hair, and where it hangs."""
        del edit
        rows = np.flatnonzero(shot.track.weights) + shot.track.first_frame
        chosen = rows[np.linspace(0, len(rows) - 1, min(_LOOKED_AT, len(rows))).round().astype(int)]
        sights = []
        for done, batch in enumerate(work.crops(chosen.tolist())):
            wide = work.parsed(batch, wider=PARSED_WIDER)
            assert wide is not None, "the passes tell what crops show where"
            every = (Sight.of(batch, wide, n) for n in range(len(batch)))
            sights += [seen for seen in every if seen is not None]
            work.step(done + 1, len(chosen))
        found = learnt(sights)
        return Artefact({name: torch.from_numpy(value) for name, value in found.items()})

    def opened(self, shot: Shot, artefact: Artefact) -> Hair | None:
        """Return what is known of the hair; None if there is none."""
        del shot
        return Hair.of({name: value.numpy() for name, value in artefact.tensors.items()})

    def apply(
        self, batch: AlignedBatch, edit: Edit, amount: Tensor, prepared: Hair | None
    ) -> EditedBatch:
        """Return crops with hair in another colour."""
        return self.apply_row(batch, (edit,), amount[None], prepared)

    def apply_row(
        self, batch: AlignedBatch, edits: Sequence[Edit], amounts: Tensor, prepared: Hair | None
    ) -> EditedBatch:
        """Return crops with hair changed by several edits, one after the other."""
        images = batch.images.clone()
        masks = torch.zeros_like(images[:, :1])
        for n, strengths in enumerate(amounts.T.tolist()):
            if prepared is None or not any(strengths):
                continue
            found = prepared.seen(batch, n)
            if found is None:
                continue
            hair, tone = found.hair, prepared.tone
            for edit, strength in zip(edits, strengths, strict=True):
                if strength:
                    hair, tone = _edited(hair, found, tone, edit, strength)
            part = batch.images[n, :, found.rows, found.columns].cpu().numpy()
            mixed = np.clip(part + found.matte * (hair - found.hair), -1, 1)
            reached = torch.from_numpy((found.matte > 0).astype(np.float32))
            images[n, :, found.rows, found.columns] = torch.from_numpy(mixed)
            masks[n, 0, found.rows, found.columns] = reached
        return EditedBatch(batch, images, masks)


def _edited(
    hair: Floats, found: Found, tone: HairTone, edit: Edit, strength: float
) -> tuple[Floats, HairTone]:
    """Return hair after one edit, and what it looks like then."""
    if edit.attribute == "hair-grey":
        return greyed(hair, found.matte, found.early, tone, found.eyes, strength), tone
    if edit.attribute == "hair-lightness":
        dye = lightened(tone, strength)
    else:
        dye = dyed(tone, Options.goal(edit), strength)
    return recoloured(hair, dye), dye.after()


def build(kit: Kit) -> HairColour:
    """Return the editor."""
    return HairColour(kit)
