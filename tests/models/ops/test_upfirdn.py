"""Resampling: against SciPy, and the fast path against the plain one."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
import scipy.signal
import torch

from models.ops import Impl
from models.ops.upfirdn import FixedKernel, binomial_kernel, upfirdn

CASES = [
    (1, 1, (0, 0)),
    (1, 1, (1, 1)),
    (1, 1, (2, 1)),
    (2, 1, (2, 1)),
    (2, 1, (0, 0)),
    (1, 2, (2, 2)),
    (1, 2, (2, 1)),
    (2, 2, (3, 1)),
    (3, 2, (5, 4)),
    (1, 1, (-1, 2)),
    (2, 1, (-2, -1)),
]
IDS = [f"up{u}-down{d}-pad{p}" for u, d, p in CASES]


def uneven_kernel() -> torch.Tensor:
    """A filter without any symmetry, so that a missing flip shows."""
    return torch.arange(16, dtype=torch.float32).reshape(4, 4) / 120


@pytest.mark.parametrize("impl", ["ref", "fast"])
@pytest.mark.parametrize(("up", "down", "pad"), CASES, ids=IDS)
def test_resampling_equals_a_convolution_by_scipy(
    up: int, down: int, pad: tuple[int, int], impl: Impl
) -> None:
    x = torch.randn(2, 3, 7, 6, generator=torch.Generator().manual_seed(0))
    found = upfirdn(x, uneven_kernel(), up=up, down=down, pad=pad, impl=impl)

    for sample in range(2):
        for channel in range(3):
            spread = np.zeros((7 * up, 6 * up))
            spread[::up, ::up] = x[sample, channel].numpy()
            for axis in (0, 1):
                widths = [(max(p, 0), 0) if i == 0 else (0, max(p, 0)) for i, p in enumerate(pad)]
                total = [(widths[0][0], widths[1][1]) if a == axis else (0, 0) for a in (0, 1)]
                spread = np.pad(spread, total)
            h, w = spread.shape
            spread = spread[-min(pad[0], 0) : h + min(pad[1], 0)]
            spread = spread[:, -min(pad[0], 0) : w + min(pad[1], 0)]
            expected = scipy.signal.convolve2d(spread, uneven_kernel().numpy(), mode="valid")
            expected = expected[::down, ::down]
            np.testing.assert_allclose(found[sample, channel].numpy(), expected, atol=1e-5)


@pytest.mark.parametrize(("up", "down", "pad"), CASES, ids=IDS)
def test_gradients_of_both_ways_agree(up: int, down: int, pad: tuple[int, int]) -> None:
    gradients: list[Any] = []
    for impl in get_args(Impl):
        x = torch.randn(1, 2, 6, 6, generator=torch.Generator().manual_seed(1)).requires_grad_()
        y = upfirdn(x, uneven_kernel(), up=up, down=down, pad=pad, impl=impl)
        (y * torch.linspace(0, 1, y.numel()).view_as(y)).sum().backward()
        gradients.append(x.grad)
    assert torch.allclose(gradients[0], gradients[1], atol=1e-5)


@pytest.mark.parametrize("impl", ["ref", "fast"])
def test_a_flat_picture_stays_flat_inside_when_doubled(impl: Impl) -> None:
    doubled = upfirdn(torch.ones(1, 1, 6, 6), binomial_kernel(4.0), up=2, pad=(2, 1), impl=impl)
    assert doubled.shape == (1, 1, 12, 12)
    assert torch.allclose(doubled[..., 2:-2, 2:-2], torch.ones(8, 8))


def test_the_filter_is_the_outer_product_of_1_3_3_1() -> None:
    row = np.array([1, 3, 3, 1])
    np.testing.assert_allclose(binomial_kernel(4.0).numpy(), np.outer(row, row) / 16)


def test_a_filter_of_another_gain_is_refused() -> None:
    up, down = FixedKernel(4.0), FixedKernel(1.0)
    with pytest.raises(RuntimeError, match="another resampling filter"):
        up.load_state_dict(down.state_dict())
