"""An attribute as the pipeline sees it, from the record that `models` keeps of it."""

from __future__ import annotations

from ..editors import FACE, Attribute
from .seam import models


def offered(record: models.attributes.Attribute, *, face_only: bool = False) -> Attribute:
    """Return what is offered to users of an attribute; `face_only`: nothing else can be changed."""
    return Attribute(
        *(record.name, record.summary, record.aliases, record.low, record.high),
        experimental=record.experimental,
        regions=FACE if face_only else frozenset(record.regions),
        needs=frozenset(record.needs),
    )


def left_out(sentences: tuple[str, ...]) -> dict[str, str]:
    """Return the setting of a pack that says what was added to it and cannot be used."""
    return {"left aside": "; ".join(sentences)} if sentences else {}
