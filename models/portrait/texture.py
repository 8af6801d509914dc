"""The shape-normalised texture of a face: its log colours, sampled on the frontal mean head.

Log colours make a difference of textures a factor on the pixels, which keeps the light of the
picture it is applied to. Luma is kept finer than chroma. The texture basis is stored as int8 with a
scale per component.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .warp import CANONICAL_LEFT, CANONICAL_SIDE, CANONICAL_TOP, enlarge

LUMA_SIDE, CHROMA_SIDE, FIELD_SIDE = 160, 80, 64
"""Texels per side of the canonical window: luma, chroma, and the coarse sampling field."""

LOG_OFFSET = 16.0 / 255.0
"""Added before the logarithm: noise in the dark stays small (values in [0, 1])."""

LUMA_OF_LOG_RGB = (0.299, 0.587, 0.114)


def to_log_channels(images: Tensor) -> Tensor:
    """Return log luma and the two log ratios R/G, B/G (N, 3, H, W) of RGB images (N, 3, H, W) in
    [-1, 1]."""
    logs = ((images + 1) * 0.5 + LOG_OFFSET).clamp_min(1e-3).log()
    red, green, blue = logs.unbind(dim=1)
    r, g, b = LUMA_OF_LOG_RGB
    return torch.stack([r * red + g * green + b * blue, red - green, blue - green], dim=1)


def to_log_rgb(channels: Tensor) -> Tensor:
    """Return log R, G, B (N, 3, H, W) of log luma and log ratios: the inverse of `to_log_channels`'
    last step."""
    luma, red_green, blue_green = channels.unbind(dim=1)
    green = luma - LUMA_OF_LOG_RGB[0] * red_green - LUMA_OF_LOG_RGB[2] * blue_green
    return torch.stack([green + red_green, green, green + blue_green], dim=1)


def sample_texture(images: Tensor, field: Tensor, side: int, pixels_per_texel: float) -> Tensor:
    """Return images (N, 3, S, S) resampled at `side` x `side` texels.

    `field` (N, G, G, 2) holds crop pixels; pictures finer than the texture are averaged first.
    """
    shrink = max(1, min(int(pixels_per_texel), 8))
    # Only the part that is sampled is averaged, in blocks aligned to the whole picture.
    blocks = -(-images.shape[-1] // shrink)
    low = ((field.amin(dim=(0, 1, 2)) / shrink).floor().int() - 2).clamp(0, blocks - 1)
    high = ((field.amax(dim=(0, 1, 2)) / shrink).ceil().int() + 3).clamp(None, blocks)
    low, high = low * shrink, torch.maximum(high, low + 1) * shrink
    (left, top), (right, bottom) = low.tolist(), high.tolist()
    images = images[:, :, top:bottom, left:right]
    if shrink > 1:
        padding = (0, -images.shape[3] % shrink, 0, -images.shape[2] % shrink)
        whole = F.pad(images, padding, mode="replicate") if any(padding) else images
        images = F.avg_pool2d(whole, shrink)
    points = enlarge(field.permute(0, 3, 1, 2), side).permute(0, 2, 3, 1) - low
    size = points.new_tensor([images.shape[3] * shrink, images.shape[2] * shrink])
    grid = (2 * points + 1) / size - 1
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)


_EYES_BOX = ((-0.25, 0.12, CANONICAL_TOP), (-0.55, 0.55, CANONICAL_LEFT))
"""Rows, then columns of the eyes and brows: canonical from, to, and where the window begins."""

_SHARPNESS_RATIOS = (0.092, 0.11, 0.14, 0.215, 0.27)
_BLUR_SIGMAS = (0.05, 0.03, 0.02, 0.01, 0.0)
"""Ratio of fine to coarse variation (rising) and the blur it indicates."""


def _texels(low: float, high: float, start: float) -> slice:
    scale = LUMA_SIDE / CANONICAL_SIDE
    return slice(int((low - start) * scale), int((high - start) * scale))


def _wider(texels: slice, kernel: int) -> slice:
    """Return a run of texels widened by what a kernel centred on them sees."""
    return slice(texels.start - kernel // 2, texels.stop + kernel // 2)


def _interpolated(x: Tensor, at: tuple[float, ...], values: tuple[float, ...]) -> Tensor:
    """Return the piecewise linear function through (`at`, `values`) at x (N,), constant outside."""
    result = torch.full_like(x, values[0])
    for i in range(len(at) - 1):
        share = ((x - at[i]) / (at[i + 1] - at[i])).clamp(0, 1)
        result = result + share * (values[i + 1] - values[i])
    return result


class TextureModel(nn.Module):
    """A linear model of log texture: mean, basis, and the code of a face in it."""

    field: Tensor
    luma_mask: Tensor
    chroma_mask: Tensor
    mean: Tensor
    basis: Tensor
    sigma: Tensor
    photo_mean: Tensor
    photo_sigma: Tensor

    def __init__(
        self, vertices: int, components: int, luma_texels: int, chroma_texels: int
    ) -> None:
        """Allocate for given sizes; values come from a pack.

        `luma_texels` and `chroma_texels` count the texels inside the face masks.
        """
        super().__init__()
        length = luma_texels + 2 * chroma_texels
        self.register_buffer("field", torch.zeros(FIELD_SIDE * FIELD_SIDE, vertices))
        self.register_buffer("luma_mask", torch.zeros(LUMA_SIDE * LUMA_SIDE, dtype=torch.bool))
        self.register_buffer(
            "chroma_mask", torch.zeros(CHROMA_SIDE * CHROMA_SIDE, dtype=torch.bool)
        )
        self.register_buffer("mean", torch.zeros(length))
        self.register_buffer("basis", torch.zeros(components, length))
        self.register_buffer("sigma", torch.ones(components))
        self.register_buffer("photo_mean", torch.zeros(3))
        self.register_buffer("photo_sigma", torch.ones(3))

    @property
    def components(self) -> int:
        """Texture components in a code."""
        return len(self.sigma)

    def sampling_field(self, vertices: Tensor) -> Tensor:
        """Return where the texels of a coarse texture lie in the picture: (N, G, G, 2) px for
        vertices (N, V, 2)."""
        return (self.field @ vertices).reshape(-1, FIELD_SIDE, FIELD_SIDE, 2)

    def sampled(self, images: Tensor, vertices: Tensor, pixels_per_eyes: float) -> Tensor:
        """Return the log channels (N, 3, LUMA_SIDE, LUMA_SIDE) of faces on the mean head."""
        texel = pixels_per_eyes * CANONICAL_SIDE / LUMA_SIDE
        field = self.sampling_field(vertices)
        return to_log_channels(sample_texture(images, field, LUMA_SIDE, texel))

    def measure(self, channels: Tensor) -> tuple[Tensor, Tensor]:
        """Return masked log texture rows (N, L) less their medians, and the medians (N, 3), of
        `channels` from `sampled`."""
        return self.masked(channels[:, 0], F.avg_pool2d(channels[:, 1:], LUMA_SIDE // CHROMA_SIDE))

    def masked(self, luma: Tensor, chroma: Tensor) -> tuple[Tensor, Tensor]:
        """Return what `measure` does for log luma (N, LUMA_SIDE, LUMA_SIDE) and log ratios
        (N, 2, CHROMA_SIDE, CHROMA_SIDE)."""
        luma = luma.flatten(1)[:, self.luma_mask]
        chroma = chroma.flatten(2)[:, :, self.chroma_mask]
        medians = torch.cat(
            [luma.median(dim=1, keepdim=True).values, chroma.median(dim=2).values], dim=1
        )
        rows = torch.cat([luma - medians[:, :1], (chroma - medians[:, 1:, None]).flatten(1)], dim=1)
        return rows, medians

    def softness(self, channels: Tensor) -> Tensor:
        """Return how blurred a picture is (N,): the sigma of its blur in outer-eye distances, 0 to
        0.05, by `channels` from `sampled`.

        Compares how much the eyes and brows vary over about 3 texels with how much over 11; the
        table was measured on sharp faces blurred on purpose.
        """
        rows, columns = (_texels(low, high, start) for low, high, start in _EYES_BOX)
        eyes, luma = channels[:, 0, rows, columns], channels[:, :1]
        fine, coarse = (
            eyes - F.avg_pool2d(luma[:, :, _wider(rows, k), _wider(columns, k)], k, 1)[:, 0]
            for k in (3, 11)
        )
        ratio = fine.flatten(1).std(dim=1) / coarse.flatten(1).std(dim=1).clamp_min(1e-4)
        return _interpolated(ratio, _SHARPNESS_RATIOS, _BLUR_SIGMAS)

    def encode(self, channels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the whitened texture code (N, T) and whitened medians (N, 3) of a face, of
        `channels` from `sampled`."""
        rows, medians = self.measure(channels)
        code = (rows - self.mean) @ self.basis.T / self.sigma
        return code, (medians - self.photo_mean) / self.photo_sigma

    def decode_difference(self, change: Tensor) -> Tensor:
        """Return the log difference (N, 3, LUMA_SIDE, LUMA_SIDE) that a change of code (N, T)
        makes; 0 outside."""
        return self._unpacked((change * self.sigma) @ self.basis)

    def decode(self, code: Tensor, photo: Tensor) -> Tensor:
        """Return the shape-free face (N, 3, LUMA_SIDE, LUMA_SIDE) RGB in [-1, 1] that a texture
        code (N, T) and whitened medians (N, 3) stand for; plain skin outside the face."""
        channels = self._unpacked(self.mean + (code * self.sigma) @ self.basis)
        medians = photo * self.photo_sigma + self.photo_mean
        face = (to_log_rgb(channels + medians[:, :, None, None]).exp() - LOG_OFFSET) * 2 - 1
        return face.clamp(-1, 1)

    def _unpacked(self, rows: Tensor) -> Tensor:
        """Return masked rows (N, L) as log channels (N, 3, LUMA_SIDE, LUMA_SIDE), 0 outside."""
        luma, chroma = self.maps(rows)
        return torch.cat([luma[:, None], enlarge(chroma, LUMA_SIDE)], dim=1)

    def maps(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return the luma and ratios, shaped as `masked` takes them, of rows (N, L); 0 outside."""
        split = int(self.luma_mask.sum())
        luma = rows.new_zeros(len(rows), LUMA_SIDE * LUMA_SIDE)
        luma[:, self.luma_mask] = rows[:, :split]
        chroma = rows.new_zeros(len(rows), 2, CHROMA_SIDE * CHROMA_SIDE)
        chroma[:, :, self.chroma_mask] = rows[:, split:].reshape(len(rows), 2, -1)
        chroma = chroma.reshape(-1, 2, CHROMA_SIDE, CHROMA_SIDE)
        return luma.reshape(-1, LUMA_SIDE, LUMA_SIDE), chroma
