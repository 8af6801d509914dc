"""Fits remembered: the same faces, whoever asks, and whatever else is in the batch."""

import pytest
import torch

from models.portrait.net import PortraitModel
from models.portrait.placing import Placing
from tests.models.portrait.tiny import tiny_portrait


@pytest.fixture(scope="module")
def model() -> PortraitModel:
    return tiny_portrait()


def faces(model: PortraitModel, count: int) -> torch.Tensor:
    noise = torch.Generator().manual_seed(0)
    plain = model.canonical[:68] * 60 + 100
    return plain + 2 * torch.randn(count, 68, 2, generator=noise)


def test_a_placed_face_is_the_one_that_is_fitted(model: PortraitModel) -> None:
    landmarks = faces(model, 3)
    with torch.inference_mode():
        fit, vertices = Placing()(model.shape, landmarks)
    expected = model.shape.fit(landmarks)
    for found, wanted in zip(fit, expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(vertices, model.shape.project(expected, landmarks))


def test_neither_the_batch_nor_what_was_asked_before_changes_a_bit(model: PortraitModel) -> None:
    landmarks, placing = faces(model, 70), Placing()
    with torch.inference_mode():
        alone = [Placing()(model.shape, row[None])[1] for row in landmarks]
        for _ in range(2):
            together = placing(model.shape, landmarks)[1]
            assert torch.equal(together, torch.cat(alone))
        assert torch.equal(placing(model.shape, landmarks[69:])[1], alone[69])


def test_a_face_is_fitted_once_and_never_where_a_gradient_is_wanted(
    model: PortraitModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted: list[int] = []
    fit = model.shape.fit

    def counted(landmarks: torch.Tensor) -> object:
        fitted.append(len(landmarks))
        return fit(landmarks)

    monkeypatch.setattr(model.shape, "fit", counted)
    landmarks, placing = faces(model, 2), Placing()
    with torch.no_grad():
        placing(model.shape, landmarks)
        placing(model.shape, landmarks[1:])
    assert fitted == [1, 1]
    wanted = landmarks.clone().requires_grad_()
    placing(model.shape, wanted)[1].sum().backward()
    assert wanted.grad is not None
    assert fitted == [1, 1, 2]
