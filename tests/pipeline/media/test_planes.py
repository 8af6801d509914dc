"""Regrouping of stored formats into planes, without a change to any number."""

from __future__ import annotations

from typing import Any

import av
import numpy as np
import pytest
from av.video.format import names  # type: ignore[attr-defined]

from pipeline.errors import VideoError
from pipeline.media.container.planes import (
    LAYOUTS,
    frame_of,
    layout_of,
    nearest_planar,
    plane_shapes,
    planes_of,
)
from pipeline.types import Plane

SEMI_PLANAR = {"nv12", "nv21", "nv16", "nv24", "p010le", "yuv420p10be"}
PACKED = {"yuyv422", "uyvy422", "yvyu422", "rgb24", "bgr24", "rgba", "bgra", "argb", "abgr"} | {
    *("rgb0", "0bgr", "rgb48le", "bgr48le")
}


def _exact_formats() -> list[str]:
    found = []
    for name in sorted(names):
        try:
            if layout_of(name) is not None:
                found.append(name)
        except VideoError:
            continue
    return found


def _random_planes(pix_fmt: str, size: tuple[int, int]) -> list[Plane]:
    layout = layout_of(pix_fmt)
    assert layout is not None
    generator = np.random.default_rng(1)
    kind: Any = np.uint8 if layout.bits == 8 else np.uint16
    shapes = plane_shapes(layout.planar, *size)
    return [generator.integers(0, 1 << layout.bits, s).astype(kind) for s in shapes]


def test_every_integer_yuv_rgb_and_gray_format_of_ffmpeg_is_covered() -> None:
    exact = set(_exact_formats())
    assert set(LAYOUTS) <= exact
    everyday = {"yuv420p", "yuvj420p", "yuv422p10le", "yuv444p12be", "gbrp", "gbrap16le", "gray"}
    assert everyday <= exact
    assert len(exact) > 140


@pytest.mark.parametrize("size", [(37, 23), (64, 48)], ids=str)
def test_planes_survive_every_stored_format(size: tuple[int, int]) -> None:
    for pix_fmt in _exact_formats():
        planes = _random_planes(pix_fmt, size)
        again = planes_of(frame_of(planes, pix_fmt, size))
        for before, after in zip(planes, again, strict=True):
            assert before.dtype == after.dtype, pix_fmt
            np.testing.assert_array_equal(before, after, err_msg=pix_fmt)


@pytest.mark.parametrize("pix_fmt", [*sorted(SEMI_PLANAR), *sorted(PACKED)])
def test_the_planes_are_those_swscale_finds(pix_fmt: str) -> None:
    layout = layout_of(pix_fmt)
    assert layout is not None
    size = (64, 48)
    planes = _random_planes(pix_fmt, size)
    oracle = frame_of(planes, pix_fmt, size).reformat(format=layout.planar)
    for k, (before, after) in enumerate(zip(planes, planes_of(oracle), strict=True)):
        # swscale dithers or rounds some 10-bit paths; a wrong order would be off by hundreds.
        tolerance = 4 if pix_fmt == "p010le" else 0
        difference = np.abs(before.astype(int) - after.astype(int))
        assert difference.max() <= tolerance, (pix_fmt, k)


def test_decoded_planes_cannot_be_written_to() -> None:
    plane = planes_of(av.VideoFrame(64, 48, "yuv420p"))[0]
    with pytest.raises(ValueError, match="read-only"):
        plane[0, 0] = 1


@pytest.mark.parametrize("pix_fmt", ["gbrpf32le", "grayf16le", "bayer_rggb8", "xyz12le"])
def test_formats_that_are_no_integer_colours_are_refused(pix_fmt: str) -> None:
    with pytest.raises(VideoError, match=f"{pix_fmt}.* cannot be edited; accepted are integer"):
        layout_of(pix_fmt)


@pytest.mark.parametrize(
    ("pix_fmt", "planar"),
    [("pal8", "gbrap"), ("monob", "gray"), ("rgb565le", "gbrp"), ("x2rgb10le", "gbrp10le")],
)
def test_formats_without_exact_twin_name_what_they_become(pix_fmt: str, planar: str) -> None:
    assert layout_of(pix_fmt) is None
    assert nearest_planar(pix_fmt) == planar
