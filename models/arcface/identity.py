"""How much two faces look like the same person."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..base import ModelInputError
from .net import INPUT_SIDE, RecognitionNet

ALIGNED_SIDE = 256
"""Side that the crop is stated for [px]."""
FACE_ROWS, FACE_COLUMNS = slice(35, 223), slice(32, 220)
"""The face inside an FFHQ-aligned picture of 256 px, as the encoders' identity loss cuts it."""


def face_crop(images: Tensor) -> Tensor:
    """Return the recognition crops (N, 3, 112, 112) of FFHQ-aligned pictures.

    Args:
        images: (N, 3, S, S) float32 RGB in [-1, 1]; other sides than 256 are area-averaged first.

    Raises:
        ModelInputError: not (N, 3, S, S).
    """
    if images.dim() != 4 or images.shape[1] != 3 or images.shape[2] != images.shape[3]:
        raise ModelInputError(
            f"expected aligned RGB pictures (N, 3, S, S) in [-1, 1], got {tuple(images.shape)}"
        )
    if images.shape[2] != ALIGNED_SIDE:
        images = F.adaptive_avg_pool2d(images, ALIGNED_SIDE)
    return F.adaptive_avg_pool2d(images[:, :, FACE_ROWS, FACE_COLUMNS], INPUT_SIDE)


class Identity(nn.Module):
    """Identity similarity and loss on FFHQ-aligned pictures."""

    name = "ArcFace IR-SE50"
    other_person = None
    """Its makers name no distance from which two pictures show two people."""

    def __init__(self, net: RecognitionNet) -> None:
        """Wrap a recognition network."""
        super().__init__()
        self.net = net

    def embed(self, images: Tensor) -> Tensor:
        """Return embeddings (N, features) of length 1 of aligned pictures (N, 3, S, S) in
        [-1, 1]."""
        out: Tensor = self.net(face_crop(images))
        return out

    def similarity(self, a: Tensor, b: Tensor) -> Tensor:
        """Return cosines (N,) in [-1, 1] between the faces of two sets of aligned pictures."""
        return (self.embed(a) * self.embed(b)).sum(dim=1)

    def distances(self, a: Tensor, b: Tensor) -> Tensor:
        """Return 1 - cosine (N,) between the faces of two sets of aligned pictures."""
        with torch.inference_mode():
            return 1 - self.similarity(a, b)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Return the identity loss, mean of 1 - cosine: a scalar with a gradient towards `a`.

        Args:
            a: (N, 3, S, S) float32 RGB in [-1, 1], the pictures to be judged.
            b: the same shape, the pictures of the true person; held constant.
        """
        with torch.no_grad():
            target = self.embed(b)
        return 1 - (self.embed(a) * target).sum(dim=1).mean()
