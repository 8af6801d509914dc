"""Teeth white: teeth less yellow and a little lighter; gums, tongue and the dark stay."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from ..imaging.geometry import face_unit
from ..imaging.lips import MouthView
from ..imaging.tones import (
    Floats,
    cast_of,
    gained,
    log_luma,
    mixed,
    redness,
    smoothstep,
    yellowness,
)
from ..request import Edit
from ..types import AlignedBatch, EditedBatch
from ._attribute import Attribute
from ._base import Change, Editor, EditorSpec, Kit, in_part

SPEC = EditorSpec(
    name="teeth-white",
    summary="takes the yellow out of teeth and lightens them a little",
    attributes=(
        Attribute(
            "teeth-white",
            "teeth whiter, as after a visit to the dentist; below 0 they are yellower",
            aliases=("whiten-teeth", "teeth-whitening"),
            low=-2.0,
            high=2.0,
            needs=frozenset({"mouth"}),
        ),
    ),
)

_CLEANED = 0.42
"""Share of the excess of yellow and red that strength 1 takes out."""
_MOST_CLEANED = 0.75
_CLEAN = (0.04, 0.03)
"""Yellowness and redness of white teeth in neutral light."""
_LIGHTER = 0.07
"""Log luma that strength 1 adds."""
_BRIGHT = (-0.5, -0.05)
"""Log luma (0 is white) from which on teeth are lightened less, and not at all."""
_STAINED = (0.10, 0.03, -0.06)
"""What strength -1 adds to yellowness, redness and log luma."""


class TeethWhite(Editor):
    """Whitens teeth."""

    spec = SPEC

    def apply(
        self, batch: AlignedBatch, edit: Edit, amount: Tensor, prepared: object
    ) -> EditedBatch:
        """Return crops with whiter teeth."""
        del edit, prepared
        points = batch.landmarks.cpu().numpy()
        changes: list[Change | None] = []
        for n, strength in enumerate(amount.tolist()):
            picture = batch.images[n].cpu().numpy()
            view = None
            if strength:
                view = MouthView.of(picture, points[n], float(face_unit(points[n])))
            if view is None:
                changes.append(None)
                continue
            teeth = view.teeth()
            change = _whiter(view, strength) if strength > 0 else _yellower(view, strength)
            edited = gained(picture[:, view.rows, view.columns], change * (teeth > 0))
            changes.append(view.change(edited, teeth))
        return in_part(batch, changes)


def _whiter(view: MouthView, strength: float) -> Floats:
    """Return the change of log colours (3, h, w) of teeth."""
    share = min(_CLEANED * strength, _MOST_CLEANED)
    measured, cast = ((yellowness(logs), redness(logs)) for logs in (view.logs, cast_of(view.skin)))
    yellow, red = (
        -share * np.clip(values - (clean + float(light)), 0, 0.5)
        for values, light, clean in zip(measured, cast, _CLEAN, strict=True)
    )
    dull = 1 - smoothstep(log_luma(view.logs), *_BRIGHT)
    return mixed(yellow, red, _LIGHTER * strength * dull)


def _yellower(view: MouthView, strength: float) -> Floats:
    ones = np.ones_like(view.inside)
    return mixed(*(-strength * amount * ones for amount in _STAINED))


def build(kit: Kit) -> TeethWhite:
    """Return the editor."""
    return TeethWhite(kit)
