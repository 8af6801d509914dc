"""Closeness of pictures against known values; the reader of ratings on faces it has not seen."""

from __future__ import annotations

import numpy as np
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from models.mini.measure import fit_reader, gradient_histograms, psnr, ssim

from .faces import picture


def _image(seed: int, smile: float = 0.0) -> torch.Tensor:
    array = picture(seed, side=64, smile=smile).astype(np.float32)
    return torch.from_numpy(array).permute(2, 0, 1)[None] / 127.5 - 1


def test_psnr_and_ssim_agree_with_another_implementation() -> None:
    a = _image(1)
    b = (a + 0.1 * torch.randn(a.shape, generator=torch.Generator().manual_seed(0))).clamp(-1, 1)
    luma = [
        (x[0] * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(0).numpy() for x in (b, a)
    ]

    wanted_psnr = peak_signal_noise_ratio(a.numpy(), b.numpy(), data_range=2)
    _, wanted = structural_similarity(
        *luma, data_range=2, gaussian_weights=True, use_sample_covariance=False, full=True
    )

    assert abs(float(psnr(b, a)) - wanted_psnr) < 1e-3
    assert abs(float(ssim(b, a)) - wanted[5:-5, 5:-5].mean()) < 1e-3


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
