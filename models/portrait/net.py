"""The portrait model: from a face crop to a code, and from a change of code to a changed crop.

Only the difference between two codes reaches the picture. The picture's own pixels are moved by the
decoded change of shape, multiplied by the decoded change of texture, and where closed lips part,
teeth are drawn. With equal codes the result is the input, bit for bit. Crops are "native": cut from
the frame by whole pixels, never resampled before.
"""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..base import ModelInputError
from .edit import Edit, Limits, limited_displacement, limits, mouth_modes
from .fields import Vertices, fields
from .layers import LAYER_SIDE, FineLayers
from .mouth import Teeth, TeethLook, beside_own, inner_gap, mouth_frame
from .pixels import paste, shaded, warped
from .placing import Placed, Placing
from .recent import Recent
from .rendered import Rendered, joined, rows_at_once, unchanged
from .shape import ShapeFit, ShapeModel
from .state import BLUR, TEETH, TEETH_COLOUR, YAW, expression
from .texture import LOG_OFFSET, TextureModel, to_log_rgb
from .warp import unit_to_pixels
from .window import Window

CROP_SIDE: Final = 3.4
"""Side of a native crop in outer-eye distances of the upright frontal head."""

_FACTORS_KEPT = 16
"""Texture factors remembered: one for each face of a shot, and some for edits that fade."""


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
        self._factors: Recent[Tensor] = Recent(_FACTORS_KEPT)
        self._placing = Placing()
        vertices, coefficients = shape.mean.shape[0], shape.sigma.shape[0]
        self.register_buffer("canonical", torch.zeros(vertices, 2))
        self.register_buffer("ring", torch.zeros(20, 3))
        self.register_buffer("movability", torch.ones(vertices))
        self.register_buffer("layer_gain", torch.zeros(LAYER_SIDE, LAYER_SIDE))
        self.register_buffer("residual_gain", torch.tensor([0.5, 0.3]))
        self.register_buffer("smile_axis", torch.zeros(coefficients + 1))

    @property
    def dimensions(self) -> int:
        """Length D of a code: shape, pitch, texture, three photometric medians."""
        return len(self.shape.sigma) + 1 + self.texture.components + 3

    def encode(self, images: Tensor, landmarks: Tensor) -> tuple[Tensor, Tensor]:
        """Return the code and the state of N native crops.

        Args:
            images: (N, 3, S, S) float RGB in [-1, 1].
            landmarks: (N, 68, 2) float, crop pixels.

        Returns:
            w (N, D): whitened code, about 0 in the mean and 1 in spread over the training faces.
            state (N, 12): per-frame measures, columns `state.STATE_NAMES`.

        Raises:
            ModelInputError: shapes do not fit.
        """
        _check(images, landmarks)
        fit, vertices = self.placed(landmarks)
        channels = self.texture.sampled(images, vertices, images.shape[-1] / CROP_SIDE)
        code, photo = self.texture.encode(channels)
        w = torch.cat([self.shape.code(fit), code, photo], dim=1)
        state = expression(self.shape, self.smile_axis, images, fit, vertices)
        return w, torch.cat([state, self.texture.softness(channels)[:, None]], dim=1)

    def observe(self, images: Tensor, landmarks: Tensor) -> Tensor:
        """Return the states (N, 12) of N native crops without codes, in a quarter of the time.

        Arguments and columns are those of `encode`; the blur, known only from all texels, is NaN.

        Raises:
            ModelInputError: shapes do not fit.
        """
        _check(images, landmarks)
        state = expression(self.shape, self.smile_axis, images, *self.placed(landmarks))
        return F.pad(state, (0, 1), value=torch.nan)

    def placed(self, landmarks: Tensor) -> Placed:
        """Return the fits of N faces and their vertices (N, V, 2) px for landmarks (N, 68, 2)."""
        return self._placing(self.shape, landmarks)

    def render(
        self, images: Tensor, landmarks: Tensor, before: Tensor, after: Tensor, state: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Carry the difference between two codes into N native crops.

        Args:
            images: (N, 3, S, S) float RGB in [-1, 1].
            landmarks: (N, 68, 2) float, crop pixels.
            before: (N, D) the face's code, best one per shot.
            after: (N, D) the moved code.
            state: (N, 12) from `encode`, best through `state.settled_states`.

        Returns:
            images (N, 3, S, S) in [-1, 1] and masks (N, 1, S, S) in 0-1. Where the mask is 0, and
            everywhere if `before` equals `after`, the result is the input, bit for bit. The mask is
            0 at the crop's border.

        Raises:
            ModelInputError: shapes do not fit.
        """
        part = self.render_part(images, landmarks, before, after, state)
        output, masks = images.clone(), torch.zeros_like(images[:, :1])
        x, y = part.corner
        at = (slice(y, y + part.masks.shape[2]), slice(x, x + part.masks.shape[3]))
        output[:, :, *at], masks[:, :, *at] = part.images, part.masks
        return output, masks

    def render_part(
        self, images: Tensor, landmarks: Tensor, before: Tensor, after: Tensor, state: Tensor
    ) -> Rendered:
        """Return what `render` returns, of a part of the crops that holds all of the masks.

        Raises:
            ModelInputError: shapes do not fit.
        """
        _check(images, landmarks)
        if before.shape != after.shape or before.shape != (len(images), self.dimensions):
            raise ModelInputError(
                f"codes must both be ({len(images)}, {self.dimensions}), got {tuple(before.shape)} "
                f"and {tuple(after.shape)}; encode the same crops with this model"
            )
        changed = (before != after).any(dim=1)
        if not bool(changed.any()):
            return unchanged(images)
        factors = self._texture_change(after - before)
        parts = [
            self._render(
                images[rows],
                landmarks[rows],
                before[rows],
                after[rows],
                state[rows],
                factors[rows],
            )
            for rows in rows_at_once(images)
        ]
        rendered = joined(images, parts)
        return rendered if bool(changed.all()) else rendered.only(changed, images)

    def moved_landmarks(
        self, landmarks: Tensor, before: Tensor, after: Tensor, state: Tensor
    ) -> Tensor:
        """Return where `render` takes the landmarks: (N, 68, 2) crop pixels; arguments as there."""
        fit, vertices = self.placed(landmarks)
        edit = self._edit(fit, vertices, before, after, state)
        return landmarks + (edit.movement @ fit.camera.transpose(1, 2))[:, :68]

    def _render(
        self,
        images: Tensor,
        landmarks: Tensor,
        before: Tensor,
        after: Tensor,
        state: Tensor,
        factor: Tensor,
    ) -> Rendered:
        """Return the edited part of the crops in a window round the heads."""
        fit, vertices = self.placed(landmarks)
        edit = self._edit(fit, vertices, before, after, state)
        moved = vertices + edit.movement @ fit.camera.transpose(1, 2)
        places = Vertices(vertices, moved, self.canonical, self.ring)
        source, canonical, mask, window = fields(
            places, fit, edit.gap_after, state[:, YAW], images.shape[-1]
        )
        change = shaded(warped(images, source), canonical, factor, state[:, YAW], edit.share)
        edited = self._with_teeth(change, window, fit, moved, edit, before, state)
        output = images[:, :, window.rows, window.columns].clone()
        paste(edited.clamp_(-1, 1), output, mask[:, 0] > 0)
        shifts = unit_to_pixels(source, images.shape[-1]) - window.pixels(source)
        return Rendered(output, mask, shifts, window)

    def _edit(
        self, fit: ShapeFit, vertices: Tensor, before: Tensor, after: Tensor, state: Tensor
    ) -> Edit:
        gap = inner_gap(vertices, fit.camera)
        modes = mouth_modes(self.shape, self.smile_axis[:-1])
        return limited_displacement(*self._movement(before, after), gap, state, modes)

    def _movement(self, before: Tensor, after: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the way between codes (N, D) moves (N, V, 3), head units, and how much of a
        smile it is (N,)."""
        k = len(self.shape.sigma)
        change = (after - before)[:, :k] * self.shape.sigma
        nod = (after - before)[:, k] * self.shape.pitch_sigma
        movement = self.shape.displacement(change) + self.shape.nodded(nod)
        return movement * self.movability[:, None], change @ self.smile_axis[:-1]

    def limits(self, before: Tensor, after: Tensor, state: Tensor) -> Limits:
        """Return what `render` leaves of the way from one code (D,) to another in frames of states
        (T, 12), as from `state.settled_states`."""
        movement, smile_change = self._movement(before[None], after[None])
        return limits(movement[0], smile_change[0], state)

    def _texture_change(self, change: Tensor) -> Tensor:
        """Return the log RGB factors (N, 3, LAYER_SIDE, LAYER_SIDE) of changes of code (N, D).

        Nearly all frames of a shot share one change of code, so its factor is decoded once and
        never copied.
        """
        device, here = change.device, change.detach().cpu()
        if bool((here == here[:1]).all()):
            return self._factor_of(here[0], device)[None].expand(len(here), -1, -1, -1)
        distinct, which = torch.unique(here, dim=0, return_inverse=True)
        factors = torch.stack([self._factor_of(row, device) for row in distinct])
        return factors[which.to(device, non_blocking=True)]

    def _factor_of(self, change: Tensor, device: torch.device) -> Tensor:
        """Return on a device the log RGB factor (3, LAYER_SIDE, LAYER_SIDE) of one change of code
        (D,) on the CPU, remembered for the next frames."""
        key = (device, change.numpy().tobytes())
        return self._factors.get(key, lambda: self._decoded_factor(change[None].to(device))[0])

    def _decoded_factor(self, change: Tensor) -> Tensor:
        """Return log RGB factors (N, 3, LAYER_SIDE, LAYER_SIDE) of changes of code (N, D)."""
        k = len(self.shape.sigma) + 1
        coarse = self.texture.decode_difference(change[:, k : k + self.texture.components])
        gains = torch.stack([self.residual_gain[0], self.residual_gain[1], self.residual_gain[1]])
        channels = self.layers.joined(change, coarse * gains[:, None, None])
        return to_log_rgb(channels * self.layer_gain)

    def _with_teeth(
        self,
        images: Tensor,
        window: Window,
        fit: ShapeFit,
        moved: Tensor,
        edit: Edit,
        before: Tensor,
        state: Tensor,
    ) -> Tensor:
        """Draw teeth where lips part that were closed, as far as `edit` says."""
        if not bool((edit.teeth > 0).any()):
            return images
        rows, columns, points = window.around(moved[:, 48:68])
        look = TeethLook(
            self._skin(before), state[:, TEETH_COLOUR], state[:, TEETH], state[:, BLUR], edit.below
        )
        where = points.expand(len(images), -1, -1, -1)
        channels, cover = self.teeth(where, mouth_frame(moved), fit.scale, fit.angles[:, 0], look)
        colours = 2 * (to_log_rgb(channels).exp() - LOG_OFFSET) - 1
        inside = images[:, :, rows, columns]
        cover = cover * edit.teeth[:, None, None, None] * beside_own(inside, look)
        output = images.clone()
        output[:, :, rows, columns] = inside + cover * (colours - inside)
        return output

    def reconstruct(self, w: Tensor) -> Tensor:
        """Return the skin that codes w (N, D) hold: shape-free faces (N, 3, S, S) in [-1, 1]."""
        k = len(self.shape.sigma) + 1
        return self.texture.decode(w[:, k : k + self.texture.components], w[:, -3:])

    def _skin(self, w: Tensor) -> Tensor:
        return w[:, -3:] * self.texture.photo_sigma + self.texture.photo_mean


def _check(images: Tensor, landmarks: Tensor) -> None:
    if images.dim() != 4 or images.shape[1] != 3 or images.shape[2] != images.shape[3]:
        raise ModelInputError(f"images must be (N, 3, S, S) in [-1, 1], got {tuple(images.shape)}")
    if landmarks.shape != (len(images), 68, 2):
        raise ModelInputError(
            f"landmarks must be ({len(images)}, 68, 2) in crop pixels, got {tuple(landmarks.shape)}"
        )
