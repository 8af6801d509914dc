"""The discriminator: published layout, both ways to compute it, the spread of a batch."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from models.base import ModelInputError
from models.stylegan2.discriminator import Discriminator, with_batch_spread
from tests.models.golden import manifest_keys

NARROW = {4: 12, 8: 10, 16: 8, 32: 6}


def test_keys_and_shapes_are_those_of_the_published_layout(shared: Path) -> None:
    with torch.device("meta"):
        found = {k: tuple(v.shape) for k, v in Discriminator(1024).state_dict().items()}
    name = "stylegan2_rosinality_discriminator_1024.json"
    assert found == manifest_keys(shared / "golden/manifests" / name)


def test_fast_and_plain_discriminator_agree_in_scores_and_gradients() -> None:
    torch.manual_seed(0)
    model = Discriminator(32, channels=NARROW)
    image = torch.randn(4, 3, 32, 32, requires_grad=True)
    fast, plain = model(image), model(image, impl="ref")
    assert torch.allclose(fast, plain, atol=1e-5)
    one, other = (torch.autograd.grad(y.sum(), image)[0] for y in (fast, plain))
    assert torch.allclose(one, other, atol=1e-5)


def test_a_residual_block_is_filter_then_stride_beside_a_shortcut() -> None:
    torch.manual_seed(1)
    model = Discriminator(8, channels={4: 5, 8: 4})
    weights = model.state_dict()
    x = torch.randn(2, 4, 8, 8)
    line = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
    kernel = torch.outer(line, line)

    def filtered(y: torch.Tensor, before: int, after: int) -> torch.Tensor:
        padded = F.pad(y, (before, after, before, after))
        return F.conv2d(padded, kernel.expand(4, 1, 4, 4), groups=4)

    def biased(y: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        return F.leaky_relu(y + bias[:, None, None], 0.2) * 2**0.5

    y = F.conv2d(x, weights["convs.1.conv1.0.weight"] / 36**0.5, padding=1)
    y = biased(y, weights["convs.1.conv1.1.bias"])
    y = F.conv2d(filtered(y, 2, 2), weights["convs.1.conv2.1.weight"] / 36**0.5, stride=2)
    y = biased(y, weights["convs.1.conv2.2.bias"])
    skip = F.conv2d(filtered(x, 1, 1)[..., ::2, ::2], weights["convs.1.skip.1.weight"] / 2)
    assert torch.allclose(model.convs[1](x, "fast"), (y + skip) / 2**0.5, atol=1e-5)


def test_the_spread_channel_is_the_mean_deviation_within_each_group() -> None:
    x = torch.randn(8, 3, 2, 2, generator=torch.Generator().manual_seed(2))
    found = with_batch_spread(x)
    assert torch.equal(found[:, :3], x)
    for sample in range(8):
        group = x[sample % 2 :: 2].numpy()
        assert torch.allclose(found[sample, 3], torch.tensor(group.std(axis=0).mean()), atol=1e-5)


@pytest.mark.parametrize("n", [1, 3, 6])
def test_any_batch_size_has_a_spread(n: int) -> None:
    assert with_batch_spread(torch.randn(n, 2, 4, 4)).shape == (n, 3, 4, 4)


def test_a_discriminator_learns_to_tell_bright_from_dark() -> None:
    torch.manual_seed(3)
    model = Discriminator(16, channels=NARROW)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.002, betas=(0.0, 0.99))
    bright, dark = torch.rand(8, 3, 16, 16), -torch.rand(8, 3, 16, 16)
    for _ in range(15):
        loss = F.softplus(-model(bright)).mean() + F.softplus(model(dark)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert model(bright).min() > model(dark).max()


def test_wrong_pictures_are_refused() -> None:
    with pytest.raises(ModelInputError, match=r"\(N, 3, 8, 8\)"):
        Discriminator(8)(torch.zeros(1, 3, 16, 16))
