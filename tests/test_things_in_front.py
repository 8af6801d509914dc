"""A thing that comes before the face keeps its pixels; what belongs to the person is edited."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.cli import main

Picture = NDArray[np.uint8]
PAPER = (slice(106, 134), slice(128, 152))
INNER = (slice(108, 132), slice(130, 150))
SHOWN = (6, 7, 8)


def decoded(path: Path) -> list[Picture]:
    with av.open(str(path)) as container:
        frames = container.decode(video=0)
        return [np.asarray(f.to_ndarray(format="rgb24"), np.uint8) for f in frames]


@pytest.fixture(scope="module")
def held_up(
    astronaut: list[Picture], clip_of: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Ten frames of a face; in three of them a sheet of grey paper is before the cheek."""
    pictures = [p.copy() for p in astronaut]
    for index in SHOWN:
        pictures[index][PAPER] = (188, 190, 196)
    return clip_of(tmp_path_factory.mktemp("paper") / "paper.mkv", pictures, codec="ffv1")


@pytest.mark.parametrize("occlusion", [True, False])
@pytest.mark.parametrize("attributes", [("smile=2",), ("hair-grey=0.1", "smile=2")], ids="+".join)
def test_paper_before_the_cheek_keeps_its_pixels_unless_asked_otherwise(
    held_up: Path, tmp_path: Path, occlusion: bool, attributes: tuple[str, ...]
) -> None:
    out = tmp_path / "out.mkv"
    options = [word for name in attributes for word in ("--attr", name)]
    options += [] if occlusion else ["--no-occlusion"]
    assert main(["edit", str(held_up), "-o", str(out), *options]) == 0
    pairs = zip(decoded(held_up), decoded(out), strict=True)
    changes = [float(np.abs(a.astype(int) - b)[INNER].mean()) for a, b in pairs]
    bare = min(change for index, change in enumerate(changes) if index not in SHOWN)
    papered = max(changes[index] for index in SHOWN)
    assert bare > 2
    assert (papered < 0.15 * bare) if occlusion else (papered > 0.3 * bare)
