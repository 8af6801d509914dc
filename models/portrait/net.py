"""The portrait model: from a face crop to a code, and from a change of code to a changed crop.

Only the difference between two codes reaches the picture. The picture's own pixels are moved by the decoded change
of shape, multiplied by the decoded change of texture, and where closed lips part, teeth are drawn. With equal codes
the result is the input, bit for bit. Crops are "native": cut from the frame by whole pixels, never resampled before.
"""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..base import ModelInputError
from .edit import Edit, limited_displacement
from .layers import LAYER_SIDE, FineLayers
from .mouth import LOWER_LIP, UPPER_LIP, Teeth, inner_gap, mouth_frame, own_mouth
from .shape import ShapeFit, ShapeModel
from .texture import LOG_OFFSET, TextureModel, to_log_rgb
from .warp import (
    canonical_to_unit,
    enlarge,
    pixels_to_unit,
    smoothstep,
    thin_plate_evaluate,
    thin_plate_solve,
)

CROP_SIDE: Final = 3.4
"""Side of a native crop in outer-eye distances of the upright frontal head."""

STATE_NAMES: Final = ("own_teeth", "gap", "yaw", "smile")
"""Columns of a state: own teeth 0-1, inner lip gap in outer-eye distances, yaw in radians, smile in ratings' SD."""

_GRID = 96
_STIFFNESS = 2e-4


class PortraitModel(nn.Module):
    """A small appearance model of faces: 3-D shape, log texture, fine layers and teeth."""

    canonical: Tensor
    ring: Tensor
    movability: Tensor
    layer_gain: Tensor
    residual_gain: Tensor
    smile_axis: Tensor

    def __init__(
        self, shape: ShapeModel, texture: TextureModel, layers: FineLayers, teeth: Teeth
    ) -> None:
        """Join the parts; the remaining buffers come from a pack."""
        super().__init__()
        self.shape, self.texture, self.layers, self.teeth = shape, texture, layers, teeth
        vertices, coefficients = shape.mean.shape[0], shape.sigma.shape[0]
        self.register_buffer("canonical", torch.zeros(vertices, 2))
        self.register_buffer("ring", torch.zeros(20, 3))
        self.register_buffer("movability", torch.ones(vertices))
        self.register_buffer("layer_gain", torch.zeros(LAYER_SIDE, LAYER_SIDE))
        self.register_buffer("residual_gain", torch.tensor([0.5, 0.3]))
        self.register_buffer("smile_axis", torch.zeros(coefficients + 1))

    @property
    def dimensions(self) -> int:
        """Length D of a code: shape, texture, three photometric medians."""
        return len(self.shape.sigma) + self.texture.components + 3

    def encode(self, images: Tensor, landmarks: Tensor) -> tuple[Tensor, Tensor]:
        """Return the code and the state of N native crops.

        Args:
            images: (N, 3, S, S) float RGB in [-1, 1].
            landmarks: (N, 68, 2) float, crop pixels.

        Returns:
            w (N, D): whitened code, about 0 in the mean and 1 in spread over the training faces.
            state (N, 4): per-frame measures, columns `STATE_NAMES`.

        Raises:
            ModelInputError: shapes do not fit.
        """
        _check(images, landmarks)
        fit = self.shape.fit(landmarks)
        vertices = self.shape.project(fit, landmarks)
        code, photo = self.texture.encode(images, vertices, images.shape[-1] / CROP_SIDE)
        w = torch.cat([fit.coefficients / self.shape.sigma, code, photo], dim=1)
        gap = inner_gap(vertices, fit.camera)
        skin = self._skin(w)
        teeth = own_mouth(images, vertices, skin[:, 0], gap)
        smile = fit.coefficients @ self.smile_axis[:-1] + self.smile_axis[-1]
        state = torch.stack([teeth, gap[:, 1:4].mean(dim=1), fit.angles[:, 0], smile], dim=1)
        return w, state

    def render(
        self, images: Tensor, landmarks: Tensor, before: Tensor, after: Tensor, state: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Carry the difference between two codes into N native crops.

        Args:
            images: (N, 3, S, S) float RGB in [-1, 1].
            landmarks: (N, 68, 2) float, crop pixels.
            before: (N, D) the face's code, best one per shot.
            after: (N, D) the moved code.
            state: (N, 4) from `encode`, best smoothed over time.

        Returns:
            images (N, 3, S, S) in [-1, 1] and masks (N, 1, S, S) in 0-1. Where the mask is 0, and everywhere if
            `before` equals `after`, the result is the input, bit for bit. The mask is 0 at the crop's border.

        Raises:
            ModelInputError: shapes do not fit.
        """
        _check(images, landmarks)
        if before.shape != after.shape or before.shape != (len(images), self.dimensions):
            raise ModelInputError(
                f"codes must both be ({len(images)}, {self.dimensions}), got {tuple(before.shape)} "
                f"and {tuple(after.shape)}; encode the same crops with this model"
            )
        fit = self.shape.fit(landmarks)
        vertices = self.shape.project(fit, landmarks)
        edit = self._edit(fit, vertices, before, after, state)
        moved, canonical, displacement, support = self._fields(
            fit, vertices, edit, images.shape[-1]
        )
        output = self._warped(images, displacement)
        output = self._shaded(output, canonical, after - before, state)
        output = self._with_teeth(output, fit, moved, edit, before, state)
        changed = (before != after).any(dim=1)[:, None, None, None]
        masks = torch.where(changed, support, torch.zeros_like(support))
        return torch.where(masks > 0, output.clamp(-1, 1), images), masks

    def _edit(
        self, fit: ShapeFit, vertices: Tensor, before: Tensor, after: Tensor, state: Tensor
    ) -> Edit:
        k = len(self.shape.sigma)
        change = (after - before)[:, :k] * self.shape.sigma
        movement = self.shape.displacement(change) * self.movability[:, None]
        smile_change = change @ self.smile_axis[:-1]
        gap = inner_gap(vertices, fit.camera)
        return limited_displacement(movement, smile_change, gap, state)

    def _fields(
        self, fit: ShapeFit, vertices: Tensor, edit: Edit, side: int
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return moved vertices (N, V, 2) px and, at every pixel, canonical coordinates, displacement, support.

        One thin plate through the moved vertices and a still ring around the head carries both the canonical
        position and the way back to the source pixel.
        """
        turned = fit.camera.transpose(1, 2)
        moved = vertices + edit.movement @ turned
        ring = self.ring @ turned + fit.offset[:, None]
        unit = fit.scale[:, None, None]
        centres = (torch.cat([_apart(moved, fit), ring], dim=1) - fit.offset[:, None]) / unit
        canonical = torch.cat(
            [self._closing(edit.gap_after), self.ring[:, :2].expand(len(moved), -1, -1)], dim=1
        )
        back = torch.cat([(vertices - moved) / unit, torch.zeros_like(ring)], dim=1)
        weights = thin_plate_solve(
            centres, torch.cat([canonical, back], dim=2), stiffness=_STIFFNESS
        )
        cells = (
            torch.arange(_GRID, device=unit.device, dtype=unit.dtype) + 0.5
        ) * side / _GRID - 0.5
        y, x = torch.meshgrid(cells, cells, indexing="ij")
        points = (torch.stack([x, y], dim=-1).reshape(1, -1, 2) - fit.offset[:, None]) / unit
        values = (
            thin_plate_evaluate(weights, centres, points)
            .transpose(1, 2)
            .unflatten(2, (_GRID, _GRID))
        )
        support = _support(values[:, :2], side)
        displacement = values[:, 2:] * support * unit[..., None]
        masks = smoothstep(enlarge(support, side), 0.02, 0.12)
        return moved, enlarge(values[:, :2], side), enlarge(displacement, side), masks

    def _closing(self, gap: Tensor) -> Tensor:
        """Return canonical vertices (N, V, 2) whose inner lips are as far apart as `gap` (N, 5), but never further.

        A closed mouth has no inside: without this the canonical inside would be squeezed onto the lips.
        """
        canonical = self.canonical.expand(len(gap), -1, -1).clone()
        upper, lower = list(UPPER_LIP), list(LOWER_LIP)
        own = canonical[:, lower, 1] - canonical[:, upper, 1]
        excess = (own - gap.clamp_min(0.03)).clamp_min(0) / 2
        canonical[:, upper, 1] += excess
        canonical[:, lower, 1] -= excess
        return canonical

    def _warped(self, images: Tensor, displacement: Tensor) -> Tensor:
        side = images.shape[-1]
        along = torch.arange(side, device=images.device, dtype=images.dtype)
        y, x = torch.meshgrid(along, along, indexing="ij")
        source = torch.stack([x, y], dim=-1) + displacement.permute(0, 2, 3, 1)
        grid = pixels_to_unit(source, side)
        return F.grid_sample(
            images, grid, mode="bicubic", padding_mode="border", align_corners=False
        )

    def _shaded(self, images: Tensor, canonical: Tensor, change: Tensor, state: Tensor) -> Tensor:
        factor = self._texture_change(change)
        grid = canonical_to_unit(canonical.permute(0, 2, 3, 1))
        logs = F.grid_sample(
            factor, grid, mode="bilinear", padding_mode="zeros", align_corners=False
        )
        fade = smoothstep(state[:, 2].abs(), 0.75, 0.35)[:, None, None, None]
        offset = 2 * LOG_OFFSET
        return (images + 1 + offset) * (logs * fade).exp() - 1 - offset

    def _texture_change(self, change: Tensor) -> Tensor:
        """Return the log RGB factor (N, 3, LAYER_SIDE, LAYER_SIDE) of a change of code, one decode per distinct row."""
        rows, which = torch.unique(change.detach(), dim=0, return_inverse=True)
        if len(rows) < len(change):
            first = torch.stack([(which == r).nonzero()[0, 0] for r in range(len(rows))])
            return self._texture_change(change[first])[which]
        k = len(self.shape.sigma)
        coarse = self.texture.decode_difference(change[:, k : k + self.texture.components])
        gains = torch.stack([self.residual_gain[0], self.residual_gain[1], self.residual_gain[1]])
        channels = enlarge(coarse * gains[:, None, None], LAYER_SIDE)
        luma = channels[:, :1] + self.layers(change)[:, None]
        return to_log_rgb(torch.cat([luma, channels[:, 1:]], dim=1) * self.layer_gain)

    def _with_teeth(
        self,
        images: Tensor,
        fit: ShapeFit,
        moved: Tensor,
        edit: Edit,
        before: Tensor,
        state: Tensor,
    ) -> Tensor:
        """Draw teeth where lips part that were closed; leave a mouth that was open before as it is."""
        if not bool((edit.teeth > 0).any()):
            return images
        left, top, right, bottom = _mouth_window(moved, images.shape[-1])
        y, x = torch.meshgrid(
            torch.arange(top, bottom, device=images.device, dtype=images.dtype),
            torch.arange(left, right, device=images.device, dtype=images.dtype),
            indexing="ij",
        )
        points = torch.stack([x, y], dim=-1).expand(len(images), -1, -1, -1)
        channels, cover = self.teeth(
            points, mouth_frame(moved), fit.scale, fit.angles[:, 0], self._skin(before)
        )
        colours = 2 * (to_log_rgb(channels).exp() - LOG_OFFSET) - 1
        cover = cover * edit.teeth[:, None, None, None]
        window = images[:, :, top:bottom, left:right]
        output = images.clone()
        output[:, :, top:bottom, left:right] = window + cover * (colours - window)
        return output

    def _skin(self, w: Tensor) -> Tensor:
        return w[:, -3:] * self.texture.photo_sigma + self.texture.photo_mean

    @classmethod
    def tiny(cls) -> PortraitModel:
        """Return a small model with seeded random bases around a plain face, for tests."""
        from .tiny import tiny_portrait

        return tiny_portrait(cls)


def _support(canonical: Tensor, side: int) -> Tensor:
    """Return where an edit may reach (N, 1, G, G) in 0-1: the head and a little around it, never the crop's border."""
    x, y = canonical[:, :1] / 1.12, (canonical[:, 1:] - 0.36) / 1.22
    radius = (x * x + y * y).sqrt()
    cells = canonical.shape[-1]
    along = (torch.arange(cells, device=canonical.device, dtype=canonical.dtype) + 0.5) / cells
    inside = smoothstep(torch.minimum(along, 1 - along), 0.015, 0.09)
    return smoothstep(radius, 1.12, 0.84) * (inside[:, None] * inside[None, :])


def _apart(vertices: Tensor, fit: ShapeFit) -> Tensor:
    """Return vertices with the inner lips at least 0.03 head units apart, so that no two thin-plate centres meet."""
    gap = inner_gap(vertices, fit.camera)
    push = ((0.03 - gap).clamp_min(0) / 2)[..., None] * fit.camera[:, None, :, 1]
    apart = vertices.clone()
    apart[:, list(UPPER_LIP)] -= push
    apart[:, list(LOWER_LIP)] += push
    return apart


def _mouth_window(vertices: Tensor, side: int) -> tuple[int, int, int, int]:
    """Return the pixels around all mouths of a batch: left, top, right, bottom (exclusive), inside the crop."""
    lips = vertices[:, 48:68].detach()
    low = lips.amin(dim=(0, 1)).floor().int() - 2
    high = lips.amax(dim=(0, 1)).ceil().int() + 3
    left, top = (int(v) for v in low.clamp(0, side - 1))
    right, bottom = (int(v) for v in high.clamp(1, side))
    return left, top, max(right, left + 1), max(bottom, top + 1)


def _check(images: Tensor, landmarks: Tensor) -> None:
    if images.dim() != 4 or images.shape[1] != 3 or images.shape[2] != images.shape[3]:
        raise ModelInputError(f"images must be (N, 3, S, S) in [-1, 1], got {tuple(images.shape)}")
    if landmarks.shape != (len(images), 68, 2):
        raise ModelInputError(
            f"landmarks must be ({len(images)}, 68, 2) in crop pixels, got {tuple(landmarks.shape)}"
        )
