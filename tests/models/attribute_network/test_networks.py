"""Both networks have the shapes that are said, and change only what their task may change."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.attribute_network.files import build, load_trained
from models.attribute_network.network import (
    FLOOR,
    SHAPES,
    TASKS,
    AttributeNetwork,
    Change,
    Task,
    Transport,
    warped,
)
from models.attribute_network.published import Published, Unpool, stage_loss
from models.base import ModelInputError, WeightsError
from models.weights import save_safetensors


def numbers_in(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def conv(came: int, channels: int) -> int:
    return 9 * came * channels + channels


def test_the_published_stages_have_the_layers_of_the_paper() -> None:
    net = Published(7)
    fused = conv(71, 64) + conv(64, 128) + 2 * conv(128, 128) + conv(128, 64)
    attribute = (7 * 512 + 512) + (512 * 1792 + 1792)
    drawn = conv(64, 64) + conv(64, 1)
    assert numbers_in(net.first) == conv(1, 64) + conv(64, 64) + attribute + fused + drawn
    middle = conv(64, 128) + 2 * conv(128, 128) + conv(128, 64)
    assert numbers_in(net.second) == conv(2, 64) + conv(64, 64) + middle + drawn


def test_the_published_network_draws_both_stages_in_grey_levels() -> None:
    levels = torch.randint(0, 256, (3, 1, 32, 32), dtype=torch.uint8)
    first, second = Published(7)(levels, torch.eye(7)[:3])
    assert first.shape == second.shape == levels.shape
    assert first.min() >= 0
    assert second.max() <= 255


def test_unpooling_is_undone_by_taking_every_second_number() -> None:
    maps = torch.randn(2, 3, 4, 5)
    spread = Unpool()(maps)
    assert torch.equal(spread[..., ::2, ::2], maps)
    assert spread.count_nonzero() == maps.count_nonzero()


def test_the_loss_is_summed_over_pixels_and_averaged_over_pictures() -> None:
    drawn, target = torch.zeros(4, 1, 32, 32), torch.full((4, 1, 32, 32), 0.5)
    assert float(stage_loss(drawn, target, absolute=False)) == pytest.approx(1024 * 0.25)
    assert float(stage_loss(drawn, target, absolute=True)) == pytest.approx(1024 * 0.5)


def test_all_files_together_stay_below_eight_megabytes() -> None:
    numbers = sum(numbers_in(AttributeNetwork(task)) for task in TASKS)
    assert 2 * numbers < 8e6


def moved(net: AttributeNetwork) -> AttributeNetwork:
    """A network whose heads, which begin at 0, draw something."""
    torch.manual_seed(0)
    net.requires_grad_(False)
    for stage in (net.first, net.second):
        nn.init.normal_(stage.head.weight, std=0.05)
    return net.eval()


@pytest.mark.parametrize("task", TASKS)
def test_an_untrained_network_keeps_light_and_paints_little(task: Task) -> None:
    images = torch.rand(1, 3, 128, 128) * 2 - 1
    change = AttributeNetwork(task)(images, torch.ones(1, SHAPES[task].attributes))
    assert change.gain is None or change.gain.abs().max() == 0
    assert change.mask is None or change.mask.max() < 0.2


@pytest.mark.parametrize("task", TASKS)
def test_a_task_changes_what_it_may_and_nothing_else(task: Task) -> None:
    images = torch.rand(2, 3, 128, 128) * 2 - 1
    change = moved(AttributeNetwork(task))(images, torch.rand(2, SHAPES[task].attributes))
    there = {"flow": change.flow, "gain": change.gain, "residual": change.residual}
    assert {name for name, value in there.items() if value is not None} == {*SHAPES[task].parts}
    assert change.apply(images).shape == images.shape
    assert change.apply(images).abs().max() <= 1


def test_a_part_of_an_attribute_lies_between_none_and_all() -> None:
    images = torch.rand(1, 3, 128, 128) * 2 - 1
    net = moved(AttributeNetwork("flash"))

    def gain(strength: float) -> Tensor:
        found = net(images, torch.tensor([[0.5, 0.0, 0.8, strength]])).gain
        assert found is not None
        return found

    none, half, whole = gain(0.0), gain(0.5), gain(1.0)
    assert (half - none).norm() < (whole - none).norm()
    assert (half - none).norm() > 0


def test_faces_of_one_batch_do_not_know_of_each_other() -> None:
    images = torch.rand(3, 3, 128, 128) * 2 - 1
    wanted = torch.rand(3, 1)
    net = moved(AttributeNetwork("rotate"))
    together = net(images, wanted).apply(images)
    alone = net(images[1:2], wanted[1:2]).apply(images[1:2])
    assert torch.allclose(together[1:2], alone, atol=2e-3)


def test_a_flow_of_whole_pixels_moves_pixels() -> None:
    images = torch.rand(1, 3, 16, 16)
    flow = torch.tensor([3.0, -2.0])[None, :, None, None].expand(1, 2, 16, 16)
    seen = warped(images, flow)
    assert torch.allclose(seen[..., 2:, :13], images[..., :-2, 3:], atol=1e-5)


def test_a_transport_that_compares_places_alone_stays_where_it_is() -> None:
    transport = Transport(8)
    for layer in (transport.asked, transport.there):
        nn.init.zeros_(layer.weight)
    with torch.no_grad():
        transport.place.mul_(20)  # so alike is only what is the same
    source = torch.rand(1, 8, 16, 16)
    fused, flow = transport(torch.zeros_like(source), source)
    assert flow.abs().max() < 1e-3
    assert torch.allclose(fused, transport.join(source), atol=1e-4)


def test_a_gain_multiplies_levels_above_the_floor() -> None:
    levels = torch.rand(1, 3, 128, 128)
    gain = torch.full_like(levels, 0.2)
    lit = Change(None, gain, None, None).unclamped(levels * 2 - 1)
    assert torch.allclose((lit + 1) / 2 + FLOOR, (levels + FLOOR) * gain.exp(), atol=1e-5)


def test_pictures_and_attributes_of_other_shapes_are_refused() -> None:
    net = AttributeNetwork("light")
    with pytest.raises(ModelInputError, match="128, 128"):
        net(torch.zeros(1, 3, 64, 64), torch.zeros(1, 4))
    with pytest.raises(ModelInputError, match=r"'light' takes attributes \(1, 4\)"):
        net(torch.zeros(1, 3, 128, 128), torch.zeros(1, 7))
    with pytest.raises(ModelInputError, match="32, 32"):
        Published(7)(torch.zeros(1, 1, 64, 64), torch.eye(7)[:1])


def test_a_network_is_built_from_its_tensors_whatever_its_task() -> None:
    for task in TASKS:
        net = moved(AttributeNetwork(task))
        again = build(
            {k: v.half() if v.is_floating_point() else v for k, v in net.state_dict().items()}
        )
        assert again.task == task
        same = (F.mse_loss(a, b) for a, b in zip(net.parameters(), again.parameters(), strict=True))
        assert max(float(error) for error in same) < 1e-6


def test_files_of_something_else_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no attribute network"):
        build({"weight": torch.zeros(3)})
    save_safetensors(tmp_path / "x.safetensors", {"weight": torch.zeros(3)}, {})
    with pytest.raises(WeightsError, match="expected what `train` wrote"):
        load_trained(tmp_path / "x.safetensors")
