"""Resampling: exact on polynomials, equal to the published FFHQ crops, free of aliasing."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import pytest

from pipeline.imaging import geometry as g
from pipeline.imaging import resample
from pipeline.imaging.resample import warp
from tests.pipeline.imaging.published_alignment import align_ffhq, resize_lanczos


def ramp(size: int = 40) -> np.ndarray:
    y, x = np.mgrid[:size, :size].astype(np.float32)
    return np.stack([x, y, 0.02 * x * x - 0.01 * x * y + 0.03 * y * y + 1], -1)


def test_a_whole_shift_copies_pixels_to_the_bit() -> None:
    picture = np.random.default_rng(0).random((30, 34, 3), np.float32)
    out = warp(picture, g.translation(5, 7), (12, 10))
    assert (out == picture[7:17, 5:17]).all()


def test_cubic_is_exact_for_parabolas_at_any_place() -> None:
    matrix = g.similarity(0.8, 17, 9.3, 4.6)
    out = warp(ramp(), matrix, (12, 12), antialias=False)
    y, x = np.mgrid[:12, :12]
    at = g.transform(matrix, np.stack([x, y], -1).reshape(-1, 2)).reshape(12, 12, 2)
    x, y = at[..., 0], at[..., 1]
    expected = np.stack([x, y, 0.02 * x * x - 0.01 * x * y + 0.03 * y * y + 1], -1)
    np.testing.assert_allclose(out, expected, atol=2e-4)


@pytest.mark.parametrize("border", ["reflect", "replicate", "zero"])
@pytest.mark.parametrize("kernel", ["cubic", "linear"])
def test_without_a_turn_two_passes_equal_the_general_way(kernel: str, border: str) -> None:
    picture = np.random.default_rng(3).random((40, 30, 3), np.float32)
    upright = np.array([[0.7, 0, -4.2], [0, 1.3, -6.6], [0, 0, 1]])
    almost = upright + np.array([[0, 1e-9, 0], [0, 0, 0], [0, 0, 0]])
    fast, general = (
        warp(picture, m, (60, 44), kernel=kernel, border=border)  # type: ignore[arg-type]
        for m in (upright, almost)
    )
    np.testing.assert_allclose(fast, general, atol=1e-5)


def test_linear_equals_opencv() -> None:
    picture = np.random.default_rng(1).random((40, 40, 3), np.float32)
    matrix = g.similarity(0.9, -20, 5.5, 14.25)
    ours = warp(picture, matrix, (20, 20), kernel="linear", antialias=False, border="zero")
    y, x = np.mgrid[:20, :20]
    at = g.transform(matrix, np.stack([x, y], -1).reshape(-1, 2)).reshape(20, 20, 2)
    theirs = cv2.remap(picture, at.astype(np.float32), None, cv2.INTER_LINEAR)
    # OpenCV rounds positions to 1/32 px.
    assert np.abs(ours - theirs).max() < 0.05


@pytest.mark.parametrize(
    ("border", "expected"),
    [("reflect", [2, 1, 0, 1, 2]), ("replicate", [0, 0, 0, 1, 2]), ("zero", [0, 0, 0, 1, 2])],
)
def test_borders(border: str, expected: list[int]) -> None:
    line = np.arange(6, dtype=np.float32)[None, :, None].repeat(3, 0)
    out = warp(line, g.translation(-2, 1), (5, 1), border=border)  # type: ignore[arg-type]
    assert out[0, :, 0].tolist() == expected


def test_shrinking_does_not_alias() -> None:
    x = np.mgrid[:256, :256][1]
    stripes = ((x % 2) * 1.0).astype(np.float32)[..., None]  # the finest there are
    out = warp(stripes, g.similarity(4.3, 20, 60, 40), (24, 24))
    raw = warp(stripes, g.similarity(4.3, 20, 60, 40), (24, 24), antialias=False)
    assert np.abs(out - 0.5).max() < 0.01
    assert np.abs(raw - 0.5).max() > 0.3


def golden(shared: Path) -> dict[str, np.ndarray]:
    return dict(np.load(shared / "golden/psp_align.npz"))


@pytest.mark.parametrize("case", ["inside", "edge_pad"])
def test_align_ffhq_equals_the_published_crops(shared: Path, case: str) -> None:
    data = golden(shared)
    crop = align_ffhq(data[f"{case}_image"], g.ffhq_quad(data[f"{case}_landmarks"]))
    error = np.abs(crop.astype(int) - data[f"{case}_aligned256"])
    assert error.max() <= 1


def test_align_ffhq_shrinks_a_large_face_as_published(shared: Path) -> None:
    # The large picture is not stored. Its face can be drawn again (flat polygons, one soft pixel at
    # their edges, as in the stored pictures); its background cannot, so only the face is compared.
    data = golden(shared)
    landmarks = data["shrink_landmarks"]
    points = np.rint(landmarks).astype(np.int32)
    height, width = (int(v) for v in data["shrink_image_recipe"][:2])
    outline = np.r_[0:17, 26:16:-1]
    picture = np.full((height, width, 3), 128, np.uint8)
    parts = (outline, g.RIGHT_EYE, g.LEFT_EYE, np.arange(31, 36), np.arange(48, 60))
    colours = ((205, 160, 140), (40, 30, 30), (40, 30, 30), (150, 110, 100), (170, 60, 60))
    for part, colour in zip(parts, colours, strict=True):
        cv2.fillPoly(picture, [points[part]], colour)
    picture = cv2.GaussianBlur(picture, (3, 3), 0)
    quad = g.ffhq_quad(landmarks)
    inside = cv2.fillPoly(np.zeros_like(picture), [points[outline]], (255, 255, 255))
    inside = cv2.erode(align_ffhq(inside, quad), np.ones((7, 7)))[..., 0] == 255
    error = np.abs(align_ffhq(picture, quad).astype(int) - data["shrink_aligned256"])
    assert inside.sum() > 10_000
    assert error[inside].max() <= 1


def test_lanczos_rows_keep_a_flat_picture_flat() -> None:
    flat = np.full((37, 53, 3), 201, np.uint8)
    assert (resize_lanczos(flat, (20, 11)) == 201).all()


def test_our_warp_agrees_with_the_published_crop_on_smooth_pictures() -> None:
    y, x = np.mgrid[:300, :400]
    smooth = np.stack([100 + 60 * np.sin(x / 40), 100 + 60 * np.cos(y / 30), 0 * x + 90], -1)
    image = np.rint(smooth).astype(np.uint8)
    quad = g.ffhq_quad(g.transform(g.similarity(0.5, 8, 200, 140), drawn()))
    theirs = align_ffhq(image, quad, output_size=128)
    ours = warp(image.astype(np.float32), g.quad_to_matrix(quad, 128), (128, 128))
    assert np.abs(ours - theirs).mean() < 0.7


def drawn() -> np.ndarray:
    from tests.pipeline.faces import drawn_face

    return drawn_face()


@pytest.mark.parametrize("border", ["reflect", "replicate", "zero"])
@pytest.mark.parametrize("kernel", ["cubic", "linear"])
def test_scaling_along_the_axes_takes_a_fast_path_with_the_same_result(
    border: Literal["reflect", "replicate", "zero"], kernel: Literal["cubic", "linear"]
) -> None:
    image = np.random.default_rng(3).random((31, 40, 3), np.float32)
    x, y = np.linspace(-6.3, 44.1, 33), np.linspace(-3.7, 35.2, 29)
    grid_x, grid_y = np.meshgrid(x, y)
    plain = resample._sample(image, grid_x, grid_y, kernel, border)
    assert np.abs(resample._sample_axes(image, x, y, kernel, border) - plain).max() < 1e-5
