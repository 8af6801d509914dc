"""The published latent transformer over W+ codes: one affine map per layer, scaled by a strength.

For layer l of a code w (L, D), `w'_l = w_l + α (W_l w_l / √D + b_l)` (Yao et al., ICCV 2021, eq. 1,
as its weights are used). Coarse layers take the move, fine ones stay as they are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, Literal

import torch
from torch import Tensor, nn

from ..base import ModelInputError, WeightsError
from ..ops.codes import LayerRange, check_codes
from ..state_dicts import fill

LAST_MOVED: Final = 11
"""Layers 0–10 take a move: those that form a picture up to 128 px. The rest is restored."""


class WPlusTransformer(nn.Module):
    """T of one attribute; its keys are `dense.{l}.weight` (D, D) and `dense.{l}.bias` (D,)."""

    def __init__(self, layers: int = 18, dimensions: int = 512) -> None:
        """Allocate for codes (N, layers, dimensions): Xavier-uniform weights, zero offsets."""
        super().__init__()
        self.layers, self.dimensions = layers, dimensions
        self.dense = nn.ModuleList(nn.Linear(dimensions, dimensions) for _ in range(layers))
        for linear in self.dense:
            assert isinstance(linear, nn.Linear)
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> WPlusTransformer:
        """Return the transformer of a state dict, sized after it, float32, in evaluation mode.

        Raises:
            WeightsError: the keys or shapes are not those of a latent transformer.
        """
        first = state.get("dense.0.weight")
        if first is None or first.ndim != 2:
            raise WeightsError(
                f"no latent transformer: keys {sorted(state)[:3]}…, expected `dense.0.weight`"
            )
        layers, dimensions = sum(key.endswith(".weight") for key in state), first.shape[1]
        what = f"a latent transformer of {layers} layers"
        return fill(lambda: cls(layers, dimensions), state, what=what)

    def weights(self) -> tuple[Tensor, Tensor]:
        """Return W / √D (L, D, D), rows out, and b (L, D)."""
        linears = [linear for linear in self.dense if isinstance(linear, nn.Linear)]
        weight = torch.stack([linear.weight for linear in linears])
        return weight / math.sqrt(self.dimensions), torch.stack([x.bias for x in linears])

    def direction(self, w: Tensor, *, impl: Literal["fast", "ref"] = "fast") -> Tensor:
        """Return T(w) (N, L, D) for codes w (N, L, D): all layers."""
        if impl == "ref":
            root = math.sqrt(self.dimensions)
            rows = [
                w[:, layer] @ linear.weight.T / root + linear.bias
                for layer, linear in enumerate(self.dense)
                if isinstance(linear, nn.Linear)
            ]
            return torch.stack(rows, dim=1)
        weight, bias = self.weights()
        return _per_layer(w, weight, bias)

    def forward(self, w: Tensor, strength: Tensor) -> Tensor:
        """Return w + α T(w) (N, L, D), every layer moved, as in training.

        Args:
            w: codes (N, L, D).
            strength: α (N,).

        Raises:
            ModelInputError: shapes do not fit.
        """
        check_codes(w, strength, self.layers, self.dimensions)
        return w + strength[:, None, None] * self.direction(w)


def default_range(layers: int) -> LayerRange:
    """Return which layers of L take a move: those up to 128 px, 0–10 of 18."""
    return 0, min(layers, LAST_MOVED)


class WPlusMover:
    """Moves the coarse layers of W+ codes along one attribute; the others stay, bit for bit."""

    def __init__(
        self,
        transformer: WPlusTransformer,
        *,
        layers: LayerRange | None = None,
        unit: float = 1.0,
    ) -> None:
        """Make a mover.

        Args:
            transformer: T of the attribute.
            layers: which layers move, `(first, after the last)`; default 0–10 of 18.
            unit: α of strength 1; negative where the name stands for the absence of what T was
                trained on (`beard` and No_Beard).

        Raises:
            ModelInputError: the range does not lie within the layers.
        """
        chosen = layers if layers is not None else default_range(transformer.layers)
        if not 0 <= chosen[0] < chosen[1] <= transformer.layers:
            raise ModelInputError(
                f"layers {chosen[0]} to {chosen[1]} do not lie within 0 to {transformer.layers}"
            )
        self.transformer, self.layers, self.unit = transformer, chosen, unit
        weight, bias = transformer.weights()
        self._weight = weight[chosen[0] : chosen[1]].detach().contiguous()
        self._bias = bias[chosen[0] : chosen[1]].detach().contiguous()

    def to(self, device: torch.device) -> WPlusMover:
        """Return the same mover on a device."""
        moved = self.transformer.to(device)
        return WPlusMover(moved, layers=self.layers, unit=self.unit)

    def __call__(self, w: Tensor, strength: Tensor) -> Tensor:
        """Return moved codes (N, L, D) for w (N, L, D) and strength (N,); the identity at 0.

        Raises:
            ModelInputError: shapes do not fit.
        """
        check_codes(w, strength, self.transformer.layers, self.transformer.dimensions)
        start, stop = self.layers
        coarse = w[:, start:stop]
        step = (strength * self.unit)[:, None, None] * _per_layer(coarse, self._weight, self._bias)
        return torch.cat([w[:, :start], coarse + step, w[:, stop:]], dim=1)


def _per_layer(w: Tensor, matrix: Tensor, offset: Tensor) -> Tensor:
    """Return matrix_l w_l + offset_l (N, K, D) for w (N, K, D): one batched product."""
    moved = torch.baddbmm(offset[:, None], w.transpose(0, 1), matrix.transpose(1, 2))
    return moved.transpose(0, 1)
