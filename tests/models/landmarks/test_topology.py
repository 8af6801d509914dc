"""The 68 points: parts, mirror, place on the mesh."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.landmarks import topology


def test_mirroring_twice_changes_nothing() -> None:
    assert topology.MIRROR[topology.MIRROR].tolist() == list(range(68))


def test_the_parts_cover_every_point_once() -> None:
    parts = [topology.JAW, topology.BROWS, topology.NOSE]
    parts += [topology.RIGHT_EYE, topology.LEFT_EYE, topology.MOUTH]
    assert np.concatenate(parts).tolist() == list(range(68))


def test_the_mean_face_is_its_own_mirror_image(shared: Path) -> None:
    mesh = np.load(shared / "data/omi/images_landmarks478.npz")["points"].mean(axis=0)
    points = topology.mesh_to_68(mesh)[:, :2]
    mirrored = points[topology.MIRROR] * [-1, 1]
    mirrored += points.mean(axis=0) - mirrored.mean(axis=0)
    distance = np.linalg.norm(points - mirrored, axis=1) / topology.outer_eye_distance(points)
    assert distance.max() < 0.02


def test_upper_lids_and_lips_lie_above_the_lower_ones(shared: Path) -> None:
    mesh = np.load(shared / "data/omi/images_landmarks478.npz")["points"].mean(axis=0)
    points = topology.mesh_to_68(mesh)
    for upper, lower in (*topology.LID_PAIRS, *topology.LIP_PAIRS):
        assert points[upper, 1] < points[lower, 1]


def test_a_mesh_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="468 or 478 vertices"):
        topology.mesh_to_68(np.zeros((68, 2), np.float32))
