"""Train the latent classifier and one transformer per attribute with the losses of Yao et al. (ICCV
2021).

`L = L_cls + lambda_attr L_attr + lambda_rec L_rec`: the moved code must be classified as the
target, other attributes must keep their logits in so far as they are uncorrelated with it, and the
code must not move further than it has to. T is confined to directions that a forward regression of
the code on the ratings found.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ..ops.ridge import ridge
from ..training.codes import SHARPNESS, read_labelled
from .attributes import PortraitAttribute
from .files import MoverPack
from .net import Direction, LatentClassifier, LatentTransformer

_INTERACTIONS = ("gender", "age", "weight", "skin-color", "asian", "black", "happy", "gap")
_LAMBDA_ATTR, _LAMBDA_REC, _LAMBDA_OFF = 4.0, 0.02, 0.15
_NOISE = 0.2
_RIDGE, _READER_RIDGE = 20.0, 60.0


@dataclass(frozen=True, slots=True)
class CodeSet:
    """Codes with their standardised labels."""

    w: Tensor
    """(N, D)"""
    labels: Tensor
    """(N, A)"""
    names: tuple[str, ...]

    def column(self, name: str) -> Tensor:
        """Return the labels (N,) of one name."""
        return self.labels[:, self.names.index(name)]


def read_codes(path: Path) -> CodeSet:
    """Return the codes of an .npz with `w`, `labels`, `names`, as `models.portrait train` makes it.

    Raises:
        ModelError: the file is missing or holds something else.
    """
    found = read_labelled(path)
    return CodeSet(found.w[:, 0], found.labels, found.names)


def train_movers(
    codes: CodeSet, attributes: tuple[PortraitAttribute, ...], *, seed: int, steps: int = 350
) -> tuple[MoverPack, dict[str, dict[str, float]]]:
    """Return movers for the attributes and, per attribute, measures of them.

    The measures: `label_sd` what one unit moves the target's predicted rating, `side_transformer`
    and `side_direction` the mean movement of the other, not exempt ones.
    """
    torch.manual_seed(seed)
    classifier = train_classifier(codes)
    transformers, directions, measures = {}, {}, {}
    for attribute in attributes:
        direction = forward_direction(codes, attribute)
        net = _new_transformer(codes, attribute, direction)
        _train_transformer(net, classifier, codes, attribute, steps)
        reader = ridge_readout(codes)
        baseline = Direction(len(direction))
        baseline.vector.copy_(direction)
        _calibrate(net, baseline, codes, attribute, reader)
        transformers[attribute.name], directions[attribute.name] = net.eval(), baseline.eval()
        measures[attribute.name] = _measures(net, baseline, codes, attribute, reader)
    for net in transformers.values():
        net.requires_grad_(False)
    pack = MoverPack(transformers, directions, classifier.requires_grad_(False), codes.names)
    return pack, measures


def train_classifier(codes: CodeSet, *, epochs: int = 60) -> LatentClassifier:
    """Return a classifier of soft labels, trained with noise on the codes (binary
    cross-entropy)."""
    net = LatentClassifier(codes.w.shape[1], len(codes.names))
    optimiser = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=0.05)
    targets = torch.sigmoid(SHARPNESS * codes.labels)
    for _ in range(epochs):
        order = torch.randperm(len(codes.w))
        for start in range(0, len(order), 128):
            batch = order[start : start + 128]
            w = codes.w[batch] + _NOISE * torch.randn_like(codes.w[batch])
            loss = F.binary_cross_entropy_with_logits(net(w), targets[batch])
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
    return net.eval()


def forward_direction(codes: CodeSet, attribute: PortraitAttribute) -> Tensor:
    """Return how the code (D,) changes per SD of the rating with the covariates held fixed.

    What goes along with the attribute is added: its own change of code with the rating held fixed
    as well.
    """
    direction = _slopes(codes, (attribute.rated, *attribute.covariates))[0]
    for name, amount in attribute.along:
        columns = (name, attribute.rated, *attribute.covariates)
        direction = direction + amount * _slopes(codes, columns)[0]
    return direction


def _slopes(codes: CodeSet, columns: tuple[str, ...]) -> Tensor:
    """Return the change of code per SD of each column with the others held fixed: (columns, D)."""
    return ridge(torch.stack([codes.column(name) for name in columns], dim=1), codes.w, _RIDGE)[0]


def ridge_readout(codes: CodeSet) -> Tensor:
    """Return a linear reader (D + 1, A) of all labels, offset last."""
    slope, offset = ridge(codes.w, codes.labels, _READER_RIDGE)
    return torch.cat([slope, offset[None]])


def _variations(codes: CodeSet, attribute: PortraitAttribute) -> Tensor:
    """Return directions (R, D) along which the change differs between faces: by their other labels,
    and by level."""
    target = codes.column(attribute.rated)
    products = [target * codes.column(name) for name in _INTERACTIONS if name != attribute.rated]
    varied = [*products, target.square() - 1]
    others = [codes.column(name) for name in (attribute.rated, *attribute.covariates)]
    return ridge(torch.stack([*varied, *others], dim=1), codes.w, _RIDGE)[0][: len(varied)]


def _new_transformer(
    codes: CodeSet, attribute: PortraitAttribute, direction: Tensor
) -> LatentTransformer:
    """Return a T that starts as the linear direction; its other rows are how that direction differs
    between faces."""
    rows = torch.cat([direction[None], _variations(codes, attribute)])
    net = LatentTransformer(codes.w.shape[1], len(rows))
    net.basis.copy_(rows)
    net.constant[0] = 1
    for parameter in net.mlp[2].parameters():
        torch.nn.init.zeros_(parameter)
    net.ceiling.fill_(attribute.ceiling)
    return net


def _train_transformer(
    net: LatentTransformer,
    classifier: LatentClassifier,
    codes: CodeSet,
    attribute: PortraitAttribute,
    steps: int,
) -> None:
    target = codes.names.index(attribute.rated)
    keep = _preserve_weights(codes, attribute)
    optimiser = torch.optim.AdamW(net.mlp.parameters(), lr=2e-3, weight_decay=0.01)
    for _ in range(steps):
        w = codes.w[torch.randint(len(codes.w), (256,))]
        w = w + _NOISE * torch.randn_like(w)
        sign = torch.where(torch.rand(len(w)) < 0.5, -1.0, 1.0)
        coefficients = net.constant + net.mlp(w.clamp(-2.5, 2.5))
        moved = w + 2 * sign[:, None] * (coefficients @ net.basis)
        logits, before = classifier(moved), classifier(w)
        wanted = (sign + 1) / 2
        loss_cls = F.binary_cross_entropy_with_logits(logits[:, target], wanted)
        loss_attr = ((logits - before) * keep).square().mean()
        loss_rec = (moved - w).square().mean()
        off = coefficients[:, 1:].square().mean()
        loss = loss_cls + _LAMBDA_ATTR * loss_attr + _LAMBDA_REC * loss_rec + _LAMBDA_OFF * off
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()


def _preserve_weights(codes: CodeSet, attribute: PortraitAttribute) -> Tensor:
    """Return 1 - |correlation| with the target per label (A,): pose and light in full, target and
    exempt ones 0."""
    correlation = torch.corrcoef(codes.labels.T)[codes.names.index(attribute.rated)]
    weights = 1 - correlation.abs()
    for index, name in enumerate(codes.names):
        if name in ("yaw", "pitch", "light_x", "light_y", "gap"):
            weights[index] = 1
        if name == attribute.rated or name in attribute.exempt:
            weights[index] = 0
    return weights


def _calibrate(
    net: LatentTransformer,
    baseline: Direction,
    codes: CodeSet,
    attribute: PortraitAttribute,
    reader: Tensor,
) -> None:
    """Make one unit of strength change what is read from a code as much as one SD of the rating
    does among faces.

    The regression direction alone would fall short by what its covariates keep from moving: a smile
    with closed lips reads as three quarters of one.
    """
    target = codes.names.index(attribute.rated)
    net.level.copy_(reader[:, target])
    one_sd = _slope(codes.w @ reader[:-1, target], codes.column(attribute.rated))
    with torch.no_grad():
        mean = net.direction(codes.w).mean(dim=0)
    net.unit.copy_(one_sd / (reader[:-1, target] @ mean))
    baseline.vector.mul_(one_sd / (reader[:-1, target] @ baseline.vector))


def _slope(y: Tensor, x: Tensor) -> Tensor:
    """Return by how much y (N,) changes per unit of x (N,) on average."""
    x = x - x.mean()
    return (x * y).mean() / x.square().mean()


def _measures(
    net: LatentTransformer,
    baseline: Direction,
    codes: CodeSet,
    attribute: PortraitAttribute,
    reader: Tensor,
) -> dict[str, float]:
    target = codes.names.index(attribute.rated)
    one = torch.ones(len(codes.w))
    judged = [i for i, n in enumerate(codes.names) if i != target and n not in attribute.exempt]
    with torch.no_grad():
        by_transformer = (net(codes.w, one) - codes.w) @ reader[:-1]
        by_direction = (baseline(codes.w, one) - codes.w) @ reader[:-1]
    return {
        "label_sd": float(by_transformer[:, target].mean()),
        "side_transformer": float(by_transformer[:, judged].abs().mean()),
        "side_direction": float(by_direction[:, judged].abs().mean()),
    }
