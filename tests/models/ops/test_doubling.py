"""The transposed convolution as four small ones."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from models.ops.doubling import doubled_conv, phase_kernels
from models.ops.precision import bf16_is_quick


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


def test_an_unknown_device_is_not_said_to_be_quick_in_bfloat16() -> None:
    assert not bf16_is_quick(torch.device("meta"))


def test_bfloat16_is_quick_only_where_the_processor_says_so(monkeypatch) -> None:
    for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda: False, raising=False)
    assert not bf16_is_quick(torch.device("cpu"))
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True, raising=False)
    assert bf16_is_quick(torch.device("cpu"))
