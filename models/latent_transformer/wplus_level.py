"""Target-level control: move a code not *by* a strength but *to* a level of the attribute."""

from __future__ import annotations

import torch
from torch import Tensor

from ..base import ModelInputError
from .wplus import WPlusMover
from .wplus_classifier import WPlusClassifier


def step_to_level(classifier: WPlusClassifier, w: Tensor, attribute: int, level: Tensor) -> Tensor:
    """Return α (N,) = level − p: the step T was trained to take, p its present probability.

    Training draws α = −p or 1 − p (`wplus_losses.steps_and_targets`), so a T that learnt its task
    turns α into a change of probability.

    Args:
        classifier: reads the attribute.
        w: codes (N, L, D).
        attribute: index of the classifier's logit.
        level: wanted probability (N,), 0 … 1.

    Raises:
        ModelInputError: a level outside 0 … 1.
    """
    if bool(((level < 0) | (level > 1)).any()):
        raise ModelInputError(f"a level is a probability, 0 to 1, got {level.tolist()}")
    return level - classifier.probability(w, attribute)


@torch.no_grad()
def strength_to_level(
    mover: WPlusMover,
    classifier: WPlusClassifier,
    w: Tensor,
    attribute: int,
    level: Tensor,
    *,
    limit: float = 3.0,
    rounds: int = 24,
) -> Tensor:
    """Return the strength (N,) after which the classifier reads the level, by bisection.

    Where even ±limit does not reach the level, the end that comes nearer is returned. The reading
    is taken to grow with the strength (or fall, where the mover's unit is negative).

    Args:
        mover: moves the codes; its layers are restored as in an edit.
        classifier: reads the attribute.
        w: codes (N, L, D).
        attribute: index of the classifier's logit.
        level: wanted probability (N,), strictly between 0 and 1.
        limit: largest strength.
        rounds: halvings of the interval.

    Raises:
        ModelInputError: a level that no finite logit has.
    """
    if bool(((level <= 0) | (level >= 1)).any()):
        raise ModelInputError(f"a level must lie between 0 and 1, got {level.tolist()}")
    wanted = torch.logit(level)

    def excess(strength: Tensor) -> Tensor:
        reading: Tensor = classifier(mover(w, strength))[:, attribute]
        return reading - wanted

    low, high = torch.full_like(level, -limit), torch.full_like(level, limit)
    rising = excess(high) >= excess(low)
    for _ in range(rounds):
        middle = (low + high) / 2
        above = (excess(middle) > 0) == rising
        low, high = torch.where(above, low, middle), torch.where(above, middle, high)
    return (low + high) / 2
