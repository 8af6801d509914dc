"""How much of drawn things is found, counted by models that see too much, too little or all."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from models.parsing import covered, samples
from models.parsing.model import ParsingModel
from models.parsing.net import LABELS, SIDE, ParsingNet
from models.parsing.square import _PLACES, _POINTS

FRONT, SKIN = LABELS.index("front"), LABELS.index("skin")


class _Answer(ParsingModel):
    """Says of every square what it is told to."""

    def __init__(self, label: int) -> None:
        super().__init__(ParsingNet())
        self.label = label

    def shares(self, seen: Tensor) -> Tensor:
        out = torch.zeros(len(seen), len(LABELS), SIDE, SIDE)
        out[:, self.label] = 1
        return out


@pytest.fixture
def pictures() -> samples.Pictures:
    size = samples.PICTURE
    labels = np.full((2, size, size), SKIN, np.uint8)
    images = np.full((2, size, size, 3), 150, np.uint8)
    points = np.full((2, 68, 2), size / 2, np.float32)
    points[:, list(_POINTS)] = (np.array(_PLACES) * 0.8 + 1) * size / 2 - 0.5
    points[:, 8] = (size / 2, 0.8 * size)
    sure, odds = np.full_like(labels, 255), np.array([0.5, 0.5])
    return samples.Pictures(images, labels, sure, points, odds, samples._squares(points))


def test_who_sees_nothing_finds_nothing(pictures: samples.Pictures) -> None:
    assert covered.found(_Answer(SKIN), pictures)["hand"] == {
        "iou": 0.0,
        "recall": 0.0,
        "precision": 0.0,
    }


def test_who_sees_things_everywhere_finds_all_and_is_seldom_right(
    pictures: samples.Pictures,
) -> None:
    figures = covered.found(_Answer(FRONT), pictures)["hand"]
    _, labels = covered._drawn(pictures, 0, "hand")
    _, others = covered._drawn(pictures, 1, "hand")
    share = np.mean([(labels == FRONT).mean(), (others == FRONT).mean()])
    assert figures["recall"] == 1.0
    assert figures["precision"] == pytest.approx(share, abs=0.1)
    assert figures["iou"] == figures["precision"]
