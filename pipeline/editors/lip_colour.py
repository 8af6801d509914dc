"""Lip colour: lips towards a colour, or below 0 paler; their gloss, folds and shade stay.

Every pixel of the lips is multiplied by the same factor per channel, the one that takes their
median to the colour. A pixel that shines shows the light more than the lips, and takes less of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from ..imaging.geometry import face_unit
from ..imaging.lips import MouthView
from ..imaging.tones import Floats, cast_of, gained, log_luma, redness, smoothstep, yellowness
from ..request import Edit
from ..types import AlignedBatch, EditedBatch
from ._attribute import Attribute
from ._base import Change, Editor, EditorSpec, Kit, in_part
from ._colour import ColourOptions

COLOURS = {
    "rose": "#ad4f57",
    "nude": "#b98373",
    "coral": "#cc5c50",
    "pink": "#c9667a",
    "red": "#a5222b",
    "berry": "#8a2d45",
    "plum": "#6c293b",
    "brown": "#7d463c",
}
"""Of lips in good light, by name."""


@dataclass(frozen=True, slots=True)
class Options(ColourOptions):
    """What `--set lip-colour.NAME=VALUE` may set."""

    editor = "lip-colour"
    names = COLOURS

    colour: str = "rose"
    """A name in `COLOURS`, or #rrggbb."""


SPEC = EditorSpec(
    name="lip-colour",
    summary="gives lips a colour (--set lip-colour.colour=red, or #rrggbb)",
    attributes=(
        Attribute(
            "lip-colour",
            "lips have the colour set, rose by default; below 0 they are paler",
            aliases=("lipstick", "lip-color"),
            low=-1.0,
            high=1.3,
            needs=frozenset({"mouth"}),
        ),
    ),
    options=Options,
)

_SHARE = 0.85
"""Of the way to the colour that strength 1 goes."""
_PALER = 0.42
"""Of the way to the skin's colour that strength -1 goes."""
_SHINING = (0.25, 0.7)
"""Log luma over the median of the lips at which they begin to shine, and do."""
_SHINE_SHARE = 0.65
"""Of the change, that what shines is spared."""
_LIGHTER, _SKIN_LIGHTER = 0.35, 0.7
"""Shares of the way to a lighter colour: what lies on lips takes light away more than it adds."""
_GOOD_LIGHT = -0.45
"""Log luma of skin in the light that the colours are meant for; in dimmer light they are darker."""
_GOOD_GRADE = 0.47
"""Redness and yellowness of skin together, as the colours are meant; in a paler picture they are
paler, too."""
_MOST = 0.9
"""Bound of the change of a log colour."""


class LipColour(Editor):
    """Colours lips."""

    spec = SPEC

    def apply(
        self, batch: AlignedBatch, edit: Edit, amount: Tensor, prepared: object
    ) -> EditedBatch:
        """Return crops with coloured lips."""
        del prepared
        colour = Options.goal(edit)
        points = batch.landmarks.cpu().numpy()
        units = face_unit(points)
        changes: list[Change | None] = []
        for n, strength in enumerate(amount.tolist()):
            picture = batch.images[n].cpu().numpy()
            view = MouthView.of(picture, points[n], float(units[n])) if strength else None
            if view is None:
                changes.append(None)
                continue
            way = strength * (_way(colour, view) if strength > 0 else -_way_to_skin(view))
            change = np.clip(way, -_MOST, _MOST)
            part = picture[:, view.rows, view.columns]
            edited = gained(part, change[:, None, None] * _dull(view) * (view.lips > 0))
            changes.append(view.change(edited, view.lips))
        return in_part(batch, changes)


def _way(colour: Floats, view: MouthView) -> Floats:
    """Return the change (3,) of log colours of strength 1."""
    grade = float(redness(view.skin) + yellowness(view.skin)) / _GOOD_GRADE
    light = min(0.7 * (float(log_luma(view.skin)) - _GOOD_LIGHT), 0)
    luma = log_luma(colour)
    goal = luma + light + min(max(grade, 0.3), 1) * (colour - luma) + cast_of(view.skin)
    return np.float32(_SHARE) * _dimmed(goal - view.lip, view, _LIGHTER)


def _way_to_skin(view: MouthView) -> Floats:
    return np.float32(_PALER) * _dimmed(view.skin - view.lip, view, _SKIN_LIGHTER)


def _dimmed(way: Floats, view: MouthView, share: float) -> Floats:
    """Return a change (3,) of the lips' log colours with a share of what it adds to their luma."""
    added = float(log_luma(view.lip + way) - log_luma(view.lip))
    return way - np.float32(max(added, 0) * (1 - share))


def _dull(view: MouthView) -> Floats:
    """Return how much of the change each pixel takes, (h, w)."""
    over = log_luma(view.logs) - float(log_luma(view.lip))
    return 1 - np.float32(_SHINE_SHARE) * smoothstep(over, *_SHINING)


def build(kit: Kit) -> LipColour:
    """Return the editor."""
    return LipColour(kit)
