"""Learn from older faces which way folds run, how deep they are, and how they look at each place.

Everything is learnt from the difference between older faces and young adults: what both have, such
as the edge of a nose, is no fold. Faces are seen in their own frame, with their mirror images.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..base import ModelError
from ..ops.gaussian import blurred
from .net import FLOW_SIDE, PATTERN_SIDE, FoldModel, along_folds

_OLD, _YOUNG = 43.0, (17.0, 30.0)
"""Rated ages of older faces, and of young adults."""
_SHADOW, _LIGHT = -0.3, 0.2
"""Bounds of a fold's log luma: beyond lie edges of other things."""
_GROUPS, _ROUNDS, _LEAST_FACES = 6, 25, 15
"""Patterns looked for at each place, rounds of the search, and faces that make one."""
_SEEN = 0.55
"""Share of a place that must be skin for a face to count there."""
_EVEN, _DEEPEST = 0.6, 0.037
"""Power that brings deep and shallow places nearer to each other, and the depth at the fold from
nose to mouth [log luma]: about eight years."""


@dataclass(frozen=True, slots=True)
class Faces:
    """Frontal faces in their own frame."""

    fold: Tensor
    """(N, M, M) float16, the band of log luma that holds folds."""
    skin: Tensor
    """(N, M, M) uint8, share of open skin, 255 for all; 0 under glasses."""
    ages: Tensor
    """(N,) rated."""
    places: Tensor
    """(R, M, M) float32 0–1, the parts of a face; of a pair the right one of the picture."""
    one_side: Tensor
    """(R,) bool, whether a part has a twin on the other side."""


def read_frames(path: Path) -> Faces:
    """Return the faces of an .npz that `samples/see_in_frame.py` wrote.

    Raises:
        ModelError: it is missing, or holds something else.
    """
    try:
        with np.load(path) as archive:
            arrays = {name: torch.from_numpy(archive[name]) for name in Faces.__slots__}
    except (OSError, KeyError, ValueError) as e:
        raise ModelError(f"{path} cannot be read: {e}; make it with samples/see_in_frame.py") from e
    return Faces(**arrays)


def learn_folds(faces: Faces) -> FoldModel:
    """Return what older faces have that young adults have not."""
    young = (faces.ages > _YOUNG[0]) & (faces.ages < _YOUNG[1])
    old = faces.ages > _OLD
    usual = _mean_fold(faces, young)
    tensors = [_tensor(faces, which) for which in (old, young)]
    flow = _flow(tensors[0] - 0.5 * tensors[1])
    power = [_line_power(faces, which, usual, flow) for which in (old, young)]
    patterns, place = _patterns(faces, old, usual, flow)
    model = FoldModel(len(patterns))
    model.flow.copy_(_small(flow[None], FLOW_SIDE)[0])
    model.depth.copy_(_depth(power[0] - power[1], faces))
    model.patterns.copy_(patterns)
    model.place.copy_(place)
    model.one_side.copy_(faces.one_side[place])
    return model.eval()


def _row(faces: Faces, index: int) -> tuple[Tensor, Tensor]:
    """Return the fold band and the skin (M, M) of one face."""
    return faces.fold[index].float().clamp(_SHADOW, _LIGHT), faces.skin[index].float() / 255


def _mean_fold(faces: Faces, which: Tensor) -> Tensor:
    """Return the mean band (M, M) of some faces and their mirror images."""
    total, weight = torch.zeros_like(faces.places[0]), torch.zeros_like(faces.places[0])
    for index in which.nonzero()[:, 0].tolist():
        fold, skin = _row(faces, index)
        total, weight = total + fold * skin, weight + skin
    return (total + total.flip(1)) / (weight + weight.flip(1)).clamp_min(1e-3)


def _tensor(faces: Faces, which: Tensor) -> Tensor:
    """Return the mean structure tensor (3, M, M): xx, xy, yy of the gradients of the band."""
    total, weight = torch.zeros(3, *faces.places[0].shape), torch.zeros_like(faces.places[0])
    for index in which.nonzero()[:, 0].tolist():
        fold, skin = _row(faces, index)
        soft = blurred(fold[None], 1.5, 5, edges="reflect")[0]
        y, x = (g.clamp(-0.025, 0.025) for g in torch.gradient(soft))
        total += torch.stack([x * x, x * y, y * y]) * skin
        weight += skin
    mirror = torch.tensor([1.0, -1.0, 1.0])[:, None, None]
    return (total + mirror * total.flip(2)) / (weight + weight.flip(1)).clamp_min(1e-3)


def _flow(tensor: Tensor) -> Tensor:
    """Return the direction across which least changes, (2, M, M) as (cos 2θ, sin 2θ)."""
    xx, xy, yy = blurred(tensor, 5.0, 15, edges="reflect")
    doubled = torch.stack([yy - xx, -2 * xy])  # along, not across
    flow: Tensor = doubled / doubled.norm(dim=0, keepdim=True).clamp_min(1e-9)
    return flow


def _lines(faces: Faces, index: int, usual: Tensor, flow: Tensor) -> Tensor:
    fold, skin = _row(faces, index)
    return along_folds(((fold - usual) * skin)[None, None], flow)[0, 0]


def _line_power(faces: Faces, which: Tensor, usual: Tensor, flow: Tensor) -> Tensor:
    """Return the mean square (M, M) of the lines of some faces."""
    total, weight = torch.zeros_like(usual), torch.zeros_like(usual)
    for index in which.nonzero()[:, 0].tolist():
        skin = faces.skin[index].float() / 255
        total += _lines(faces, index, usual, flow).square() * skin
        weight += skin
    return (total + total.flip(1)) / (weight + weight.flip(1)).clamp_min(1)


def _depth(power: Tensor, faces: Faces) -> Tensor:
    """Return how deep folds are (FLOW_SIDE, FLOW_SIDE) [log luma], for a gain of power (M, M)."""
    depth = blurred(power[None], 4.0, 12, edges="reflect").clamp_min(0).sqrt() ** _EVEN
    deepest = (depth[0] * (faces.places > 0.9)).flatten(1).mean(1) / (
        (faces.places > 0.9).float().flatten(1).mean(1).clamp_min(1e-6)
    )
    return _small(depth[None] * (_DEEPEST / deepest.max()), FLOW_SIDE)[0, 0]


def _patterns(faces: Faces, which: Tensor, usual: Tensor, flow: Tensor) -> tuple[Tensor, Tensor]:
    """Return patterns (P, PATTERN_SIDE, PATTERN_SIDE) and the numbers of their places (P,)."""
    rows, skins = [], []
    for index in which.nonzero()[:, 0].tolist():
        line = _small(_lines(faces, index, usual, flow)[None, None], PATTERN_SIDE)[0, 0]
        skin = _small(faces.skin[index].float()[None, None] / 255, PATTERN_SIDE)[0, 0]
        rows += [line, line.flip(1)]
        skins += [skin, skin.flip(1)]
    lines, skin = torch.stack(rows), torch.stack(skins)
    patterns: list[Tensor] = []
    places: list[int] = []
    for place, area in enumerate(_small(faces.places[None], PATTERN_SIDE)[0]):
        seen = (skin * area).sum((1, 2)) / area.sum() > _SEEN
        found = _groups((lines[seen] * area * skin[seen]).flatten(1))
        patterns += [pattern.view_as(area) for pattern in found]
        places += [place] * len(found)
    return torch.stack(patterns), torch.tensor(places)


def _groups(rows: Tensor) -> list[Tensor]:
    """Return the means of groups of alike rows (N, L), by spherical k-means from far-apart seeds
    (Dhillon and Modha, Machine Learning 2001); groups that are few, or bright, are no folds."""
    unit = rows / rows.norm(dim=1, keepdim=True).clamp_min(1e-6)
    centres = unit[rows.norm(dim=1).argmax()][None]
    while len(centres) < _GROUPS:
        centres = torch.cat([centres, unit[(unit @ centres.T).amax(1).argmin()][None]])
    for _ in range(_ROUNDS):
        group = (unit @ centres.T).argmax(1)
        sums = torch.stack([unit[group == g].sum(0) for g in range(_GROUPS)])
        centres = sums / sums.norm(dim=1, keepdim=True).clamp_min(1e-6)
    members = [rows[group == g] for g in range(_GROUPS)]
    means = [some.mean(0) for some in members if len(some) >= _LEAST_FACES]
    return [mean for mean in means if float(mean.sum()) < 0]


def _small(maps: Tensor, side: int) -> Tensor:
    return F.interpolate(maps, (side, side), mode="bilinear", align_corners=False, antialias=True)
