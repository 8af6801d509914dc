"""Teeth white: teeth less yellow and a little lighter; gums, tongue and the dark stay."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from ..imaging.geometry import face_unit
from ..imaging.lips import MouthView
from ..imaging.tones import Floats, gained, log_luma, redness, smoothstep, yellowness
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
_WARM_SKIN = (0.30, 0.20)
"""Both of the skin in such light: where the skin of a clip is warmer, so is its light."""
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
    measured = (yellowness(view.logs), redness(view.logs))
    beside = (float(yellowness(view.skin)), float(redness(view.skin)))
    yellow, red = (
        -share * np.clip(values - (clean + max(skin - warm, 0)), 0, 0.5)
        for values, skin, clean, warm in zip(measured, beside, _CLEAN, _WARM_SKIN, strict=True)
    )
    dull = 1 - smoothstep(log_luma(view.logs), *_BRIGHT)
    return _mixed(yellow, red, _LIGHTER * strength * dull)


def _yellower(view: MouthView, strength: float) -> Floats:
    ones = np.ones_like(view.inside)
    return _mixed(*(-strength * amount * ones for amount in _STAINED))


def _mixed(yellow: Floats, red: Floats, luma: Floats) -> Floats:
    """Return the change of log RGB (3, h, w) that changes yellowness, redness and log luma so."""
    # Yellow is taken out by blue, which is the least of luma.
    return np.stack([luma + 0.4 * red, luma - 0.4 * red, luma - yellow - 0.2 * red])


def build(kit: Kit) -> TeethWhite:
    """Return the editor."""
    return TeethWhite(kit)
