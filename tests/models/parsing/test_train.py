"""Training of the parsing network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from models.base import ModelError
from models.parsing import samples, train
from models.parsing.net import LABELS, ParsingNet
from models.parsing.square import _PLACES, _POINTS
from models.training.steps import Progress, random_of

RECIPE = train.Recipe(steps=4, batch=2, twins=1, seed=3)


@pytest.fixture(scope="module")
def pictures() -> samples.Pictures:
    return few_pictures()


def few_pictures() -> samples.Pictures:
    size = samples.PICTURE
    labels = np.zeros((2, size, size), np.uint8)
    labels[:, 60:], labels[:, 150:] = LABELS.index("skin"), LABELS.index("clothes")
    images = np.repeat(labels[..., None] * 20, 3, -1).astype(np.uint8)
    points = np.full((2, 68, 2), size / 2, np.float32)
    points[:, list(_POINTS)] = (np.array(_PLACES) * 0.8 + 1) * size / 2 - 0.5
    sure, odds = np.full_like(labels, 255), np.array([0.5, 0.5])
    return samples.Pictures(images, labels, sure, points, odds, samples._squares(points))


def _quiet(progress: Progress) -> None:
    del progress


def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(
    pictures: samples.Pictures, tmp_path: Path
) -> None:
    whole = train.train(pictures, RECIPE, _quiet)
    kept = tmp_path / "run.safetensors"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "_EVERY", 2)

        def stop(progress: Progress) -> None:
            if progress.step == 2:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            train.train(pictures, RECIPE, stop, checkpoint=kept)
        resumed = train.train(pictures, RECIPE, _quiet, checkpoint=kept)
    for (name, a), b in zip(whole.state_dict().items(), resumed.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


def test_a_checkpoint_of_another_run_is_refused(pictures: samples.Pictures, tmp_path: Path) -> None:
    kept = tmp_path / "run.safetensors"
    train.train(pictures, train.Recipe(steps=1, batch=1, twins=0), _quiet, checkpoint=kept)
    with pytest.raises(ModelError, match="another run"):
        train.train(pictures, RECIPE, _quiet, checkpoint=kept)


def test_pixels_that_nobody_knows_weigh_nothing() -> None:
    logits = torch.randn(6, len(LABELS), generator=torch.Generator().manual_seed(0))
    labels, sure = torch.tensor([0, 1, 2, 3, 4, 5]), torch.tensor([1.0, 1, 0, 0, 1, 1])
    other = torch.where(sure > 0, labels, 7)
    known = train.pixel_loss(logits, labels, sure)
    assert known == train.pixel_loss(logits, other, sure)
    assert known != train.pixel_loss(logits, other, torch.ones(6))


def test_overlap_is_complete_when_all_is_right_and_none_when_all_is_wrong() -> None:
    labels = torch.tensor([1] * 60 + [2] * 60)
    sure, right = torch.ones(120), F.one_hot(labels, len(LABELS)) * 40.0
    assert train.overlap_loss(right, labels, sure) == pytest.approx(0, abs=1e-6)
    assert train.overlap_loss(right, 3 - labels, sure) == pytest.approx(1, abs=1e-6)


def test_twins_that_follow_their_squares_agree() -> None:
    coarse = torch.randn(1, len(LABELS), 5, 5, generator=torch.Generator().manual_seed(1)) * 3
    logits = F.interpolate(coarse, (160, 160), mode="bicubic")
    grid = train.moved(1, random_of(0, 1), 160)
    followed = F.grid_sample(logits, grid, padding_mode="border", align_corners=False)
    for row, column in ((0, 0), (1, 0), (0, 1), (1, 1)):
        own = logits[..., row::2, column::2].permute(0, 2, 3, 1)
        twin = followed[..., row::2, column::2].permute(0, 2, 3, 1)
        moves = train.of_taken(grid, row, column)
        following = train.agreement_loss(own, twin, moves)
        staying = train.agreement_loss(own, own, moves)
        assert following < 0.05 * staying


def test_a_twin_is_its_square_moved() -> None:
    coarse = torch.rand(2, 3, 9, 9, generator=torch.Generator().manual_seed(1))
    squares = F.interpolate(coarse, (160, 160), mode="bicubic") - 0.5
    seen, grid = train.with_twins(squares, 1, random_of(0, 2))
    assert torch.equal(seen[:2], squares)
    assert grid.shape == (1, 160, 160, 2)
    straight = F.grid_sample(squares[:1], grid, padding_mode="border", align_corners=False)
    assert (seen[2:] - straight).abs().mean() < 0.1


def test_a_few_steps_make_the_loss_smaller(pictures: samples.Pictures) -> None:
    seen: list[float] = []
    recipe = train.Recipe(steps=8, batch=4, twins=0, rate=3e-3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "_EVERY", 1)
        train.train(pictures, recipe, lambda p: seen.append(p.losses["pixels"]))
    assert np.mean(seen[-3:]) < np.mean(seen[:3]) - 0.1


def test_weights_are_written_for_the_program(tmp_path: Path) -> None:
    from models.parsing.__main__ import save
    from models.parsing.files import build
    from models.weights import load_safetensors

    net = ParsingNet().eval()
    save(net, tmp_path / "w.safetensors")
    model = build(load_safetensors(tmp_path / "w.safetensors")[0])
    square = torch.rand(1, 3, 160, 160) * 2 - 1
    shares = model.shares(square)
    torch.testing.assert_close(shares.sum(1), torch.ones(1, 160, 160))
    torch.testing.assert_close(shares, net(square).softmax(1), atol=5e-3, rtol=0)
