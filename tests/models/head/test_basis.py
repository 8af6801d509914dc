"""The embedded head: a closed, symmetric surface that moves as the model it came from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

from models.base import ModelError, WeightsError
from models.head.basis import GROUPS, Head
from models.head.decimate import border_edges, decimated
from models.head.files import DEFAULT_FILE, build, save_head
from models.head.ict import EXPRESSIONS, read_ict
from models.networks import open_network
from models.topology68 import FLIP_68
from models.weights import load_safetensors


@pytest.fixture(scope="module")
def head() -> Head:
    network = open_network("head")
    assert isinstance(network, Head)
    return network


def test_it_is_small_and_names_its_expressions(head: Head) -> None:
    assert DEFAULT_FILE.stat().st_size < 1_000_000
    assert head.expression_names == EXPRESSIONS
    assert len(head.identity) == 40
    for name in ("face", "ears", "scalp", "neck", "eyes"):
        assert int(head.in_group(name).sum()) > 30
    assert head.group.max() < GROUPS.index("inside")


def test_both_sides_have_the_same_mesh(head: Head) -> None:
    mirror = head.mirror
    assert torch.equal(mirror[mirror], torch.arange(len(mirror)))
    flipped = head.neutral * torch.tensor([-1.0, 1.0, 1.0])
    assert float((flipped - head.neutral[mirror]).abs().max()) < 2e-3
    assert torch.equal(mirror[head.landmarks68], head.landmarks68[list(FLIP_68)])
    there = {tuple(sorted(t)) for t in head.faces.tolist()}
    assert there == {tuple(sorted(t)) for t in mirror[head.faces].tolist()}


def test_the_surface_has_no_holes_but_eyelids_and_neck(head: Head) -> None:
    """What borders lie near the eyes or at the very bottom."""
    edges = torch.tensor(border_edges(head.faces.numpy()))
    middle = head.neutral[edges].mean(1)
    at_eyes = (middle[:, 1].abs() < 0.3) & (middle[:, 0].abs() < 0.7)
    at_bottom = middle[:, 1] > 1.5
    assert bool((at_eyes | at_bottom).all())


def test_normals_point_outwards(head: Head) -> None:
    normals, face = head.normals(head.neutral), head.in_group("face")
    tip = head.landmarks68[30]
    assert float(normals[tip, 2]) > 0.7
    assert float((normals[face, 2] > 0).float().mean()) > 0.8
    scalp = head.in_group("scalp")
    outwards = head.neutral[scalp] - head.neutral[scalp].mean(0)
    assert float(((normals[scalp] * outwards).sum(-1) > 0).float().mean()) > 0.95


def test_expressions_do_what_they_are_called(head: Head) -> None:
    nothing, zero = torch.zeros(40), torch.zeros(len(EXPRESSIONS))

    def points(**shown: float) -> torch.Tensor:
        expression = zero.clone()
        for name, value in shown.items():
            expression[EXPRESSIONS.index(name)] = value
        return head.shape(nothing, expression)[head.landmarks68]

    still = points()
    assert points(jawOpen=1)[66, 1] - points(jawOpen=1)[62, 1] > still[66, 1] - still[62, 1] + 0.1
    assert points(mouthSmile_L=1)[54, 1] < still[54, 1] - 0.03
    assert abs(float(points(mouthSmile_L=1)[48, 1] - still[48, 1])) < 0.01
    assert points(eyeBlink_L=1)[44, 1] > still[44, 1] + 0.05


def test_a_file_is_read_as_it_was_written(head: Head, tmp_path: Path) -> None:
    path = tmp_path / "head.safetensors"
    save_head(head, path, notes={"licence": "MIT"})
    tensors, notes = load_safetensors(path)
    again = build(tensors)
    assert notes == {"licence": "MIT"}
    for name, tensor in head.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor)


def test_another_file_is_refused(head: Head) -> None:
    tensors, _ = load_safetensors(DEFAULT_FILE)
    lacking = {k: v for k, v in tensors.items() if k != "faces"}
    beyond = {**tensors, "landmarks68": tensors["landmarks68"] + 30_000}
    shorter = {**tensors, "identity": tensors["identity"][:, :100]}
    for state in (lacking, beyond, shorter):
        with pytest.raises(WeightsError, match="this is no head"):
            build(state)


def test_thinning_keeps_a_flat_sheet_flat_and_its_border() -> None:
    """A bent sheet of 15 × 15 vertices: few are needed for its planes, those on the fold stay."""
    y, x = np.mgrid[0:15, 0:15].astype(float)
    sheet = np.stack([x, y, np.abs(x - 7)], -1).reshape(-1, 3)
    number = np.arange(225).reshape(15, 15)
    a, b, c, d = (
        k.ravel() for k in (number[:-1, :-1], number[:-1, 1:], number[1:, 1:], number[1:, :-1])
    )
    triangles = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    kept = np.zeros(225, bool)
    kept[112] = True
    slim = decimated(sheet[None], triangles, np.ones(225), kept, 30)
    used = np.unique(slim)
    assert len(used) <= 31
    assert 112 in used
    corners = {0, 14, 210, 224}
    assert corners <= set(used.tolist())

    def area(faces: np.ndarray) -> float:
        p = sheet[faces]
        return float(np.linalg.norm(np.cross(p[:, 1] - p[:, 0], p[:, 2] - p[:, 0]), axis=1).sum())

    assert area(slim) == pytest.approx(area(triangles), rel=0.01)


def test_a_folder_without_the_model_is_said(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot read"):
        read_ict(tmp_path / "ict_face_light.npz")
    np.savez(tmp_path / "other.npz", neutral=np.zeros((4, 3)))
    with pytest.raises(ModelError, match="lacks identity"):
        read_ict(tmp_path / "other.npz")


def test_the_light_head_moves_as_the_whole_one(shared: Path, head: Head) -> None:
    whole = read_ict(shared / "data/ict/ict_face_light.npz")
    distance, vertex = cKDTree(whole.neutral.numpy()).query(head.neutral.numpy())
    assert distance.max() < 1e-4
    skin = head.in_group("face", "scalp").numpy()
    vertex = vertex[skin]
    same = head.identity[3, skin] - whole.identity[3, vertex]
    assert float(same.abs().max()) < 2e-3
    away, _ = cKDTree(head.neutral.numpy()).query(whole.neutral[whole.in_group("face")].numpy())
    assert np.percentile(away, 95) < 0.06
