"""The encoder prepared for inference against its plain twin."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from models.base import ModelInputError
from models.encoders import KINDS, FastEncoder, Inverter, Kind, tiny
from models.encoders.tiny import TINY
from models.ops.irse import Trunk, TrunkShape
from models.ops.irse_fused import FoldedConv, FusedStem, FusedUnit, fused
from models.state_dicts import randomised


def pictures(kind: Kind) -> Tensor:
    channels = 6 if kind.startswith("restyle") else 3
    generator = torch.Generator().manual_seed(4)
    return torch.rand(2, channels, TINY.size, TINY.size, generator=generator) * 2 - 1


@pytest.mark.parametrize("kind", KINDS)
def test_in_float32_it_gives_the_twin_s_codes(kind: Kind) -> None:
    plain, x = tiny(kind), pictures(kind)
    torch.testing.assert_close(FastEncoder(plain)(x), plain(x), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_in_bfloat16_it_stays_within_two_percent_of_the_twin(kind: Kind) -> None:
    plain, x = tiny(kind), pictures(kind)
    codes = FastEncoder(plain, torch.bfloat16)(x)
    assert codes.dtype == torch.float32
    assert float((codes - plain(x)).norm() / plain(x).norm()) < 0.02


def test_preparing_leaves_the_plain_encoder_as_it_was() -> None:
    plain, x = tiny("psp"), pictures("psp")
    before, keys = plain(x), list(plain.state_dict())
    FastEncoder(plain, torch.bfloat16)
    assert torch.equal(plain(x), before)
    assert list(plain.state_dict()) == keys
    assert {p.dtype for p in plain.parameters()} == {torch.float32}


def test_all_weights_are_in_the_precision_asked_for() -> None:
    fast = FastEncoder(tiny("e4e"), torch.bfloat16)
    assert {p.dtype for p in fast.parameters()} == {torch.bfloat16}


def test_the_inverter_takes_it_in_place_of_the_plain_one() -> None:
    mean, x = torch.randn(TINY.layers, TINY.code), pictures("psp")
    plain = Inverter(tiny("psp"), mean, "psp", start_from_latent_avg=False)
    fast = plain.prepared(torch.float32)
    torch.testing.assert_close(fast.encode(x), plain.encode(x))
    assert plain.prepared(torch.bfloat16).encode(x).dtype == torch.float32
    with pytest.raises(ModelInputError, match="prepared already"):
        fast.prepared(torch.float32)


def test_a_folded_norm_computes_what_the_pair_did() -> None:
    pair = randomised(
        lambda: nn.Sequential(nn.Conv2d(5, 7, 3, 2, 1, bias=False), nn.BatchNorm2d(7)), seed=1
    )
    x = torch.randn(2, 5, 9, 9)
    torch.testing.assert_close(FoldedConv(*pair)(x), pair(x), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("squeeze", [True, False], ids=["IR-SE", "IR"])
def test_the_fused_trunk_is_the_trunk(squeeze: bool) -> None:
    shape = TrunkShape(widths=(4, 4, 6, 6, 8), units=(2, 1, 2, 1), squeeze=squeeze, reduction=2)
    trunk = randomised(lambda: Trunk(shape), seed=2)
    x = torch.randn(2, 3, 64, 64)
    wanted = trunk.features(x)
    trunk.input_layer, trunk.body = fused(trunk)
    assert isinstance(trunk.input_layer, FusedStem)
    assert all(isinstance(unit, FusedUnit) for unit in trunk.body)
    for found, expected in zip(trunk.features(x), wanted, strict=True):
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
