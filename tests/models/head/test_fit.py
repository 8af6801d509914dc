"""Shape and pose of a head are found again in points that were made from known ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from models.base import ModelInputError
from models.head.basis import Head
from models.head.fit import HeadFit, fit_identity, fit_pose
from models.networks import open_network
from models.topology68 import MESH_TO_68
from pipeline.imaging.geometry import head_pose

Array = NDArray[np.float64]

PX = 100.0
"""Of one head unit, the distance between the outer eye corners."""


@pytest.fixture(scope="module")
def head() -> Head:
    network = open_network("head")
    assert isinstance(network, Head)
    return network


@dataclass
class Shot:
    """A person in T frames, and the points that show him."""

    points: Array
    identity: Array
    angles: Array


def turned(yaw: float, pitch: float, roll: float) -> Array:
    """Return the rotation of three angles [deg]: x right, y down, z towards the camera."""
    (cy, sy), (cp, sp), (cr, sr) = (
        (np.cos(np.radians(a)), np.sin(np.radians(a))) for a in (yaw, pitch, roll)
    )
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return np.asarray(about_z @ about_x @ about_y)


def shot_of(head: Head, seed: int, frames: int, *, yaw: float = 30, noise: float = 0.005) -> Shot:
    """Show a person of random shape in random poses and expressions."""
    random, model = np.random.default_rng(seed), head.points
    identity = 0.8 * random.standard_normal(len(model.identity))
    shown = np.clip(0.25 * random.standard_normal((frames, len(model.expression))), 0, 1)
    angles = random.uniform(-1, 1, (frames, 3)) * (yaw, 12, 12)
    rotation = np.stack([turned(*a) for a in angles])
    shape = model.neutral[:68] + np.tensordot(identity, model.identity[:, :68], 1)
    shape = shape + np.tensordot(shown, model.expression[:, :68], 1)
    points = PX * (shape @ rotation.swapaxes(1, 2))[..., :2] + (320, 240)
    still = HeadFit(np.ones(frames), rotation, points[:, 0], identity, shown, np.zeros(frames))
    points = points + noise * PX * random.standard_normal(points.shape)
    return Shot(points, identity, still.angles_deg)


@pytest.mark.parametrize("frames", [1, 20])
def test_the_pose_is_found_within_a_degree_or_two(head: Head, frames: int) -> None:
    worst = []
    for seed in range(5):
        shot = shot_of(head, seed, frames)
        worst.append(np.abs(head.fit(shot.points).angles_deg - shot.angles).max(0))
    assert (np.max(worst, 0) < (2, 3, 1)).all()
    assert (np.mean(worst, 0) < (1, 1.5, 0.6)).all()


def test_signs_of_angles_are_those_of_the_program(head: Head) -> None:
    for angles in ((20, 0, 0), (0, 10, 0), (0, 0, 15)):
        shape = head.points.neutral[:68]
        points = PX * (shape @ turned(*angles).T)[:, :2]
        found = head.fit(points[None]).angles_deg[0]
        assert np.abs(found - angles).max() < 1
        axis = int(np.argmax(angles))
        assert head_pose(points)[axis] > 0.5 * angles[axis]


def test_vertices_lie_on_the_points(head: Head) -> None:
    shot = shot_of(head, 3, 8)
    fit = head.fit(shot.points)
    for frame in range(8):
        drawn = head.vertices(fit, frame)[head.landmarks68].numpy()
        assert np.sqrt(((drawn[:, :2] - shot.points[frame]) ** 2).mean()) < 0.01 * PX
        tip, temple = drawn[30], drawn[[0, 16]].mean(0)
        assert tip[2] > temple[2]


def test_a_person_is_the_same_whatever_the_pose(head: Head) -> None:
    """Two shots of a person are nearer to each other than those of two persons."""

    def nose_to_ear(seed: int, yaw: float) -> Array:
        shot = shot_of(head, seed, 30, yaw=yaw)
        identity = head.fit_identity(shot.points)
        shape = head.points.neutral[:68] + np.tensordot(identity, head.points.identity[:, :68], 1)
        return np.asarray(shape - shape.mean(0))

    person, again, other = nose_to_ear(0, 8), nose_to_ear(0, 30), nose_to_ear(1, 8)
    assert np.square(person - again).mean() < 0.2 * np.square(person - other).mean()


def test_frames_together_are_frames_one_by_one(head: Head) -> None:
    shot = shot_of(head, 4, 7)
    identity = fit_identity(shot.points, None, head.points)
    together = fit_pose(shot.points, identity, head.points)
    for frame in range(7):
        alone = fit_pose(shot.points[frame : frame + 1], identity, head.points)
        for name in ("scale", "rotation", "shift", "expression"):
            one, many = getattr(alone, name)[0], getattr(together, name)[frame]
            assert np.allclose(one, many, rtol=1e-8, atol=1e-8), name


def test_a_bad_frame_does_not_change_the_person(head: Head) -> None:
    shot = shot_of(head, 5, 24)
    spoiled = shot.points.copy()
    spoiled[11] = spoiled[11, ::-1] * 1.5
    clean, robust = (fit_identity(p, None, head.points) for p in (shot.points, spoiled))
    trusting = np.abs(clean - robust).max()
    weights = np.ones(24)
    weights[11] = 0
    told = fit_identity(spoiled, weights, head.points)
    assert trusting < 0.25
    assert np.abs(clean - told).max() < 0.25


def test_a_contour_that_slides_is_followed(head: Head) -> None:
    """Points on the visible edge of a turned head spoil the pose less when that is said."""
    shape = head.points.neutral
    seen = shape @ turned(28, 0, 0).T
    points = PX * seen[None, :68, :2].copy()
    slides = head.points.slides
    far = seen[slides[9:17], 0].argmax(1)
    points[0, 9:17] = PX * seen[slides[np.arange(9, 17), far], :2]
    off = {
        sliding: abs(head.fit(points, sliding=sliding).angles_deg[0, 0] - 28)
        for sliding in (False, True)
    }
    assert off[True] < 1.5
    assert off[True] < off[False]


def test_the_pose_of_a_real_clip_agrees_with_the_generic_head(shared: Path) -> None:
    mesh = np.load(shared / "data/clips/d9_landmarks478.npz")["points"][::8, np.array(MESH_TO_68)]
    head = open_network("head")
    assert isinstance(head, Head)
    fit = head.fit(mesh[..., :2])
    assert np.median(fit.error) < 0.015
    assert np.corrcoef(fit.angles_deg[:, 0], head_pose(mesh[..., :2])[:, 0])[0, 1] > 0.98


@pytest.mark.parametrize(
    ("points", "weights"),
    [
        (np.zeros((2, 67, 2)), None),
        (np.zeros((0, 68, 2)), None),
        (np.full((2, 68, 2), np.nan), None),
        (np.ones((2, 68, 2)), np.zeros(2)),
        (np.ones((2, 68, 2)), np.ones(3)),
    ],
)
def test_what_cannot_be_fitted_is_said(head: Head, points: Array, weights: Array | None) -> None:
    with pytest.raises(ModelInputError, match="a head"):
        head.fit(points, weights)
