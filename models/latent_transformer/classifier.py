"""The latent classifier over W+ codes: an MLP on the flattened code, one logit per attribute.

Layer widths of the published one: 9216 → 2048 → 512 → 40, LeakyReLU 0.2 between, raw logits out.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..base import ModelInputError, WeightsError
from ..state_dicts import fill

PUBLISHED_WIDTHS = (2048, 512)
"""Hidden widths of the published classifier."""


class WPlusClassifier(nn.Module):
    """Reads attributes from W+ codes; its keys are `fcs.{i}.weight` and `fcs.{i}.bias`."""

    def __init__(
        self, inputs: int = 9216, attributes: int = 40, hidden: Sequence[int] = PUBLISHED_WIDTHS
    ) -> None:
        """Allocate for codes of `inputs` = L·D numbers."""
        super().__init__()
        self.inputs, self.attributes = inputs, attributes
        widths = [inputs, *hidden, attributes]
        self.fcs = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(widths))

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> WPlusClassifier:
        """Return the classifier of a state dict, sized after it, float32, in evaluation mode.

        Raises:
            WeightsError: the keys or shapes are not those of a latent classifier.
        """
        weights = [state.get(f"fcs.{i}.weight") for i in range(len(state) // 2)]
        found = [weight for weight in weights if weight is not None and weight.ndim == 2]
        if not found or len(found) != len(weights):
            raise WeightsError(
                f"no latent classifier: keys {sorted(state)[:3]}…, expected `fcs.0.weight` and on"
            )
        inputs, widths = found[0].shape[1], [len(weight) for weight in found]
        what = "a latent classifier"
        return fill(lambda: cls(inputs, widths[-1], widths[:-1]), state, what=what)

    def forward(self, w: Tensor) -> Tensor:
        """Return logits (N, A) for codes w (N, L, D), which are not normalised.

        Raises:
            ModelInputError: the codes do not have L·D numbers.
        """
        flat = w.flatten(1)
        if flat.shape[1] != self.inputs:
            raise ModelInputError(
                f"expected codes of {self.inputs} numbers, got {tuple(w.shape)}; they come from "
                "another generator"
            )
        for linear in self.fcs[:-1]:
            flat = F.leaky_relu(linear(flat), 0.2)
        logits: Tensor = self.fcs[-1](flat)
        return logits

    def probability(self, w: Tensor, attribute: int) -> Tensor:
        """Return the probability (N,) of one attribute, 0 … 1."""
        return torch.sigmoid(self(w)[:, attribute])
