"""Masks over aligned crops: the face's outline, soft edges, what lies in the frame.

All masks are (N, 1, S, S) float32, 0 keep … 1 replace, on the device of what they are made from.
Finding what hides the face is the work of `occlusion`.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from .geometry import BROWS, JAW, MOUTH, NOSE, Affine

_SUBPIXEL_BITS = 8
FOREHEAD_HEIGHTS = np.array([0.30, 0.62, 0.80, 0.90, 0.94, 0.90, 0.80, 0.62, 0.30])
"""Nine forehead points from temple to temple, in lengths from brow to base of the nose.

The forehead is about as high as that length: the classical thirds of the face (Farkas et al., 1985)
put the hairline 0.95 to 1 of it above the brows.
"""


def forehead_points(landmarks: NDArray[np.floating]) -> NDArray[np.float64]:
    """(..., 9, 2) points over the brows, right temple to left, guessed from 68 landmarks."""
    points = np.asarray(landmarks, np.float64)
    brows, base = points[..., BROWS, :].mean(-2), points[..., NOSE[-3], :]
    along = points[..., 16, :] - points[..., 0, :]
    # Up is across the line of the eyes: the nose leans to the side when the head turns.
    eyes = points[..., 45, :] - points[..., 36, :]
    across = eyes[..., ::-1] * (1, -1)
    across = across / np.maximum(np.linalg.norm(across, axis=-1, keepdims=True), 1e-9)
    unit = np.maximum(((brows - base) * across).sum(-1, keepdims=True), 1e-9)
    middle = 0.5 * (points[..., 0, :] + points[..., 16, :])
    lift = np.maximum(((brows - middle) * across).sum(-1, keepdims=True) / unit, 0.0)
    # From the ends of the jaw line, drawn in a little at the temples and evenly along the face.
    start = points[..., None, 0, :] + np.linspace(0.03, 0.97, 9)[:, None] * along[..., None, :]
    height = (FOREHEAD_HEIGHTS + lift) * unit
    return np.asarray(start + height[..., None] * across[..., None, :])


def outline(landmarks: NDArray[np.floating]) -> NDArray[np.float64]:
    """(..., K, 2) closed outline of a face: its jaw and its forehead."""
    points = np.asarray(landmarks, np.float64)
    return np.concatenate([points[..., JAW, :], forehead_points(points)[..., ::-1, :]], -2)


def polygon_mask(points: NDArray[np.floating], side: int) -> Tensor:
    """(N, 1, side, side) anti-aliased inside of N polygons (N, K, 2) [crop px]."""
    out = np.zeros((len(points), side, side), np.uint8)
    for picture, polygon in zip(out, points, strict=True):
        # OpenCV fills every pixel the outline touches: at twice the size that excess is halved.
        large = np.zeros((2 * side, 2 * side), np.uint8)
        fine = np.clip(polygon, -4 * side, 5 * side) * 2 + 0.5
        fixed = np.rint(fine * 2**_SUBPIXEL_BITS).astype(np.int32)
        cv2.fillPoly(large, [fixed], 255, cv2.LINE_AA, _SUBPIXEL_BITS)
        cv2.resize(large, (side, side), dst=picture, interpolation=cv2.INTER_AREA)
    return torch.from_numpy(out).float().div_(255.0)[:, None]


def face_mask(landmarks: Tensor, side: int, *, grow: float = 0.0, feather: float = 0.1) -> Tensor:
    """(N, 1, side, side) soft mask of the face, 1 inside, falling to 0 across the outline.

    Args:
        landmarks: (N, 68, 2) [crop px].
        grow: how far the outline is moved outwards [outer eye distances].
        feather: width of the fall, all of it inside the grown outline [outer eye distances].

    Zero along the border of the crop.
    """
    points = landmarks.detach().cpu().double().numpy()
    eyes = np.linalg.norm(points[:, 45] - points[:, 36], axis=-1)
    shape = outline(points)
    centre = shape.mean(1, keepdims=True)
    radius = np.linalg.norm(shape - centre, axis=-1, keepdims=True)
    # Half a feather inwards, because the blur spreads the edge by as much again outwards.
    shift = (grow - 0.5 * feather) * eyes[:, None, None]
    shape = centre + (shape - centre) * np.maximum(1.0 + shift / radius, 0.0)
    mask = soften(polygon_mask(shape, side), torch.from_numpy(0.5 * feather * eyes))
    return _clear_border(mask).to(landmarks.device, non_blocking=True)


_BEYOND_JAW = 2.0
"""How far from the mouth its surroundings reach, as a multiple of the distance to the jaw: an edit
also moves what lies beside a face."""
_AROUND_EYES = 1.3
"""How far the outline of brows and eyes is grown about its centre."""
_PART_FEATHER = 0.15
"""Width of the edge of a covered part [outer eye distances]."""


def unseen_mask(landmarks: Tensor, parts: Tensor, side: int) -> Tensor | None:
    """(N, 1, side, side) soft mask of what covers the parts of a face: 1 where one is not seen.

    Landmarks are (N, 68, 2) [crop px], parts (N, 2) 0–1, how far mouth and eyes are seen.

    None if all of them are seen. What hides a mouth usually hides chin and jaw too, so their
    landmarks cannot be trusted either.
    """
    if bool((parts >= 1).all()):
        return None
    points = landmarks.detach().cpu().double().numpy()
    eyes = np.linalg.norm(points[:, 45] - points[:, 36], axis=-1)
    mouth = points[:, MOUTH].mean(1, keepdims=True)
    jaw = mouth + _BEYOND_JAW * (points[:, 3:14] - mouth)
    upper = np.concatenate([points[:, 17:27], points[:, [45, 46, 47, 40, 41, 36]]], 1)
    centre = upper.mean(1, keepdims=True)
    shapes = [
        np.concatenate([jaw, points[:, 35:30:-1]], 1),
        centre + _AROUND_EYES * (upper - centre),
    ]
    radius = torch.from_numpy(0.5 * _PART_FEATHER * eyes)
    masks = torch.cat([soften(polygon_mask(shape, side), radius) for shape in shapes], 1)
    hidden = masks.to(parts) * (1 - parts)[:, :, None, None]
    return hidden.amax(1, keepdim=True)


def soften(mask: Tensor, radius_px: Tensor) -> Tensor:
    """Masks (N, 1, S, S) with edges spread over ± radius_px (N,); 0 and 1 stay 0 and 1 beyond."""
    out = torch.empty_like(mask)
    for i, radius in enumerate(radius_px.tolist()):
        size = max(round(float(radius)), 0)
        if size == 0:
            out[i] = mask[i]
            continue
        # Two boxes of half the radius each: a triangular kernel that ends exactly at the radius.
        near, far = size // 2, size - size // 2
        soft = mask[i, 0].cpu().numpy()
        for half in (near, far):
            width = 2 * half + 1
            soft = cv2.blur(soft, (width, width), borderType=cv2.BORDER_REPLICATE)
        out[i, 0] = torch.from_numpy(np.asarray(soft)).clamp_(0.0, 1.0)
    smooth = out * out * (3.0 - 2.0 * out)
    # Box sums leave crumbs of 1e-7 where there is nothing.
    return torch.where(smooth < 1e-4, 0.0, torch.where(smooth > 1.0 - 1e-4, 1.0, smooth))


def _clear_border(mask: Tensor) -> Tensor:
    """The mask, faded to 0 over the last pixels before the crop's border."""
    side = mask.shape[-1]
    reach = max(side // 64, 1)
    line = (torch.arange(side, dtype=mask.dtype) / reach).clamp(max=1.0)
    line = torch.minimum(line, line.flip(0)).to(mask.device)
    return mask * line[:, None] * line[None, :]


def inside_frame(crop_to_frame: Affine, side: int, width: int, height: int) -> Tensor:
    """(N, 1, side, side) bool: crop pixels whose centre lies on a pixel of the frame.

    Matrices are (N, 3, 3); the frame covers [-0.5, width - 0.5] × [-0.5, height - 0.5] [px].
    """
    matrix = torch.from_numpy(np.asarray(crop_to_frame, np.float64))[:, :2]
    line = torch.arange(side, dtype=torch.float64)
    if bool((matrix[:, 0, 1] == 0).all() and (matrix[:, 1, 0] == 0).all()):
        # Without a turn, columns and rows are tested separately: the same, a hundred times faster.
        x = matrix[:, 0, 0, None] * line + matrix[:, 0, 2, None]
        y = matrix[:, 1, 1, None] * line + matrix[:, 1, 2, None]
        across = (x >= -0.5) & (x <= width - 0.5)
        down = (y >= -0.5) & (y <= height - 0.5)
        return (down[:, :, None] & across[:, None, :])[:, None]
    x = matrix[:, :, 0, None, None] * line[None, None, None, :]
    y = matrix[:, :, 1, None, None] * line[None, None, :, None]
    position = x + y + matrix[:, :, 2, None, None]
    limit = torch.tensor([width - 0.5, height - 0.5], dtype=torch.float64)[None, :, None, None]
    return ((position >= -0.5) & (position <= limit)).all(1, keepdim=True)


def spread(
    found: Sequence[tuple[tuple[slice, slice], NDArray[np.float32]] | None], images: Tensor
) -> Tensor | None:
    """(N, 1, S, S) small masks, each enlarged over its rows and columns of an image (N, C, S, S).

    None where there are none; 0 beyond them, and for an image without one.
    """
    if all(place_and_mask is None for place_and_mask in found):
        return None
    out = np.zeros((len(images), *images.shape[2:]), np.float32)
    for whole, place_and_mask in zip(out, found, strict=True):
        if place_and_mask is not None:
            at, mask = place_and_mask
            into = whole[at]
            cv2.resize(mask, into.shape[::-1], dst=into, interpolation=cv2.INTER_LINEAR)
    return torch.from_numpy(out[:, None]).to(images.device)


def erode(mask: Tensor, radius_px: int) -> Tensor:
    """Masks (N, 1, S, S) with the lowest value within `radius_px` (a square)."""
    if radius_px <= 0:
        return mask
    return -F.max_pool2d(-mask, 2 * radius_px + 1, 1, radius_px)
