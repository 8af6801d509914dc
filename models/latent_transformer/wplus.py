"""The published latent transformer over W+ codes: one affine map per layer, scaled by a strength.

For layer l of a code w (L, D), `w'_l = w_l + α (W_l w_l / √D + b_l)` (Yao et al., ICCV 2021, eq. 1,
as its weights are used). Coarse layers take the move, fine ones stay as they are. Because the map
is affine in w, any chain of edits with known strengths folds to one matrix per layer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import torch
from torch import Tensor, nn

from ..base import ModelInputError, WeightsError

LAST_MOVED: Final = 11
"""Layers 0–10 take a move: those that form a picture up to 128 px. The rest is restored."""

LayerRange = tuple[int, int]
"""First layer and the one after the last, as in `range`."""


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
        net = cls(sum(key.endswith(".weight") for key in state), first.shape[1])
        try:
            net.load_state_dict({key: value.float() for key, value in state.items()})
        except RuntimeError as e:
            raise WeightsError(f"no latent transformer of {net.layers} layers: {e}") from e
        return net.eval().requires_grad_(False)

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


def check_codes(w: Tensor, strength: Tensor, layers: int, dimensions: int) -> None:
    """Refuse codes that are not (N, L, D), or strengths that are not (N,).

    Raises:
        ModelInputError: which of the two, with its shape.
    """
    if w.ndim != 3 or w.shape[1:] != (layers, dimensions):
        raise ModelInputError(
            f"expected codes (N, {layers}, {dimensions}), got {tuple(w.shape)}; they come from "
            "another generator"
        )
    if strength.shape != w.shape[:1]:
        raise ModelInputError(
            f"expected one strength per code, ({len(w)},), got {tuple(strength.shape)}"
        )


@dataclass(frozen=True, slots=True)
class FoldedMove:
    """An edit of known strength: `w'_l = M_l w_l + c_l` for the layers of a range, else `w_l`."""

    matrix: Tensor
    """M (K, D, D), rows out."""
    offset: Tensor
    """c (K, D)."""
    start: int
    """First of the K layers."""

    def __call__(self, w: Tensor) -> Tensor:
        """Return moved codes (N, L, D): one matrix product per layer of the range."""
        stop = self.start + len(self.matrix)
        moved = _per_layer(w[:, self.start : stop], self.matrix, self.offset)
        return torch.cat([w[:, : self.start], moved, w[:, stop:]], dim=1)

    def to(self, device: torch.device) -> FoldedMove:
        """Return the same move on a device."""
        return FoldedMove(self.matrix.to(device), self.offset.to(device), self.start)


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

    def folded(self, strength: float) -> FoldedMove:
        """Return the edit of one strength as one matrix per layer."""
        alpha = strength * self.unit
        identity = torch.eye(self.transformer.dimensions, device=self._weight.device)
        return FoldedMove(identity + alpha * self._weight, alpha * self._bias, self.layers[0])


def apply_in_order(w: Tensor, steps: Sequence[tuple[WPlusMover, float]]) -> Tensor:
    """Return codes (N, L, D) moved by several attributes, one after another: the plain twin of
    `fold`.

    Layers outside a mover's range are restored after each step, as the published code does for
    pictures. The order matters, because T depends on w.
    """
    for mover, strength in steps:
        w = mover(w, torch.full((len(w),), strength, device=w.device, dtype=w.dtype))
    return w


def fold(steps: Sequence[tuple[WPlusMover, float]]) -> FoldedMove:
    """Return several edits, in order, as one matrix per layer; products are taken in float64.

    Raises:
        ModelInputError: no step, or steps for codes of different sizes.
    """
    sizes = {(m.transformer.layers, m.transformer.dimensions) for m, _ in steps}
    if len(sizes) != 1:
        raise ModelInputError(f"can fold one or more moves of one generator, got sizes {sizes}")
    start = min(mover.layers[0] for mover, _ in steps)
    stop = max(mover.layers[1] for mover, _ in steps)
    (_, dimensions) = sizes.pop()
    device = steps[0][0].folded(0.0).matrix.device
    matrix = torch.eye(dimensions, dtype=torch.float64, device=device).repeat(stop - start, 1, 1)
    offset = torch.zeros(stop - start, dimensions, dtype=torch.float64, device=device)
    for mover, strength in steps:
        step = mover.folded(strength)
        rows = slice(step.start - start, step.start - start + len(step.matrix))
        by = step.matrix.double()
        offset[rows] = _applied(by, offset[rows]) + step.offset.double()
        matrix[rows] = by @ matrix[rows]
    return FoldedMove(matrix.float(), offset.float(), start)


def _per_layer(w: Tensor, matrix: Tensor, offset: Tensor) -> Tensor:
    """Return matrix_l w_l + offset_l (N, K, D) for w (N, K, D): one batched product."""
    moved = torch.baddbmm(offset[:, None], w.transpose(0, 1), matrix.transpose(1, 2))
    return moved.transpose(0, 1)


def _applied(matrix: Tensor, rows: Tensor) -> Tensor:
    return (matrix @ rows[:, :, None])[:, :, 0]
