"""Learning finds what was planted: shapes, layers, teeth, and reads the data folder with care."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from models.base import ModelError
from models.ops.ridge import ridge
from models.portrait import load_portrait
from models.portrait.data import read_faces, read_level_pairs
from models.portrait.fit_layers import fit_layers, fold_tint, glasses_score
from models.portrait.fit_shape import fit_shape
from models.portrait.fit_teeth import _congealed, _robust_line
from models.portrait.fit_texture import Textures
from models.portrait.layers import LAYER_SIDE, FineLayers
from models.portrait.mouth import TEETH_TEXELS
from models.portrait.regions import UNDER_EYES, smile_gain
from models.portrait.texture import CHROMA_SIDE, LUMA_SIDE
from models.portrait.topology import FLIP_VERTICES
from models.portrait.warp import CANONICAL_LEFT, CANONICAL_SIDE, CANONICAL_TOP
from models.training.face_folder import read_picture
from tests.models.portrait.tiny import tiny_face


def test_shape_basis_spans_the_planted_variation() -> None:
    generator = torch.Generator().manual_seed(0)
    face = tiny_face()
    smile = torch.zeros_like(face)
    smile[48:68, 0] = face[48:68, 0]
    meshes = face + 0.2 * torch.randn(100, 1, 1, generator=generator) * smile
    turn = torch.linalg.qr(torch.eye(3) + 0.1 * torch.randn(3, 3, generator=generator)).Q
    turn = turn * turn.diagonal().sign()
    shape = fit_shape(meshes @ turn.T * 0.3 + 0.5, coefficients=3)
    planted = (smile / smile.norm()).flatten()
    found = shape.basis.flatten(1) @ planted
    assert found.norm() > 0.97
    assert (shape.mean[45] - shape.mean[36]).norm().item() == pytest.approx(1, abs=1e-4)
    mirrored = shape.mean[list(FLIP_VERTICES)] * torch.tensor([-1.0, 1.0, 1.0])
    assert torch.allclose(shape.mean, mirrored, atol=1e-3)


def planted_textures(count: int = 80) -> tuple[Textures, torch.Tensor, torch.Tensor]:
    """Faces whose cheeks darken along a fine symmetric line with a label; glasses on every
    tenth."""
    generator = torch.Generator().manual_seed(1)
    label = torch.randn(count, generator=generator)
    fold = torch.zeros(LAYER_SIDE, LAYER_SIDE)
    fold[150:200, [110, 111, 208, 209]] = -0.1
    luma = 0.02 * torch.randn(count, LAYER_SIDE, LAYER_SIDE, generator=generator)
    luma = luma + label[:, None, None] * fold
    luma[::10, 128:132, 140:180] -= 1.0
    textures = Textures(
        luma.half(), torch.zeros(count, 2, CHROMA_SIDE, CHROMA_SIDE), torch.zeros(count, 3)
    )
    return textures, label, fold


def test_a_layer_is_the_planted_fold_per_unit_of_its_label() -> None:
    textures, label, fold = planted_textures()
    canonical = tiny_face()[:, :2]
    layer = fit_layers(textures, canonical, label[:, None], torch.ones(1), [0])[0]
    inside = fold < 0
    assert layer[inside].mean().item() == pytest.approx(-0.1, abs=0.03)
    assert layer[~inside].abs().mean() < 0.01
    assert torch.allclose(layer, layer.flip(1), atol=1e-5)


def test_the_tint_of_folds_is_found_on_the_cheeks() -> None:
    textures, label, fold = planted_textures()
    canonical = tiny_face()[:, :2]
    planted = torch.tensor([-0.4, 0.15])
    coarse = F.avg_pool2d(fold[None], LAYER_SIDE // CHROMA_SIDE)[0]
    chroma = label[:, None, None, None] * planted[:, None, None] * coarse + 0.1
    tinted = dataclasses.replace(textures, chroma=chroma)
    found = fold_tint(tinted, canonical, fold, label[:, None], torch.ones(1), 0)
    assert torch.allclose(found, planted, atol=0.08)


def test_a_smile_shades_neither_the_upper_lip_nor_bags_under_the_eyes() -> None:
    canonical = load_portrait().canonical
    gain = smile_gain(canonical, LAYER_SIDE)

    def at(*vertices: int) -> float:
        x, y = canonical[list(vertices)].mean(dim=0).tolist()
        texels = LAYER_SIDE / CANONICAL_SIDE
        return gain[int((y - CANONICAL_TOP) * texels), int((x - CANONICAL_LEFT) * texels)].item()

    assert at(33, 51) < 0.3
    assert 0.3 < at(*UNDER_EYES[0]) < 0.75
    assert at(4, 48) > 0.95


def test_a_dark_bridge_counts_as_glasses() -> None:
    textures, _, _ = planted_textures(20)
    score = glasses_score(textures)
    assert (score[::10] > 0.5).all()
    assert (score.reshape(2, 10)[:, 1:] < 0.12).all()


def test_teeth_moved_apart_are_brought_together_again() -> None:
    generator = torch.Generator().manual_seed(2)
    rows, columns = TEETH_TEXELS
    x = torch.arange(columns, dtype=torch.float32)
    shifts = torch.randint(-6, 7, (40,), generator=generator)
    gaps = torch.stack(
        [torch.cos((x - 79.5 + s) * (2 * np.pi / 22)).clamp_max(-0.8) for s in shifts]
    )
    gaps = -(gaps + 0.8) * -3 * torch.exp(-(((x - 79.5 + shifts[:, None]) / 40) ** 2))
    looks = gaps[:, None, None].expand(-1, 3, rows, -1).contiguous()
    covers = torch.ones(40, 1, rows, columns)
    aligned, weights = _congealed(looks, covers)
    kept = weights.amax(dim=(1, 2, 3)) > 0
    spread_before = looks[:, 0, 10].std(dim=0).mean()
    spread_after = aligned[kept, 0, 10, 20:-20].std(dim=0).mean()
    assert spread_after < 0.5 * spread_before


def test_robust_line_ignores_outliers() -> None:
    x = torch.linspace(-1, 1, 60)
    y = 0.3 + 0.5 * x + 0.01 * torch.sin(37 * x)
    y[::12] += 3
    assert torch.allclose(_robust_line(x, y), torch.tensor([0.3, 0.5]), atol=0.05)


def test_ridge_without_strength_is_least_squares() -> None:
    generator = torch.Generator().manual_seed(3)
    x, y = torch.randn(50, 4, generator=generator), torch.randn(50, 2, generator=generator)
    slope, offset = ridge(x, y, 0.0)
    reference = np.linalg.lstsq(np.c_[x.numpy(), np.ones(50)], y.numpy(), rcond=None)[0]
    assert np.allclose(torch.cat([slope, offset[None]]).numpy(), reference, atol=1e-4)


def test_layers_rise_and_fall_with_their_own_gains() -> None:
    layers = FineLayers(1, 2)
    layers.maps.fill_(0.1)
    layers.readout.copy_(torch.tensor([[1.0, 0.0]]))
    layers.rise.fill_(2.0)
    layers.fall.fill_(0.5)
    change = layers(torch.tensor([[1.0, 9.0], [-1.0, 9.0], [0.0, 9.0]]))[:, 0, 0]
    assert torch.allclose(change, torch.tensor([0.2, -0.05, 0.0]))


def test_what_is_spared_of_the_coarse_change_is_not_made_in_either_direction() -> None:
    layers = FineLayers(1, 2)
    layers.readout.copy_(torch.tensor([[1.0, 0.0]]))
    layers.spared[0, :80] = -0.05
    change = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]])
    coarse = torch.zeros(3, 3, LUMA_SIDE, LUMA_SIDE)
    coarse[:, 0] = -0.05 * torch.tensor([1.0, -1.0, 1.0])[:, None, None]
    top, bottom = layers.joined(change, coarse)[:, 0, [20, 300], 160].T
    assert torch.allclose(top[:2], torch.zeros(2), atol=1e-6), "the first two go along with it"
    assert torch.allclose(bottom.abs(), torch.tensor(0.05), atol=4e-3)
    assert torch.allclose(top[2], bottom[2])


def test_folds_are_redder_than_the_skin_beside_them() -> None:
    layers = FineLayers(1, 1)
    layers.maps[0, 150] = -0.1
    layers.readout.fill_(1.0)
    layers.tint.copy_(torch.tensor([-0.4, 0.2]))
    log = layers.joined(torch.ones(1, 1), torch.zeros(1, 3, LUMA_SIDE, LUMA_SIDE))[0, :, 150, 160]
    assert log[0] < -0.09
    assert torch.allclose(log[1:], torch.tensor([0.04, -0.02]))


def write_folder(folder: Path, *, rated: str = "1") -> None:
    (folder / "images").mkdir()
    cv2.imwrite(str(folder / "images" / "1.jpg"), np.full((8, 8, 3), 200, np.uint8))
    np.savez(
        folder / "images_landmarks478.npz",
        names=np.array(["1.jpg"]),
        points=np.full((1, 478, 3), 0.5, np.float32),
    )
    (folder / "attribute_means.csv").write_text(f"stimulus,happy,age\n{rated},50,30\n")


def test_faces_are_read_with_picture_points_and_ratings(tmp_path: Path) -> None:
    write_folder(tmp_path)
    faces = read_faces(tmp_path)
    picture, landmarks = next(faces.pictures())
    assert faces.attributes == ("happy", "age")
    assert picture.shape == (3, 8, 8)
    assert landmarks[0].tolist() == [3.5, 3.5]
    assert picture.mean().item() == pytest.approx(200 / 127.5 - 1, abs=0.02)


def test_missing_data_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no mesh points at .*images_landmarks478\.npz"):
        read_faces(tmp_path)
    write_folder(tmp_path, rated="7")
    with pytest.raises(ModelError, match=r"has no ratings for \['1.jpg'\]"):
        read_faces(tmp_path)
    with pytest.raises(ModelError, match="cannot read the picture"):
        read_picture(tmp_path / "attribute_means.csv")


def test_an_unknown_pair_attribute_names_those_that_exist(tmp_path: Path) -> None:
    names = np.array([f"9_age_{level}.jpg" for level in range(3)])
    np.savez(
        tmp_path / "pairs_landmarks478.npz", names=names, points=np.zeros((3, 478, 3), np.float32)
    )
    low, high = read_level_pairs(tmp_path, "age")
    assert (low.paths[0].name, high.paths[0].name) == ("9_age_0.jpg", "9_age_2.jpg")
    with pytest.raises(ModelError, match=r"no level pairs of 'hat' .* there are age"):
        read_level_pairs(tmp_path, "hat")
