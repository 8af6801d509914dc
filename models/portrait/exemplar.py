"""A region of one face as another face has it: what to move and how to shade, for all frames of a
shot.

Shape is carried as the difference of two fitted head shapes. Texture is carried as the difference
of two faces on the mean head, less what light makes of it: what changes slowly over bare skin.
Both are weighted by soft maps, so no edge shows. Colour, the opening of the mouth and the blinks
stay those of the clip.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..ops.gaussian import blurred
from .edit import mouth_modes, parting_of, with_parting
from .exemplar_maps import beard_map, eye_maps, feature_map, lip_map, move_map, region_map
from .layers import LAYER_SIDE
from .net import CROP_SIDE, PortraitModel
from .regions import EYES, LIPS, holes, vertex_indices
from .shape import ShapeFit
from .texture import LUMA_SIDE, sample_texture, to_log_channels, to_log_rgb
from .warp import CANONICAL_SIDE, canonical_to_unit, enlarge, smoothstep

UPPER_LIDS: Final = ((37, 38, *vertex_indices((159,))), (43, 44, *vertex_indices((386,))))
LOWER_LIDS: Final = ((41, 40, *vertex_indices((145,))), (47, 46, *vertex_indices((374,))))
"""Vertices of both eyes' lids, pairwise above each other."""

_LIGHT_REACH, _LIGHT_WIDE = 0.16, 0.5
"""Sigmas [outer-eye distances] over which a difference of bare skin is light; the second where
there is no bare skin near."""
_FINEST = 0.7
"""Sigma [texels] of what is finer than that."""
_SIDED_REACH = 0.03
"""Sigma from which on the halves of a face are alike but for light."""
_SKIN_DARKER, _SKIN_LIGHTER = 0.35, 0.22
"""Bounds of a change of log luma of bare skin …"""
_DARKER, _LIGHTER = 1.3, 0.8
"""… and of brows, beards and lips."""
_COLOUR = 0.3
"""Share of a difference of colour that is carried: hair is of another one than skin."""
_FACING = (0.35, 0.7)
"""Areas of a texel in the picture, in shares of that from the front, between which it is seen."""


class Likeness(NamedTuple):
    """How N faces look, whatever their pose."""

    coefficients: Tensor
    """(N, K) of the shape basis."""
    logs: Tensor
    """(N, 3, S, S) log luma and log ratios on the mean head, S = LAYER_SIDE."""
    clear: Tensor
    """(N, S, S) 0-1: where that is the face, and it is seen."""
    hair: Tensor
    """(N, S, S) 0-1: where it is hair."""

    def usual(self) -> Likeness:
        """Return one face from N frames of it: medians, and what is clear in most of them."""
        return Likeness(*(part.median(dim=0, keepdim=True).values for part in self))


class Carried(NamedTuple):
    """What turns a region of one face into that of another."""

    movement: Tensor
    """(V, 3) head units; lips stay as far apart as they are."""
    opening: Tensor
    """(2,) how open the eyes of the face usually are, head units: left, right."""
    factor: Tensor
    """(3, S, S) log RGB."""
    eyes: Tensor
    """(2, S, S) 0-1: what closes with each eye, left and right."""
    reach: Tensor
    """(S, S) 0-1: where anything changes at all."""


def texel_places(model: PortraitModel, landmarks: Tensor) -> Tensor:
    """Return where coarse texels lie in N crops: (N, G, G, 2) px."""
    return model.texture.sampling_field(model.placed(landmarks)[1])


def likeness(
    model: PortraitModel, images: Tensor, landmarks: Tensor, clear: Tensor, hair: Tensor
) -> Likeness:
    """Return how the faces of N native crops look.

    Args:
        model: the portrait.
        images: (N, 3, S, S) float RGB in [-1, 1].
        landmarks: (N, 68, 2) crop px.
        clear: (N, G, G) 0-1 on the texels of `texel_places`: what is part of the face.
        hair: (N, G, G) 0-1 the same of hair.
    """
    fit, vertices = model.placed(landmarks)
    field = model.texture.sampling_field(vertices)
    texel = images.shape[-1] / CROP_SIDE * CANONICAL_SIDE / LAYER_SIDE
    logs = to_log_channels(sample_texture(images, field, LAYER_SIDE, texel))
    both = enlarge(torch.stack([_facing(model, fit) * clear, hair], dim=1), LAYER_SIDE)
    return Likeness(fit.coefficients, logs, both[:, 0], both[:, 1])


def _facing(model: PortraitModel, fit: ShapeFit) -> Tensor:
    """Return how clearly texels of N heads are turned to the camera, (N, G, G) 0-1: of the mean
    head, whose lips and lids are never narrower in one picture than in another."""
    head = torch.cat([model.canonical, model.shape.mean[:, 2:]], dim=1)
    head = head @ fit.camera.transpose(1, 2)
    field = model.texture.sampling_field(head)
    across = (field[:, :, 2:] - field[:, :, :-2])[:, 1:-1] / 2
    down = (field[:, 2:] - field[:, :-2])[:, :, 1:-1] / 2
    area = across[..., 0] * down[..., 1] - across[..., 1] * down[..., 0]
    frontal = (fit.scale * CANONICAL_SIDE / field.shape[1]).square()[:, None, None]
    return F.pad(smoothstep(area / frontal, *_FACING)[:, None], (1,) * 4, mode="replicate")[:, 0]


def carried(
    model: PortraitModel, own: Likeness, other: Likeness, region: str, kept_out: Tensor, beard: bool
) -> Carried:
    """Return what turns a region of one face into another's.

    Args:
        model: the portrait.
        own, other: of one face each.
        region: one of `exemplar_maps.REGIONS`.
        kept_out: (A, D) directions of the code along which nothing is carried.
        beard: whether a beard, or its lack, is carried.
    """
    shape = (other.coefficients - own.coefficients)[0]
    logs, clear = _mirrored_where_hidden(other)
    clear = clear * own.clear
    change = (logs - own.logs)[0]
    hair = torch.maximum(own.hair, other.hair)[0]
    change = _without_light(model, change, clear[0], hair)
    away = _along(model, shape, change, kept_out)
    shape, change = shape - away[0], change - away[1]
    side, canonical = LAYER_SIDE, model.canonical
    spared = holes(canonical.cpu(), side, grow=0.01, soften=0.012).to(canonical.device)
    gain = region_map(canonical, region, side) * (1 - spared) * _softly(clear[0])
    if not beard:
        gain = gain * (1 - smoothstep(beard_map(canonical, side), 0.0, 0.5))
    reach = move_map(canonical, region, side)
    movement = _movement(model, shape, region, reach)
    face = model.shape.mean + model.shape.displacement(own.coefficients)
    opening = lid_gaps(face[..., 1]).mean(dim=2)[0]
    reach = torch.maximum(reach, smoothstep(region_map(canonical, region, side), 0.0, 0.1))
    factor = to_log_rgb((_steady(change) * gain)[None])[0]
    return Carried(movement, opening, factor, eye_maps(canonical, side), reach)


def seen_share(model: PortraitModel, face: Likeness, region: str) -> float:
    """Return which share of a region one face shows, in either of its halves, 0-1."""
    wanted = region_map(model.canonical, region, LAYER_SIDE)
    clear = _mirrored_where_hidden(face)[1][0]
    return float((wanted * clear).sum() / wanted.sum())


def _mirrored_where_hidden(face: Likeness) -> tuple[Tensor, Tensor]:
    """Return logs and what is clear of a face, whose hidden texels are those of its other half."""
    far = face.clear.flip(2) * (1 - face.clear)
    share = far / (face.clear + far).clamp_min(1e-3)
    logs = torch.lerp(face.logs, face.logs.flip(3), share[:, None])
    return logs, torch.maximum(face.clear, far)


def _softly(clear: Tensor) -> Tensor:
    """Return what is clear (S, S), drawn in and softened."""
    texels = LAYER_SIDE / CANONICAL_SIDE
    reach = round(0.04 * texels)
    sure = smoothstep(clear, 0.3, 0.9)[None, None]
    inner = -F.max_pool2d(-sure, 2 * reach + 1, 1, reach)[0]
    sigma = 0.025 * texels
    return blurred(inner, sigma, int(3 * sigma), edges="replicate")[0]


def _without_light(model: PortraitModel, change: Tensor, clear: Tensor, hair: Tensor) -> Tensor:
    """Return a difference of log channels (3, S, S) less what light makes of it, within bounds.

    What is left of bare skin is its relief; brows, beards and lips keep how they differ from the
    skin round them, lips only within: their colour stays.
    """
    features = torch.maximum(feature_map(model.canonical, LAYER_SIDE), hair)
    skin = clear * (1 - features)
    small = F.avg_pool2d(torch.cat([change * skin, skin[None]])[None], 4)[0]
    near, wide = (_spread(small, sigma) for sigma in (_LIGHT_REACH, _LIGHT_WIDE))
    total = near + 0.03 * wide
    light = total[:3] / total[3:].clamp_min(1e-4)
    rest = change - enlarge(light[None], LAYER_SIDE)[0]
    rest = rest - _sided(rest, skin)
    lips = lip_map(model.canonical, LAYER_SIDE)
    mean = (rest * lips * clear).sum(dim=(1, 2)) / (lips * clear).sum().clamp_min(1e-3)
    rest = rest - mean[:, None, None] * lips
    dark = _SKIN_DARKER + (_DARKER - _SKIN_DARKER) * features
    bright = _SKIN_LIGHTER + (_LIGHTER - _SKIN_LIGHTER) * features
    luma = dark * torch.tanh(rest[0].clamp_max(0) / dark)
    luma = luma + bright * torch.tanh(rest[0].clamp_min(0) / bright)
    return torch.cat([luma[None], rest[1:] * _COLOUR])


def _steady(change: Tensor) -> Tensor:
    """Return a change of log channels (3, S, S) without what is finer than landmarks are sure: it
    would shake against the pixels it lies on."""
    return blurred(change, _FINEST, round(3 * _FINEST), edges="replicate")


def _sided(change: Tensor, skin: Tensor) -> Tensor:
    """Return by how much the two halves of bare skin (S, S) differ in a change (3, S, S), coarsely:
    light from one side, such as the shadow of the nose."""
    small = F.avg_pool2d(torch.cat([change * skin, skin[None]])[None], 4)[0]
    near = _spread(small, _SIDED_REACH)
    mean, known = near[:3] / near[3:].clamp_min(0.05), near[3:]
    both = smoothstep(torch.minimum(known, known.flip(2)), 0.2, 0.6)
    return enlarge(((mean - mean.flip(2)) / 2 * both)[None], LAYER_SIDE)[0] * skin


def _spread(maps: Tensor, reach: float) -> Tensor:
    sigma = reach * maps.shape[-1] / CANONICAL_SIDE
    return blurred(maps, sigma, int(2.5 * sigma), edges="constant")


def _along(
    model: PortraitModel, shape: Tensor, change: Tensor, directions: Tensor
) -> tuple[Tensor, Tensor]:
    """Return what of a change of shape (K,) and of log channels (3, S, S) lies along directions
    (A, D) of the code: least squares over the whitened code, in which faces spread alike."""
    if not len(directions):
        return torch.zeros_like(shape), torch.zeros_like(change)
    k, texture = len(model.shape.sigma), model.texture
    small = F.avg_pool2d(change[None], LAYER_SIDE // LUMA_SIDE)
    rows, _ = texture.measure(small)
    code = torch.cat([shape / model.shape.sigma, (rows @ texture.basis.T / texture.sigma)[0]])
    basis = torch.cat([directions[:, :k], directions[:, k + 1 : -3]], dim=1)
    amounts = torch.linalg.lstsq(basis.T, code[:, None]).solution[:, 0]
    found = amounts @ basis
    channels = enlarge(texture.decode_difference(found[None, k:]), LAYER_SIDE)
    whole = (amounts @ directions)[None]
    folds = model.layers(whole)
    channels[:, 0] += folds
    channels[:, 1:] *= _COLOUR
    return found[:k] * model.shape.sigma, channels[0]


def _movement(model: PortraitModel, change: Tensor, region: str, weights: Tensor) -> Tensor:
    """Return the movement (V, 3) that a change of shape (K,) makes in a region, weights (S, S)."""
    movement = model.shape.displacement(change[None]) * model.movability[:, None]
    modes = mouth_modes(model.shape, model.smile_axis[:-1])
    parted = parting_of(movement)[:, 1:4].mean(dim=1)
    movement = movement - parted[:, None, None] * modes.parting
    movement = _in_place(model, movement[0], region)
    where = canonical_to_unit(model.canonical)[None, None]
    weight = F.grid_sample(weights[None, None], where, padding_mode="border", align_corners=False)
    movement = movement[None] * weight[0, 0, 0, :, None]
    return with_parting(movement, -parting_of(movement) / 2)[0]


def _in_place(model: PortraitModel, movement: Tensor, region: str) -> Tensor:
    """Return a movement (V, 3) that leaves the middle of a region where it is: of the mouth, of
    each eye, the root of the nose."""
    if region == "mouth":
        return movement - movement[list(LIPS)].mean(dim=0)
    if region == "nose":
        return movement - movement[27]
    if region == "eyes":
        left, right = (movement[list(eye)].mean(dim=0) for eye in EYES)
        return movement - torch.where(model.canonical[:, :1] < 0, left, right)
    return movement


def lid_gaps(heights: Tensor) -> Tensor:
    """Return how open the eyes of N faces are (N, 2, 3), by the heights (N, V) of vertices."""
    gaps = [
        heights[:, list(low)] - heights[:, list(high)]
        for high, low in zip(UPPER_LIDS, LOWER_LIDS, strict=True)
    ]
    return torch.stack(gaps, dim=1)
