"""Generators in the layout of the ADA release, made for tests."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from models.ops.upfirdn import binomial_kernel
from models.stylegan2.layouts import _correspondence, facts_of


def to_ada(weights: Mapping[str, Tensor], w_avg: Tensor | None = None) -> dict[str, Tensor]:
    """Return the ADA state dict of a generator in the rosinality layout; `from_ada` undone."""
    facts = facts_of(weights)
    table = _correspondence(facts.size.bit_length() - 1, facts.mapping_layers)
    converted = {}
    for pair in table:
        value = weights[pair.rosinality]
        converted[pair.ada] = value.reshape(value.shape[pair.before : value.dim() - pair.after])
    for key in list(converted):
        owner, _, last = key.rpartition(".")
        if last in ("noise_const", "const"):
            converted[f"{owner}.resample_filter"] = binomial_kernel(1.0)
        elif key.endswith("conv0.weight"):
            converted[f"{owner.rpartition('.')[0]}.resample_filter"] = binomial_kernel(1.0)
    if w_avg is not None:
        converted["mapping.w_avg"] = w_avg if w_avg.dim() == 1 else w_avg[0]
    return converted
