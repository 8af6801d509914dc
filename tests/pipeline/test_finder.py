"""What the landmark network sees of frames: crops out of planes, against crops of the RGB frame."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from models.landmarks import crops
from pipeline.imaging.color import frame_to_rgb
from pipeline.loading.finder import planes_of
from pipeline.types import Frame, PixelEncoding, Plane

KINDS = {
    "yuv420p": (PixelEncoding("yuv420p", 8, "bt709", False), (2, 2)),
    "yuv420p full": (PixelEncoding("yuv420p", 8, "bt601", True), (2, 2)),
    "yuv422p10": (PixelEncoding("yuv422p10le", 10, "bt709", False), (2, 1)),
    "yuv444p": (PixelEncoding("yuv444p", 8, "bt709", False), (1, 1)),
    "gbrp": (PixelEncoding("gbrp", 8, "rgb", True), (1, 1)),
    "gray": (PixelEncoding("gray", 8, "gray", True), None),
    "gray alpha": (PixelEncoding("ya8", 8, "gray", True), (1, 1)),
}


def _frame(kind: str, size: tuple[int, int] = (241, 163)) -> Frame:
    """A frame of smooth colours that all lie well inside RGB."""
    encoding, chroma = KINDS[kind]
    rng, (width, height) = np.random.default_rng(3), size
    top = (1 << encoding.bits) - 1
    dtype: Any = np.uint8 if encoding.bits == 8 else np.uint16

    def plane(w: int, h: int, span: float) -> Plane:
        noise = rng.uniform(-span, span, (9, 9)).astype(np.float32)
        smooth = cv2.resize(noise, (w, h), interpolation=cv2.INTER_LINEAR)
        return np.rint((0.5 + smooth) * top).astype(dtype)

    planes = [plane(width, height, 0.25)]
    if chroma is not None:
        small = (-(-width // chroma[0]), -(-height // chroma[1]))
        span = 0.25 if encoding.matrix in ("rgb", "gray") else 0.08
        planes += [plane(*small, span) for _ in range(1 if kind == "gray alpha" else 2)]
    return Frame(0, 0, 1, tuple(planes), encoding)


PLACES = {
    "enlarged": ((120, 80), 20.0, 0.2),
    "as it is": ((100, 90), 64.0, -0.3),
    "shrunk": ((120, 80), 150.0, 0.4),
    "much shrunk, beyond the edge": ((150, 60), 400.0, 0.1),
    "in the corner": ((0, 162), 80.0, 0.0),
    "outside": ((500, -90), 300.0, 0.3),
}


@pytest.mark.parametrize("place", list(PLACES))
@pytest.mark.parametrize("kind", list(KINDS))
def test_a_crop_of_the_planes_is_the_crop_of_the_picture(kind: str, place: str) -> None:
    frame = _frame(kind)
    whole = np.rint(frame_to_rgb(frame) * 255).astype(np.uint8)
    centre, width, angle = PLACES[place]
    crop = crops.similarity(np.array(centre, float), width, angle, (64, 64))
    expected = crops.sample_crop(whole, crop, (64, 64)).astype(int)
    found = crops.sample_crop(planes_of(frame), crop, (64, 64)).astype(int)
    off = np.abs(found - expected)
    assert off.max() <= 3, "every plane is rounded once, and colours weigh up to 1.9"
    assert off.mean() < 0.8


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_turned_frame_gives_the_crop_of_the_turned_picture(turns: int) -> None:
    frame = _frame("yuv420p", (240, 160))
    turned = Frame(0, 0, 1, tuple(np.rot90(p, turns) for p in frame.planes), frame.encoding)
    whole = np.ascontiguousarray(np.rint(frame_to_rgb(turned) * 255).astype(np.uint8))
    crop = crops.similarity(np.array([70.0, 90.0]), 90.0, 0.3, (32, 32))
    off = crops.sample_crop(planes_of(turned), crop, (32, 32)).astype(int) - crops.sample_crop(
        whole, crop, (32, 32)
    )
    assert np.abs(off).max() <= 3
