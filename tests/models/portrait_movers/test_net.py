"""Movers: identity, slowing, errors."""

from __future__ import annotations

import pytest
import torch

from models.base import ModelError, ModelInputError
from models.portrait_movers import PORTRAIT_ATTRIBUTES, Direction, LatentTransformer, MoverPack
from models.portrait_movers.net import LatentClassifier, slowed


def random_movers() -> MoverPack:
    """Return movers of codes (N, 13) with seeded random weights."""
    generator = torch.Generator().manual_seed(0)
    transformers, directions = {}, {}
    for attribute in PORTRAIT_ATTRIBUTES:
        net, direction = LatentTransformer(13, 3, 8), Direction(13)
        net.basis.copy_(torch.randn(3, 13, generator=generator) * 0.1)
        net.constant.copy_(torch.ones(3))
        direction.vector.copy_(net.basis.sum(dim=0))
        transformers[attribute.name] = net.eval().requires_grad_(False)
        directions[attribute.name] = direction.eval()
    return MoverPack(transformers, directions, LatentClassifier(13, 4, 8), ("a", "b", "c", "d"))


def codes(count: int = 4) -> torch.Tensor:
    return torch.randn(count, 13, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("editor", ["latent-transformer", "direction"])
def test_strength_zero_is_the_identity_bit_for_bit(editor: str) -> None:
    move = random_movers().mover(editor, "smile")
    w = codes()
    assert torch.equal(move(w, torch.zeros(len(w))), w)


def test_a_transformer_moves_only_within_its_basis() -> None:
    move = random_movers().mover("latent-transformer", "age")
    assert isinstance(move, LatentTransformer)
    w = codes(50)
    change = move(w, torch.ones(50)) - w
    basis = torch.linalg.qr(move.basis.T).Q
    assert torch.allclose(change, change @ basis @ basis.T, atol=1e-5)


def test_the_baseline_moves_every_face_alike() -> None:
    move = Direction(13)
    move.vector.copy_(torch.arange(13.0))
    change = move(codes(3), torch.tensor([1.0, -2.0, 0.5])) - codes(3)
    assert torch.allclose(
        change, torch.tensor([[1.0], [-2.0], [0.5]]) * torch.arange(13.0), atol=1e-5
    )


@pytest.mark.parametrize(
    ("strength", "level", "expected"),
    [
        (1.0, 0.0, 1.0),
        (1.0, 1.5, 1.0),
        (1.0, 2.0, 0.5 + 0.25 * 0.5),
        (1.0, 4.0, 0.25),
        (-1.0, 4.0, -0.25),
        (-1.0, -4.0, -0.25),
        (0.0, 3.0, 0.0),
    ],
)
def test_a_step_beyond_the_ceiling_counts_a_quarter(
    strength: float, level: float, expected: float
) -> None:
    step = slowed(torch.tensor([strength]), torch.tensor([level]), torch.tensor(2.5))
    assert step.item() == pytest.approx(expected)


def test_wrong_shapes_are_named() -> None:
    move = random_movers().mover("latent-transformer", "smile")
    with pytest.raises(ModelInputError, match=r"expected codes \(N, 13\)"):
        move(torch.zeros(2, 12), torch.zeros(2))
    with pytest.raises(ModelInputError, match="strength"):
        move(torch.zeros(2, 13), torch.zeros(3))


def test_unknown_editors_and_attributes_are_named() -> None:
    pack = random_movers()
    with pytest.raises(
        ModelError, match="no movers for the editor 'magic'; it has them for latent-tra"
    ):
        pack.mover("magic", "smile")
    with pytest.raises(ModelError, match="no attribute 'hat' in this pack; there are smile"):
        pack.mover("direction", "hat")
