"""The attributes a portrait pack can move: what each is trained on, what it must leave alone, how
it is offered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ..attributes import Attribute

_POSE_AND_LIGHT: Final = ("yaw", "pitch", "light_x", "light_y")


@dataclass(frozen=True, slots=True, kw_only=True)
class PortraitAttribute(Attribute):
    """One attribute with its recipe."""

    rated: str
    """Rating column that is moved."""
    covariates: tuple[str, ...]
    """Columns held fixed when the direction is estimated."""
    exempt: tuple[str, ...] = ()
    """Columns that may move freely when the transformer is trained."""
    along: tuple[tuple[str, float], ...] = ()
    """Columns that go with it, each with how many SD per unit: what the name promises beyond the
    rating."""
    ceiling: float = 10.0
    """Predicted level (SD) from which a move is slowed; 10 means never."""


PORTRAIT_ATTRIBUTES: Final[tuple[PortraitAttribute, ...]] = (
    PortraitAttribute(
        name="smile",
        summary="wider mouth, raised corners and cheeks, lips stay as parted as they are",
        rated="happy",
        covariates=("gap", "age", "weight", "gender", "skin-color", *_POSE_AND_LIGHT),
        exempt=("eye_open", "outgoing", "trustworthy", "alert", "smug"),
        aliases=("smiling", "happy", "closed-smile"),
        needs=("mouth",),
    ),
    PortraitAttribute(
        name="toothy-smile",
        summary="a smile that parts the lips and shows teeth",
        rated="happy",
        covariates=("age", "weight", "gender", "skin-color", *_POSE_AND_LIGHT),
        exempt=("eye_open", "gap", "outgoing", "trustworthy", "alert", "smug"),
        along=(("gap", 0.25),),
        aliases=("open-smile", "teeth", "grin", "toothy"),
        needs=("mouth",),
        low=-2.0,
        high=2.5,
    ),
    PortraitAttribute(
        name="weight",
        summary="fuller cheeks and jaw",
        rated="weight",
        covariates=("happy", "age", "gender", "skin-color", "yaw", "light_x", "light_y"),
        exempt=("eye_open", "gap", "pitch"),
        along=(("gap", -0.1),),
        aliases=("chubby", "heavy", "fat"),
        ceiling=2.5,
    ),
    PortraitAttribute(
        name="age",
        summary="older: looser contour, coarser skin",
        rated="age",
        covariates=("happy", "gap", "weight", "gender", "skin-color", *_POSE_AND_LIGHT),
        exempt=(),
        aliases=("old", "older"),
        ceiling=2.5,
        experimental=True,
    ),
    PortraitAttribute(
        name="gender",
        summary="more masculine: brows, jaw, beard shadow; negative: fuller lips, smoother skin",
        rated="gender",
        covariates=("happy", "gap", "age", "weight", "skin-color", *_POSE_AND_LIGHT),
        exempt=("eye_open",),
        aliases=("masculine", "male"),
        high=1.5,
        ceiling=2.5,
        experimental=True,
    ),
)
"""Every attribute of the embedded pack, in the order they are shown."""
