"""From offsets to codes: the mean code, and ReStyle's iterations."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from models.base import ModelError, ModelInputError
from models.encoders import Inverter, Kind, tiny
from models.encoders.blocks import Encoder
from models.encoders.tiny import TINY

X = torch.linspace(-1, 1, 2 * 3 * TINY.size**2).reshape(2, 3, TINY.size, TINY.size)
MEAN = torch.arange(TINY.layers * TINY.code).reshape(TINY.layers, TINY.code) / 100


def painted(codes: Tensor) -> Tensor:
    """Stand in for a generator: 64 px, brightness from the code."""
    level = codes.mean(dim=(1, 2)).tanh()
    return level[:, None, None, None].expand(-1, 3, 64, 64)


class Fixed(Encoder):
    """An encoder that returns what it was given to return, and remembers what it saw."""

    def __init__(self, offset: float) -> None:
        super().__init__(TINY)
        self.offset, self.seen = offset, list[Tensor]()

    def forward(self, images: Tensor) -> Tensor:
        self.seen.append(images)
        return torch.full((len(images), TINY.layers, TINY.code), self.offset)


@pytest.mark.parametrize("kind", ["psp", "e4e", "w", "w+"])
def test_the_mean_code_is_added_once(kind: Kind) -> None:
    encoder = tiny(kind)
    codes = Inverter(encoder, MEAN, kind).encode(X)
    torch.testing.assert_close(codes, encoder(X) + MEAN)


def test_one_mean_row_is_repeated_for_every_layer() -> None:
    encoder = tiny("psp")
    for mean in (MEAN[0], MEAN[:1]):
        codes = Inverter(encoder, mean, "psp").encode(X)
        torch.testing.assert_close(codes, encoder(X) + MEAN[0])


def test_files_that_do_not_start_from_the_mean_code_get_none() -> None:
    encoder = tiny("psp")
    inverter = Inverter(encoder, MEAN, "psp", start_from_latent_avg=False)
    assert torch.equal(inverter.encode(X), encoder(X))


def test_a_mean_code_of_another_generator_is_refused() -> None:
    with pytest.raises(ModelInputError, match=r"\(8, code\).*got \(18, 16\)"):
        Inverter(tiny("psp"), torch.zeros(18, 16), "psp")


def test_restyle_with_nothing_to_correct_stays_at_the_mean_code() -> None:
    inverter = Inverter(Fixed(0.0), MEAN, "restyle-psp", generate=painted)
    assert torch.equal(inverter.encode(X), MEAN.expand(2, -1, -1))


def test_restyle_adds_one_correction_per_step() -> None:
    inverter = Inverter(Fixed(0.25), MEAN, "restyle-e4e", generate=painted, steps=4)
    torch.testing.assert_close(inverter.encode(X), (MEAN + 1.0).expand(2, -1, -1))


def test_restyle_sees_the_picture_and_the_reconstruction_of_the_code_so_far() -> None:
    encoder = Fixed(0.25)
    Inverter(encoder, MEAN, "restyle-psp", generate=painted, steps=3).encode(X)
    assert len(encoder.seen) == 3
    for step, seen in enumerate(encoder.seen):
        assert torch.equal(seen[:, :3], X)
        drawn = painted((MEAN + 0.25 * step)[None].expand(2, -1, -1))
        torch.testing.assert_close(seen[:, 3:], F.adaptive_avg_pool2d(drawn, TINY.size))


def test_restyle_with_a_real_encoder_equals_the_loop_written_out() -> None:
    encoder = tiny("restyle-e4e")
    codes = MEAN.expand(2, -1, -1)
    for _ in range(5):
        shown = F.adaptive_avg_pool2d(painted(codes), TINY.size)
        codes = codes + encoder(torch.cat([X, shown], dim=1))
    found = Inverter(encoder, MEAN, "restyle-e4e", generate=painted).encode(X)
    torch.testing.assert_close(found, codes)


def test_the_mean_picture_is_generated_once_for_all_batches() -> None:
    calls: list[int] = []

    def counted(codes: Tensor) -> Tensor:
        calls.append(len(codes))
        return painted(codes)

    inverter = Inverter(Fixed(0.0), MEAN, "restyle-psp", generate=counted, steps=1)
    inverter.encode(X)
    inverter.encode(X)
    assert calls == [1]


def test_restyle_without_a_generator_is_refused() -> None:
    with pytest.raises(ModelInputError, match="restyle-psp needs its generator"):
        Inverter(tiny("restyle-psp"), MEAN, "restyle-psp")


def test_a_generator_that_returns_no_pictures_is_named() -> None:
    inverter = Inverter(Fixed(0.0), MEAN, "restyle-psp", generate=lambda codes: codes)
    with pytest.raises(ModelError, match="must return images"):
        inverter.encode(X)


def test_other_picture_sizes_are_refused() -> None:
    with pytest.raises(ModelInputError, match=r"\(N, 3, 32, 32\).*got \(1, 3, 64, 64\)"):
        Inverter(tiny("psp"), MEAN, "psp").encode(torch.zeros(1, 3, 64, 64))
