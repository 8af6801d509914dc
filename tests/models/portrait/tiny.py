"""A drawn face with random bases: a portrait that has learnt nothing, small and quick."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from models.portrait import PortraitModel
from models.portrait.layers import LAYER_SIDE, FineLayers
from models.portrait.mouth import TEETH_TEXELS, Teeth
from models.portrait.regions import INNER_MOUTH, layer_gain, skin_mask, vertex_indices
from models.portrait.shape import ShapeModel
from models.portrait.state import REST_LIPS, REST_WIDTH, STATE_NAMES
from models.portrait.texture import CHROMA_SIDE, FIELD_SIDE, LUMA_SIDE, TextureModel
from models.portrait.topology import FLIP_VERTICES, MESH_VERTICES
from models.portrait.warp import canonical_grid, thin_plate_operator

_COEFFICIENTS, _COMPONENTS = 6, 4


def tiny_face() -> Tensor:
    """Return the drawn head (V, 3) in head units, mirror-symmetric, lips slightly parted."""
    face = torch.zeros(len(MESH_VERTICES), 3)
    face[:68, :2] = _drawn_68()
    extras = torch.arange(68, len(face))
    spiral = (extras - 67).float() * 2.399963
    radius = ((extras - 67).float() / len(extras)).sqrt() * 0.7
    face[68:, 0], face[68:, 1] = radius * spiral.cos(), 0.35 + 1.25 * radius * spiral.sin()
    for mesh, x, y in (
        (80, -0.15, 0.745),
        (310, 0.15, 0.745),
        (88, -0.15, 0.785),
        (318, 0.15, 0.785),
    ):
        face[vertex_indices((mesh,))[0], :2] = torch.tensor([x, y])
    _draw_forehead(face)
    mirrored = face[list(FLIP_VERTICES)] * torch.tensor([-1.0, 1.0, 1.0])
    face = (face + mirrored) / 2
    face[:, 2] = (
        face[:, 0].square() - 0.25 * (-(face[:, :2] - face[30, :2]).square().sum(1) / 0.05).exp()
    )
    return face


def rest_state(count: int = 1, /, **columns: float | Tensor) -> Tensor:
    """Return states (N, 12) of faces from the front, mouths closed and at rest, but for columns."""
    known = {"width": REST_WIDTH, "lips": REST_LIPS, "closed": 1.0} | columns
    state = torch.zeros(count, len(STATE_NAMES))
    for name, values in known.items():
        state[:, STATE_NAMES.index(name)] = values
    return state


def tiny_portrait() -> PortraitModel:
    """Return a portrait around the drawn head; basis shape 0 widens the mouth, 1 parts the lips."""
    generator = torch.Generator().manual_seed(7)
    face = tiny_face()
    canonical = face[:, :2].clone()
    canonical[list(INNER_MOUTH), 1] += (canonical[list(INNER_MOUTH), 1] - 0.765).sign() * 0.04
    shape = _tiny_shape(face, generator)
    luma, chroma = (
        skin_mask(canonical, LUMA_SIDE).flatten(),
        skin_mask(canonical, CHROMA_SIDE).flatten(),
    )
    texture = TextureModel(len(face), _COMPONENTS, int(luma.sum()), int(chroma.sum()))
    texture.luma_mask.copy_(luma)
    texture.chroma_mask.copy_(chroma)
    points = canonical_grid(FIELD_SIDE).reshape(-1, 2)
    texture.field.copy_(thin_plate_operator(canonical, points, stiffness=1e-2))
    rows = torch.randn(_COMPONENTS, len(texture.mean), generator=generator)
    texture.basis.copy_(torch.linalg.qr(rows.T).Q.T)
    texture.sigma.fill_(5.0)
    layers = FineLayers(1, _COEFFICIENTS + 1 + _COMPONENTS + 3)
    layers.maps.copy_(0.1 * torch.randn(1, LAYER_SIDE, LAYER_SIDE, generator=generator))
    layers.readout[0, 0] = 1
    teeth = Teeth()
    teeth.picture[1] = 1
    teeth.picture[0, :, :: TEETH_TEXELS[1] // 8] = -0.5
    teeth.colour[0] = torch.tensor([0.0, 0.5])
    angle = torch.arange(20) * (2 * math.pi / 20)
    buffers = {
        "canonical": canonical,
        "ring": torch.stack([1.3 * angle.sin(), 0.36 - 1.45 * angle.cos(), 0.45 + 0 * angle], 1),
        "layer_gain": layer_gain(canonical, LAYER_SIDE),
        "smile_axis": 1 / shape.sigma[:1],
    }
    model = PortraitModel(shape, texture, layers, teeth)
    for name, values in buffers.items():
        getattr(model, name)[: len(values)] = values
    return model.eval()


def _tiny_shape(face: Tensor, generator: torch.Generator) -> ShapeModel:
    shape = ShapeModel(len(face), _COEFFICIENTS)
    shape.mean.copy_(face)
    near = (-(face[:, :2] - torch.tensor([0.0, 0.765])).square().sum(dim=1) / 0.3).exp()
    shape.basis.copy_(0.05 * torch.randn(shape.basis.shape, generator=generator))
    shape.basis[0] = 0
    shape.basis[0, :, 0] = face[:, 0] * near
    shape.basis[1] = 0
    shape.basis[1, :, 1] = (face[:, 1] - 0.765).sign() * near
    shape.sigma.fill_(0.1)
    shape.pitch_sigma.fill_(0.1)
    shape.pose_weights[:17] = 0.2
    shape.fit_weights.fill_(0.012**-2)
    distance = torch.cdist(face[68:], face[:68])
    kernel = torch.exp(-(distance / 0.18).square())
    shape.spread.copy_(kernel / (kernel.sum(dim=1, keepdim=True) + 0.3))
    return shape


def _drawn_68() -> Tensor:
    """Return the 68 points (68, 2) of a plain face: ovals and lines, iBUG order."""
    points = torch.zeros(68, 2)
    jaw = torch.linspace(math.pi, 0, 17)
    points[0:17] = torch.stack([0.78 * jaw.cos(), 0.0 + 1.27 * jaw.sin()], dim=1)
    for start, sign in ((17, -1.0), (22, 1.0)):
        x = torch.linspace(0.6, 0.15, 5) if sign < 0 else torch.linspace(0.15, 0.6, 5)
        points[start : start + 5] = torch.stack([sign * x, -0.15 - 0.05 * (x * 7).sin()], dim=1)
    points[27:31] = torch.stack([torch.zeros(4), torch.linspace(0.0, 0.38, 4)], dim=1)
    points[31:36] = torch.stack(
        [torch.linspace(-0.12, 0.12, 5), 0.48 - torch.linspace(-0.1, 0.1, 5).abs()], 1
    )
    eye = torch.tensor(
        [[-0.15, 0], [-0.06, -0.05], [0.06, -0.05], [0.14, 0.01], [0.06, 0.05], [-0.06, 0.05]]
    )
    points[36:42] = eye + torch.tensor([-0.35, 0.0])
    points[42:48] = (eye * torch.tensor([-1.0, 1.0]))[[3, 2, 1, 0, 5, 4]] + torch.tensor(
        [0.35, 0.0]
    )
    outer = torch.linspace(math.pi, -math.pi, 13)[:12]
    points[48:60] = torch.stack([0.32 * outer.cos(), 0.765 - 0.11 * outer.sin()], dim=1)
    inner = torch.tensor([-0.24, -0.08, 0.0, 0.08, 0.24, 0.08, 0.0, -0.08])
    height = torch.tensor([0.0, -1.0, -1.0, -1.0, 0.0, 1.0, 1.0, 1.0]) * 0.025
    points[60:68] = torch.stack([inner, 0.765 + height], dim=1)
    return points


def _draw_forehead(face: Tensor) -> None:
    top = vertex_indices((251, 284, 332, 297, 338, 10, 109, 67, 103, 54, 21))
    angle = torch.linspace(0.25, math.pi - 0.25, len(top))
    face[top, 0], face[top, 1] = 0.78 * angle.cos(), -0.65 * angle.sin()
