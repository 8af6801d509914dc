"""Learn one picture of upper teeth: rectified smiles aligned tooth to tooth, averaged. No single
smile survives."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .data import FaceSet
from .mouth import (
    TEETH_HEIGHT,
    TEETH_TEXELS,
    TEETH_WIDTH,
    Teeth,
    curve_height,
    inner_gap,
    mouth_frame,
)
from .shape import ShapeModel
from .texture import to_log_channels

_SHIFTS = torch.linspace(-0.055, 0.055, 23)
_STRETCHES = torch.linspace(0.84, 1.16, 17)
"""Searched moves (head units) and widths of a smile against the template; a central incisor is
about 0.085 wide."""

_ROUNDS = 6
_BAND = (0.02, 0.09)
"""Head units below the upper lip in which teeth are compared."""


def fit_teeth(faces: FaceSet, shape: ShapeModel, skin: Tensor) -> Teeth:
    """Return teeth learnt from frontal open smiles; `skin` (N, 3) are the faces' median log
    channels."""
    chosen = _open_smiles(faces, shape)
    looks, covers = _rectified(faces, shape, chosen)
    band = covers[:, 0] * _band_rows()[:, None]
    levels = torch.stack([_masked_median(looks[:, c], band) for c in range(3)], dim=1)
    aligned, weights = _congealed(looks, covers)
    teeth = Teeth()
    luma = aligned[:, 0]
    relative = luma - levels[:, :1, None]
    total = weights[:, 0].sum(dim=0)
    mean = (relative * weights[:, 0]).sum(dim=0) / total.clamp_min(1)
    mean = _fill_below((mean + mean.flip(1)) / 2, total)
    pale = torch.sigmoid((0.42 - aligned[:, 1]) * 12)
    tooth = (pale * weights[:, 0]).sum(dim=0) / total.clamp_min(1)
    tooth = _fill_below((tooth + tooth.flip(1)) / 2, total)
    teeth.picture.copy_(torch.stack([_sharpened(mean), tooth]))
    for channel in range(3):
        teeth.colour[channel] = _robust_line(skin[chosen, channel], levels[:, channel])
    return teeth


def _open_smiles(faces: FaceSet, shape: ShapeModel) -> Tensor:
    fit = shape.fit(faces.mesh[:, :68, :2] * 512)
    gap = inner_gap(faces.mesh[:, :, :2] * 512, fit.camera)[:, 1:4].mean(dim=1)
    happy = faces.ratings[:, faces.attributes.index("happy")]
    frontal = fit.angles[:, 0].abs() < 0.21
    return (frontal & (gap > 0.085) & (gap < 0.2) & (happy > 0.3)).nonzero()[:, 0]


def _rectified(faces: FaceSet, shape: ShapeModel, chosen: Tensor) -> tuple[Tensor, Tensor]:
    """Return mouth insides (M, 3, h, w) as log channels, hung from the upper lip, and where they
    are teeth or gum."""
    rows, columns = TEETH_TEXELS
    x = ((torch.arange(columns) + 0.5) / columns - 0.5) * TEETH_WIDTH
    y = (torch.arange(rows) + 0.5) / rows * TEETH_HEIGHT
    looks, covers = [], []
    for index, (picture, landmarks) in enumerate(faces.pictures()):
        if index not in set(chosen.tolist()):
            continue
        fit = shape.fit(landmarks[None])
        vertices = faces.mesh[index : index + 1, :, :2] * picture.shape[-1] - 0.5
        frame = mouth_frame(vertices)
        u = (x * fit.scale / frame.half_width)[None].clamp(-1, 1)
        upper, lower = curve_height(frame.upper, u)[0], curve_height(frame.lower, u)[0]
        below = upper[None] + y[:, None] * fit.scale
        down = torch.stack([-frame.along[0, 1], frame.along[0, 0]])
        points = (
            frame.origin[0]
            + (x * fit.scale)[None, :, None] * frame.along[0]
            + below[..., None] * down
        )
        grid = (2 * points[None] + 1) / picture.shape[-1] - 1
        looks.append(
            to_log_channels(
                F.grid_sample(picture[None], grid, mode="bicubic", align_corners=False)
            )[0]
        )
        inside = (below < lower[None] - 1.5) & ((x * fit.scale).abs() < frame.half_width * 0.95)[
            None
        ]
        covers.append(inside[None].float())
    return torch.stack(looks), torch.stack(covers)


def _congealed(looks: Tensor, covers: Tensor) -> tuple[Tensor, Tensor]:
    """Return looks and covers shifted and stretched so that the gaps between teeth coincide (after
    Learned-Miller 2006)."""
    moves = torch.cartesian_prod(_SHIFTS, _STRETCHES)
    template = torch.zeros(TEETH_TEXELS[1])
    row = _column_profile(looks[:, 0], covers[:, 0])[:, None, None]
    profiles = torch.stack([_moved(row, s, z)[:, 0, 0] for s, z in moves.tolist()], 1)
    profiles = profiles / profiles.norm(dim=-1, keepdim=True).clamp_min(1e-3)
    best = torch.full((len(looks),), int((moves[:, 0].abs() + (moves[:, 1] - 1).abs()).argmin()))
    score = torch.ones(len(looks))
    everyone = torch.arange(len(looks))
    penalty = (
        0.5 * (moves[:, 0] / 0.05).square() * 0.2 + 0.5 * ((moves[:, 1] - 1) / 0.1).square() * 0.1
    )
    for _ in range(_ROUNDS):
        chosen = profiles[everyone, best] * score.clamp_min(0)[:, None]
        template = chosen.mean(dim=0)
        template = template + template.flip(0)
        match = profiles @ (template / template.norm())
        best = (match - penalty).argmax(dim=1)
        score = match[everyone, best]
    sharp = score > score.quantile(0.5)
    both = torch.cat([looks, covers], dim=1)
    picked = torch.cat(
        [_moved(both[i : i + 1], *moves[best[i]].tolist()) for i in everyone.tolist()]
    )
    return picked[:, :3], (picked[:, 3:] > 0.9).float() * sharp[:, None, None, None]


def _column_profile(luma: Tensor, cover: Tensor) -> Tensor:
    """Return the horizontal high-pass (M, w) of the tooth band: dark at the gaps between teeth."""
    weight = cover * _band_rows()[:, None]
    mean = (luma * weight).sum(dim=1) / weight.sum(dim=1).clamp_min(1)
    smooth = F.avg_pool1d(mean[:, None], 23, 1, 11)[:, 0]
    fine = (mean - smooth) * (weight.sum(dim=1) > 5)
    fine[:, :24] = 0
    fine[:, -24:] = 0
    return fine


def _moved(pictures: Tensor, shift: float, stretch: float) -> Tensor:
    rows, columns = pictures.shape[-2:]
    theta = torch.tensor([[stretch, 0.0, shift / (TEETH_WIDTH / 2)], [0.0, 1.0, 0.0]])
    grid = F.affine_grid(
        theta.expand(len(pictures), -1, -1), [len(pictures), 1, rows, columns], False
    )
    return F.grid_sample(pictures, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def _band_rows() -> Tensor:
    y = (torch.arange(TEETH_TEXELS[0]) + 0.5) / TEETH_TEXELS[0] * TEETH_HEIGHT
    return ((y > _BAND[0]) & (y < _BAND[1])).float()


def _masked_median(values: Tensor, mask: Tensor) -> Tensor:
    return torch.stack([v[m > 0].median() for v, m in zip(values, mask, strict=True)])


def _fill_below(picture: Tensor, total: Tensor) -> Tensor:
    """Return a picture whose rarely seen texels repeat the nearest row above that was seen
    often."""
    filled = picture.clone()
    covered = (total + total.flip(1)) / 2 > 0.12 * total.max()
    for row in range(1, picture.shape[0]):
        filled[row] = torch.where(covered[row], filled[row], filled[row - 1])
    return filled


def _sharpened(picture: Tensor) -> Tensor:
    """Return an unsharp-masked picture: averaging many smiles softened the gaps between teeth."""
    soft = F.avg_pool2d(F.pad(picture[None, None], (3, 3, 3, 3), mode="replicate"), 7, 1)[0, 0]
    return picture + 1.0 * (picture - soft)


def _robust_line(x: Tensor, y: Tensor) -> Tensor:
    """Return intercept and slope of y on x, two rounds of outlier removal at 2.5 SD."""
    keep = torch.ones_like(x, dtype=torch.bool)
    line = torch.zeros(2)
    for _ in range(3):
        design = torch.stack([torch.ones_like(x[keep]), x[keep]], dim=1)
        line = torch.linalg.lstsq(design, y[keep, None]).solution[:, 0]
        residual = y - line[0] - line[1] * x
        keep = residual.abs() < 2.5 * residual[keep].std()
    return line
