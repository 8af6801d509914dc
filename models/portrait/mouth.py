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

_OWN_OVER_SKIN = 0.6
"""One's own are at most this much lighter."""

_TEETH_LENGTH, _TEETH_RISE = 0.112, 0.7
"""How far below the upper lip line the teeth of the picture end in its middle, head units, and by
how much less far at a distance from there: per square of that distance."""


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


def visible_lips(vertices: Tensor, camera: Tensor) -> Tensor:
    """Return how much red of both lips shows (N,) in head units, above and below the gap in the
    middle, along the head's own down axis."""
    red = vertices[:, [62, 57]] - vertices[:, [51, 66]]
    down = camera[:, :, 1]
    heights = (red * down[:, None]).sum(dim=2) / down.square().sum(dim=1, keepdim=True)
    return heights.sum(dim=1)


class OwnTeeth(NamedTuple):
    """What shows of the own teeth of N faces."""

    shown: Tensor
    """(N,) 0-1: how surely some show, were they in shade."""
    clear: Tensor
    """(N,) 0-1: how clearly their colour can be seen."""
    colour: Tensor
    """(N, 3) log luma over that of the skin, log ratios R/G and B/G; of no meaning where nothing is
    clear."""


def own_teeth(images: Tensor, vertices: Tensor, gap: Tensor) -> OwnTeeth:
    """Return what shows of teeth: bright, little coloured texels between parted lips.

    Bright is what is as light as skin: the median of the vertices beside the 68 points, which lie
    on cheeks, forehead, chin and nose. `gap` (N, 5) from `inner_gap`.
    """
    fractions = torch.tensor([0.25, 0.45, 0.65], device=vertices.device, dtype=vertices.dtype)
    upper, lower = vertices[:, list(UPPER_LIP)], vertices[:, list(LOWER_LIP)]
    inside = upper[:, :, None] + (lower - upper)[:, :, None] * fractions[:, None]
    channels = _log_channels_at(images, inside)
    skin = _log_channels_at(images, vertices[:, 68:, None])[:, 0].flatten(1).median(dim=1).values
    lighter = channels[:, 0] - skin[:, None, None]
    red = channels[:, 1]
    toothlike = torch.sigmoid((lighter + 0.55) * 8) * torch.sigmoid((0.45 - red) * 14)
    clear = clearly_teeth(lighter, red)
    weights = clear.square() / clear.square().sum(dim=(1, 2), keepdim=True).clamp_min(1e-6)
    colours = torch.cat([lighter[:, None], channels[:, 1:]], dim=1)
    parted = smoothstep(gap[:, 1:4].mean(dim=1), 0.02, 0.05)
    return OwnTeeth(
        _in_middle(toothlike) * parted,
        _in_middle(clear) * parted,
        (colours * weights[:, None]).sum(dim=(2, 3)),
    )


def clearly_teeth(lighter: Tensor, red: Tensor) -> Tensor:
    """Return how clearly texels show teeth, 0-1, by their log luma over the skin's and their log
    ratio R/G, of any shape."""
    return torch.sigmoid((lighter + 0.15) * 12) * torch.sigmoid((0.28 - red) * 20)


def _in_middle(scores: Tensor) -> Tensor:
    """Return the best of each column (N, 5, P), averaged over the three in the middle (N,)."""
    return scores.amax(dim=2)[:, 1:4].mean(dim=1)


def _log_channels_at(images: Tensor, points: Tensor) -> Tensor:
    """Return log luma and log ratios R/G, B/G (N, 3, H, W) at points (N, H, W, 2) px."""
    grid = (2 * points + 1) / images.shape[-1] - 1
    return to_log_channels(
        F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)
    )


class TeethLook(NamedTuple):
    """How teeth look in the pictures of N faces."""

    skin: Tensor
    """(N, 3) median log luma, R/G, B/G of the face."""
    own: Tensor
    """(N, 3) colour of the own teeth, as in `OwnTeeth` …"""
    certain: Tensor
    """(N,) 0-1: … and how surely that is known."""
    blur: Tensor
    """(N,) sigma of the picture's blur, head units."""
    below: Tensor
    """(N,) 0-1: how much is drawn of what lies below the upper teeth."""


def beside_own(inside: Tensor, look: TeethLook) -> Tensor:
    """Return where the inside of a mouth (N, 3, h, w) in [-1, 1] may be drawn over: (N, 1, h, w) in
    0-1. Where it is open and shows own teeth, drawn ones stand beside them."""
    channels = to_log_channels(inside)
    lighter = channels[:, 0] - look.skin[:, :1, None]
    own = clearly_teeth(lighter, channels[:, 1]) * (1 - look.below[:, None, None])
    return 1 - own[:, None]


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

    def colours_for(self, look: TeethLook) -> Tensor:
        """Return teeth log luma, R/G and B/G (N, 3): of the person's own as far as they were seen,
        else of those that go with such skin.

        The learnt lines hold for colour pictures in ordinary light. Grey skin gets grey teeth, and
        in the dark teeth do not outshine the skin.
        """
        skin = look.skin
        tint = _tint(skin)[:, None] * self.colour[1:, 0]
        ratios = tint + self.colour[1:, 1] * skin[:, 1:]
        luma = self.colour[0, 0] + self.colour[0, 1] * skin[:, :1]
        usual = torch.cat([torch.minimum(luma, skin[:, :1] + _TEETH_OVER_SKIN), ratios], dim=1)
        own = torch.cat(
            [look.own[:, :1].clamp_max(_OWN_OVER_SKIN) + skin[:, :1], look.own[:, 1:]], dim=1
        )
        return usual + look.certain[:, None] * (own - usual)

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
        look: TeethLook,
    ) -> tuple[Tensor, Tensor]:
        """Return the inside of the mouth at pixels.

        Args:
            points: (N, H, W, 2) crop px.
            frame: the mouth after the edit.
            scale: (N,) px per head unit.
            yaw: (N,) radians.
            look: of the teeth in these faces.

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
        blur = look.blur[:, None, None]
        soft = ((0.006 + 2 * blur) * unit).clamp_min(0.7)
        inside = ((torch.minimum(y - upper, lower - y) / soft) + 0.5).clamp(0, 1)
        cover = inside * smoothstep(x.abs() / frame.half_width[:, None, None], 1.0, 0.97)
        tx = (
            x / (unit * yaw.cos()[:, None, None].clamp_min(0.5))
            + _ARCH_DEPTH * yaw.tan()[:, None, None]
        )
        ty = (y - upper) / unit
        end = _TEETH_LENGTH - _TEETH_RISE * tx.square()
        beyond = smoothstep((ty - end) / (0.008 + 2 * blur), -1.0, 1.0)
        cover = cover * (1 - beyond * (1 - look.below[:, None, None]))
        grid = torch.stack([tx / (TEETH_WIDTH / 2), ty / TEETH_HEIGHT * 2 - 1], dim=-1)
        picture = F.grid_sample(
            self.softened(look.blur),
            grid,
            mode="bilinear",
            padding_mode="border",
            align_corners=False,
        )
        luma = picture[:, 0] + self._shade(u, (y - upper) / unit, (lower - y) / unit)
        colours = self.colours_for(look)[:, :, None, None]
        gums = 0.3 * _tint(look.skin)[:, None, None] * (1 - picture[:, 1])
        channels = torch.stack(
            [colours[:, 0] + luma, colours[:, 1] + gums, colours[:, 2].expand_as(luma)], dim=1
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
