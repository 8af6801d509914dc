"""The small encoder: shapes, its linear start, and its way through a file."""

from __future__ import annotations

import pytest
import torch

from models.base import ModelInputError, WeightsError
from models.encoders.small import SmallEncoder, SmallInverter


def _encoder() -> SmallEncoder:
    torch.manual_seed(0)
    return SmallEncoder(32, 6, 16, width=6, bottleneck=12, components=8).eval()


def test_a_picture_gives_one_row_per_layer() -> None:
    assert _encoder()(torch.zeros(3, 3, 32, 32)).shape == (3, 6, 16)


def test_a_picture_of_another_size_is_refused() -> None:
    with pytest.raises(ModelInputError, match=r"expected pictures \(N, 3, 32, 32\)"):
        _encoder()(torch.zeros(1, 3, 64, 64))


def test_the_linear_look_starts_as_uncorrelated_components_of_variance_one() -> None:
    random = torch.Generator().manual_seed(1)
    basis = torch.randn(12, 3, 32, 32, generator=random)
    images = torch.einsum("nk,kchw->nchw", torch.randn(300, 12, generator=random), basis)
    encoder = _encoder()

    spread = encoder.glance.fit(images, torch.ones(1, 1, 32, 32))

    covariance = torch.cov(encoder.glance(images).detach().T)
    torch.testing.assert_close(covariance, torch.eye(8), atol=0.02, rtol=0)
    assert bool((spread[:-1] >= spread[1:]).all())


def test_the_state_alone_rebuilds_the_encoder() -> None:
    encoder, images = _encoder(), torch.rand(2, 3, 32, 32) * 2 - 1

    again = SmallEncoder.from_state(encoder.state_dict(), size=32)

    assert torch.equal(again(images), encoder(images))


def test_a_state_with_a_key_missing_is_refused() -> None:
    state = _encoder().state_dict()
    del state["squeeze.weight"]

    with pytest.raises(WeightsError, match=r"squeeze\.weight"):
        SmallEncoder.from_state(state, size=32)


def test_codes_are_offsets_from_the_mean_code() -> None:
    encoder, mean = _encoder(), torch.randn(6, 16)
    images = torch.rand(2, 3, 32, 32) * 2 - 1

    w = SmallInverter(encoder, mean).encode(images)

    torch.testing.assert_close(w, encoder(images).detach() + mean)
