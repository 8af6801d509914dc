"""Folds follow a face's own lines, run as they do on older faces, and are as deep as there."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from models.base import ModelError, ModelInputError, WeightsError
from models.folds.files import build, save_folds
from models.folds.learn import Faces, learn_folds, read_frames
from models.folds.net import FLOW_SIDE, PATTERN_SIDE, FoldModel, along_folds
from models.networks import open_network
from models.weights import load_safetensors

SIDE = 96


def level(degrees: float) -> Tensor:
    """A field of one direction."""
    angle = torch.tensor(2 * degrees).deg2rad()
    return torch.stack([angle.cos(), angle.sin()])[:, None, None].expand(2, 8, 8)


def lines(degrees: float) -> Tensor:
    """Waves whose crests run along a direction, (1, 1, SIDE, SIDE)."""
    y, x = torch.meshgrid(torch.arange(SIDE).float(), torch.arange(SIDE).float(), indexing="ij")
    angle = torch.tensor(degrees).deg2rad()
    across = -x * angle.sin() + y * angle.cos()
    return torch.sin(2 * torch.pi * across / 8)[None, None]


@pytest.mark.parametrize("degrees", [0.0, 30.0, 90.0, 150.0])
def test_lines_along_the_folds_stay_and_lines_across_go(degrees: float) -> None:
    inside = (slice(None), slice(None), slice(20, 76), slice(20, 76))
    along, across = (along_folds(lines(d), level(degrees))[inside] for d in (degrees, degrees + 90))
    assert along.std() > 0.8 * lines(degrees).std()
    assert across.std() < 0.3 * along.std()


def a_model() -> FoldModel:
    """Horizontal folds of one depth, and one pattern in the left half."""
    model = FoldModel(2)
    model.flow.copy_(torch.tensor([1.0, 0.0])[:, None, None])
    model.depth.fill_(0.03)
    model.patterns[0, 40:44, 20:80] = -0.05
    model.patterns[1, 120:124, 20:80] = -0.05
    return model.eval()


def test_a_face_of_nothing_gets_the_learnt_pattern_only() -> None:
    nothing, skin = torch.zeros(1, 1, SIDE, SIDE), torch.ones(1, 1, SIDE, SIDE)
    own, to_come = a_model()(nothing, skin)[0]
    assert (own == 0).all()
    assert to_come.min() < -0.02
    assert a_model()(nothing, skin, seed=0.0).abs().max() == 0


def test_the_pattern_that_agrees_with_a_face_is_taken() -> None:
    own = torch.zeros(1, 1, SIDE, SIDE)
    own[..., 20:22, 10:40] = -0.02
    skin = torch.ones_like(own)
    chosen = a_model()._chosen(along_folds(own, a_model().flow))
    assert chosen[0, 0, 40:44, 20:80].mean() < 3 * chosen[0, 0, 120:124, 20:80].mean() < 0
    assert a_model()(own, skin)[0, 1, 20, 25] < -0.02


def test_folds_lie_where_own_faint_lines_are_and_are_as_deep_as_learnt() -> None:
    faint = 0.006 * lines(0.0)
    skin = torch.ones_like(faint)
    shallow = a_model()(faint, skin, seed=0.0)[0, 1]
    deep = a_model()(4 * faint, skin, seed=0.0)[0, 1]
    inside = (slice(30, 66), slice(30, 66))
    alike = torch.corrcoef(torch.stack([shallow[inside].flatten(), faint[0, 0][inside].flatten()]))
    assert alike[0, 1] > 0.9
    assert torch.allclose(shallow[inside], deep[inside], atol=0.006)


def test_a_mole_is_drawn_out_to_no_fold() -> None:
    mole = torch.zeros(1, 1, SIDE, SIDE)
    mole[..., 47:50, 47:50] = -1.0
    own = a_model()(mole, torch.ones_like(mole))[0, 0]
    assert own.abs().max() < 0.1


def test_where_there_is_no_skin_there_are_no_folds() -> None:
    skin = (torch.arange(SIDE) < 48).float().expand(1, 1, SIDE, SIDE)
    folds = a_model()(lines(0.0) * 0.02, skin)
    assert folds[0, 1, :, 48:].abs().max() == 0


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ModelInputError, match="fold and skin"):
        a_model()(torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 9, 9))


def test_folds_are_saved_and_opened_as_they_were(tmp_path: Path) -> None:
    model = a_model()
    save_folds(model, tmp_path / "folds.safetensors", notes={})
    again = build(load_safetensors(tmp_path / "folds.safetensors")[0])
    for name, value in model.state_dict().items():
        assert torch.allclose(again.state_dict()[name].float(), value.float(), atol=1e-3), name


def test_files_of_something_else_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no folds"):
        build({"weight": torch.zeros(3)})
    with pytest.raises(ModelError, match="see_in_frame"):
        read_frames(tmp_path / "frames.npz")


def test_what_only_older_faces_have_is_learnt() -> None:
    """Forty faces with noise; the older ones have a dark line, slanted, at one place."""
    generator = torch.Generator().manual_seed(0)
    count, side = 40, 96
    fold = 0.005 * torch.randn(count, side, side, generator=generator)
    ages = torch.tensor([25.0, 60.0]).repeat(count // 2)
    for k in range(34):
        fold[1::2, 30 + k // 2, 54 + k // 2] -= 0.2
        fold[1::2, 30 + k // 2, 53 + k // 2] -= 0.2
    place = torch.zeros(1, side, side)
    place[0, 22:56, 50:80] = 1.0
    skin = torch.full((count, side, side), 255, dtype=torch.uint8)
    faces = Faces(fold.half(), skin, ages, place, torch.tensor([True]))
    model = learn_folds(faces)
    cell = FLOW_SIDE / side
    y, x = round(38 * cell), round(61 * cell)
    angle = 0.5 * torch.atan2(model.flow[1, y, x], model.flow[0, y, x])
    assert torch.rad2deg(angle).item() == pytest.approx(45, abs=12)
    assert model.depth[y, x] > 3 * model.depth[round(80 * cell), round(61 * cell)]
    assert len(model.patterns) >= 1
    assert model.one_side.all()
    scale = PATTERN_SIDE / side
    on, off = (round(38 * scale), round(61 * scale)), (round(30 * scale), round(75 * scale))
    assert model.patterns[0][on] < -0.05 < model.patterns[0][off]


def test_the_embedded_folds_are_deepest_from_nose_to_mouth() -> None:
    model = open_network("folds")
    assert isinstance(model, FoldModel)
    depth = model.depth
    x, y = (round((p - low) / 2.6 * FLOW_SIDE) for p, low in ((0.28, -1.3), (0.6, -1.2)))
    assert depth[y, x] > 1.5 * depth[round(0.55 / 2.6 * FLOW_SIDE), x]
    assert torch.allclose(depth, depth.flip(1), atol=2e-3)
