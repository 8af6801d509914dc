"""Resampling pictures with a small filter: insert zeros, pad, filter, drop samples.

The fixed filters of StyleGAN2 are binomial: outer([1, 3, 3, 1]) / 64 (Karras et al., "Analyzing and
improving the image quality of StyleGAN", CVPR 2020, appendix B).
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import Impl


def binomial_kernel(gain: float = 1.0) -> Tensor:
    """Return the two-dimensional filter (k, k) float32 that sums to `gain`."""
    line = torch.tensor([1.0, 3.0, 3.0, 1.0])
    kernel = torch.outer(line, line)
    return kernel * (gain / kernel.sum())


NOT_BINOMIAL = (
    "is not the filter outer([1, 3, 3, 1]) scaled to sum {gain:g}; this network was made with "
    "another resampling filter and cannot be used"
)
"""What to say about a stored filter that `is_binomial` refuses."""


def is_binomial(kernel: Tensor, gain: float) -> bool:
    """Tell whether a stored filter is the one this code uses; a meta tensor by its shape."""
    expected = binomial_kernel(gain)
    return kernel.shape == expected.shape and (
        kernel.is_meta or torch.allclose(kernel.float().cpu(), expected, rtol=1e-3, atol=1e-5)
    )


def upfirdn(
    x: Tensor,
    kernel: Tensor,
    *,
    up: int = 1,
    down: int = 1,
    pad: tuple[int, int] = (0, 0),
    impl: Impl = "fast",
) -> Tensor:
    """Return x resampled: `up - 1` zeros after each sample, pad, filter, every `down`-th sample.

    The filter is a true convolution (the kernel is flipped). x (N, C, H, W); kernel (k, k); pad
    counts zeros before and after on both axes, negative crops. The result is
    (N, C, H', W') with H' = (H * up + pad[0] + pad[1] - k) // down + 1.
    """
    return (_upfirdn_ref if impl == "ref" else _upfirdn_fast)(x, kernel, up, down, pad)


def _upfirdn_ref(x: Tensor, kernel: Tensor, up: int, down: int, pad: tuple[int, int]) -> Tensor:
    n, c, h, w = x.shape
    spread = F.pad(x.reshape(n * c, h, 1, w, 1), (0, up - 1, 0, 0, 0, up - 1))
    padded = F.pad(spread.reshape(n * c, 1, h * up, w * up), (*pad, *pad))
    filtered = F.conv2d(padded, kernel.to(x.dtype).flip(0, 1)[None, None])
    kept = filtered[:, :, ::down, ::down]
    return kept.reshape(n, c, *kept.shape[2:])


def _upfirdn_fast(x: Tensor, kernel: Tensor, up: int, down: int, pad: tuple[int, int]) -> Tensor:
    """One depthwise convolution; the inserted zeros are never stored."""
    c, k = x.shape[1], kernel.shape[0]
    filters = kernel.to(x.dtype).expand(c, 1, k, k)
    if up == 1:
        even = pad[0] if pad[0] == pad[1] and pad[0] >= 0 else 0
        padded = x if even or pad == (0, 0) else F.pad(x, (*pad, *pad))
        return F.conv2d(padded, filters.flip(2, 3), stride=down, padding=even, groups=c)
    full = F.conv_transpose2d(x, filters, stride=up, groups=c)
    # The full convolution starts k - 1 zeros before the picture; cut it to the asked padding.
    edges = (pad[0] - k + 1, up + pad[1] - k)
    return F.pad(full, (*edges, *edges))[:, :, ::down, ::down]


class FixedKernel(nn.Module):
    """A filter that published files carry although it never changes: accepted, and checked."""

    kernel: Tensor

    def __init__(self, gain: float) -> None:
        """Hold the binomial filter that sums to `gain`."""
        super().__init__()
        self.gain = gain
        self.register_buffer("kernel", binomial_kernel(gain))

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        # rest: metadata, strict, missing keys, unexpected keys, error messages. A file without the
        # constant is fine; a file with another one belongs to another network.
        errors: list[str] = rest[-1]
        found = state_dict.get(prefix + "kernel")
        if found is None:
            return
        if not is_binomial(found, self.gain):
            errors.append(f"{prefix}kernel {NOT_BINOMIAL.format(gain=self.gain)}")
        super()._load_from_state_dict(state_dict, prefix, *rest)
