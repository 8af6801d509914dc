"""Modulated convolution, equalised layers and the fused activation."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from models.ops import Impl
from models.ops.activation import fused_leaky_relu
from models.ops.linear import EqualConv2d, EqualLinear
from models.ops.modconv import modulated_conv
from models.ops.upfirdn import binomial_kernel


def case(kernel: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(3, 5, 8, 8, generator=generator)
    weight = torch.randn(4, 5, kernel, kernel, generator=generator)
    style = 1 + 0.5 * torch.randn(3, 5, generator=generator)
    return x, weight, style


@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("demodulate", [True, False])
@pytest.mark.parametrize("impl", ["ref", "fast"])
def test_each_sample_is_convolved_with_its_own_weights(
    kernel: int, demodulate: bool, impl: Impl
) -> None:
    x, weight, style = case(kernel)
    found = modulated_conv(x, weight, style, demodulate=demodulate, impl=impl)

    for n in range(3):
        own = torch.zeros(4, 5, kernel, kernel, dtype=torch.float64)
        for o in range(4):
            for i in range(5):
                own[o, i] = weight[o, i] * style[n, i] / math.sqrt(5 * kernel**2)
            if demodulate:
                own[o] /= math.sqrt(float((own[o] ** 2).sum()) + 1e-8)
        expected = F.conv2d(x[n : n + 1].double(), own, padding=kernel // 2)
        assert torch.allclose(found[n].double(), expected[0], atol=1e-5)


@pytest.mark.parametrize("impl", ["ref", "fast"])
def test_upsampling_equals_filtering_first_and_convolving_after(impl: Impl) -> None:
    # Both steps are convolutions of the picture with zeros inserted, so their order is free.
    x, weight, style = case()
    kernel = binomial_kernel(4.0)
    found = modulated_conv(x, weight, style, blur=kernel, impl=impl)

    spread = torch.zeros(3, 5, 22, 22)
    spread[..., 3:19:2, 3:19:2] = x
    smooth = F.conv2d(spread.view(15, 1, 22, 22), kernel[None, None]).view(3, 5, 19, 19)
    # A transposed convolution is a convolution with the weights turned by 180 degrees.
    expected = modulated_conv(smooth, weight.flip(2, 3), style, impl="ref")[..., 1:17, 1:17]
    assert torch.allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("up", [False, True])
@pytest.mark.parametrize("demodulate", [True, False])
def test_gradients_of_both_ways_agree(up: bool, demodulate: bool) -> None:
    gradients = []
    for impl in ("ref", "fast"):
        leaves = [t.requires_grad_() for t in case()]
        y = modulated_conv(
            *leaves, demodulate=demodulate, blur=binomial_kernel(4.0) if up else None, impl=impl
        )
        loss = (y * torch.linspace(-1, 1, y.numel()).view_as(y)).sum()
        gradients.append(torch.autograd.grad(loss, leaves))
    for plain, fast in zip(*gradients, strict=True):
        assert torch.allclose(plain, fast, atol=1e-4 * float(plain.abs().max()))


@pytest.mark.parametrize("impl", ["ref", "fast"])
def test_the_activation_adds_the_bias_first_and_keeps_the_variance(impl: Impl) -> None:
    x = torch.tensor([[-3.0, 1.0]])
    found = fused_leaky_relu(x, torch.tensor([1.0, 1.0]), impl=impl)
    assert torch.allclose(found, torch.tensor([[-0.4, 2.0]]) * math.sqrt(2))


def test_an_equalised_layer_scales_weight_and_bias_when_used() -> None:
    layer = EqualLinear(9, 2, lr_mul=0.5)
    with torch.no_grad():
        layer.weight.fill_(6.0)
        layer.bias.fill_(4.0)
    # 9 inputs of 1, weight 6 * 0.5 / 3 = 1, bias 4 * 0.5 = 2
    assert torch.allclose(layer(torch.ones(1, 9)), torch.full((1, 2), 11.0))
    convolution = EqualConv2d(4, 1, 3, padding=1)
    with torch.no_grad():
        convolution.weight.fill_(6.0)
    assert convolution(torch.ones(1, 4, 3, 3))[0, 0, 1, 1].item() == pytest.approx(36.0)


def test_an_equalised_layer_starts_with_unit_variance_whatever_its_learning_rate() -> None:
    torch.manual_seed(0)
    x = torch.randn(2000, 64)
    for lr_mul in (1.0, 0.01):
        assert EqualLinear(64, 64, lr_mul=lr_mul)(x).std().item() == pytest.approx(1.0, rel=0.1)


def test_under_autocast_upsampling_stays_within_bfloat16_of_float32() -> None:
    x, weight, style = case()
    kernel = binomial_kernel(4.0)
    expected = modulated_conv(x, weight, style, blur=kernel)

    with torch.autocast("cpu", torch.bfloat16):
        found = modulated_conv(x, weight, style, blur=kernel)

    assert found.dtype == torch.bfloat16
    assert (found.float() - expected).abs().max() < 0.03 * expected.abs().max()
