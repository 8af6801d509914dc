"""From an encoder to codes: the mean code added where it belongs, ReStyle's iterations."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..base import ModelError, ModelInputError
from .blocks import Encoder
from .fast import FastEncoder
from .kinds import Kind

Generate = Callable[[Tensor], Tensor]
"""(N, L, code) -> (N, 3, S, S) float32 about [-1, 1]."""

RESTYLE_STEPS = 5
"""Iterations of the published ReStyle evaluation."""


class Inverter(nn.Module):
    """Aligned faces in, W+ codes out.

    One pass for pSp, e4e and the W and W+ heads: w = encoder(x) [+ mean code]. For ReStyle, w
    starts at the mean code and each step adds encoder(x, G(w)).
    """

    latent_avg: Tensor

    def __init__(
        self,
        encoder: Encoder | FastEncoder,
        latent_avg: Tensor,
        kind: Kind,
        *,
        start_from_latent_avg: bool = True,
        generate: Generate | None = None,
        steps: int = RESTYLE_STEPS,
    ) -> None:
        """Bind an encoder to the mean code of its generator.

        Args:
            encoder: images -> offsets (N, L, code), plain or prepared for inference.
            latent_avg: (L, code), or (code,) or (1, code), which is repeated for every layer.
            kind: which encoder; the ReStyle kinds iterate.
            start_from_latent_avg: the option of that name in the checkpoint; False means that the
                encoder's output is the code itself. ReStyle always starts from the mean code.
            generate: the generator, needed by the ReStyle kinds only.
            steps: iterations of the ReStyle kinds.

        Raises:
            ModelInputError: latent_avg does not fit, or ReStyle comes without a generator.
        """
        super().__init__()
        layers = encoder.layers
        if latent_avg.dim() == 1 or (latent_avg.dim() == 2 and len(latent_avg) == 1):
            latent_avg = latent_avg.reshape(1, -1).repeat(layers, 1)
        if latent_avg.dim() != 2 or len(latent_avg) != layers:
            raise ModelInputError(
                f"latent_avg is ({layers}, code) or (code,) for this encoder of {layers} layers, "
                f"got {tuple(latent_avg.shape)}; encoder and generator belong to different sizes"
            )
        self.iterative = kind in ("restyle-psp", "restyle-e4e")
        if self.iterative and generate is None:
            raise ModelInputError(
                f"{kind} needs its generator: pass generate=, (N, L, code) -> images"
            )
        self.encoder, self.kind = encoder, kind
        self.start_from_latent_avg = start_from_latent_avg or self.iterative
        self.steps = steps
        self._generate = generate
        self._mean_image: Tensor | None = None
        self.register_buffer("latent_avg", latent_avg.detach().float().clone())

    @property
    def size(self) -> int:
        """Side of the input image [px]."""
        return self.encoder.size

    def prepared(self, dtype: torch.dtype, generate: Generate | None = None) -> Inverter:
        """Return an inverter of the same encoder prepared for inference in a precision.

        Codes stay float32. See `FastEncoder` for which precision suits which processor. `generate`
        takes the place of the generator function, if given.
        """
        if isinstance(self.encoder, FastEncoder):
            raise ModelInputError("this inverter is prepared already; prepare the plain one again")
        return Inverter(
            FastEncoder(self.encoder, dtype),
            self.latent_avg,
            self.kind,
            start_from_latent_avg=self.start_from_latent_avg,
            generate=generate or self._generate,
            steps=self.steps,
        )

    @torch.no_grad()
    def encode(self, images: Tensor) -> Tensor:
        """Return codes w (N, L, code) float32 of aligned faces.

        Args:
            images: (N, 3, size, size) float32 RGB in [-1, 1].

        Raises:
            ModelInputError: other shapes.
            ModelError: a ReStyle generator returned something else than images.
        """
        if tuple(images.shape[1:]) != (3, self.size, self.size):
            raise ModelInputError(
                f"this encoder takes images (N, 3, {self.size}, {self.size}) in [-1, 1], got "
                f"{tuple(images.shape)}; align the face and resize the crop"
            )
        if self.iterative:
            return self._iterate(images)
        offsets: Tensor = self.encoder(images).float()
        return offsets + self.latent_avg if self.start_from_latent_avg else offsets

    def _iterate(self, images: Tensor) -> Tensor:
        codes = self.latent_avg.repeat(len(images), 1, 1)
        if self._mean_image is None or self._mean_image.device != images.device:
            # the same for every picture: generated once
            self._mean_image = self._render(self.latent_avg[None])
        shown = self._mean_image.expand_as(images)
        for step in range(self.steps):
            codes = codes + self.encoder(torch.cat([images, shown], dim=1)).float()
            if step + 1 < self.steps:
                shown = self._render(codes)
        return codes

    def _render(self, codes: Tensor) -> Tensor:
        assert self._generate is not None
        pictures = self._generate(codes)
        if pictures.dim() != 4 or pictures.shape[:2] != (len(codes), 3):
            raise ModelError(
                f"the generator must return images ({len(codes)}, 3, S, S), got "
                f"{tuple(pictures.shape)}"
            )
        return F.adaptive_avg_pool2d(pictures.float(), self.size)
