"""Learn the texture model: what shape-normalised faces look like."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .data import FaceSet
from .layers import LAYER_SIDE
from .regions import skin_mask
from .shape import ShapeModel
from .texture import (
    CHROMA_SIDE,
    FIELD_SIDE,
    LUMA_SIDE,
    TextureModel,
    sample_texture,
    to_log_channels,
)
from .topology import FLIP_VERTICES
from .warp import canonical_grid, thin_plate_operator

FRONTAL_RADIANS = 0.33
"""Faces turned further than this (19 degrees) hide one cheek and are left out of the texture
statistics."""


@dataclass(frozen=True, slots=True)
class Textures:
    """Shape-normalised log textures of a face set."""

    luma: Tensor
    """(N, LAYER_SIDE, LAYER_SIDE) float16 log luma."""
    chroma: Tensor
    """(N, 2, CHROMA_SIDE, CHROMA_SIDE) float log ratios."""
    angles: Tensor
    """(N, 3) float radians."""


def canonical_vertices(shape: ShapeModel, faces: FaceSet) -> Tensor:
    """Return the frontal vertices (V, 2) of the average smiling face, mirrored-symmetric, mouth a
    little open."""
    happy = faces.ratings[:, faces.attributes.index("happy")]
    fit = shape.fit(faces.mesh[happy > 1.0][:, :68, :2] * 512)
    mean = (shape.mean + shape.displacement(fit.coefficients)).mean(dim=0)[:, :2]
    mirrored = mean[list(FLIP_VERTICES)] * torch.tensor([-1.0, 1.0])
    return (mean + mirrored) / 2


def empty_texture_model(canonical: Tensor, components: int) -> TextureModel:
    """Return a texture model with its sampling operator and masks, and no statistics yet."""
    luma_mask = skin_mask(canonical, LUMA_SIDE).flatten()
    chroma_mask = skin_mask(canonical, CHROMA_SIDE).flatten()
    model = TextureModel(len(canonical), components, int(luma_mask.sum()), int(chroma_mask.sum()))
    model.luma_mask.copy_(luma_mask)
    model.chroma_mask.copy_(chroma_mask)
    points = canonical_grid(FIELD_SIDE).reshape(-1, 2)
    model.field.copy_(thin_plate_operator(canonical, points, stiffness=1e-4))
    return model


def read_textures(faces: FaceSet, shape: ShapeModel, model: TextureModel) -> Textures:
    """Return the log textures of every picture of a face set."""
    luma = torch.zeros(len(faces), LAYER_SIDE, LAYER_SIDE, dtype=torch.float16)
    chroma = torch.zeros(len(faces), 2, CHROMA_SIDE, CHROMA_SIDE)
    angles = torch.zeros(len(faces), 3)
    for index, (picture, landmarks) in enumerate(faces.pictures()):
        fit = shape.fit(landmarks[None])
        field = model.sampling_field(shape.project(fit, landmarks[None]))
        texel = float(fit.scale) * 2.2 / LAYER_SIDE
        channels = to_log_channels(sample_texture(picture[None], field, LAYER_SIDE, texel))
        luma[index] = channels[0, 0].half()
        chroma[index] = F.avg_pool2d(channels[:, 1:], LAYER_SIDE // CHROMA_SIDE)[0]
        angles[index] = fit.angles[0]
    return Textures(luma, chroma, angles)


def fit_texture_basis(model: TextureModel, textures: Textures) -> None:
    """Fill a texture model's mean, basis and scales from frontal faces and their mirror images."""
    rows, medians = texture_rows(model, textures)
    frontal = textures.angles[:, 0].abs() < FRONTAL_RADIANS
    rows, medians = rows[frontal], medians[frontal]
    both = torch.cat([rows, mirror_rows(model, rows)])
    model.mean.copy_(both.mean(dim=0))
    model.photo_mean.copy_(medians.mean(dim=0))
    model.photo_sigma.copy_(medians.std(dim=0))
    centred = both - model.mean
    values, vectors = torch.linalg.eigh((centred @ centred.T).double())
    values, vectors = values.flip(0)[: model.components], vectors.flip(1)[:, : model.components]
    model.basis.copy_((vectors.T / values.sqrt()[:, None]).float() @ centred)
    model.sigma.copy_((values / len(both)).sqrt())


def texture_rows(model: TextureModel, textures: Textures) -> tuple[Tensor, Tensor]:
    """Return what `TextureModel.measure` returns, from stored textures: rows (N, L) and medians (N,
    3)."""
    luma = F.avg_pool2d(textures.luma.float(), LAYER_SIDE // LUMA_SIDE)
    return model.masked(luma, textures.chroma)


def mirror_rows(model: TextureModel, rows: Tensor) -> Tensor:
    """Return texture rows (N, L) of the mirrored pictures; the masks are mirror-symmetric."""
    luma, chroma = (maps.flip(-1) for maps in model.maps(rows))
    mirrored = chroma.flatten(2)[:, :, model.chroma_mask].flatten(1)
    return torch.cat([luma.flatten(1)[:, model.luma_mask], mirrored], dim=1)
