"""Batched resampling of tensors: through an affine matrix, or wherever a field of places says.

The twin of `resample.warp` for batches on any device. Coordinates: see `geometry`. What lies
outside a picture repeats its edge.
"""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from .geometry import Affine

Kernel = Literal["cubic", "linear"]


def places(out_to_in: Affine, size: int, device: torch.device) -> Tensor:
    """(N, size, size, 2) input places (x, y) of the output's pixels under (N, 3, 3) matrices."""
    matrix = torch.from_numpy(np.asarray(out_to_in, np.float64)[:, :2])
    line = torch.arange(size, dtype=torch.float64)
    at = matrix[:, :, 0, None, None] * line + matrix[:, :, 1, None, None] * line[:, None]
    at = (at + matrix[:, :, 2, None, None]).permute(0, 2, 3, 1).float()
    return at.to(device, non_blocking=True)


def pixels(side: int, like: Tensor) -> Tensor:
    """(side, side, 2) the places (x, y) of a picture's own pixels, as numbers like a tensor's."""
    line = torch.arange(side, dtype=like.dtype, device=like.device)
    return torch.stack(torch.meshgrid(line, line, indexing="xy"), -1)


def sample(images: Tensor, at: Tensor, *, kernel: Kernel = "cubic") -> Tensor:
    """(N, C, h, w) values of images (N, C, H, W) at places (N, h, w, 2) [px], edges repeated."""
    height, width = images.shape[-2:]
    # Filled, not copied over: the host would wait for a copy.
    last = at.new_full((2,), max(width - 1, 1))
    last[1] = max(height - 1, 1)
    mode = "bicubic" if kernel == "cubic" else "bilinear"
    return F.grid_sample(images, at * (2 / last) - 1, mode, "border", align_corners=True)


def sample_affine(
    images: Tensor, out_to_in: Affine, size: int, *, kernel: Kernel = "cubic"
) -> Tensor:
    """(N, C, size, size): each picture seen through its matrix, blurred first where it shrinks.

    Args:
        images: (N, C, H, W) float.
        out_to_in: (N, 3, 3), output px → input px.
        size: side of the output [px].
        kernel: cubic (Keys 1981, a = -3/4, as torch has it) or linear.

    The blur is that of `resample.warp`: sigma = ½·√(s² - 1) for a sampling step of s pixels.
    """
    steps = np.linalg.norm(np.asarray(out_to_in)[:, :2, :2], axis=1)
    sigmas = 0.5 * np.sqrt(np.maximum(steps**2 - 1.0, 0.0)).max(1)
    soft = blurred_each(images, np.where(sigmas >= 0.15, sigmas, 0.0))
    return sample(soft, places(out_to_in, size, images.device), kernel=kernel)


def blurred_each(images: Tensor, sigmas: NDArray[np.float64]) -> Tensor:
    """Images (N, C, H, W), each under a Gaussian of its own sigma (N,) [px].

    One at a time: the blur of a picture must not depend on its neighbours in the batch.
    """
    return torch.cat([blurred(images[n : n + 1], float(s)) for n, s in enumerate(sigmas)])


def blurred(images: Tensor, sigma: float, *, impl: Literal["fast", "ref"] = "fast") -> Tensor:
    """Images (N, C, H, W) float32 under a Gaussian of `sigma` px, edges repeated; the same for 0.

    On a CPU OpenCV does it in a fifth of the time; elsewhere, and as `ref`, torch does.
    """
    if sigma <= 0:
        return images
    reach = max(int(np.ceil(3.0 * sigma)), 1)
    if impl == "fast" and images.device.type == "cpu":
        out = torch.empty(images.shape)
        width = 2 * reach + 1
        for plane, soft in zip(
            images.flatten(0, 1).numpy(), out.flatten(0, 1).numpy(), strict=True
        ):
            cv2.GaussianBlur(
                plane, (width, width), sigma, dst=soft, borderType=cv2.BORDER_REPLICATE
            )
        return out
    line = torch.arange(-reach, reach + 1, dtype=torch.float32)
    taps = torch.exp(-0.5 * (line / sigma) ** 2)
    taps = (taps / taps.sum()).to(images.device, images.dtype, non_blocking=True)
    count = images.shape[1]
    rows = F.pad(images, (0, 0, reach, reach), mode="replicate")
    rows = F.conv2d(rows, taps[None, None, :, None].expand(count, 1, -1, 1), groups=count)
    columns = F.pad(rows, (reach, reach, 0, 0), mode="replicate")
    return F.conv2d(columns, taps[None, None, None, :].expand(count, 1, 1, -1), groups=count)


def grown(maps: Tensor, reach: int, *, impl: Literal["fast", "ref"] = "fast") -> Tensor:
    """Maps (N, C, H, W) float32: the highest value within a square of `reach` px to each side.

    On a CPU OpenCV does it in a tenth of the time; elsewhere, and as `ref`, torch does.
    """
    side = 2 * reach + 1
    if impl == "ref" or maps.device.type != "cpu":
        return F.max_pool2d(maps, side, 1, reach)
    out = torch.empty(maps.shape)
    square = np.ones((side, side), np.uint8)
    for plane, wide in zip(maps.flatten(0, 1).numpy(), out.flatten(0, 1).numpy(), strict=True):
        cv2.dilate(plane, square, dst=wide)
    return out


def enlarged(maps: Tensor, step: int, *, impl: Literal["fast", "ref"] = "fast") -> Tensor:
    """Maps (N, C, h, w) float32 at `step` times their size, linear, as blocks of pixels each.

    On a CPU OpenCV does it in a third of the time; elsewhere, and as `ref`, torch does.
    """
    if step == 1:
        return maps
    size = (maps.shape[-2] * step, maps.shape[-1] * step)
    if impl == "ref" or maps.device.type != "cpu":
        return F.interpolate(maps, size, mode="bilinear", align_corners=False)
    out = torch.empty(*maps.shape[:2], *size)
    for small, large in zip(maps.flatten(0, 1).numpy(), out.flatten(0, 1).numpy(), strict=True):
        cv2.resize(small, size[::-1], dst=large, interpolation=cv2.INTER_LINEAR)
    return out


def looked_up(maps: Tensor, at: Tensor, *, impl: Literal["fast", "ref"] = "fast") -> Tensor:
    """Maps (1, C, M, M) float32 at places (1, h, w, 2), linear, 0 beyond them, (1, C, h, w); places
    as `grid_sample(align_corners=False)` reads them.

    On a CPU OpenCV does it in a fifth of the time, to a 32nd of a texel; elsewhere, and as `ref`,
    torch does.
    """
    if impl == "ref" or maps.device.type != "cpu":
        return F.grid_sample(maps, at, align_corners=False, padding_mode="zeros")
    side = maps.shape[-1]
    x, y = (at[0] * (0.5 * side) + (0.5 * side - 0.5)).permute(2, 0, 1).contiguous().numpy()
    out = torch.empty(1, maps.shape[1], *at.shape[1:3])
    for plane, there in zip(maps[0].numpy(), out[0].numpy(), strict=True):
        cv2.remap(plane, x, y, cv2.INTER_LINEAR, dst=there)
    return out


def resized(images: Tensor, size: int) -> Tensor:
    """(N, C, size, size) pictures, averaged over the pixels they cover where they shrink."""
    if images.shape[-1] == size:
        return images
    return F.interpolate(
        images, (size, size), mode="bicubic", align_corners=False, antialias=size < images.shape[-1]
    )
