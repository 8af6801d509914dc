"""What happens at every pixel of an edit."""

from __future__ import annotations

import cv2
import pytest
import torch

from models.portrait import pixels


def test_opencv_fetches_what_torch_does(monkeypatch: pytest.MonkeyPatch) -> None:
    noise = torch.Generator().manual_seed(4)
    coarse = torch.rand(2, 3, 16, 16, generator=noise) * 2 - 1
    images = torch.nn.functional.interpolate(coarse, (64, 64), mode="bicubic")
    grid = torch.rand(2, 2, 40, 33, generator=noise) * 2.4 - 1.2  # beyond the edges, too
    ref = pixels.warped(images, grid, impl="ref")
    monkeypatch.setattr(pixels, "_OPENCV_IS_EXACT", True)
    fast = pixels.warped(images, grid)
    assert fast.shape == ref.shape
    exact = int(cv2.__version__.partition(".")[0]) >= 5
    assert (fast - ref).abs().max() < (1e-4 if exact else 0.02)


def test_older_versions_of_opencv_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pixels, "_OPENCV_IS_EXACT", False)
    images, grid = torch.rand(1, 3, 8, 8), torch.rand(1, 2, 5, 5)
    ref = pixels.warped(images, grid, impl="ref")
    torch.testing.assert_close(pixels.warped(images, grid), ref, atol=0, rtol=0)


def test_what_is_learnt_from_is_fetched_by_torch() -> None:
    grid = torch.rand(1, 2, 5, 5, requires_grad=True)
    pixels.warped(torch.rand(1, 3, 8, 8), grid).sum().backward()
    assert grid.grad is not None
