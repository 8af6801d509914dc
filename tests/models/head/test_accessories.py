"""Glasses and hats sit on any head: on its nose, over its ears, never through its skin."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.head._sweep import heights
from models.head.accessories import GLASSES, HATS, Accessory, Glasses, Hat, Seat, put_on
from models.head.basis import Head
from models.head.files import DEFAULT_FILE, build
from models.weights import load_safetensors


@pytest.fixture(scope="module")
def head() -> Head:
    return build(load_safetensors(DEFAULT_FILE)[0])


@pytest.fixture(scope="module", params=[None, 0, 1], ids=["mean", "first", "second"])
def someone(request: pytest.FixtureRequest, head: Head) -> Seat:
    """The mean head, and two people."""
    identity = torch.zeros(len(head.identity))
    if request.param is not None:
        rng = np.random.default_rng(request.param)
        identity = torch.from_numpy(rng.normal(size=len(identity))).float()
    vertices = head.shape(identity, torch.zeros(len(head.expression))).double().numpy()
    return Seat.of(vertices, *_mesh(head))


def _mesh(head: Head) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Triangles, the 68 points' vertices, and which vertices are of the ears."""
    return head.faces.numpy(), head.landmarks68.numpy(), head.in_group("ears").numpy()


def _worn(name: Glasses | Hat, seat: Seat, head: Head) -> tuple[Accessory, np.ndarray]:
    """A thing on a head in the seat's own centimetres, with its triangles' middles."""
    worn = put_on(name, seat.vertices, *_mesh(head))
    return worn, worn.vertices[worn.faces].mean(1)


@pytest.mark.parametrize("name", GLASSES)
def test_the_front_of_glasses_stands_off_the_face_and_touches_the_nose(
    name: Glasses, someone: Seat, head: Head
) -> None:
    worn, _ = _worn(name, someone, head)
    front = worn.vertices[worn.vertices[:, 2] > someone.points[[36, 45], 2].mean()]
    off = front[:, 2] - heights(front[:, :2], someone.vertices, someone.faces)
    # Pads press into the skin by two millimetres, as pads do.
    assert off.min() > -0.25
    nose = front[np.abs(front[:, 0]) < 1.3]
    skin = someone.vertices[np.abs(someone.vertices[:, 0]) < 2.0]
    nearest = min(np.linalg.norm(skin - point, axis=1).min() for point in nose)
    assert nearest < 0.35
    lens = [m.opacity < 1 and "lens" in m.name for m in worn.materials]
    glass = worn.vertices[np.unique(worn.faces[np.array(lens)[worn.material]])]
    room = glass[:, 2] - heights(glass[:, :2], someone.vertices, someone.faces)
    assert np.median(room) > 0.8


@pytest.mark.parametrize("name", GLASSES)
def test_temples_run_beside_the_head_and_end_over_the_ears(
    name: Glasses, someone: Seat, head: Head
) -> None:
    worn, _ = _worn(name, someone, head)
    temple = worn.vertices[worn.vertices[:, 2] < -1.5]
    beside = someone.width(temple[:, [2, 1]])
    assert (np.abs(temple[:, 0]) - beside).min() > -0.05
    ears = someone.vertices[head.in_group("ears").numpy()]
    end = temple[temple[:, 2] < temple[:, 2].min() + 0.2]
    assert abs(end[:, 1].mean() - ears[:, 1].max()) < 1.2
    assert ears[:, 2].min() < end[:, 2].mean() < ears[:, 2].max() + 0.5


@pytest.mark.parametrize("name", HATS)
def test_hats_hold_the_skull_and_leave_eyes_and_ears_free(
    name: Hat, someone: Seat, head: Head
) -> None:
    worn, middles = _worn(name, someone, head)
    skull = someone.skull()
    over = skull[skull[:, 1] > worn.vertices[:, 1].max() - 4]
    roof = heights(over[:, [0, 2]], worn.vertices[:, [0, 2, 1]], worn.faces)
    assert (roof > over[:, 1]).all()
    eyes, ears = someone.points[36:48, 1].max(), someone.vertices[head.in_group("ears").numpy()]
    assert middles[np.abs(middles[:, 2]) < 3, 1].min() > ears[:, 1].max() - 0.3
    assert worn.vertices[worn.vertices[:, 2] > -2, 1].min() > eyes


@pytest.mark.parametrize("name", GLASSES + HATS)
def test_things_are_symmetric_and_seen_from_outside(name: Glasses | Hat, head: Head) -> None:
    vertices = head.neutral.double().numpy()
    worn = put_on(name, vertices, *_mesh(head))
    seat = Seat.of(vertices, *_mesh(head))
    own = (worn.vertices - seat.origin) @ seat.axes.T / seat.unit
    sample = own[::17]
    away = [np.linalg.norm(own - point * (-1, 1, 1), axis=1).min() for point in sample]
    assert max(away) < 0.03
    # In the head's coordinates a triangle's normal agrees with those of its corners.
    a, b, c = (worn.vertices[worn.faces[:, k]] for k in range(3))
    plane = np.cross(b - a, c - a)
    agrees = (plane * worn.normals[worn.faces].sum(1)).sum(1)
    assert (agrees > -1e-9).mean() > 0.97
    if name in GLASSES:
        # A solid has a positive volume.
        solid = np.array([m.opacity == 1 for m in worn.materials])[worn.material]
        assert np.einsum("ij,ij->i", a, np.cross(b, c))[solid].sum() > 0


def test_things_do_not_depend_on_the_coordinates_of_the_head(head: Head) -> None:
    vertices, (faces, *rest) = head.neutral.double().numpy(), _mesh(head)
    turn = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]
    turn *= np.sign(np.linalg.det(turn))
    here = put_on("square", vertices, faces, *rest)
    there = put_on("square", 40 * vertices @ turn.T + 7, faces, *rest)
    np.testing.assert_allclose(40 * here.vertices @ turn.T + 7, there.vertices, atol=0.05)
    mirrored = put_on("square", vertices * (1, -1, 1), faces[:, ::-1], *rest)
    np.testing.assert_allclose(here.vertices * (1, -1, 1), mirrored.vertices, atol=1e-6)


def test_nothing_else_can_be_put_on(head: Head) -> None:
    with pytest.raises(ValueError, match="there are round, square"):
        put_on("monocle", head.neutral.double().numpy(), *_mesh(head))  # type: ignore[arg-type]
