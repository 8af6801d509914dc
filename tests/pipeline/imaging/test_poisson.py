"""The membrane: fast against direct solver, against OpenCV, and what it must never do."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.imaging.multigrid import _LARGE
from pipeline.imaging.poisson import clone, membrane
from tests.pipeline.faces import natural


def ellipse(size: int, *, holes: bool = False) -> Tensor:
    mask = np.zeros((size, size), np.uint8)
    cv2.ellipse(
        mask, (size // 2 + 3, size // 2), (int(size * 0.3), int(size * 0.4)), 12, 0, 360, 1, -1
    )
    if holes:
        cv2.circle(mask, (int(size * 0.7), size // 2), size // 7, 0, -1)
        cv2.circle(mask, (int(size * 0.45), int(size * 0.4)), size // 20, 0, -1)
    return torch.from_numpy(mask)[None, None] > 0


@pytest.mark.parametrize("holes", [False, True])
@pytest.mark.parametrize("size", [50, 97, 256, 450])
def test_fast_equals_the_direct_solver(size: int, holes: bool) -> None:
    difference = natural(size, seed=1, slope=1.5) - natural(size, seed=2, slope=1.5)
    inside = ellipse(size, holes=holes)
    fast, exact = membrane(difference, inside), membrane(difference, inside, impl="ref")
    span = float(difference.abs().max())
    error = (fast - exact).abs() / span
    assert float(error[:, :, inside[0, 0]].mean()) < 0.005
    assert float(error.max()) < 0.03


def test_on_a_large_picture_fast_equals_the_direct_solver() -> None:
    size = 540
    inside = ellipse(size, holes=True)
    assert int(inside[0, 0].any(1).sum()) > _LARGE
    for slope, mean, most in ((1.5, 0.006, 0.05), (2.4, 0.005, 0.03)):
        difference = natural(size, seed=1, slope=slope) - natural(size, seed=2, slope=slope)
        fast, exact = (membrane(difference[:, :1], inside, impl=i) for i in ("fast", "ref"))
        error = (fast - exact).abs() / float(difference.abs().max())
        assert float(error[inside].mean()) < mean
        assert float(error.max()) < most


def test_the_direct_solver_finds_a_known_harmonic_function() -> None:
    y, x = torch.meshgrid(torch.arange(80.0), torch.arange(80.0), indexing="ij")
    # x² - y² is harmonic for the five-point Laplacian too.
    harmonic = ((x - 40) ** 2 - (y - 35) ** 2)[None, None] / 1600
    inside = ellipse(80)
    torch.testing.assert_close(
        membrane(harmonic, inside, impl="ref"), harmonic * inside, atol=1e-5, rtol=0
    )
    assert float((membrane(harmonic, inside) - harmonic * inside).abs().max()) < 0.01


def test_a_constant_offset_vanishes_entirely() -> None:
    target = natural(120, seed=3)
    out = clone(target + 0.25, target, ellipse(120))
    assert float((out - target).abs().max()) < 2e-3


def test_the_inside_is_the_source_to_the_bit_where_the_borders_agree() -> None:
    source, target = natural(90, seed=4), natural(90, seed=5)
    inside = ellipse(90)
    near = torch.nn.functional.max_pool2d(inside.float(), 3, 1, 1) > 0
    target = torch.where(near & ~inside, source, target)
    out = clone(source, target, inside)
    assert torch.equal(out, torch.where(inside, source, target))


def test_outside_the_mask_nothing_changes_to_the_bit() -> None:
    source, target, inside = natural(90, seed=6), natural(90, seed=7), ellipse(90, holes=True)
    out = clone(source, target, inside)
    assert torch.equal(out.masked_select(~inside), target.masked_select(~inside))


def test_the_result_does_not_depend_on_the_batch() -> None:
    source, target = natural(90, 3, seed=8), natural(90, 3, seed=9)
    inside = torch.cat([ellipse(90), ellipse(90, holes=True), torch.zeros(1, 1, 90, 90) > 0])
    together = clone(source, target, inside)
    alone = torch.cat(
        [clone(source[i : i + 1], target[i : i + 1], inside[i : i + 1]) for i in range(3)]
    )
    assert torch.equal(together, alone)
    assert torch.equal(together[2], target[2])


@pytest.mark.parametrize("impl", ["fast", "ref"])
def test_pixels_outside_the_frame_pull_at_nothing(impl: str) -> None:
    difference, inside = natural(100, seed=10) - natural(100, seed=11), ellipse(100)
    exists = torch.ones_like(inside)
    exists[..., 55:] = False
    a = membrane(difference, inside, exists=exists, impl=impl)  # type: ignore[arg-type]
    wild = torch.where(exists, difference, 1e6)
    b = membrane(wild, inside, exists=exists, impl=impl)  # type: ignore[arg-type]
    assert torch.equal(a, b)
    assert float(a.abs().max()) <= float(difference[..., :56].abs().max())


@pytest.mark.parametrize("size", [81, 200])
def test_fast_equals_the_direct_solver_where_the_frame_ends(size: int) -> None:
    difference, inside = natural(size, seed=17) - natural(size, seed=18), ellipse(size)
    exists = torch.ones_like(inside)
    exists[..., : size // 2] = False
    level = torch.full_like(difference, 0.3)
    off = membrane(level, inside, exists=exists) - 0.3 * (inside & exists)
    assert float(off.abs().max()) < 1e-4
    fast = membrane(difference, inside, exists=exists)
    exact = membrane(difference, inside, exists=exists, impl="ref")
    assert float((fast - exact).abs().mean() / difference.abs().max()) < 0.005


def test_a_mask_over_everything_has_no_border_and_changes_nothing() -> None:
    source, target = natural(40, seed=12), natural(40, seed=13)
    assert torch.equal(clone(source, target, torch.ones(1, 1, 40, 40)), source)


def test_the_membrane_scales_with_the_values_so_bit_depth_is_nothing_to_it() -> None:
    difference, inside = natural(80, seed=14), ellipse(80)
    small, large = membrane(difference, inside), membrane(difference * 1023, inside)
    torch.testing.assert_close(large, small * 1023, rtol=1e-3, atol=0.05)


def test_clone_agrees_with_opencv_seamless_clone() -> None:
    # OpenCV erodes the mask by three pixels and solves on its bounding box, so the two only agree
    # where source and target are as alike as an edit and its original: here they differ by 6 grey
    # levels in detail and by 12 in colour.
    size = 200
    target = natural(size, seed=15, slope=2.4)
    source = target + 0.25 * natural(size, seed=16, slope=2.4) + 0.1

    def levels(x: Tensor) -> np.ndarray:
        scaled = (x[0].permute(1, 2, 0).numpy() * 0.3 + 0.5) * 255
        return scaled.clip(0, 255).round().astype(np.uint8)

    inside = ellipse(size)
    mask = inside[0, 0].numpy().astype(np.uint8) * 255
    x, y, w, h = cv2.boundingRect(mask)
    theirs = cv2.seamlessClone(
        levels(source), levels(target), mask, (x + w // 2, y + h // 2), cv2.NORMAL_CLONE
    ).astype(float)
    a = torch.from_numpy(levels(source)).permute(2, 0, 1)[None].float()
    b = torch.from_numpy(levels(target)).permute(2, 0, 1)[None].float()
    ours = clone(a, b, inside)[0].permute(1, 2, 0).numpy()
    error = np.abs(ours - theirs)[inside[0, 0].numpy()]
    assert float((a - b).abs().mean()) > 5
    assert error.mean() <= 1.0
    assert error.max() <= 4.0


def test_pictures_of_eight_bits_are_cloned_as_floats_are_and_rounded() -> None:
    eight = [((natural(120, seed=s)[0] * 0.3 + 0.5) * 255).clamp(0, 255).byte() for s in (19, 20)]
    source, target = (picture[None] for picture in eight)
    inside = ellipse(120)
    out = clone(source, target, inside)
    assert out.dtype == torch.uint8
    exact = clone(source.float(), target.float(), inside).round().clamp(0, 255)
    assert torch.equal(out, exact.byte())


def test_a_crop_that_is_larger_around_the_mask_gives_the_same_membrane() -> None:
    difference, inside = natural(150, seed=21), torch.zeros(1, 1, 150, 150, dtype=torch.bool)
    inside[..., 40:100, 50:130] = True
    part = (slice(None), slice(None), slice(30, 110), slice(45, 140))
    assert torch.equal(membrane(difference, inside)[part], membrane(difference[part], inside[part]))
