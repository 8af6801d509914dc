"""Retouch: wrinkles, bags, shine, spots and evenness of a face's own skin, more of them or less.

What is changed is the detail that is there (`imaging/detail.py`), band by band; only the folds that
age would add are learnt, and they too follow a face's own faint lines (`models/folds`). Pores and
grain stay. What is no open skin over the shot (beard, glasses, brows, lids, lips, hair) is left
alone, and so is what passes before the face in single frames.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..imaging.geometry import head_pose, yaw_weight
from ..imaging.retouching import Maps, Skin, recipe
from ..imaging.skin_drawing import drawn
from ..request import Edit
from ..types import AlignedBatch, EditedBatch
from ._attribute import Attribute
from ._base import PARSING, Artefact, Change, Editor, EditorSpec, Kit, Shot, Work, in_part
from ._skin import frames_of, gathered, glances, share_of


@dataclass(frozen=True, slots=True)
class Options:
    """What counts as what."""

    moles: bool = False
    """Whether `blemishes` is about moles, too: a face is known by them."""

    @classmethod
    def of(cls, edit: Edit) -> Options:
        """Return the options of an edit."""
        return cls(**dict(edit.options))  # type: ignore[arg-type]  # checked when it was resolved


SPEC = EditorSpec(
    name="retouch",
    summary="more or less of the detail of a face's own skin; pores and grain stay",
    attributes=(
        Attribute(
            "wrinkles",
            "own folds deepened, and those to come begun; -1: own folds two thirds gone",
            aliases=("folds",),
            low=-1.5,
            high=1.5,
        ),
        Attribute(
            "eye-bags",
            "bags and dark rings under the eyes stronger; -1: most of them gone",
            aliases=("bags", "dark-circles"),
            low=-1.2,
            high=1.5,
        ),
        Attribute(
            "shine",
            "glossy skin glossier; -1: powdered",
            aliases=("gloss",),
            low=-1.2,
            high=1.0,
        ),
        Attribute(
            "blemishes",
            "spots and freckles stand out; -1: gone, moles stay",
            aliases=("spots",),
            low=-1.0,
            high=1.0,
        ),
        Attribute(
            "skin-tone",
            "red and pale patches evened out; below 0 they stand out",
            aliases=("even-skin",),
            low=-0.7,
            high=1.0,
        ),
        Attribute(
            "smooth-skin",
            "skin smoother by two thirds, pores stay; below 0 it is rougher",
            aliases=("skin", "retouch"),
            low=-0.8,
            high=1.0,
        ),
    ),
    needs=frozenset({"folds", PARSING}),
    options=Options,
    version=2,
)

_FOLDS_FADE = (25.0, 50.0)
"""Yaw [deg] up to which learnt folds are whole, and from which there are none."""
_SEED_FADE = (8.0, 30.0)
"""The same, of the median over the shot, for patterns that were learnt on frontal faces."""
_SEED = 0.4


class Retouch(Editor):
    """Scales the detail of skin."""

    spec = SPEC

    def depends(self, shot: Shot, edit: Edit) -> Mapping[str, object]:
        """Return what is gathered from: whatever the edit, it is the same."""
        del edit
        return shot.facts()

    def prepare_all(self, shots: Sequence[Shot], edit: Edit, work: Work) -> dict[int, Artefact]:
        """Return how the faces look in their own frames, seen in one pass over the clip."""
        del edit
        return gathered(work.looked(glances, {shot.key: frames_of(shot) for shot in shots}))

    def opened(self, shot: Shot, artefact: Artefact) -> Skin:
        """Return the maps of a face's skin."""
        del shot
        look, shares = artefact.tensors["look"].float()[None], artefact.tensors.get("shares")
        skin = glasses = None
        if shares is not None:
            skin, glasses = share_of(shares, "skin", "nose"), share_of(shares, "glasses")
        seen = Skin.of(look, skin, glasses)
        yaw = torch.tensor(artefact.facts["yaw"]).double().numpy()
        seed = _SEED * float(yaw_weight(yaw, full=_SEED_FADE[0], none=_SEED_FADE[1]))
        network = self.kit.network("folds")
        with torch.inference_mode():
            there = (seen.fold.to(self.kit.device), seen.open.to(self.kit.device))
            folds = network(*there, seed=seed).cpu()
        return seen.completed(folds, artefact.tensors["lids"].numpy())

    def apply(self, batch: AlignedBatch, edit: Edit, amount: Tensor, prepared: Any) -> EditedBatch:
        """Return crops with one edit."""
        return self.apply_row(batch, [edit], amount[None], prepared)

    def apply_row(
        self, batch: AlignedBatch, edits: Sequence[Edit], amounts: Tensor, prepared: Any
    ) -> EditedBatch:
        """Return crops with all edits, their gains added up."""
        skin: Skin = prepared
        landmarks, strengths = skin.steady(batch.landmarks.cpu().numpy()), amounts.T.tolist()
        fades = np.zeros(len(batch))
        if any(edit.attribute == "wrinkles" for edit in edits):
            yaws = head_pose(landmarks)[:, 0]
            fades = yaw_weight(yaws, full=_FOLDS_FADE[0], none=_FOLDS_FADE[1])
        changes: list[Change | None] = []
        for n in range(len(batch)):
            maps = Maps()
            for edit, amount in zip(edits, strengths[n], strict=True):
                moles = Options.of(edit).moles
                maps = maps + recipe(edit.attribute, skin, amount, moles=moles)
            part = None
            if not maps.is_none:
                part = drawn(
                    batch.images[n : n + 1],
                    landmarks[n],
                    skin,
                    maps,
                    parsing=None if batch.parsing is None else batch.parsing[n : n + 1],
                    folds=float(fades[n]),
                )
            changes.append(None if part is None else (*part[0], part[1][0], part[2][0]))
        return in_part(batch, changes)


def build(kit: Kit) -> Retouch:
    """Return the editor."""
    return Retouch(kit)
