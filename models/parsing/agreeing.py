"""A second opinion: label maps mended where a trained network is sure of something else.

A network that was trained on rules' labels averages their faults away. How often it is right where
it differs was counted on the faces that were corrected by hand (`second_opinion_counts` in
`evaluate.py`); from that come the three lists below.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..topology68 import FLIP_68, MESH_TO_68
from .draft import Draft, label_of
from .faces import SIDE, Face
from .model import ParsingModel
from .placing import in_picture
from .regions import Floats, Mask

_SURE: Final = 0.8
"""Share from which on the network overrules or makes doubtful."""
_VERY_SURE: Final = 0.9
"""Share from which on it fills in what the rules leave out."""
_OVERRULES: Final = (
    ("hair", "clothes"),
    ("background", "clothes"),
    ("skin", "clothes"),
    ("skin", "glasses"),
)
"""(rules, network): the network is right in four of five pixels at least."""
_MAKES_DOUBTFUL: Final = (
    ("clothes", "hair"),
    ("clothes", "neck"),
    ("neck", "hair"),
    ("hair", "neck"),
    ("hair", "skin"),
    ("skin", "hair"),
    ("ears", "hair"),
    ("hair", "ears"),
)
"""(rules, network): either is right about as often."""


def opinion(model: ParsingModel, face: Face) -> tuple[Tensor, Mask]:
    """Return shares (13, SIDE, SIDE) at the pixels of a face's picture, the mean of it and its
    mirror image, and where the network looks."""
    points = torch.from_numpy(face.layout.points[list(MESH_TO_68)] * 2 - 0.5).float()
    picture = torch.from_numpy(face.picture).permute(2, 0, 1)[None].float() / 127.5 - 1
    mirrored = points[list(FLIP_68)]
    mirrored[:, 0] = 2 * SIDE - 1 - mirrored[:, 0]
    views = []
    for image, marks in ((picture, points), (picture.flip(-1), mirrored)):
        shares, to_grid = model.parse(image, marks[None])
        views.append(in_picture(shares[0], to_grid[0], SIDE, 2.0))
    (seen, covered), (other, other_covered) = views
    both = covered & other_covered.flip(-1)
    return (seen + other.flip(-1)) / 2, both.numpy()


def agree(draft: Draft, shares: Tensor, covered: Mask) -> None:
    """Mend a draft by shares (13, SIDE, SIDE) of a network in an area."""
    sure: Floats = shares.amax(0).numpy()
    found: NDArray[np.uint8] = shares.argmax(0).numpy().astype(np.uint8)
    rules = draft.labels.copy()
    asked = covered & (draft.weights > 0) & (sure > _SURE)
    for ours, theirs in _OVERRULES:
        area = asked & (rules == label_of(ours)) & (found == label_of(theirs))
        draft.put(theirs, area, weight=0.7)
    for ours, theirs in _MAKES_DOUBTFUL:
        draft.doubt(asked & (rules == label_of(ours)) & (found == label_of(theirs)))
    filled = covered & (draft.weights == 0) & (sure > _VERY_SURE) & (found != label_of("front"))
    filled &= ~asked
    draft.labels[filled] = found[filled]
    draft.weights[filled] = 0.5
