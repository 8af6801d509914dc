"""Ranger against torch's RAdam, and what it adds."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from models.encoder_recipe.ranger import Ranger


def problem() -> tuple[nn.Linear, Tensor, Tensor]:
    torch.manual_seed(0)
    x = torch.randn(64, 6)
    return nn.Linear(6, 3), x, x @ torch.randn(6, 3) + 1


def descend(
    net: nn.Module, optimiser: torch.optim.Optimizer, x: Tensor, y: Tensor, steps: int
) -> float:
    for _ in range(steps):
        loss = (net(x) - y).square().mean()
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
    return float(loss.detach())


def test_without_its_additions_it_is_radam() -> None:
    ours, x, y = problem()
    theirs = copy.deepcopy(ours)
    plain = Ranger(
        ours.parameters(), 1e-2, betas=(0.9, 0.999), eps=1e-8, lookahead=0, centralise=False
    )
    descend(ours, plain, x, y, 50)
    descend(theirs, torch.optim.RAdam(theirs.parameters(), 1e-2), x, y, 50)
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_every_sixth_step_goes_half_the_way() -> None:
    """Five fast steps like without lookahead; the sixth ends halfway from the start to there."""
    ours, x, y = problem()
    fast = copy.deepcopy(ours)
    start = ours.weight.detach().clone()
    optimiser, alone = Ranger(ours.parameters(), 1e-2), Ranger(fast.parameters(), 1e-2, lookahead=0)
    descend(ours, optimiser, x, y, 5)
    descend(fast, alone, x, y, 5)
    assert torch.equal(ours.weight, fast.weight)
    descend(ours, optimiser, x, y, 1)
    descend(fast, alone, x, y, 1)
    torch.testing.assert_close(ours.weight, (start + fast.weight) / 2)


def test_centralised_steps_keep_the_mean_over_inputs() -> None:
    net, x, y = problem()
    before = net.weight.detach().mean(1)
    descend(net, Ranger(net.parameters(), 1e-2), x, y, 4)  # still unrectified: plain momentum
    torch.testing.assert_close(net.weight.detach().mean(1), before)
    assert not torch.equal(net.bias, torch.zeros(3))


def test_it_minimises() -> None:
    net, x, y = problem()
    ranger = Ranger(net.parameters(), 0.1, centralise=False)
    assert descend(net, ranger, x, y, 400) < 1e-3


def test_a_closures_loss_is_returned() -> None:
    net, x, y = problem()
    optimiser = Ranger(net.parameters())

    def closure() -> float:
        loss = (net(x) - y).square().mean()
        torch.autograd.backward(loss)
        return float(loss.detach())

    before = float((net(x) - y).square().mean().detach())
    assert optimiser.step(closure) == pytest.approx(before)
