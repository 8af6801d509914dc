"""Fit a portrait to a rated face set, and export the codes that the latent transformer learns
from."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ..ops.ridge import ridge
from ..training.codes import LabelledCodes
from .data import FaceSet
from .fit_layers import fit_layers, fold_tint
from .fit_shape import fit_shape
from .fit_teeth import fit_teeth
from .fit_texture import (
    Textures,
    canonical_vertices,
    empty_texture_model,
    fit_texture_basis,
    mirror_rows,
    read_textures,
    texture_rows,
)
from .layers import LAYER_SIDE, FineLayers
from .mouth import inner_gap
from .net import PortraitModel
from .regions import layer_gain, smile_gain, vertex_indices
from .texture import LUMA_SIDE
from .topology import FLIP_VERTICES
from .warp import canonical_grid

LAYER_ATTRIBUTES = ("happy",)
"""Ratings that have a fine layer: folds of a smile. Those of age follow a face: `models.folds`."""

_LAYER_RISE = (1.5,)
_LAYER_FALL = (0.4,)

_RATED_PREDICTORS = (
    "happy",
    "age",
    "weight",
    "gender",
    "skin-color",
    "asian",
    "black",
    "long-haired",
)
MEASURES = ("gap", "yaw", "pitch", "light_x", "light_y", "eye_open")
"""Measured columns of the exported codes, after the ratings; standardised like these."""

_ODD_MEASURES = ("yaw", "light_x")
"""Measures that change sign in a mirrored picture."""

_SMILE_AT_SAME = (
    *("happy", "gap", "age", "weight", "gender", "skin-color"),
    *("yaw", "pitch", "light_x", "light_y"),
)
"""A smile and what is held fixed when its direction is found, as by the mover of that name."""

_RIDGE = 60.0


def fit_portrait(
    faces: FaceSet, *, coefficients: int = 40, components: int = 100
) -> tuple[PortraitModel, LabelledCodes]:
    """Return a portrait learnt from rated faces, and their codes (2N, 1, D), plain then mirrored.

    Labels are ratings and `MEASURES`, of mean 0 and standard deviation 1.
    """
    shape = fit_shape(faces.mesh, coefficients=coefficients)
    canonical = canonical_vertices(shape, faces)
    texture = empty_texture_model(canonical, components)
    textures = read_textures(faces, shape, texture)
    fit_texture_basis(texture, textures)
    rows, medians = texture_rows(texture, textures)
    pixels = faces.mesh[:, :, :2] * 512
    fit = shape.fit(pixels[:, :68])
    mirrored = pixels[:, list(FLIP_VERTICES)] * torch.tensor([-1.0, 1.0])
    shape.pitch_sigma.copy_(fit.angles[:, 1].std())
    shape_code = torch.cat([shape.code(fit), shape.code(shape.fit(mirrored[:, :68]))])
    shape_code[:, -1] -= shape_code[:, -1].mean()
    code = (
        (torch.cat([rows, mirror_rows(texture, rows)]) - texture.mean)
        @ texture.basis.T
        / texture.sigma
    )
    photo = (medians - texture.photo_mean) / texture.photo_sigma
    w = torch.cat([shape_code, code, photo.repeat(2, 1)], dim=1)
    gap = inner_gap(pixels, fit.camera)[:, 1:4].mean(dim=1)
    measures = _measures(faces, textures, gap)
    sign = torch.tensor([-1.0 if m in _ODD_MEASURES else 1.0 for m in MEASURES])
    ratings = faces.ratings.repeat(2, 1)
    labels = torch.cat([ratings, torch.cat([measures, sign * measures])], dim=1)
    names = (*faces.attributes, *MEASURES)
    layers = FineLayers(len(LAYER_ATTRIBUTES), w.shape[1])
    maps, tint = _layer_maps(faces, textures, canonical, measures)
    layers.maps.copy_(maps)
    layers.tint.copy_(tint)
    layers.rise.copy_(torch.tensor(_LAYER_RISE))
    layers.fall.copy_(torch.tensor(_LAYER_FALL))
    columns = [faces.attributes.index(a) for a in LAYER_ATTRIBUTES]
    layers.readout.copy_(ridge(w, ratings[:, columns], _RIDGE)[0].T)
    model = PortraitModel(shape, texture, layers, fit_teeth(faces, shape, medians))
    layers.spared[0] = _spared(model, canonical, _along_smile(w, labels, names))
    model.canonical.copy_(canonical)
    model.ring.copy_(_still_ring())
    model.movability.copy_(_movability(len(canonical)))
    model.layer_gain.copy_(layer_gain(canonical, LAYER_SIDE))
    happy = ratings[:, [faces.attributes.index("happy")]]
    slope, level = ridge(shape_code[:, :-1], happy, _RIDGE)
    model.smile_axis.copy_(torch.cat([slope[:, 0] / shape.sigma, level]))
    plain = [path.name for path in faces.paths]
    both = (*plain, *(f"mirrored/{name}" for name in plain))
    return model.eval(), LabelledCodes(w[:, None], labels, names, both)


def _measures(faces: FaceSet, textures: Textures, gap: Tensor) -> Tensor:
    """Return standardised `MEASURES` (N, 6) of every face."""
    grid = canonical_grid(LAYER_SIDE)
    x, y = grid[..., 0], grid[..., 1] - 0.35
    cheeks = ((x.abs() < 0.5) & (y.abs() < 0.25)).float()
    luma = textures.luma.float()
    centred = (luma - (luma * cheeks).sum((1, 2), keepdim=True) / cheeks.sum()) * cheeks
    light_x, light_y = (centred * x).sum((1, 2)), (centred * y).sum((1, 2))
    mesh = faces.mesh[..., :2]
    lids = (mesh[:, [41, 40, 47, 46]] - mesh[:, [37, 38, 43, 44]]).norm(dim=-1).mean(dim=1)
    eye_open = lids / (mesh[:, 36] - mesh[:, 45]).norm(dim=-1)
    columns = torch.stack(
        [gap, textures.angles[:, 0], textures.angles[:, 1], light_x, light_y, eye_open], dim=1
    )
    return (columns - columns.mean(dim=0)) / columns.std(dim=0)


def _layer_maps(
    faces: FaceSet, textures: Textures, canonical: Tensor, measures: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the layers (J, LAYER_SIDE, LAYER_SIDE) and the tint of folds (2,)."""
    rated = [faces.attributes.index(a) for a in _RATED_PREDICTORS]
    predictors = torch.cat([faces.ratings[:, rated], measures], dim=1)
    odd = torch.ones(predictors.shape[1])
    for name in _ODD_MEASURES:
        odd[len(rated) + MEASURES.index(name)] = -1
    layered = [_RATED_PREDICTORS.index(a) for a in LAYER_ATTRIBUTES]
    maps = fit_layers(textures, canonical, predictors, odd, layered)
    tint = fold_tint(textures, canonical, maps[0], predictors, odd, layered[0])
    maps[0] *= smile_gain(canonical, LAYER_SIDE)
    return maps, tint


def _along_smile(w: Tensor, labels: Tensor, names: Sequence[str]) -> Tensor:
    """Return how codes w (N, D) change with the rating *happy* at the same gap, age, pose, light
    and build: (D,)."""
    columns = labels[:, [names.index(name) for name in _SMILE_AT_SAME]]
    return ridge(columns, w, _RIDGE)[0][0]


def _spared(model: PortraitModel, canonical: Tensor, along: Tensor) -> Tensor:
    """Return what a change `along` (D,) does to the coarse luma where a smile must not, per unit of
    the first layer's reading: (LUMA_SIDE, LUMA_SIDE)."""
    k = len(model.shape.sigma) + 1
    code = along[None, k : k + model.texture.components]
    coarse = model.texture.decode_difference(code)[0, 0] * model.residual_gain[0]
    kept = smile_gain(canonical, LUMA_SIDE)
    return coarse * (1 - kept) / (along @ model.layers.readout[0])


def _still_ring() -> Tensor:
    """Return 20 head-frame points (20, 3) around the head that no edit moves."""
    angle = torch.arange(20) * (2 * math.pi / 20)
    x, y = 1.30 * angle.sin(), 0.36 - 1.45 * angle.cos()
    return torch.stack([x, y, torch.full_like(x, 0.45)], dim=1)


def _movability(vertices: int) -> Tensor:
    """Return how far each vertex follows a decoded movement (V,): eyes, bridge and brows are held
    still for glasses."""
    share = torch.ones(vertices)
    share[[0, 1, 15, 16]] = 0.9
    share[17:27] = 0.5
    share[27:30] = 0.8
    share[36:48] = 0.35
    eyes = (145, 374, 159, 386, 230, 450, 229, 449, 52, 282, 55, 285)
    share[vertex_indices(eyes)] = 0.4
    share[vertex_indices((118, 347, 119, 348, 117, 346, 6, 122, 351))] = 0.7
    return (share + share[list(FLIP_VERTICES)]) / 2
