"""What lies under a thing is guessed from beside it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from pipeline.imaging.filling import Beside, filled, grown, spread_in

SIDE = 96


def told(person: Tensor, features: Tensor) -> Beside:
    return lambda n, rows, columns: (
        person[n, 0, rows, columns].numpy(),
        features[n, 0, rows, columns].numpy(),
    )


def ramp() -> Tensor:
    """(1, 3, S, S): brighter to the right and downwards."""
    line = torch.linspace(-0.5, 0.5, SIDE)
    return torch.stack(
        [line.expand(SIDE, -1), line[:, None].expand(-1, SIDE), 0 * line.expand(SIDE, -1)]
    )[None]


def thing(*, at: tuple[int, int] = (40, 30), size: int = 20) -> Tensor:
    """(1, 1, S, S): 1 over a square whose first row and column are given."""
    mask = torch.zeros(1, 1, SIDE, SIDE)
    mask[:, :, at[0] : at[0] + size, at[1] : at[1] + size] = 1
    return mask


def test_a_slope_goes_on_under_a_thing() -> None:
    images, mask = ramp(), thing()
    covered = torch.where(mask > 0, torch.tensor(1.0), images)
    bare = filled(covered, mask)
    assert torch.equal(bare[(mask == 0).expand_as(bare)], images[(mask == 0).expand_as(bare)])
    assert float((bare - images).abs().max()) < 0.06
    assert float((bare - images).abs()[:, :, 41:59, 31:49].mean()) < 0.03


def test_nothing_of_the_thing_is_left() -> None:
    images, mask = ramp(), thing()
    one, other = (filled(torch.where(mask > 0, torch.tensor(v), images), mask) for v in (1.0, -1.0))
    assert torch.allclose(one, other, atol=1e-6)


def test_a_soft_edge_is_filled_softly() -> None:
    images, mask = ramp(), 0.5 * thing()
    covered = torch.where(mask > 0, images + 0.2, images)
    bare = filled(covered, mask)
    assert float((bare - images - 0.1)[:, :, 45:55, 35:45].abs().max()) < 0.05


def test_features_beside_a_thing_end_at_it() -> None:
    images, mask = torch.zeros(1, 3, SIDE, SIDE), thing()
    lips = torch.zeros(1, 1, SIDE, SIDE)
    lips[:, :, 32:40, 20:60] = 1
    images = torch.where(lips > 0, torch.tensor(0.8), images)
    skin = told(torch.ones_like(lips), lips)
    with_lips, without = filled(images, mask), filled(images, mask, skin)
    assert float(with_lips[:, :, 40:60, 30:50].max()) > 0.3
    assert float(without[:, :, 40:60, 30:50].abs().max()) < 1e-5
    assert torch.equal(without[:, :, 32:40], images[:, :, 32:40])


def test_person_and_room_are_not_mixed_under_a_thing() -> None:
    person = torch.zeros(1, 1, SIDE, SIDE)
    person[:, :, :, :40] = 1
    images = torch.where(person > 0, torch.tensor(0.5), torch.tensor(-0.5)).expand(1, 3, -1, -1)
    mask = thing()
    beside = told(person, torch.zeros_like(person))
    bare = filled(torch.where(mask > 0, torch.tensor(0.9), images), mask, beside)
    assert float((bare - images).abs().max()) < 1e-5


def test_the_others_of_a_batch_change_nothing() -> None:
    images = torch.cat([ramp(), ramp().flip(3), ramp()])
    masks = torch.cat([thing(), thing(at=(5, 60), size=31), torch.zeros(1, 1, SIDE, SIDE)])
    together = filled(images, masks)
    for n in range(3):
        assert torch.equal(together[n], filled(images[n : n + 1], masks[n : n + 1])[0])


def test_where_all_is_known_nothing_is_guessed_and_where_nothing_is_the_mean() -> None:
    values = np.random.default_rng(0).normal(size=(33, 20, 2)).astype(np.float32)
    assert np.allclose(spread_in(values, np.ones((33, 20), np.float32)), values)
    known = np.zeros((33, 20), np.float32)
    known[:, :4] = 1
    values[:, :4], values[:, 4:] = 0.25, 9.0
    assert np.allclose(spread_in(values, known), 0.25, atol=1e-5)


def test_a_mask_grows_by_as_many_pixels_all_round() -> None:
    large = grown(thing(), 2)[0, 0]
    rows, columns = torch.nonzero(large, as_tuple=True)
    assert (int(rows.min()), int(rows.max())) == (38, 61)
    assert (int(columns.min()), int(columns.max())) == (28, 51)
