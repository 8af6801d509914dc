"""The network and its loss, by what must hold for any weights."""

from __future__ import annotations

import pytest
import torch

from models.base import ModelInputError
from models.landmarks import samples
from models.landmarks.net import LandmarkNet, LandmarkOutput, Part
from models.landmarks.train import landmark_loss
from models.training.steps import update_average

TINY = Part((64, 32), 5, (4, 4, 8, 8, 8))


def _net() -> LandmarkNet:
    torch.manual_seed(0)
    return LandmarkNet(TINY).eval()


def test_a_flat_heat_map_gives_the_middle_of_the_crop() -> None:
    net = _net()
    with torch.no_grad():
        net.heat.weight.zero_()
        net.heat.bias.zero_()
        points = net(torch.rand(2, 3, 32, 64)).points
    # a flat map is believed to be anywhere, so the point is the middle of the crop
    assert torch.allclose(points, torch.tensor([31.5, 15.5]).expand(2, 5, 2), atol=1e-4)


def test_points_stay_inside_the_crop() -> None:
    points = _net()(torch.rand(4, 3, 32, 64)).points
    assert points.min() >= 0
    assert points[..., 0].max() <= 63
    assert points[..., 1].max() <= 31


def test_a_face_gets_the_same_points_alone_and_in_a_batch() -> None:
    net, images = _net(), torch.rand(3, 3, 32, 64)
    together = net(images)
    alone = [net(images[i : i + 1]) for i in range(3)]
    assert torch.allclose(together.points, torch.cat([a.points for a in alone]), atol=1e-3)
    assert torch.allclose(together.log_scale, torch.cat([a.log_scale for a in alone]), atol=1e-4)


@pytest.mark.parametrize("shape", [(1, 3, 64, 32), (1, 1, 32, 64), (3, 32, 64)], ids=str)
def test_a_crop_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ModelInputError, match=r"takes \(N, 3, 32, 64\)"):
        _net()(torch.zeros(shape))


def _batch(points: torch.Tensor, face: list[float]) -> samples.Batch:
    return samples.Batch(
        torch.zeros(len(face), 3, 32, 64), points, torch.tensor(face, dtype=torch.float32)
    )


def _output(points: torch.Tensor, log_scale: float = 0.0) -> LandmarkOutput:
    n, k = points.shape[:2]
    return LandmarkOutput(points, torch.full((n, k), log_scale), torch.full((n,), 20.0))


def test_the_loss_is_least_for_the_true_points() -> None:
    truth = torch.rand(2, 5, 2) * 30
    perfect, distance = landmark_loss(_output(truth), _batch(truth, [1, 1]), [[0, 1]], 1.0)
    off, far = landmark_loss(_output(truth + 1), _batch(truth, [1, 1]), [[0, 1]], 1.0)
    assert float(distance) == 0.0
    assert float(far) == pytest.approx(2**0.5, abs=1e-5)
    assert float(perfect) < float(off)


def test_an_opening_that_is_wrong_costs_more_than_a_shift() -> None:
    truth = torch.rand(1, 5, 2) * 30
    shift, squeeze = torch.zeros(1, 5, 2), torch.zeros(1, 5, 2)
    shift[:, :2, 1] = 1.0
    squeeze[:, 0, 1], squeeze[:, 1, 1] = 1.0, -1.0
    batch = _batch(truth, [1])
    moved, _ = landmark_loss(_output(truth + shift), batch, [[0, 1]], 1.0)
    closed, _ = landmark_loss(_output(truth + squeeze), batch, [[0, 1]], 1.0)
    assert float(closed) > float(moved) + 0.5


def test_the_expected_error_is_best_when_it_is_the_error() -> None:
    truth = torch.zeros(1, 5, 2)
    points = truth + torch.tensor([3.0, 0.0])
    losses = {
        s: float(landmark_loss(_output(points, s), _batch(truth, [1]), [[0, 1]], 0.0)[0])
        for s in (0.0, 1.0986, 2.0)
    }
    assert min(losses, key=lambda s: losses[s]) == 1.0986  # log 3


def test_points_of_background_do_not_count() -> None:
    truth, points = torch.rand(2, 5, 2) * 30, torch.rand(2, 5, 2) * 30
    points[0] = truth[0]
    _, distance = landmark_loss(_output(points), _batch(truth, [1, 0]), [[0, 1]], 1.0)
    assert float(distance) == 0.0


def test_averaging_keeps_the_share_it_is_told() -> None:
    ones, threes = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    for layer, value in ((ones, 1.0), (threes, 3.0)):
        torch.nn.init.constant_(layer.weight, value)
    update_average(ones, threes, keep=0.75)
    assert torch.allclose(ones.weight, torch.full((2, 2), 1.5))
    assert torch.allclose(threes.weight, torch.full((2, 2), 3.0))
