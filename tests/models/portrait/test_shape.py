"""The shape model finds pose and shape again that were put in."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from models.portrait.fit_shape import fit_shape
from models.portrait.shape import ShapeModel
from models.portrait.topology import FLIP_VERTICES, MESH_VERTICES
from models.topology68 import FLIP_68, MESH_TO_68
from tests.models.portrait.tiny import tiny_face


def rotation(yaw: float, pitch: float, roll: float) -> Tensor:
    """Rotation matrix roll @ yaw @ pitch in the convention of `ShapeFit.angles` (z away from the
    viewer)."""
    cy, sy, cp, sp, cr, sr = (f(a) for a in (yaw, pitch, roll) for f in (math.cos, math.sin))
    turn = torch.tensor([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    nod = torch.tensor([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
    tilt = torch.tensor([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1.0]])
    return tilt @ nod @ turn


def model() -> ShapeModel:
    return fit_shape_of_variations()


def fit_shape_of_variations() -> ShapeModel:
    """A model learnt from a drawn head whose jaw and mouth vary independently."""
    generator = torch.Generator().manual_seed(3)
    face = tiny_face()
    jaw, mouth = torch.zeros_like(face), torch.zeros_like(face)
    jaw[4:13, 0] = face[4:13, 0]
    mouth[48:68, 0] = face[48:68, 0]
    amounts = torch.randn(200, 2, generator=generator) * 0.1
    meshes = face + amounts[:, :1, None] * jaw + amounts[:, 1:, None] * mouth
    return fit_shape(meshes, coefficients=2)


@pytest.mark.parametrize(
    ("yaw", "pitch", "roll"), [(0, 0, 0), (20, 0, 0), (-30, 0, 0), (0, -12, 0), (10, 5, 35)]
)
def test_a_turned_head_has_the_angles_it_was_turned_by(yaw: int, pitch: int, roll: int) -> None:
    shape = model()
    camera = 120 * rotation(*(math.radians(a) for a in (yaw, pitch, roll)))[:2]
    fit = shape.fit((shape.mean[:68] @ camera.T + 200)[None])
    angles = torch.rad2deg(fit.angles[0])
    if roll == 0:
        assert torch.allclose(angles, torch.tensor([float(yaw), pitch, roll]), atol=0.6)
    assert torch.allclose(fit.camera[0], camera, atol=1.0)
    assert fit.scale.item() == pytest.approx(120, rel=0.01)


def test_a_widened_mouth_is_read_as_shape_and_not_as_pose() -> None:
    shape = model()
    wide = shape.mean[:68].clone()
    wide[48:68, 0] *= 1.2
    plain = shape.fit((shape.mean[:68, :2] * 150 + 200)[None])
    fit = shape.fit((wide[:, :2] * 150 + 200)[None])
    found = shape.mean + shape.displacement(fit.coefficients)[0]
    assert (found[54, 0] - found[48, 0]).item() == pytest.approx(
        (wide[54, 0] - wide[48, 0]).item(), abs=0.01
    )
    assert torch.allclose(fit.angles, plain.angles, atol=0.01)


def test_projected_vertices_pass_through_the_landmarks_exactly() -> None:
    shape = model()
    landmarks = shape.mean[:68, :2] * 100 + 150
    noisy = (landmarks + torch.randn(68, 2, generator=torch.Generator().manual_seed(0)))[None]
    assert torch.equal(shape.project(shape.fit(noisy), noisy)[:, :68], noisy)


def test_a_face_is_fitted_the_same_alone_and_in_a_batch() -> None:
    shape = model()
    generator = torch.Generator().manual_seed(1)
    batch = shape.mean[:68, :2] * 90 + 140 + torch.randn(5, 68, 2, generator=generator)
    together, alone = shape.fit(batch), shape.fit(batch[3:4])
    assert torch.allclose(together.coefficients[3:4], alone.coefficients, atol=1e-4)
    assert torch.allclose(together.angles[3:4], alone.angles, atol=1e-4)


def test_mirror_tables_are_involutions_over_distinct_vertices() -> None:
    assert [FLIP_68[i] for i in FLIP_68] == list(range(68))
    assert [FLIP_VERTICES[i] for i in FLIP_VERTICES] == list(range(len(MESH_VERTICES)))
    assert len(set(MESH_VERTICES)) == len(MESH_VERTICES)
    assert MESH_VERTICES[:68] == MESH_TO_68


def test_a_nod_moves_what_lies_in_front_up_and_what_lies_behind_down() -> None:
    shape = model()
    moved = shape.nodded(torch.tensor([0.1]))[0]
    nose, ear = 30, 0
    assert shape.mean[nose, 2] < shape.mean[ear, 2]
    assert moved[nose, 1] < moved[ear, 1]
