"""Ranger: rectified Adam with centralised gradients, and slow weights that look ahead.

RAdam (Liu et al., ICLR 2020), Lookahead (Zhang et al., NeurIPS 2019), gradient centralisation (Yong
et al., ECCV 2020), in the combination and with the numbers that the pSp family of encoders is
trained with. All state is one tensor or number per parameter, so a run can be stored and resumed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

_RECTIFIED_FROM = 5.0
"""Length of the moving average from which its variance is known well enough to divide by."""


class Ranger(Optimizer):
    """The optimiser; a step is `fast` every time and `slow` every k-th."""

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: float = 1e-4,
        *,
        betas: tuple[float, float] = (0.95, 0.999),
        eps: float = 1e-5,
        lookahead: int = 6,
        blend: float = 0.5,
        centralise: bool = True,
    ) -> None:
        """Make an optimiser.

        Args:
            parameters: what to train.
            lr: learning rate.
            betas: decay of the two moving averages.
            eps: added to the root of the second moment.
            lookahead: fast steps per slow step; 0 switches slow weights off.
            blend: share of the way the slow weights go towards the fast ones.
            centralise: take the mean over inputs out of the gradient of every weight matrix.
        """
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "lookahead": lookahead,
            "blend": blend,
            "centralise": centralise,
        }
        super().__init__(parameters, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Take one step; return what `closure`, if given, returned."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, parameter.grad, group)
        return loss

    def _update(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state["step"] = 0
            state["first"] = torch.zeros_like(parameter)
            state["second"] = torch.zeros_like(parameter)
            if group["lookahead"]:
                state["slow"] = parameter.clone()
        if group["centralise"] and gradient.ndim > 1:
            gradient = gradient - gradient.mean(dim=tuple(range(1, gradient.ndim)), keepdim=True)
        beta1, beta2 = group["betas"]
        state["step"] += 1
        state["first"].lerp_(gradient, 1 - beta1)
        state["second"].mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        size, rectified = _step_size(state["step"], beta1, beta2)
        if rectified:
            root = state["second"].sqrt().add_(group["eps"])
            parameter.addcdiv_(state["first"], root, value=-group["lr"] * size)
        else:
            parameter.add_(state["first"], alpha=-group["lr"] * size)
        if group["lookahead"] and state["step"] % group["lookahead"] == 0:
            state["slow"].lerp_(parameter, group["blend"])
            parameter.copy_(state["slow"])


def _step_size(step: int, beta1: float, beta2: float) -> tuple[float, bool]:
    """Return the factor of the learning rate, and whether to divide by the second moment.

    Equations of RAdam: ρ∞ = 2 / (1 − β₂) − 1, ρ_t = ρ∞ − 2 t β₂ᵗ / (1 − β₂ᵗ).
    """
    power = beta2**step
    longest = 2 / (1 - beta2) - 1
    length = longest - 2 * step * power / (1 - power)
    unbiased = 1 / (1 - beta1**step)
    if length <= _RECTIFIED_FROM:
        return unbiased, False
    variance = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
    return unbiased * math.sqrt(variance * (1 - power)), True
