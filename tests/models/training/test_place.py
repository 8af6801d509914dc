"""Trainings on a device that is not the CPU: nothing of them is left behind on the CPU."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from models.latent_transformer.train import (
    ClassifierOptions,
    Run,
    TransformerOptions,
    train_classifier,
    train_transformer,
)
from models.training.codes import checked
from models.training.place import Place
from tests.elsewhere import pretended


@pytest.fixture(params=["pretended", "cuda"])
def device(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[torch.device]:
    if request.param == "pretended":
        with pretended(monkeypatch) as found:
            yield found
    elif torch.cuda.is_available():
        yield torch.device("cuda")
    else:
        pytest.skip("no CUDA device here")


def test_movers_are_trained_on_a_device_as_on_the_cpu(device: torch.device) -> None:
    w = np.random.default_rng(0).standard_normal((64, 2, 4)).astype(np.float32)
    codes = checked(w, (w[:, 0, :2] > 0) * 1.0, ("smile", "age"), where="planted")
    made = []
    for place in (Place(), Place(device)):
        run = Run(lambda progress: None, place=place)
        options = ClassifierOptions(epochs=2, batch=16, hidden=(8,), lr=1e-2)
        classifier, history = train_classifier(codes, options, run)
        mover, losses = train_transformer(codes, classifier, 0, TransformerOptions(epochs=2), run)
        assert {p.device.type for p in (*classifier.parameters(), *mover.parameters())} == {"cpu"}
        made.append((history, losses, mover.state_dict()))
    (history, losses, state), (there, losses_there, moved) = made
    assert [h["bce"] for h in there] == pytest.approx([h["bce"] for h in history], rel=1e-4)
    assert [r["loss"] for r in losses_there] == pytest.approx([r["loss"] for r in losses], rel=1e-4)
    for key, value in state.items():
        torch.testing.assert_close(moved[key], value, rtol=1e-3, atol=1e-4)
