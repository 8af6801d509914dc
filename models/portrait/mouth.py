"""The inside of the mouth: where the lips part, which teeth show, and how much of that is the
person's own.

Works in mouth coordinates of each face: `along` from corner to corner (px), `below` the upper lip
line (px). Lip lines are smooth curves through the inner lip vertices. Distances called head units
are outer-eye distances.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..ops.gaussian import blurred
from .regions import vertex_indices
from .texture import to_log_channels
from .warp import smoothstep, solve_positive

UPPER_LIP = tuple(vertex_indices((80, 82, 13, 312, 310)))
LOWER_LIP = tuple(vertex_indices((88, 87, 14, 317, 318)))
"""Inner lip vertices between the corners (60 and 64), left to right, pairwise above each other."""

TEETH_WIDTH, TEETH_HEIGHT = 0.62, 0.28
"""Head units that a teeth picture covers: centred on the dental midline, down from the upper lip
line."""

TEETH_TEXELS = (72, 160)
"""Rows and columns of a teeth picture."""

_TEXEL = TEETH_WIDTH / TEETH_TEXELS[1]
_BLUR_LEVELS = (0.0, 0.01, 0.02, 0.04)
"""Blurs (head units) between which a softened picture is interpolated."""

_ARCH_DEPTH = 0.10
"""How far the front teeth lie behind the lips, head units: they follow a turn of the head less than
the lips do."""


_TEETH_OVER_SKIN = 0.3
"""Teeth are at most this much lighter than skin, in log luma."""


class MouthFrame(NamedTuple):
    """Mouth coordinates of N faces; see the module docstring."""

    origin: Tensor
    """(N, 2) px: half-way between the inner corners."""
    along: Tensor
    """(N, 2) unit vector from the image's left corner to the right one."""
    half_width: Tensor
    """(N,) px."""
    upper: Tensor
    """(N, 4) curve of the upper lip line: `(1 - u^2) (c0 + c1 u + c2 u^2 + c3 u^3)` px below the
    corners' line."""
    lower: Tensor
    """(N, 4) curve of the lower lip line."""


def mouth_frame(vertices: Tensor) -> MouthFrame:
    """Return the mouth coordinates for vertices (N, V, 2) px."""
    left, right = vertices[:, 60], vertices[:, 64]
    across = right - left
    width = across.norm(dim=1).clamp_min(1e-3)
    along = across / width[:, None]
    origin = (left + right) / 2
    frame = MouthFrame(origin, along, width / 2, width, width)
    upper = _curve(frame, vertices[:, list(UPPER_LIP)])
    lower = _curve(frame, vertices[:, list(LOWER_LIP)])
    return frame._replace(upper=upper, lower=lower)


def curve_height(coefficients: Tensor, u: Tensor) -> Tensor:
    """Return the height (N, ...) px of a lip curve (N, 4) at u (N, ...) in [-1, 1]."""
    c = coefficients.reshape(len(coefficients), 4, *(1,) * (u.dim() - 1))
    return (1 - u * u) * (c[:, 0] + u * (c[:, 1] + u * (c[:, 2] + u * c[:, 3])))


def inner_gap(vertices: Tensor, camera: Tensor) -> Tensor:
    """Return the vertical gap (N, 5) between the inner lips in head units, measured along the
    head's own down axis."""
    between = vertices[:, list(LOWER_LIP)] - vertices[:, list(UPPER_LIP)]
    down = camera[:, :, 1]
    return (between * down[:, None]).sum(dim=2) / down.square().sum(dim=1, keepdim=True)


def own_mouth(images: Tensor, vertices: Tensor, gap: Tensor) -> Tensor:
    """Return how surely the face's own teeth show (N,) in 0-1: bright, little coloured texels
    between parted lips.

    Bright is what is as light as skin: the median of the vertices beside the 68 points, which lie
    on cheeks, forehead, chin and nose. `gap` (N, 5) from `inner_gap`.
    """
    fractions = torch.tensor([0.25, 0.45, 0.65], device=vertices.device, dtype=vertices.dtype)
    upper, lower = vertices[:, list(UPPER_LIP)], vertices[:, list(LOWER_LIP)]
    inside = upper[:, :, None] + (lower - upper)[:, :, None] * fractions[:, None]
    luma, reddish, _ = _log_channels_at(images, inside).unbind(dim=1)
    skin = _log_channels_at(images, vertices[:, 68:, None])[:, 0].flatten(1).median(dim=1).values
    bright = torch.sigmoid((luma - skin[:, None, None] + 0.55) * 8)
    pale = torch.sigmoid((0.45 - reddish) * 14)
    shown = (bright * pale).amax(dim=2)[:, 1:4].mean(dim=1)
    return shown * smoothstep(gap[:, 1:4].mean(dim=1), 0.02, 0.05)


def _log_channels_at(images: Tensor, points: Tensor) -> Tensor:
    """Return log luma and log ratios R/G, B/G (N, 3, H, W) at points (N, H, W, 2) px."""
    grid = (2 * points + 1) / images.shape[-1] - 1
    return to_log_channels(
        F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)
    )


class Teeth(nn.Module):
    """Upper teeth as a learnt picture: log luma and log ratios relative to skin, and where teeth
    are."""

    picture: Tensor
    colour: Tensor

    def __init__(self) -> None:
        """Allocate; values come from a pack."""
        super().__init__()
        self.register_buffer("picture", torch.zeros(2, *TEETH_TEXELS))
        self.register_buffer("colour", torch.zeros(3, 2))

    def colours_for(self, skin: Tensor) -> Tensor:
        """Return teeth log luma, R/G and B/G (N, 3) for skin medians (N, 3) in the same channels.

        The learnt lines hold for colour pictures in ordinary light. Grey skin gets grey teeth, and
        in the dark teeth do not outshine the skin.
        """
        tint = _tint(skin)[:, None] * self.colour[1:, 0]
        ratios = tint + self.colour[1:, 1] * skin[:, 1:]
        luma = self.colour[0, 0] + self.colour[0, 1] * skin[:, :1]
        return torch.cat([torch.minimum(luma, skin[:, :1] + _TEETH_OVER_SKIN), ratios], dim=1)

    def softened(self, blur: Tensor) -> Tensor:
        """Return the picture (N, 2, h, w) as soft as a face of a given blur (N,), head units."""
        sigmas = [sigma / _TEXEL for sigma in _BLUR_LEVELS[1:]]
        soft = [blurred(self.picture, s, int(3 * s) + 1, edges="replicate") for s in sigmas]
        levels = torch.stack([self.picture, *soft])
        result = levels[:1].expand(len(blur), -1, -1, -1)
        for i in range(len(_BLUR_LEVELS) - 1):
            low, high = _BLUR_LEVELS[i], _BLUR_LEVELS[i + 1]
            share = ((blur - low) / (high - low)).clamp(0, 1)[:, None, None, None]
            result = result + share * (levels[i + 1] - levels[i])
        return result

    def forward(
        self,
        points: Tensor,
        frame: MouthFrame,
        scale: Tensor,
        yaw: Tensor,
        skin: Tensor,
        blur: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Return the inside of the mouth at pixels.

        Args:
            points: (N, H, W, 2) crop px.
            frame: the mouth after the edit.
            scale: (N,) px per head unit.
            yaw: (N,) radians.
            skin: (N, 3) median log luma, R/G, B/G of the face.
            blur: (N,) sigma of the picture's blur, head units.

        Returns:
            log luma, R/G, B/G (N, 3, H, W), and cover (N, 1, H, W) in 0-1: 1 between the lips.
        """
        yaw = yaw.clamp(-0.9, 0.9)
        offset = points - frame.origin[:, None, None]
        axis = frame.along[:, None, None]
        x = (offset * axis).sum(dim=-1)
        y = offset[..., 1] * axis[..., 0] - offset[..., 0] * axis[..., 1]
        u = (x / frame.half_width[:, None, None]).clamp(-1, 1)
        upper, lower = curve_height(frame.upper, u), curve_height(frame.lower, u)
        unit = scale[:, None, None]
        soft = ((0.006 + 2 * blur[:, None, None]) * unit).clamp_min(0.7)
        inside = ((torch.minimum(y - upper, lower - y) / soft) + 0.5).clamp(0, 1)
        cover = inside * smoothstep(x.abs() / frame.half_width[:, None, None], 1.0, 0.97)
        tx = (
            x / (unit * yaw.cos()[:, None, None].clamp_min(0.5))
            + _ARCH_DEPTH * yaw.tan()[:, None, None]
        )
        ty = (y - upper) / unit
        grid = torch.stack([tx / (TEETH_WIDTH / 2), ty / TEETH_HEIGHT * 2 - 1], dim=-1)
        look = F.grid_sample(
            self.softened(blur), grid, mode="bilinear", padding_mode="border", align_corners=False
        )
        luma = look[:, 0] + self._shade(u, (y - upper) / unit, (lower - y) / unit)
        colours = self.colours_for(skin)[:, :, None, None]
        channels = torch.stack(
            [
                colours[:, 0] + luma,
                colours[:, 1] + 0.3 * _tint(skin)[:, None, None] * (1 - look[:, 1]),
                colours[:, 2].expand_as(luma),
            ],
            dim=1,
        )
        return channels, cover[:, None]

    @staticmethod
    def _shade(u: Tensor, below_upper: Tensor, above_lower: Tensor) -> Tensor:
        """Return log shading: the lips cast shade on the teeth near them, the corners lie deep."""
        edge = -0.45 * torch.exp(-(below_upper / 0.012).clamp_min(0)) - 0.35 * torch.exp(
            -(above_lower / 0.010).clamp_min(0)
        )
        return edge - 1.0 * smoothstep(u.abs(), 0.58, 1.02)


def _tint(skin: Tensor) -> Tensor:
    """Return how coloured a picture is (N,) in 0-1, from skin medians (N, 3)."""
    return smoothstep(skin[:, 1:].abs().amax(dim=1), 0.02, 0.12)


def _curve(frame: MouthFrame, points: Tensor) -> Tensor:
    """Return the least-squares curve (N, 4) through lip points (N, 5, 2)."""
    offset = points - frame.origin[:, None]
    x = (offset * frame.along[:, None]).sum(dim=-1) / frame.half_width[:, None]
    y = offset[..., 1] * frame.along[:, None, 0] - offset[..., 0] * frame.along[:, None, 1]
    x = x.clamp(-0.98, 0.98)
    basis = torch.stack([torch.ones_like(x), x, x * x, x**3], dim=-1) * (1 - x * x)[..., None]
    ridge = 1e-4 * torch.eye(4, dtype=x.dtype, device=x.device)
    normal = basis.transpose(1, 2) @ basis + ridge
    return solve_positive(normal, basis.transpose(1, 2) @ y[..., None])[..., 0]
