"""What is taken off a photograph: its light, and which faces can sit at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from models.attribute_network.turntable.anatomy import Anatomy
from models.attribute_network.turntable.bust import make_bust
from models.attribute_network.turntable.sitters import Sitters, angles
from models.attribute_network.turntable.studio import Bust
from models.attribute_network.turntable.surface import painted, sampled
from models.head.ict import read_ict

from .small_data import GLASSES, NUMBERS, write_data


@pytest.fixture(scope="module")
def lit_from_the_left(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bust, Anatomy, Sitters]:
    data = write_data(tmp_path_factory.mktemp("lit") / "data", lamp=(-0.8, 0, 0.6))
    head = read_ict(data / "ict/ict_face_light.npz")
    sitters, anatomy = Sitters(data, head), Anatomy.of(head)
    return make_bust(sitters.sit(1), head, anatomy), anatomy, sitters


def _sides(albedo: NDArray[np.float32], chosen: NDArray[np.bool_], x: NDArray[np.float32]) -> float:
    luma = albedo.mean(1)
    return float(np.median(luma[chosen & (x < -0.3)]) / np.median(luma[chosen & (x > 0.3)]))


def test_one_sided_light_is_taken_out(
    lit_from_the_left: tuple[Bust, Anatomy, Sitters],
) -> None:
    bust, anatomy, _ = lit_from_the_left
    paint, x = bust.head.paint, bust.head.vertices[:, 0]
    seen = anatomy.face & (paint.shares[:, 0] > 0.8)
    seen &= seen[anatomy.mirror]
    before = sampled(bust.photograph, paint.places[:, 0])
    assert _sides(before, seen, x) > 1.35
    assert 0.93 < _sides(painted(paint.packed(), bust.photograph), seen, x) < 1.07


def test_what_nothing_shows_is_filled_like_what_is_seen(
    lit_from_the_left: tuple[Bust, Anatomy, Sitters],
) -> None:
    bust, anatomy, _ = lit_from_the_left
    albedo = painted(bust.head.paint.packed(), bust.photograph)
    assert np.isfinite(albedo).all()
    skin = np.median(albedo[anatomy.face & anatomy.drawn], 0)
    hidden = anatomy.neck & anatomy.drawn & (bust.head.vertices[:, 2] < -0.2)
    np.testing.assert_allclose(np.median(albedo[hidden], 0), skin, rtol=0.35)
    back = (
        anatomy.scalp
        & anatomy.drawn
        & (bust.head.vertices[:, 2] < -0.3)
        & (bust.head.vertices[:, 1] < -0.5)
    )
    assert np.median(albedo[back]) < 0.5 * skin.mean()  # hair, not skin


def test_faces_with_glasses_do_not_sit(
    lit_from_the_left: tuple[Bust, Anatomy, Sitters],
) -> None:
    chosen = lit_from_the_left[2].choose(None)
    assert chosen == list(NUMBERS)
    assert GLASSES not in chosen


def test_angles_of_a_rotation() -> None:
    turn = np.radians(20)
    about_y = [[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]]
    np.testing.assert_allclose(angles(np.array(about_y)), (20, 0, 0), atol=1e-9)


def test_a_picture_that_is_not_square(
    lit_from_the_left: tuple[Bust, Anatomy, Sitters], tmp_path: Path
) -> None:
    import cv2

    from models.base import ModelError

    sitters = lit_from_the_left[2]
    cv2.imwrite(str(sitters.picture(6)), np.zeros((100, 120, 3), np.uint8))
    with pytest.raises(ModelError, match="is 120×100 px; expected a square picture"):
        sitters.sit(6)
