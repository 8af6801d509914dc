"""Masks: where they are one, where they are exactly zero, and how they scale."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.imaging import masks
from pipeline.imaging.geometry import similarity, transform, translation
from tests.pipeline.faces import drawn_face


def points(*faces: np.ndarray) -> Tensor:
    return torch.from_numpy(np.stack(faces).astype(np.float32))


def test_a_polygon_mask_covers_the_polygon_to_a_fraction_of_a_pixel() -> None:
    square = np.array([[[9.5, 9.5], [29.5, 9.5], [29.5, 24.5], [9.5, 24.5]]])
    mask = masks.polygon_mask(square, 40)
    assert float(mask.sum()) == pytest.approx(20 * 15, rel=0.09)
    assert float(mask[0, 0, 12:22, 12:27].min()) == 1.0
    assert float(mask[0, 0, :8].max()) == 0.0


def test_the_face_mask_holds_eyes_mouth_and_forehead_and_nothing_far_off() -> None:
    face = drawn_face((128, 110), eyes=70)
    mask = masks.face_mask(points(face), 256)[0, 0]
    for x, y in [*face[36:68], (128, 70)]:
        assert mask[round(y), round(x)] > 0.9
    assert float(mask[:, :40].max()) == 0.0
    assert float(mask[230:].max()) == 0.0


def test_the_mask_follows_a_turn_of_the_picture() -> None:
    face = drawn_face((128, 128), eyes=60)
    quarter = transform(similarity(1, 90, 255, 0), face)  # (x, y) -> (255 - y, x)
    upright, turned = masks.face_mask(points(face, quarter), 256)[:, 0]
    assert float((torch.rot90(upright, -1) - turned).abs().mean()) < 0.002


def test_the_feather_scales_with_the_face() -> None:
    small = masks.face_mask(points(drawn_face((127.5, 127.5), eyes=50)), 256, feather=0.3)
    large = masks.face_mask(points(drawn_face((255.5, 255.5), eyes=100)), 512, feather=0.3)
    shrunk = torch.nn.functional.avg_pool2d(large, 2)
    assert float((shrunk - small).abs().max()) < 0.1


def test_growing_moves_the_edge_outwards() -> None:
    face = points(drawn_face((128, 128), eyes=60))
    area = [float(masks.face_mask(face, 256, grow=g, feather=0.05).sum()) for g in (-0.1, 0.0, 0.1)]
    assert area[0] < 0.9 * area[1] < 0.9 * 0.9 * area[2]


def test_the_mask_is_zero_along_the_border_even_of_a_face_that_fills_the_crop() -> None:
    mask = masks.face_mask(points(drawn_face((32, 32), eyes=200)), 64)[0, 0]
    edge = torch.cat([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    assert float(edge.max()) == 0.0
    assert float(mask[32, 32]) == 1.0


def test_one_mask_does_not_depend_on_the_others() -> None:
    faces = [drawn_face((60, 50), eyes=40), drawn_face((70, 66), eyes=25)]
    together = masks.face_mask(points(*faces), 128)
    assert torch.equal(together[1:], masks.face_mask(points(faces[1]), 128))


def test_inside_frame_knows_the_pixels_the_frame_has() -> None:
    inside = masks.inside_frame(translation(-3, 5)[None], 16, 10, 12)[0, 0]
    assert inside.nonzero().min(0).values.tolist() == [0, 3]
    assert inside.nonzero().max(0).values.tolist() == [6, 12]


def test_the_forehead_stands_over_the_brows_across_the_eyes() -> None:
    turned = transform(similarity(1, 30, 200, 200), drawn_face())
    forehead = transform(similarity(1, -30, 0, 0), masks.forehead_points(turned) - 200)
    brows = drawn_face()[17:27]
    assert (forehead[2:-2, 1] < brows[:, 1].min()).all()
    np.testing.assert_allclose(forehead[:, 0], -forehead[::-1, 0], atol=1e-6)


def test_what_covers_a_part_of_a_face_is_masked_and_fades_with_it() -> None:
    face = drawn_face((128, 100), eyes=70)
    lips, eyes, brow = (60, 66, 62), (36, 45), (21, 22)
    assert masks.unseen_mask(points(face), torch.ones(1, 2), 256) is None
    mouth = masks.unseen_mask(points(face), torch.tensor([[0.0, 1.0]]), 256)
    both = masks.unseen_mask(points(face, face), torch.tensor([[0.75, 1.0], [1.0, 0.0]]), 256)
    assert mouth is not None
    assert both is not None

    def at(mask: Tensor, *names: int) -> list[float]:
        return [round(float(mask[0, round(y), round(x)]), 3) for x, y in face[list(names)]]

    assert at(mouth[0], *lips, 8) == [1] * 4
    assert at(mouth[0], *eyes, *brow, 30) == [0] * 5
    # An edit that moved what is beside a jaw that stays would leave a step there.
    x, y = (face[5] + 0.6 * (face[5] - face[48:60].mean(0))).round().astype(int)
    assert float(mouth[0, 0, y, x]) > 0.95
    assert at(both[0], *lips) == [0.25] * 3
    assert min(at(both[1], *eyes, *brow)) > 0.7
    assert at(both[1], *lips, 8) == [0] * 4
