"""RGB regions out of planes and differences back in, against independent conversions."""

from __future__ import annotations

import dataclasses
from typing import Any

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.imaging.color import (
    add_rgb_difference,
    frame_to_rgb,
    frame_to_rgb_planes,
    frame_to_rgb_reference,
    frame_to_rgb_small,
    subsampling,
)
from pipeline.types import Box, Frame, Matrix, PixelEncoding


@dataclasses.dataclass(frozen=True)
class Kind:
    """An encoding to try."""

    name: str
    sx: int = 2
    sy: int = 2
    bits: int = 8
    matrix: Matrix = "bt709"
    full_range: bool = False


KINDS = (
    Kind("yuv420p"),
    Kind("yuv422p10le", 2, 1, 10, "bt601"),
    Kind("yuv444p12le", 1, 1, 12, "bt2020"),
    Kind("yuv411p", 4, 1, 8, "fcc"),
    Kind("yuv440p", 1, 2, 8, "smpte240m", True),
    Kind("yuv420p16le", 2, 2, 16, "bt709", True),
    Kind("gbrp", 1, 1, 8, "rgb", True),
    Kind("gbrp10le", 1, 1, 10, "rgb", False),
    Kind("gray", 1, 1, 8, "gray", True),
)
SIZES = ((37, 23), (64, 48))
by_name = pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.name)


def noise_frame(kind: Kind, size: tuple[int, int], seed: int = 0) -> Frame:
    generator = np.random.default_rng(seed)
    width, height = size
    chroma = (-(-height // kind.sy), -(-width // kind.sx))
    shapes = [(height, width)] + ([] if kind.matrix == "gray" else [chroma, chroma])
    sample: Any = np.uint8 if kind.bits == 8 else np.uint16
    planes = tuple(generator.integers(0, 1 << kind.bits, s).astype(sample) for s in shapes)
    encoding = PixelEncoding(kind.name, kind.bits, kind.matrix, kind.full_range)
    return Frame(0, 0, 1, planes, encoding)


@by_name
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_fast_conversion_equals_the_plain_one(kind: Kind, size: tuple[int, int]) -> None:
    frame = noise_frame(kind, size)
    expected = frame_to_rgb_reference(frame)
    np.testing.assert_allclose(frame_to_rgb(frame), expected, atol=2e-6)
    planes = frame_to_rgb_planes(frame, span=(-1.0, 1.0))
    np.testing.assert_allclose(planes, np.moveaxis(2 * expected - 1, 2, 0), atol=4e-6)


@by_name
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_a_region_equals_the_same_crop_of_the_whole_frame(
    kind: Kind, size: tuple[int, int]
) -> None:
    frame = noise_frame(kind, size)
    whole = frame_to_rgb(frame)
    for x0, y0, x1, y1 in ((0, 0, 1, 1), (3, 5, 20, 18), (size[0] - 7, size[1] - 3, *size)):
        crop = frame_to_rgb(frame, (x0, y0, x1, y1))
        np.testing.assert_allclose(crop, whole[y0:y1, x0:x1], atol=1e-6)


@pytest.mark.parametrize("matrix", ["bt709", "bt601", "bt2020", "smpte240m", "fcc"])
@pytest.mark.parametrize("full_range", [False, True], ids=["studio", "full"])
def test_colours_agree_with_swscale(matrix: Matrix, full_range: bool) -> None:
    number = {"bt709": 1, "fcc": 4, "bt601": 5, "smpte240m": 7, "bt2020": 9}[matrix]
    frame = noise_frame(Kind("yuv444p", 1, 1, 8, matrix, full_range), (48, 32), seed=3)
    picture = av.VideoFrame(48, 32, "yuv444p")
    for plane, samples in zip(picture.planes, frame.planes, strict=True):
        memory = np.frombuffer(memoryview(plane), np.uint8).reshape(32, plane.line_size)
        memory[:, :48] = samples
    oracle = picture.reformat(
        format="gbrp16le",
        src_colorspace=number,
        dst_colorspace=number,
        src_color_range=2 if full_range else 1,
        dst_color_range=2,
    ).to_ndarray(format="gbrp16le")
    # PyAV gives planar RGB as (h, w, 3) in RGB order.
    ours = frame_to_rgb(frame)
    assert np.abs(ours - oracle.astype(np.float32) / 65535).max() < 1.5 / 255


@by_name
def test_a_zero_difference_returns_the_same_planes(kind: Kind) -> None:
    frame = noise_frame(kind, (37, 23))
    zero = np.zeros((10, 12, 3), np.float32)
    after = add_rgb_difference(frame, (5, 5, 17, 15), zero, np.ones((10, 12), bool))
    assert all(a is b for a, b in zip(after.planes, frame.planes, strict=True))


@by_name
def test_a_closed_mask_returns_the_same_frame(kind: Kind) -> None:
    frame = noise_frame(kind, (37, 23))
    large = np.full((10, 12, 3), np.nan, np.float32)
    assert add_rgb_difference(frame, (5, 5, 17, 15), large, np.zeros((10, 12), np.float32)) is frame


def blob(shape: tuple[int, int], generator: np.random.Generator) -> NDArray[np.float32]:
    """Return a random mask: a disc with a soft edge and a few single pixels."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    cx, cy = generator.uniform(0, shape[1]), generator.uniform(0, shape[0])
    radius = generator.uniform(2, max(shape))
    mask = np.clip(radius - np.hypot(x - cx, y - cy), 0, 1)
    mask[generator.random(shape) < 0.01] = 1
    return mask.astype(np.float32)


@by_name
@pytest.mark.parametrize("seed", range(6))
def test_nothing_outside_the_mask_changes_even_after_decoding_to_rgb(kind: Kind, seed: int) -> None:
    generator = np.random.default_rng(seed)
    frame = noise_frame(kind, SIZES[seed % 2], seed)
    x0, y0 = int(generator.integers(0, 10)), int(generator.integers(0, 8))
    x1, y1 = (frame.width, frame.height) if seed < 2 else (x0 + 20, y0 + 14)
    shape = (y1 - y0, x1 - x0)
    mask = blob(shape, generator)
    difference = generator.normal(0, 0.3, (*shape, 3)).astype(np.float32)
    difference[mask == 0] = np.nan  # must never be looked at
    after = add_rgb_difference(frame, (x0, y0, x1, y1), difference, mask)
    inside = np.zeros((frame.height, frame.width), bool)
    inside[y0:y1, x0:x1] = mask > 0
    luma_changed = after.planes[0] != frame.planes[0]
    assert not luma_changed[~inside].any()
    before_rgb, after_rgb = frame_to_rgb_reference(frame), frame_to_rgb_reference(after)
    np.testing.assert_array_equal(before_rgb[~inside], after_rgb[~inside])


def plainly_added(
    frame: Frame, difference: NDArray[np.float32], mask: NDArray[np.float32]
) -> list[NDArray[np.int64]]:
    """Return the planes plus a difference over the whole frame, sample by sample in float64,
    without regard to which chroma samples may change."""
    span = 1 << (frame.encoding.bits - 8)
    luma_span, chroma_span = (219 * span, 224 * span)
    if frame.encoding.full_range:
        luma_span = chroma_span = (1 << frame.encoding.bits) - 1
    sx, sy = subsampling(frame)
    kr, kb = {"bt709": (0.2126, 0.0722), "bt601": (0.299, 0.114)}[frame.encoding.matrix]
    red, green, blue = np.moveaxis(np.where(mask[..., None] > 0, difference, 0), 2, 0).astype(float)
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    wanted = [luma * luma_span]
    for colour, k in ((blue, kb), (red, kr)):
        whole = (colour - luma) / (2 * (1 - k)) * chroma_span
        height, width = whole.shape
        wanted.append(whole.reshape(height // sy, sy, width // sx, sx).mean(axis=(1, 3)))
    lows = (16 * span, 16 * span, 16 * span) if not frame.encoding.full_range else (0, 0, 0)
    highs = (235 * span, 240 * span, 240 * span)
    if frame.encoding.full_range:
        highs = ((1 << frame.encoding.bits) - 1,) * 3
    out = []
    for plane, change, low, high in zip(frame.planes, wanted, lows, highs, strict=True):
        after = np.rint(plane + change)
        held = np.clip(after, np.minimum(plane, low), np.maximum(plane, high))
        out.append(held.astype(np.int64))
    return out


@pytest.mark.parametrize("kind", [KINDS[0], KINDS[1], KINDS[5]], ids=lambda k: k.name)
def test_samples_are_the_plain_sums_rounded(kind: Kind) -> None:
    generator = np.random.default_rng(8)
    frame = noise_frame(kind, (64, 48))
    mask = cv2.GaussianBlur(blob((48, 64), generator), (0, 0), 3)
    difference = cv2.GaussianBlur(
        generator.normal(0, 0.8, (48, 64, 3)).astype(np.float32), (0, 0), 2
    )
    after = add_rgb_difference(frame, (0, 0, 64, 48), difference, mask)
    expected = plainly_added(frame, difference, mask)
    for before, plane, plain in zip(frame.planes, after.planes, expected, strict=True):
        changed = plane != before
        assert changed.mean() > 0.1
        # A sum that lies on a half to the last bit may be rounded either way.
        assert np.abs(plane.astype(int) - plain)[changed].max() <= 1
        assert (plane != plain)[changed].mean() < 1e-3


@pytest.mark.parametrize("kind", KINDS[:5], ids=lambda k: k.name)
def test_exactly_the_chroma_samples_that_stay_inside_may_change(kind: Kind) -> None:
    generator = np.random.default_rng(4)
    frame = noise_frame(kind, (37, 23))
    frame = dataclasses.replace(frame, planes=tuple(p // 2 + 40 for p in frame.planes))
    mask = blob((23, 37), generator) > 0
    blue = np.zeros((23, 37, 3), np.float32)
    blue[..., 2] = 0.2
    after = add_rgb_difference(frame, (0, 0, 37, 23), blue, mask)
    changed = after.planes[1] != frame.planes[1]
    # Plain definition: light up one chroma sample, see which pixels bilinear upsampling reaches.
    for row, col in np.ndindex(changed.shape):
        lit: list[Any] = [np.zeros_like(p) for p in frame.planes]
        lit[1][row, col] = 100
        dark: list[Any] = [np.zeros_like(p) for p in frame.planes]
        reached = decoded_chroma(frame, lit) != decoded_chroma(frame, dark)
        assert changed[row, col] == bool(mask[reached].all()), (row, col)


def decoded_chroma(frame: Frame, planes: list[NDArray[np.generic]]) -> NDArray[np.float64]:
    """Return the blue-difference plane at luma resolution, interpolated axis by axis."""
    sx, sy = subsampling(frame)
    chroma = planes[1].astype(np.float64)
    for axis, s, length in ((0, sy, frame.height), (1, sx, frame.width)):
        known = np.arange(chroma.shape[axis]) * s + (s - 1) / 2
        wanted = np.arange(length)
        lines = np.moveaxis(chroma, axis, -1)
        shape = (*lines.shape[:-1], length)
        flat = [np.interp(wanted, known, line) for line in lines.reshape(-1, lines.shape[-1])]
        chroma = np.moveaxis(np.reshape(flat, shape), -1, axis)
    return chroma


@by_name
def test_a_smooth_difference_arrives_in_rgb(kind: Kind) -> None:
    frame = noise_frame(kind, (64, 48))
    middle: Any = tuple((p // 4 + (96 << (kind.bits - 8))).astype(p.dtype) for p in frame.planes)
    frame = dataclasses.replace(frame, planes=middle)
    y, x = np.mgrid[:48, :64]
    ramp = (np.sin(x / 20) * np.cos(y / 17) * 0.06).astype(np.float32)
    weights = (1.0, 1.0, 1.0) if kind.matrix == "gray" else (1.0, -0.5, 0.6)
    difference = ramp[:, :, None] * np.array(weights, np.float32)
    after = add_rgb_difference(frame, (0, 0, 64, 48), difference, np.ones((48, 64), np.float32))
    arrived = frame_to_rgb(after) - frame_to_rgb(frame)
    # Half a sample of each plane, times the largest coefficient of any matrix, plus the chroma
    # average over a block of up to 4 pixels of a ramp.
    rounding = 2.0 / (219 << (kind.bits - 8))
    assert np.abs(arrived - difference).max() < rounding + (0.008 if kind.sx * kind.sy > 1 else 0)


def test_ten_bit_keeps_steps_that_eight_bit_cannot_hold() -> None:
    frame = noise_frame(Kind("yuv444p10le", 1, 1, 10), (64, 48))
    flat = tuple(np.full_like(p, 512) for p in frame.planes)
    frame = dataclasses.replace(frame, planes=flat)
    ramp = np.repeat(np.linspace(0, 4 / 255, 64, dtype=np.float32)[None], 48, axis=0)
    after = add_rgb_difference(
        frame, (0, 0, 64, 48), np.stack([ramp] * 3, 2), np.ones((48, 64), np.float32)
    )
    assert len(np.unique(after.planes[0])) >= 13


@pytest.mark.parametrize("push", [2.0, -2.0])
def test_samples_never_end_further_outside_the_studio_range_than_they_began(push: float) -> None:
    frame = noise_frame(Kind("yuv420p"), (64, 48))
    difference = np.full((48, 64, 3), push, np.float32)
    after = add_rgb_difference(frame, (0, 0, 64, 48), difference, np.ones((48, 64), np.float32))
    before = frame.planes[0].astype(int)
    expected = np.maximum(before, 235) if push > 0 else np.minimum(before, 16)
    np.testing.assert_array_equal(after.planes[0], expected)


def test_the_input_frame_is_never_written_to() -> None:
    frame = noise_frame(KINDS[0], (64, 48))
    for plane in frame.planes:
        plane.flags.writeable = False
    copies = [p.copy() for p in frame.planes]
    difference = np.full((48, 64, 3), 0.2, np.float32)
    after = add_rgb_difference(frame, (0, 0, 64, 48), difference, np.ones((48, 64), np.float32))
    assert all((a == b).all() for a, b in zip(copies, frame.planes, strict=True))
    assert (after.planes[0] != frame.planes[0]).any()


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_turned_view_of_the_planes_gives_the_turned_picture(turns: int) -> None:
    frame = noise_frame(KINDS[1], (64, 48))
    turned = dataclasses.replace(frame, planes=tuple(np.rot90(p, turns) for p in frame.planes))
    np.testing.assert_allclose(
        frame_to_rgb(turned), np.rot90(frame_to_rgb(frame), turns), atol=1e-6
    )
    np.testing.assert_array_equal(
        frame_to_rgb_small(turned, 32), np.rot90(frame_to_rgb_small(frame, 32), turns)
    )


def test_the_small_picture_averages_areas() -> None:
    frame = noise_frame(Kind("yuv444p", 1, 1), (64, 48))
    quiet = tuple((p // 8 + 100).astype(np.uint8) for p in frame.planes)
    frame = dataclasses.replace(frame, planes=quiet)
    small = frame_to_rgb_small(frame, 16)
    blocks = frame_to_rgb_reference(frame).reshape(12, 4, 16, 4, 3).mean(axis=(1, 3)) * 255
    assert small.shape == (12, 16, 3)
    assert small.dtype == np.uint8
    assert np.abs(small - blocks).max() <= 2.0


def test_a_small_frame_is_not_enlarged() -> None:
    frame = noise_frame(KINDS[0], (37, 23))
    assert frame_to_rgb_small(frame, 480).shape == (23, 37, 3)


def test_an_alpha_plane_is_ignored_and_kept() -> None:
    frame = noise_frame(Kind("yuva444p", 1, 1), (64, 48))
    alpha = np.full((48, 64), 77, np.uint8)
    frame = dataclasses.replace(frame, planes=(*frame.planes, alpha))
    difference = np.full((48, 64, 3), 0.1, np.float32)
    after = add_rgb_difference(frame, (0, 0, 64, 48), difference, np.ones((48, 64), np.float32))
    assert after.planes[3] is alpha
    assert frame_to_rgb(frame).shape == (48, 64, 3)


@pytest.mark.parametrize("region", [(-1, 0, 5, 5), (0, 0, 65, 5), (4, 4, 4, 9), (0, 9, 5, 3)])
def test_a_region_outside_the_frame_is_an_error(region: Box) -> None:
    with pytest.raises(ValueError, match="must lie inside the frame of 64x48"):
        frame_to_rgb(noise_frame(KINDS[0], (64, 48)), region)


def test_shapes_that_do_not_fit_the_region_are_an_error() -> None:
    frame = noise_frame(KINDS[0], (64, 48))
    with pytest.raises(ValueError, match=r"needs a difference \(5, 5, 3\)"):
        add_rgb_difference(
            frame, (0, 0, 5, 5), np.zeros((4, 5, 3), np.float32), np.ones((5, 5), np.float32)
        )
