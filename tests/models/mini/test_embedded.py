"""The embedded pack on the sample face: it gives the face back, and smiles when asked to."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

import models
from models.latent_transformer.files import load_classifier
from models.mini.measure import ssim
from models.packs.opening import StylePack, open_pack

FOLDER = Path(models.__file__).parent / "mini"

QUAD = np.array([[28.5, -2.5], [18.3, 192.0], [212.8, 202.1]], np.float32)
"""Where FFHQ puts the crop of the sample's first frame: NW, SW, SE [px of 240]."""


@pytest.fixture(scope="module")
def pack() -> StylePack:
    return open_pack(FOLDER)


@pytest.fixture
def face(astronaut: list[NDArray[np.uint8]], pack: StylePack) -> Tensor:
    side = pack.encoder_size
    corners = np.array([[0, 0], [0, side], [side, side]], np.float32) - 0.5
    crop = cv2.warpAffine(
        astronaut[0],
        cv2.getAffineTransform(QUAD - 0.5, corners),
        (side, side),
        flags=cv2.INTER_AREA,
        borderMode=cv2.BORDER_REFLECT,
    )
    return torch.from_numpy(crop).permute(2, 0, 1)[None].float() / 127.5 - 1


def test_it_takes_less_than_fifteen_megabytes() -> None:
    assert sum(path.stat().st_size for path in FOLDER.glob("*.safetensors")) < 15e6


def test_the_sample_face_comes_back(pack: StylePack, face: Tensor) -> None:
    found = pack.generate(pack.encode(face))

    own = float(ssim(found, face))
    mirrored = float(ssim(found.flip(-1), face))
    assert (found.clamp(-1, 1) - face).abs().mean() < 0.2
    assert own > 0.45
    assert own > mirrored + 0.05


@pytest.mark.parametrize(
    ("name", "label"), [("smile", "happy"), ("age", "age"), ("gender", "gender")]
)
def test_a_mover_raises_what_the_classifier_reads_and_lowers_it_backwards(
    pack: StylePack, face: Tensor, name: str, label: str
) -> None:
    classifier, labels = load_classifier(FOLDER / "classifier.safetensors")
    w, mover = pack.encode(face), pack.mover("latent-transformer", name)

    low, none, high = (
        float(classifier(mover(w, torch.tensor([s])))[0, labels.index(label)])
        for s in (-1.0, 0.0, 1.0)
    )

    assert low < none - 0.3
    assert high > none + 0.3


def test_the_smile_happens_at_the_mouth(pack: StylePack, face: Tensor) -> None:
    w, mover = pack.encode(face), pack.mover("latent-transformer", "smile")

    change = (pack.generate(mover(w, torch.tensor([1.0]))) - pack.generate(w)).abs().mean(1)[0]

    # FFHQ puts the mouth a little below three fifths of the crop, in its middle third.
    mouth, forehead = change[76:100, 43:85].mean(), change[10:40, 43:85].mean()
    assert mouth > 1.5 * forehead
