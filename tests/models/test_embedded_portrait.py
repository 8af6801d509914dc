"""What the embedded portrait and its movers do to the mean face and to faces of real people."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from models.portrait import CROP_SIDE, PortraitModel, load_portrait
from models.portrait.edit import mouth_modes
from models.portrait_movers import MoverPack, load_movers
from models.topology68 import MESH_TO_68
from tests.models.portrait.tiny import rest_state

SCALE = 100.0
LEFT, RIGHT = 48, 54


@pytest.fixture(scope="module")
def model() -> PortraitModel:
    return load_portrait()


@pytest.fixture(scope="module")
def movers() -> MoverPack:
    return load_movers()


def changed(model: PortraitModel, movers: MoverPack, attribute: str, strength: float) -> Tensor:
    """How the 68 points (68, 2) of the mean face with its mouth closed move, in outer-eye
    distances."""
    gap = model.shape.mean[66, 1] - model.shape.mean[62, 1]
    closed = model.shape.mean - gap * mouth_modes(model.shape, model.smile_axis[:-1]).parting
    landmarks = (closed[:68, :2] * SCALE + 200)[None]
    w = torch.zeros(1, model.dimensions)
    state = rest_state(smile=-0.5)
    after = movers.mover("latent-transformer", attribute)(w, torch.tensor([strength]))
    return (model.moved_landmarks(landmarks, w, after, state) - landmarks)[0] / SCALE


@pytest.mark.parametrize("attribute", ["smile", "toothy-smile"])
def test_one_unit_of_smile_widens_by_7_and_lifts_by_3_percent(
    model: PortraitModel, movers: MoverPack, attribute: str
) -> None:
    move = changed(model, movers, attribute, 1.0)
    assert (move[RIGHT, 0] - move[LEFT, 0]).item() == pytest.approx(0.07, abs=0.015)
    corners, middle = move[[LEFT, RIGHT], 1].mean(), move[[51, 57], 1].mean()
    assert (middle - corners).item() == pytest.approx(0.03, abs=0.006)
    assert 0.03 < -corners.item() < 0.05


def test_only_the_toothy_smile_parts_the_lips(model: PortraitModel, movers: MoverPack) -> None:
    def parting(attribute: str) -> float:
        move = changed(model, movers, attribute, 1.0)
        return (move[66, 1] - move[62, 1]).item()

    assert abs(parting("smile")) < 0.003
    assert parting("toothy-smile") > 0.04


def test_opposite_strengths_move_opposite_ways(model: PortraitModel, movers: MoverPack) -> None:
    for attribute in movers.attributes:
        up = changed(model, movers, attribute.name, 1.0)
        down = changed(model, movers, attribute.name, -1.0)
        assert (up * down).sum() < 0, attribute.name


def test_weight_widens_the_jaw_and_leaves_the_eyes(model: PortraitModel, movers: MoverPack) -> None:
    move = changed(model, movers, "weight", 1.0)
    assert (move[12, 0] - move[4, 0]).item() > 0.015
    assert move[36:48].norm(dim=1).max() < 0.02


def test_the_embedded_movers_fit_the_embedded_portrait(
    model: PortraitModel, movers: MoverPack
) -> None:
    assert [a.name for a in movers.attributes] == [
        "smile",
        "toothy-smile",
        "weight",
        "age",
        "gender",
    ]
    w = torch.zeros(2, model.dimensions)
    for attribute in movers.attributes:
        for editor in ("latent-transformer", "direction"):
            assert movers.mover(editor, attribute.name)(w, torch.zeros(2)).equal(w)


@pytest.mark.parametrize("clip", ["d0", "d9", "d13", "s18"])
def test_every_near_frontal_frame_of_real_people_smiles_more(
    shared: Path, model: PortraitModel, movers: MoverPack, clip: str
) -> None:
    mesh = np.load(shared / "data" / "clips" / f"{clip}_landmarks478.npz")["points"]
    points = torch.from_numpy(mesh[::5, list(MESH_TO_68), :2]).float()
    fit = model.shape.fit(points)
    smile = fit.coefficients @ model.smile_axis[:-1] + model.smile_axis[-1]
    width = model.shape.mouth_width(fit)
    state = rest_state(len(points), yaw=fit.angles[:, 0], smile=smile, width=width)
    w = torch.zeros(len(points), model.dimensions)
    after = movers.mover("latent-transformer", "smile")(w, torch.ones(len(points)))
    moved = model.moved_landmarks(points, w, after, state)
    eyes = (points[:, 45] - points[:, 36]).norm(dim=1)
    wider = ((moved - points)[:, RIGHT] - (moved - points)[:, LEFT])[:, 0] / eyes
    higher = -(moved - points)[:, [LEFT, RIGHT], 1].mean(dim=1) / eyes
    assert (wider > 0.02).float().mean() >= 0.95
    assert (higher > 0.01).float().mean() >= 0.95


def test_a_real_frame_is_bit_identical_at_strength_zero_and_outside_the_mask(
    shared: Path, model: PortraitModel, movers: MoverPack
) -> None:
    folder = shared / "data" / "clips"
    frame = cv2.VideoCapture(str(folder / "d0.mp4")).read()[1][:, :, ::-1].copy()
    points = np.load(folder / "d0_landmarks478.npz")["points"][0, list(MESH_TO_68), :2]
    side = round(CROP_SIDE * float(np.linalg.norm(points[45] - points[36])))
    left, top = (int(v) for v in np.round(points.mean(0) - side / 2).clip(0, 512 - side))
    crop = frame[top : top + side, left : left + side]
    image = torch.from_numpy(crop).permute(2, 0, 1)[None].float() / 127.5 - 1
    landmarks = torch.from_numpy(points - [left, top]).float()[None]
    with torch.inference_mode():
        w, state = model.encode(image, landmarks)
        move = movers.mover("latent-transformer", "smile")
        same, none = model.render(image, landmarks, w, move(w, torch.zeros(1)), state)
        smiling, mask = model.render(image, landmarks, w, move(w, torch.ones(1)), state)
    assert torch.equal(same, image)
    assert not none.any()
    outside = (mask == 0).expand_as(image)
    assert torch.equal(smiling[outside], image[outside])
    assert (smiling - image).abs().max() > 0.1
    assert (smiling.mean(dim=(2, 3)) - image.mean(dim=(2, 3))).abs().max() < 0.01
