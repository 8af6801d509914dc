"""Similarities, the FFHQ square, head pose: against known truths and against scipy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import optimize
from scipy.spatial.transform import Rotation

from pipeline.imaging import geometry as g
from tests.pipeline.faces import drawn_face

RNG = np.random.default_rng(5)


def test_a_positive_angle_turns_clockwise_on_the_screen() -> None:
    right, down = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    np.testing.assert_allclose(g.transform(g.similarity(1, 90, 0, 0), right), down, atol=1e-12)


def test_invert_undoes_a_batch_of_affine_matrices() -> None:
    matrices = np.tile(np.eye(3), (5, 1, 1))
    matrices[:, :2] += RNG.normal(size=(5, 2, 3)) * 0.3
    np.testing.assert_allclose(
        g.invert(matrices) @ matrices, np.tile(np.eye(3), (5, 1, 1)), atol=1e-12
    )


def test_the_inverse_of_a_whole_shift_is_exact() -> None:
    assert (g.invert(g.translation(12345, -77)) == g.translation(-12345, 77)).all()


def test_fit_similarity_recovers_a_known_similarity() -> None:
    points = RNG.normal(size=(3, 20, 2))
    truth = np.stack([g.similarity(s, a, s * 9, -a) for s, a in ((0.5, 20), (2, -170), (1, 90))])
    np.testing.assert_allclose(
        g.fit_similarity(points, g.transform(truth, points)), truth, atol=1e-9
    )


def test_fit_similarity_reaches_the_least_squares_optimum() -> None:
    source, target = RNG.normal(size=(12, 2)), RNG.normal(size=(12, 2))

    def residual(p: np.ndarray) -> np.ndarray:
        matrix = np.array([[p[0], -p[1], p[2]], [p[1], p[0], p[3]], [0, 0, 1]])
        return (g.transform(matrix, source) - target).ravel()

    best = optimize.least_squares(residual, [1, 0, 0, 0], xtol=1e-12, ftol=1e-12).x
    matrix = g.fit_similarity(source, target)
    np.testing.assert_allclose([matrix[0, 0], matrix[1, 0], *matrix[:2, 2]], best, atol=1e-6)


def test_the_ffhq_quad_is_a_square_round_the_face_in_pil_order() -> None:
    quad = g.ffhq_quad(drawn_face((300, 200)))
    nw, sw, se, ne = quad
    sides = [np.linalg.norm(a - b) for a, b in ((nw, ne), (ne, se), (se, sw), (sw, nw))]
    np.testing.assert_allclose(sides, sides[0])
    assert nw[0] < se[0]
    assert nw[1] < se[1]
    assert ne[0] > sw[0]


def test_the_ffhq_quad_moves_with_the_face() -> None:
    face, move = drawn_face((300, 200)), g.similarity(0.7, 31, -20, 15)
    np.testing.assert_allclose(
        g.ffhq_quad(g.transform(move, face)), g.transform(move, g.ffhq_quad(face)), atol=1e-9
    )


def test_the_ffhq_quad_of_oblong_pixels_is_a_square_in_square_ones() -> None:
    face = drawn_face((300, 200))
    squeezed = g.transform(g.scaling(1 / 1.42, 1.0), face)
    quad = g.ffhq_quad(squeezed, pixel_aspect=1.42)
    np.testing.assert_allclose(g.transform(g.scaling(1.42, 1.0), quad), g.ffhq_quad(face))


def test_crop_edges_lie_on_the_quad() -> None:
    quad = g.ffhq_quad(drawn_face((300, 200)))
    corners = np.array([[-0.5, -0.5], [-0.5, 63.5], [63.5, 63.5], [63.5, -0.5]])
    np.testing.assert_allclose(g.transform(g.quad_to_matrix(quad, 64), corners), quad)


@pytest.mark.parametrize("angles", [(0, 0, 0), (25, 0, 0), (-40, 0, 0), (0, 15, 0), (0, 0, 30)])
def test_head_pose_reads_the_turn_of_the_generic_head(angles: tuple[float, float, float]) -> None:
    yaw, pitch, roll = angles
    # Rotation about y is positive from z to x, which turns the nose (+z) to the right (+x).
    turn = Rotation.from_euler("zxy", [roll, -pitch, yaw], degrees=True)
    landmarks = np.zeros((68, 2))
    head = turn.apply(g._HEAD_MM * (1, 1, 1))
    landmarks[g._RIGID] = head[:, :2] * 3 + 200
    assert g.head_pose(landmarks) == pytest.approx((yaw, abs(pitch), roll), abs=0.1) or (
        g.head_pose(landmarks) == pytest.approx((yaw, -abs(pitch), roll), abs=0.1)
    )


def test_head_pose_follows_the_mesh_on_a_real_clip(shared: Path) -> None:
    from models.topology68 import MESH_TO_68

    mesh = np.load(shared / "data/clips/d9_landmarks478.npz")["points"][:, np.array(MESH_TO_68)]
    across = mesh[:, 45] - mesh[:, 36]
    truth = np.degrees(np.arctan2(across[:, 2], across[:, 0]))
    yaw = g.head_pose(mesh[..., :2])[:, 0]
    assert np.corrcoef(yaw, truth)[0, 1] > 0.98
    assert np.abs(yaw - truth).mean() < 3.0


def test_yaw_weight_falls_smoothly_between_its_limits() -> None:
    yaw = np.array([0.0, 25.0, -35.0, 35.0, 45.0, -80.0])
    assert g.yaw_weight(yaw, full=25, none=45).tolist() == [1, 1, 0.5, 0.5, 0, 0]
