"""Training: losses fall, an interrupted run goes on bit for bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from models.base import ModelError
from models.mini.losses import reconstruction_loss, region_weights
from models.mini.networks import MiniOptions, load_networks, rendered
from models.mini.train import MiniTrainer, train
from models.stylegan2.net import Generator

from .faces import drawn_data, points

TINY = MiniOptions(
    steps=4,
    size=32,
    style_dim=16,
    faces=4,
    triples=2,
    growth=((0.5, 16),),
    channels={4: 16, 8: 16, 16: 12, 32: 8},
    width=6,
    bottleneck=12,
    components=8,
    closely_from=0.25,
    rounds=1,
    looked_at=20,
    half=False,
)


def test_the_error_of_the_reconstruction_falls() -> None:
    trainer = MiniTrainer(drawn_data(), replace(TINY, steps=60, growth=()))

    losses = [trainer.step(number)["reconstruction"] for number in range(40)]

    assert sum(losses[-5:]) < 0.6 * sum(losses[:5])


def test_an_interrupted_run_ends_with_the_same_weights(tmp_path: Path) -> None:
    data = drawn_data()
    whole, encoder, history = train(data, TINY, tmp_path / "whole", lambda _: None, every=1)

    def stop(progress: object) -> None:
        raise KeyboardInterrupt

    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            train(data, TINY, tmp_path / "parts", stop, every=1)
    again, encoder_again, history_again = train(
        data, TINY, tmp_path / "parts", lambda _: None, every=1
    )

    assert history == history_again
    for a, b in ((whole, again), (encoder, encoder_again)):
        for first, second in zip(a.parameters(), b.parameters(), strict=True):
            assert torch.equal(first, second)


def test_a_run_with_other_options_is_not_gone_on_with(tmp_path: Path) -> None:
    train(drawn_data(), TINY, tmp_path, lambda _: None)

    with pytest.raises(ModelError, match="belongs to another run"):
        train(drawn_data(), replace(TINY, seed=5), tmp_path, lambda _: None)


def test_a_checkpoint_gives_the_averaged_networks(tmp_path: Path) -> None:
    generator, encoder, _ = train(drawn_data(), TINY, tmp_path, lambda _: None)

    loaded, loaded_encoder = load_networks(tmp_path)

    w = torch.randn(1, 8, 16)
    assert torch.equal(loaded(w), generator(w))
    images = torch.rand(1, 3, 32, 32)
    assert torch.equal(loaded_encoder(images), encoder(images))


def test_the_picture_at_full_side_is_the_generators_own() -> None:
    generator = Generator(32, style_dim=16, mapping_layers=0, channels=TINY.channels)
    w = torch.randn(2, generator.layers, 16)

    torch.testing.assert_close(rendered(generator, w, 32), generator(w, noise="none"))


def test_the_loss_counts_an_error_on_the_mouth_more_than_one_in_a_corner() -> None:
    weights = region_weights(points()[None], 32)
    picture = torch.zeros(1, 3, 32, 32)
    mouth, corner = picture.clone(), picture.clone()
    mouth[:, :, 21:24, 14:18] = 0.5
    corner[:, :, 1:4, 1:5] = 0.5

    on_mouth, in_corner = (reconstruction_loss(x, picture, weights) for x in (mouth, corner))
    nothing = reconstruction_loss(picture, picture, weights)

    assert on_mouth - nothing > 3 * (in_corner - nothing)
