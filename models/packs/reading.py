"""What the classifier of a pack says of codes, attribute by attribute."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..attributes import Attribute
from ..base import ModelError
from ..latent_transformer import CELEBA_ATTRIBUTES

Reader = Callable[[Tensor], Tensor]
"""From codes (N, L, D) to how much they have of an attribute (N,), 0–1."""

_BACKWARDS = {row.attribute.name for row in CELEBA_ATTRIBUTES if row.sign < 0}
"""Of the published classifier, whose logits stand for the absence of the attribute (No_Beard)."""
_PUBLISHED = tuple(row.attribute.name for row in CELEBA_ATTRIBUTES)


def reader_of(
    classify: Callable[[Tensor], Tensor], labels: Sequence[str], attribute: Attribute, pack: str
) -> Reader:
    """Return what reads one attribute: a classifier's column of its name, or of an alias of it.

    Args:
        classify: codes to logits (N, A).
        labels: what the logits stand for, A names.
        attribute: which.
        pack: for messages.

    Raises:
        ModelError: the classifier does not read it.
    """
    names = [name for name in (attribute.name, *attribute.aliases) if name in labels]
    if not names:
        raise ModelError(
            f"the classifier of pack {pack!r} does not read {attribute.name!r}, so no level of it "
            f"can be aimed at; it reads {', '.join(labels) or 'nothing'}"
        )
    column = list(labels).index(names[0])
    sign = -1.0 if tuple(labels) == _PUBLISHED and names[0] in _BACKWARDS else 1.0

    def read(w: Tensor) -> Tensor:
        return torch.sigmoid(sign * classify(w)[:, column])

    return read
