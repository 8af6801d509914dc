"""Closeness of pictures against known values; the reader of ratings on faces it has not seen."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from models.mini.measure import fit_reader, gradient_histograms, psnr, ssim

from .faces import picture


def _image(seed: int, smile: float = 0.0) -> torch.Tensor:
    array = picture(seed, side=64, smile=smile).astype(np.float32)
    return torch.from_numpy(array).permute(2, 0, 1)[None] / 127.5 - 1


def _ssim_of_window(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Eq. 13 of Wang et al. (2004) for one 11-px window, written out with weighted moments."""
    line = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    weights = np.outer(line, line) / line.sum() ** 2
    mean_a, mean_b = np.average(a, weights=weights), np.average(b, weights=weights)
    spread = np.cov(a.ravel(), b.ravel(), aweights=weights.ravel(), ddof=0)
    c1, c2 = (0.01 * 2) ** 2, (0.03 * 2) ** 2
    likeness = (2 * mean_a * mean_b + c1) * (2 * spread[0, 1] + c2)
    return float(likeness / ((mean_a**2 + mean_b**2 + c1) * (spread[0, 0] + spread[1, 1] + c2)))


def test_psnr_and_ssim_agree_with_another_implementation() -> None:
    a = _image(1)
    b = (a + 0.1 * torch.randn(a.shape, generator=torch.Generator().manual_seed(0))).clamp(-1, 1)
    luma_a, luma_b = (
        np.tensordot([0.299, 0.587, 0.114], x[0].double().numpy(), axes=1) for x in (a, b)
    )
    windows = [
        _ssim_of_window(luma_a[y : y + 11, x : x + 11], luma_b[y : y + 11, x : x + 11])
        for y in range(54)
        for x in range(54)
    ]

    wanted_psnr = cv2.PSNR(a.numpy()[0].astype(np.float64), b.numpy()[0].astype(np.float64), 2.0)
    assert abs(float(psnr(b, a)) - wanted_psnr) < 1e-3
    assert abs(float(ssim(b, a)) - np.mean(windows)) < 1e-4


def test_a_picture_is_as_similar_to_itself_as_can_be() -> None:
    assert abs(float(ssim(_image(2), _image(2))) - 1) < 1e-5


def test_gradient_histograms_ignore_brightness_but_not_direction() -> None:
    stripes = torch.sin(torch.arange(64.0)).expand(1, 3, 64, 64)

    upright, brighter, lying = (
        gradient_histograms(x)[:, :-768] for x in (stripes, 0.5 * stripes + 0.3, stripes.mT)
    )

    assert (upright - brighter).abs().max() < 0.1
    assert (upright - lying).abs().max() > 0.3


def test_the_reader_reads_smiles_of_faces_it_has_not_seen() -> None:
    smiles = torch.linspace(-1, 1, 80)
    images = torch.cat([_image(i, float(s)) for i, s in enumerate(smiles)])
    known = torch.arange(80) % 4 != 3

    reader = fit_reader(images[known], smiles[known][:, None] / 0.58, ("smile",))

    read = reader.read(images[~known])[:, 0]
    assert torch.corrcoef(torch.stack([read, smiles[~known]]))[0, 1] > 0.8
