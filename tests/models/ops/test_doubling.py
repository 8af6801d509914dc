"""The transposed convolution as four small ones."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from models.ops.doubling import doubled_conv, folded_conv, folded_kernels, phase_kernels
from models.ops.upfirdn import upfirdn


@pytest.mark.parametrize(("h", "w"), [(1, 1), (1, 5), (4, 4), (7, 6)])
def test_four_phases_equal_the_transposed_convolution(h: int, w: int) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 5, h, w, generator=generator)
    weight = torch.randn(3, 5, 3, 3, generator=generator)
    found = doubled_conv(x, phase_kernels(weight))
    assert torch.allclose(found, F.conv_transpose2d(x, weight.transpose(0, 1), stride=2), atol=1e-5)


def test_the_phases_hold_every_tap_once() -> None:
    taps = torch.arange(9.0).reshape(1, 1, 3, 3)
    held = torch.cat([kernel.flatten() for kernel in phase_kernels(taps)])
    assert sorted(held.tolist()) == list(range(9))


@pytest.mark.parametrize(("h", "w"), [(1, 1), (1, 5), (4, 4), (7, 6)])
def test_folding_equals_the_transposed_convolution_and_the_filter(h: int, w: int) -> None:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(2, 5, h, w, generator=generator)
    weight = torch.randn(3, 5, 3, 3, generator=generator)
    filters = torch.rand(4, 4, generator=generator)
    bias = torch.randn(3, generator=generator)
    wide = F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
    expected = upfirdn(wide, filters, pad=(1, 1), impl="ref") + bias[:, None, None]
    found = folded_conv(x, folded_kernels(weight, filters), bias)
    assert torch.allclose(found, expected, atol=1e-5)
