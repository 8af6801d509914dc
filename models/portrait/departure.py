"""What lies in front of a face, recognised by how the face looks for most of the shot.

One frame alone cannot say whether a grey patch is a sheet of paper or a beard, and a dark one a
telephone or a shadow; the shot can: a beard is always there. Every frame's skin is measured on the
mean head (`look_of`), the median over the shot is how the person looks, and a patch that departs
from it in colour, and not only in brightness as light and folds do, is something else.

Missed: what is there for more than half of the shot, what has the colour of the skin behind it
(somebody's own hand), and what covers little but the eyes or the lips.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from .net import CROP_SIDE, PortraitModel
from .regions import BROWS, EYES, FACE_OVAL, polygon_mask
from .texture import FIELD_SIDE, sample_texture, to_log_channels
from .warp import CANONICAL_LEFT, CANONICAL_SIDE

LOOK_SIDE: Final = 40
"""Texels per side of a look, over the canonical window."""
LOOK_LENGTH: Final = 3 * LOOK_SIDE**2
_SAMPLED_SIDE: Final = 2 * LOOK_SIDE
"""Texels per side that are sampled and then averaged: a half of what the code's texture needs."""
_FIELD_SIDE: Final = 32
"""Cells per side of its sampling field, also a half, which is a tenth of a texel off and more at
the lips."""

_DOUBT: Final = (0.30, 0.09, 0.09)
"""Departures of log luma and the two log ratios that clean frames reach now and then …"""
_MOST: Final = (1.0, np.inf, np.inf)
"""… and how many of these each may count for: luma one at most, the rest must be colour."""
_PART, _CORE = 1.3, (1.8, 2.2)
"""Departures that belong to a thing; a thing's mean between which it becomes certain."""
_AREA: Final = (0.03, 0.045)
"""Shares of the face between which a patch becomes large enough to be a thing."""
_WORK_EYES_PX: Final = 48.0
"""Outer eye distance of the small picture that the mask is drawn on [px]."""
_REACH = 9
"""Texels (odd) by which a thing at the rim is assumed to extend on both sides."""
_TURNED = (0.25, 0.62)
"""Yaw [radians] from which the far cheek is not judged, and where its edge lies at first."""

Flags = NDArray[np.bool_]
Floats = NDArray[np.float32]


def _plane() -> Floats:
    """(LOOK_SIDE, LOOK_SIDE, 3): what a plane over a look is made of, 1, x and y."""
    y, x = np.mgrid[0:LOOK_SIDE, 0:LOOK_SIDE].astype(np.float32) / LOOK_SIDE - 0.5
    return np.stack([np.ones_like(x), x, y], -1)


_PLANE: Final = _plane()


@dataclass(frozen=True, slots=True)
class LookRegions:
    """Parts of a look, (LOOK_SIDE, LOOK_SIDE) bool, and its horizontal canonical positions."""

    judged: Flags
    """The face without eyes and brows."""
    skin: Flags
    """What is judged, without the mouth: here a thing must show."""
    outside: Flags
    """Beyond the face's rim, where a thing at the rim is assumed to extend."""
    across: Floats


class Departures:
    """Finds what departs from a face's usual look, with the geometry of one portrait."""

    def __init__(self, model: PortraitModel) -> None:
        """Keep the portrait and draw its regions once."""
        self._model = model
        self._regions = look_regions(model.canonical.cpu())
        cells = model.texture.field.T.reshape(1, -1, FIELD_SIDE, FIELD_SIDE)
        self._field = F.avg_pool2d(cells, FIELD_SIDE // _FIELD_SIDE)[0].flatten(1).T.contiguous()

    def look(self, images: Tensor, landmarks: Tensor) -> Tensor:
        """Return how N crops look on the mean head: (N, LOOK_LENGTH); arguments as of `encode`."""
        return look_of(images, self._sampling_field(self._model.placed(landmarks)[1]))

    def hidden(self, images: Tensor, landmarks: Tensor, usual: Tensor) -> Tensor | None:
        """Return what is in front of N faces (N, 1, S, S) in 0-1, soft; None if nothing is.

        `usual`: (N, LOOK_LENGTH) medians of `look` over the shots of these faces.
        """
        fit, vertices = self._model.placed(landmarks)
        looks = look_of(images, self._sampling_field(vertices)).cpu().numpy()
        yaws, scales = fit.angles[:, 0].tolist(), fit.scale.tolist()
        faces = zip(looks, usual.cpu().numpy(), yaws, strict=True)
        textures = [departed(look, median, yaw, self._regions) for look, median, yaw in faces]
        if not any(texture.any() for texture in textures):
            return None
        fields = self._model.texture.sampling_field(vertices).cpu()
        masks = [
            drawn_on_crop(texture, field, images.shape[-1], scale)
            for texture, field, scale in zip(textures, fields, scales, strict=True)
        ]
        return torch.stack(masks)[:, None].to(images.device)

    def _sampling_field(self, vertices: Tensor) -> Tensor:
        """Return where the texels of a coarse texture lie in the picture: (N, G, G, 2) px for
        vertices (N, V, 2)."""
        return (self._field @ vertices).reshape(-1, _FIELD_SIDE, _FIELD_SIDE, 2)


def look_regions(canonical: Tensor) -> LookRegions:
    """Return the parts for canonical vertices (V, 2)."""

    def part(points: list[int] | range, grow: float) -> Floats:
        mask = polygon_mask(canonical[list(points)], 4 * LOOK_SIDE, grow=grow, soften=0)
        small: Floats = F.avg_pool2d(mask[None, None], 4)[0, 0].numpy()
        return small

    eyes = np.maximum.reduce([part(list(e), 0.06) for e in (*EYES, *BROWS)])
    inside = part(list(FACE_OVAL), -0.06) > 0.7
    judged = inside & (eyes < 0.2)
    mouth = part(range(48, 60), 0.05) > 0.2
    x = (np.arange(LOOK_SIDE) + 0.5) * (CANONICAL_SIDE / LOOK_SIDE) + CANONICAL_LEFT
    across = np.broadcast_to(x.astype(np.float32), judged.shape)
    return LookRegions(judged, judged & ~mouth, ~inside, across)


def look_of(images: Tensor, field: Tensor) -> Tensor:
    """Return the looks (N, LOOK_LENGTH): log luma and log ratios of N native crops on the mean
    head.

    `field` (N, G, G, 2) crop pixels of the coarse texture grid.
    """
    texel = images.shape[-1] / CROP_SIDE * CANONICAL_SIDE / _SAMPLED_SIDE
    fine = to_log_channels(sample_texture(images, field, _SAMPLED_SIDE, texel))
    return F.avg_pool2d(fine, _SAMPLED_SIDE // LOOK_SIDE).flatten(1)


def departed(look: Floats, usual: Floats, yaw: float, regions: LookRegions) -> Floats:
    """Return how surely each texel shows something in front of the face: (LOOK_SIDE, LOOK_SIDE)
    0-1.

    Args:
        look: (LOOK_LENGTH,) of this frame.
        usual: (LOOK_LENGTH,) the median over the shot.
        yaw: of the head [radians].
        regions: from `look_regions`.
    """
    away = (look - usual).reshape(3, LOOK_SIDE, LOOK_SIDE)
    far = regions.across * np.sign(yaw) > _TURNED[1] - 0.6 * (abs(yaw) - _TURNED[0])
    judged = regions.judged & ~(far & (abs(yaw) > _TURNED[0]))
    skin = regions.skin & judged
    if not skin.any():
        return np.zeros((LOOK_SIDE, LOOK_SIDE), np.float32)
    amount = _departure(away, skin)
    weak = ((amount > _PART) & judged).astype(np.uint8)
    weak = np.asarray(cv2.morphologyEx(weak, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)), np.uint8)
    count, labels = cv2.connectedComponents(weak)
    things = np.zeros((LOOK_SIDE, LOOK_SIDE), np.float32)
    for label in range(1, count):
        patch = labels == label
        shown = patch & skin
        if shown.any():
            area = _ramp(float(shown.sum() / regions.judged.sum()), *_AREA)
            things[patch] = area * _ramp(float(amount[shown].mean()), *_CORE)
    return np.where(regions.outside, cv2.dilate(things, np.ones((_REACH, _REACH))), things)


def _departure(away: Floats, skin: Flags) -> Floats:
    """How far each texel departs, in units of its uncertainty, after the effect of light on the
    whole face is removed: a plane in every channel, by iteratively re-weighted least squares
    (Cauchy)."""
    values, design = away[:, skin], _PLANE[skin]
    squared = (design[:, :, None] * design[:, None]).reshape(-1, 9)
    fitted = np.zeros((3, 3), np.float32)
    fitted[:, 0] = _medians(values)
    ridge = 1e-3 * np.eye(3, dtype=np.float32)
    for _ in range(8):
        off = values - fitted @ design.T
        weight = 1 / (1 + np.square(off / (2 * _medians(np.abs(off))[:, None] + 1e-3)))
        normal = (weight @ squared).reshape(3, 3, 3) + ridge
        moment = (weight * values) @ design
        fitted = np.linalg.solve(normal, moment[:, :, None])[:, :, 0]
    planes = (fitted @ _PLANE.reshape(-1, 3).T).reshape(away.shape)
    doubts, most = (np.array(v, np.float32)[:, None, None] for v in (_DOUBT, _MOST))
    squares = (np.minimum(np.abs(away - planes) / doubts, most) ** 2).sum(axis=0)
    return np.asarray(cv2.GaussianBlur(np.sqrt(squares), (0, 0), 0.7), np.float32)


def _medians(rows: Floats) -> Floats:
    """Median of every row (R,), the upper one of two: several times as fast as numpy's."""
    half = rows.shape[1] // 2
    return np.asarray(np.partition(rows, half, axis=1)[:, half])


def drawn_on_crop(texels: Floats, field: Tensor, side: int, eyes_px: float) -> Tensor:
    """Return marked texels (LOOK_SIDE, LOOK_SIDE) 0-1 as a soft mask (side, side) on the crop.

    `field` (G, G, 2) crop pixels of the coarse texture grid. The outline of every patch is carried
    over to a small picture, grown by a little more than an edit moves, and enlarged.
    """
    if not texels.any():
        return torch.zeros(side, side)
    scale = min(1.0, _WORK_EYES_PX / max(eyes_px, 1.0))
    size, eyes = max(8, round(side * scale)), eyes_px * scale
    out = np.zeros((size, size), np.float32)
    positions = field.permute(2, 0, 1)[None] * (size / side)
    for level in np.unique(texels[texels > 0]):
        contours, _ = cv2.findContours(
            (texels == level).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
        )
        for contour in contours:
            outline = torch.from_numpy(contour[None, :, :1].astype(np.float32))
            grid = (outline + 0.5) * (2 / LOOK_SIDE) - 1
            at = F.grid_sample(positions, grid, align_corners=False)[0, :, :, 0].T
            patch = np.zeros((size, size), np.float32)
            cv2.fillPoly(patch, [np.rint(at.numpy() * 16).astype(np.int32)], float(level), 8, 4)
            out = np.maximum(out, patch)
    width = 2 * max(1, round(0.09 * eyes)) + 1
    grown = cv2.dilate(out, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width)))
    soft = cv2.GaussianBlur(grown, (0, 0), max(0.5, 0.04 * eyes))
    return torch.from_numpy(cv2.resize(soft, (side, side), interpolation=cv2.INTER_LINEAR))


def _ramp(value: float, low: float, high: float) -> float:
    return float(np.clip((value - low) / (high - low), 0.0, 1.0))
