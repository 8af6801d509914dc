"""GANSpace: principal components of codes as directions (Härkönen et al., NeurIPS 2020).

An edit moves along a component: Δ = strength · component · σ on a window of layers.
Components of W have one row (R = 1), which every layer of the window takes; those of W+ have L.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ..base import ModelError, WeightsError


@dataclass(frozen=True, slots=True)
class Components:
    """Principal components of codes."""

    mean: Tensor
    """(R, D)"""
    components: Tensor
    """(K, R, D), orthonormal, by falling variance."""
    spread: Tensor
    """(K,): standard deviation along each."""

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Components:
        """Return the components of a published file: `mean` (1, D), `comp` (K, 1, D), `std` (K,).

        Raises:
            WeightsError: other keys or shapes.
        """
        mean, components, spread = (state.get(key) for key in ("mean", "comp", "std"))
        if mean is None or components is None or spread is None:
            raise WeightsError(f"no components: keys {sorted(state)}, expected mean, comp and std")
        if components.shape != (spread.numel(), *mean.shape) or mean.ndim != 2:
            raise WeightsError(
                f"no components: mean {tuple(mean.shape)}, comp {tuple(components.shape)} and std "
                f"{tuple(spread.shape)} do not fit together"
            )
        return cls(mean.float(), components.float(), spread.float().flatten())

    def to_state(self) -> dict[str, Tensor]:
        """Return the tensors in the published keys and shapes."""
        return {"mean": self.mean, "comp": self.components, "std": self.spread}

    def coordinates(self, w: Tensor) -> Tensor:
        """Return the coordinates (N, K) of codes w (N, R, D), each in its σ."""
        return (w - self.mean).flatten(1) @ self.components.flatten(1).T / self.spread

    def vector(self, index: int) -> Tensor:
        """Return component · σ (R, D): what strength 1 adds.

        Raises:
            ModelError: there is no such component.
        """
        if not 0 <= index < len(self.spread):
            raise ModelError(f"no component {index}; there are 0 to {len(self.spread) - 1}")
        return self.components[index] * self.spread[index]


def fit_components(w: Tensor, count: int) -> Components:
    """Return the first principal components of codes w (N, R, D).

    Signs are fixed: the largest entry of a component is positive.

    Raises:
        ModelError: more components than codes or numbers.
    """
    flat = w.flatten(1).double()
    number, numbers = flat.shape
    if not 0 < count <= min(number - 1, numbers):
        raise ModelError(
            f"cannot take {count} components of {number} codes of {numbers} numbers; at most "
            f"{min(number - 1, numbers)}"
        )
    mean = flat.mean(0)
    centred = (flat - mean) / (number - 1) ** 0.5
    # The smaller of the two squares: few long codes, or many short ones.
    tall = number > numbers
    values, vectors = torch.linalg.eigh(centred.T @ centred if tall else centred @ centred.T)
    spread = values.flip(0)[:count].clamp(min=0).sqrt()
    kept = vectors.flip(1)[:, :count]
    components = kept.T if tall else (centred.T @ kept / spread).T
    largest = components.gather(1, components.abs().argmax(1, keepdim=True))
    signed = components * largest.sign()
    shape = w.shape[1:]
    return Components(mean.float().view(shape), signed.float().view(count, *shape), spread.float())


def component_of(components: Components, w: Tensor, ratings: Tensor) -> tuple[int, float]:
    """Return which component an attribute is, and the correlation of its coordinate with it.

    GANSpace names components by looking at pictures; here the one is taken that correlates most
    with the ratings (N,) of codes w (N, R, D).
    """
    series = torch.cat([components.coordinates(w).T, ratings[None]]).double()
    correlations = torch.corrcoef(series).nan_to_num()[-1, :-1]
    index = int(correlations.abs().argmax())
    return index, float(correlations[index])
