"""A turned head: what its places showed before, on a ball and on the embedded head."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from models.head.basis import Head
from models.head.turning import behind_glasses, turn_pull, turned, turning_share
from models.networks import open_network

Floats = NDArray[np.float32]

SIDE, RADIUS = 121, 50.0


@pytest.fixture(scope="module")
def head() -> Head:
    network = open_network("head")
    assert isinstance(network, Head)
    return network


def ball() -> tuple[Floats, NDArray[np.int32]]:
    """A ball in the middle of the picture, (V, 3) [px], and its triangles, wound as a head's."""
    rows, columns = 48, 96
    up, round_ = np.meshgrid(
        np.linspace(0.01, np.pi - 0.01, rows), np.arange(columns) * 2 * np.pi / columns,
        indexing="ij",
    )  # fmt: skip
    points = np.stack(
        [np.sin(up) * np.sin(round_), -np.cos(up), np.sin(up) * np.cos(round_)], -1
    ).reshape(-1, 3)
    number = np.arange(rows * columns).reshape(rows, columns)
    a, b = number[:-1], np.roll(number[:-1], -1, 1)
    c, d = np.roll(number[1:], -1, 1), number[1:]
    corners = [np.stack([p.ravel() for p in three], 1) for three in ((a, b, c), (a, c, d))]
    return (RADIUS * points).astype(np.float32), np.concatenate(corners).astype(np.int32)


def about_y(angle: float) -> NDArray[np.float64]:
    """The turn that carries what is in front to the picture's right; an angle in radians."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def test_places_on_a_ball_came_from_where_the_turn_says() -> None:
    points, faces = ball()
    angle = np.radians(12)
    turn = about_y(angle)
    middle = np.float32((SIDE - 1) / 2) * np.array((1, 1, 0), np.float32)
    before, after = points + middle, (points @ turn.T).astype(np.float32) + middle
    found = turn_pull(before, after, np.ones(len(points), np.float32), faces, RADIUS, 1, SIDE)
    y, x = np.mgrid[0:SIDE, 0:SIDE] - (SIDE - 1) / 2
    z = np.sqrt(np.maximum(RADIUS**2 - x**2 - y**2, 0))
    was_x = np.cos(angle) * x - np.sin(angle) * z
    inside = found.known & (x**2 + y**2 < 0.9 * RADIUS**2)
    assert inside.sum() > 5000
    assert np.abs(found.pull[..., 0] - (was_x - x))[inside].max() < 0.3
    assert np.abs(found.pull[..., 1])[inside].max() < 0.2


def test_what_was_behind_the_outline_is_not_known() -> None:
    points, faces = ball()
    angle = np.radians(30)
    turn = about_y(angle)
    middle = np.float32((SIDE - 1) / 2) * np.array((1, 1, 0), np.float32)
    after = (points @ turn.T).astype(np.float32) + middle
    share = np.ones(len(points), np.float32)
    found = turn_pull(points + middle, after, share, faces, RADIUS, 1, SIDE)
    row = (SIDE - 1) // 2
    # Turned to the right, a strip of the back comes round at the left: 1 - cos 30° of the radius.
    left = int((SIDE - 1) / 2 - RADIUS) + 1
    strip = RADIUS * (1 - np.cos(angle))
    assert not found.known[row, left : left + int(0.5 * strip)].any()
    assert found.known[row, left + int(1.6 * strip) : left + 80].all()
    assert found.head[row, left + 1 : left + 98].all()


def test_the_skull_turns_as_a_whole_and_the_shoulders_stay(head: Head) -> None:
    shape = head.neutral.numpy()
    share = turning_share(shape)
    for name in ("face", "ears", "eyes"):
        part = share[head.in_group(name).numpy()]
        assert np.median(part) == 1
    assert (share[head.landmarks68.numpy()] > 0.97).all()
    assert (share[shape[:, 1] > 1.75] == 0).all()
    moved = turned(shape, 10.0)
    away = np.linalg.norm(moved - shape, axis=1)
    assert away[head.landmarks68[30]] == pytest.approx(2 * np.sin(np.radians(5)) * 1.41, rel=0.05)
    assert moved[head.landmarks68[30], 0] > 0.2
    assert np.abs(turned(moved, -10.0) - shape).max() < 0.05


def test_lenses_turn_as_a_plane(head: Head) -> None:
    shape = head.neutral.numpy()
    worn = behind_glasses(shape, float(shape[head.landmarks68[36], 2]))
    x, y, z = shape.T
    temples = (np.abs(np.abs(x) - 0.6) < 0.05) & (np.abs(y) < 0.25) & head.in_group("face").numpy()
    assert temples.sum() > 10
    # What bends back most comes forward most; what lies before the lenses' plane stays.
    assert (worn[temples, 2] - z[temples]).max() > 0.03
    assert np.ptp(worn[temples, 2]) < 0.8 * np.ptp(z[temples])
    still = head.landmarks68.numpy()[[27, 30, *range(37, 45), *range(48, 68)]]
    assert np.abs(worn[still] - shape[still]).max() < 0.02
    assert (worn[:, 2] >= shape[:, 2]).all()


def test_features_are_fetched_from_where_they_were(head: Head) -> None:
    """At the place of a turned eye corner or mouth the pull leads back to the unturned one."""
    points = 60.0 * head.points.neutral[:68, :2] + (150, 130)
    identity = np.zeros(40)
    for degrees in (-15.0, 10.0):
        goal = 60.0 * turned(head.neutral.numpy(), degrees)[head.landmarks68, :2] + (150, 130)
        found = head.turn(points, identity, degrees, 1, 301)
        for point in (30, 36, 39, 42, 45, 48, 54, 8):
            x, y = np.rint(goal[point]).astype(int)
            if found.known[y, x]:
                back = goal[point] + found.pull[y, x]
                assert np.abs(back - points[point]).max() < 2.5, (degrees, point)
        assert sum(found.known[tuple(np.rint(goal[p]).astype(int)[::-1])] for p in (30, 39, 42)) > 1
