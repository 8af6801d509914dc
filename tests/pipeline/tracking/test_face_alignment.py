"""The real face-alignment package, with weights that are random by name, in a cache of its own."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.errors import WeightsError
from pipeline.tracking.detect import FaceAlignmentFinder
from tests.pipeline.tracking.test_detect import BLANK, _frame

DETECTOR, NETWORK = "s3fd-619a316812.pth", "2DFAN4-11f355bf06.pth.tar"


def _named(net: nn.Module) -> dict[str, torch.Tensor]:
    """Return small weights for every key; each depends on its name alone."""

    def drawn(name: str, like: torch.Tensor) -> torch.Tensor:
        if not like.is_floating_point() or name.endswith("running_var"):
            return torch.ones_like(like)
        generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
        return torch.empty_like(like).uniform_(-0.02, 0.02, generator=generator)

    with torch.no_grad():
        return {name: drawn(name, like) for name, like in net.state_dict().items()}


def _that_sees_one_face(detector: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return weights that call the coarsest cell of the picture a face, and no other."""
    for name, value in detector.items():
        if "mbox_conf" in name:
            value.zero_()
            if name.endswith("bias"):
                value[0] = 9
    detector["conv7_2_mbox_conf.bias"] = torch.tensor([0.0, 9.0])
    return detector


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder as TORCH_HOME, with both weight files in place."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NUMBA_DISABLE_JIT", "1")  # to compile two small functions takes 8 s
        from face_alignment.detection.sfd.net_s3fd import s3fd
        from face_alignment.models import FAN

    home = tmp_path_factory.mktemp("torch")
    checkpoints = home / "hub" / "checkpoints"
    checkpoints.mkdir(parents=True)
    with torch.device("meta"):
        nets = s3fd(), FAN(4)
    s3fd_net, fan = (net.to_empty(device="cpu") for net in nets)
    torch.save(_that_sees_one_face(_named(s3fd_net)), checkpoints / DETECTOR)
    torch.save(_named(fan), checkpoints / NETWORK)
    return home


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Return what makes a folder the cache, with nothing to be had from anywhere else."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError("no network in tests")

    def use(home: Path) -> None:
        monkeypatch.setenv("TORCH_HOME", str(home))
        monkeypatch.setattr("torch.hub.urlopen", refuse)

    return use


def test_the_real_package_finds_a_face_with_weights_from_its_cache(
    weights: Path, offline: Callable[[Path], None]
) -> None:
    offline(weights)
    finder = FaceAlignmentFinder.load("cpu")
    picture = np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)
    ((face,),) = finder.find([_frame(picture, 5)], [])
    assert face.frame_index == 5
    assert face.landmarks.shape == (68, 2)
    assert np.isfinite(face.landmarks).all()
    assert 0 <= face.score <= 1


@pytest.mark.parametrize("damaged", [None, b"<html>quota exceeded</html>", b"PK\3\4 cut"])
def test_weights_that_are_not_in_the_cache_are_named_with_their_place(
    damaged: bytes | None, tmp_path: Path, offline: Callable[[Path], None]
) -> None:
    offline(tmp_path)
    place = tmp_path / "hub" / "checkpoints" / DETECTOR
    if damaged is not None:
        place.parent.mkdir(parents=True)
        place.write_bytes(damaged)
    with pytest.raises(WeightsError, match=r"connect once .* --landmarks embedded") as e:
        FaceAlignmentFinder.load("cpu")
    assert str(place) in str(e.value)
    assert str(place.with_name(NETWORK)) in str(e.value)
    assert ("no network in tests" in str(e.value)) == (damaged is None)
    assert len(str(e.value)) < 1000


def test_an_empty_frame_is_no_error(weights: Path, offline: Callable[[Path], None]) -> None:
    offline(weights)
    finder = FaceAlignmentFinder.load("cpu")
    finder.network.face_detector.filter_threshold = 2.0
    assert finder.find([_frame(BLANK, 0)], []) == [[]]
