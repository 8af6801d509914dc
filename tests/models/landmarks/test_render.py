"""The renderer and the training samples: labels stay on what they mark."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from models.landmarks import augment, crops, dataset, render, samples, train
from models.landmarks import mesh as face_mesh
from models.landmarks.net import PARTS, Part
from models.landmarks.topology import LID_PAIRS, LIP_PAIRS, MIRROR, mesh_to_68
from models.training.place import Place
from models.training.steps import Progress

STILL = face_mesh.Pose(
    jaw=0.0,
    corners=(0.0, 0.0, 0.0, 0.0),
    lips_closed=0.0,
    pucker=0.0,
    fullness=(1.0, 1.0),
    lids=(0.0, 0.0),
    brows=(0.0, 0.0),
    turn=(0.0, 0.0),
)


@pytest.fixture(scope="module")
def meshes(shared: Path) -> np.ndarray:
    return np.load(shared / "data/omi/images_landmarks478.npz")["points"]


@pytest.fixture(scope="module")
def triangulation(meshes: np.ndarray) -> face_mesh.Mesh:
    return face_mesh.build_mesh(meshes)


def _points(vertices: np.ndarray) -> np.ndarray:
    return mesh_to_68(vertices.astype(np.float32))[:, :2]


def test_a_still_pose_gives_the_picture_back(
    meshes: np.ndarray, triangulation: face_mesh.Mesh
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    image = np.asarray(cv2.GaussianBlur(noise, (0, 0), 3), dtype=np.uint8)
    source = face_mesh.surround(meshes[0])
    target, eyeballs = face_mesh.move(triangulation, source, STILL)
    drawn = render.draw(
        image, triangulation, source, target, eyeballs, size=200, rng=np.random.default_rng(0)
    )
    assert np.abs(drawn.astype(int) - image).max() <= 2


@pytest.mark.parametrize(
    "pose",
    [
        replace(STILL, jaw=0.12),
        replace(STILL, corners=(0.06, 0.05, 0.06, 0.05)),
        replace(STILL, turn=(0.5, 0.1)),
        replace(STILL, lids=(0.5, 0.5)),
    ],
    ids=["jaw", "corners", "turn", "lids"],
)
def test_a_dot_painted_on_a_landmark_is_drawn_at_its_label(
    meshes: np.ndarray, triangulation: face_mesh.Mesh, pose: face_mesh.Pose
) -> None:
    source = face_mesh.surround(meshes[3])
    target, eyeballs = face_mesh.move(triangulation, source, pose)
    before, after = _points(source) * 512 - 0.5, _points(target) * 512 - 0.5
    for k in (8, 30, 48, 54, 57, 19, 24):  # chin, nose, mouth corners, lower lip, brows
        image = np.zeros((512, 512, 3), np.uint8)
        x, y = (before[k] * 16).round().astype(int)
        cv2.circle(image, (int(x), int(y)), 4 * 16, (255, 255, 255), -1, cv2.LINE_AA, 4)
        rng = np.random.default_rng(0)
        drawn = render.draw(image, triangulation, source, target, eyeballs, size=512, rng=rng)
        weight = drawn[..., 0].astype(float) * (drawn.min(axis=-1) > 120)
        v, u = np.mgrid[0:512, 0:512]
        seen = np.array([(weight * u).sum(), (weight * v).sum()]) / weight.sum()
        assert np.linalg.norm(seen - after[k]) < 2.5, k


def test_closing_brings_lids_and_lips_together(
    meshes: np.ndarray, triangulation: face_mesh.Mesh
) -> None:
    widest = int(np.argmax(meshes[:, 14, 1] - meshes[:, 13, 1]))
    source = face_mesh.surround(meshes[widest])
    pose = replace(STILL, lids=(1.0, 1.0), lips_closed=1.0)
    closed = _points(face_mesh.move(triangulation, source, pose)[0])
    for pairs in (LID_PAIRS, LIP_PAIRS):
        gap = np.linalg.norm(closed[pairs[:, 0]] - closed[pairs[:, 1]], axis=1)
        assert gap.max() < 0.005  # image widths; a face is about 0.5 wide


def test_points_of_a_mirrored_crop_are_those_of_the_mirrored_picture(shared: Path) -> None:
    mesh = dataset.read_labels(shared / "data/omi", "images", held_out=True)[1][0]
    points = mesh_to_68(mesh)[:, :2].astype(np.float64) * 512
    mirrored = augment.mirror(points, 512, MIRROR)
    assert mirrored[36] == pytest.approx([511 - points[45, 0], points[45, 1]])
    assert mirrored[36, 0] < mirrored[45, 0]
    assert augment.mirror(mirrored, 512, MIRROR) == pytest.approx(points)


def test_no_level_of_a_held_out_face_is_trained_on(shared: Path) -> None:
    data = shared / "data/omi"
    for group, held_out in (("images", 100), ("pairs", None)):
        trained = dataset.read_labels(data, group, held_out=False)[0]
        kept = dataset.read_labels(data, group, held_out=True)[0]
        assert held_out is None or len(kept) == held_out
        assert not {n.split("_")[0] for n in trained} & {n.split("_")[0] for n in kept}


def drawn_faces(count: int) -> dataset.Faces:
    """Dots on grey: 68 points in a fixed layout, moved about; soon learnt."""
    rng = np.random.default_rng(0)
    angle = np.linspace(0, 2 * np.pi, 68, endpoint=False)
    layout = np.stack([np.cos(angle) * 30, np.sin(angle) * 36], axis=1)
    layout[36:42] = np.array([-14.0, -8]) + layout[36:42] * 0.1
    layout[42:48] = np.array([14.0, -8]) + layout[42:48] * 0.1
    images, points = [], []
    for _ in range(count):
        image = np.full((160, 160, 3), 120, np.uint8)
        place = layout + 80 + rng.normal(0, 6, 2)
        for x, y in place:
            cv2.circle(image, (round(x), round(y)), 2, (250, 230, 200), -1)
        images.append(image)
        points.append(place)
    return dataset.Faces(images, np.stack(points).astype(np.float32))


def test_the_same_seed_makes_the_same_batches() -> None:
    faces = drawn_faces(4)
    first, again = (
        list(samples.batches(faces, faces, "mouth", count=6, steps=3, seed=5)) for _ in range(2)
    )
    for a, b in zip(first, again, strict=True):
        assert a.images.equal(b.images)
        assert a.points.equal(b.points)


def test_a_broken_picture_stops_the_batches_with_its_error() -> None:
    faces = dataset.Faces([np.zeros((0, 0, 3), np.uint8)], drawn_faces(1).points)
    with pytest.raises(Exception, match=r".+"):
        list(samples.batches(faces, faces, "mouth", count=2, steps=2, seed=0))


def test_training_learns_and_repeats_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PARTS, "mouth", Part((96, 64), 20, (8, 8, 8, 8, 8)))
    faces = drawn_faces(8)
    recipe = train.Recipe(steps=40, batch=8, average=0.5)
    start = train.train_part("mouth", faces, faces, replace(recipe, steps=1))
    net, again = (train.train_part("mouth", faces, faces, recipe) for _ in range(2))
    batch = next(samples.batches(faces, faces, "mouth", count=32, steps=1, seed=9))
    with torch.no_grad():
        before = (start(batch.images).points - batch.points).norm(dim=-1).mean()
        after = (net(batch.images).points - batch.points).norm(dim=-1).mean()
    assert float(after) < 0.8 * float(before)
    for a, b in zip(net.parameters(), again.parameters(), strict=True):
        assert a.equal(b)


def test_a_jittered_crop_stays_near_its_crop() -> None:
    crop = crops.similarity(np.array([50.0, 50.0]), 128.0, 0.0, (128, 128))
    rng = np.random.default_rng(0)
    for _ in range(50):
        moved = augment.jitter_crop(crop, (128, 128), augment.TIGHT, rng)
        middle = crops.apply(moved, np.array([63.5, 63.5]))
        assert np.abs(middle - 50).max() < 0.04 * 128 + 1e-6
        assert 0.8 < abs(np.linalg.det(moved[:, :2])) ** 0.5 < 1.2


def test_an_interrupted_part_goes_on_bit_for_bit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(PARTS, "mouth", Part((96, 64), 20, (8, 8, 8, 8, 8)))
    monkeypatch.setattr(train, "_EVERY", 2)
    faces, recipe = drawn_faces(4), train.Recipe(steps=4, batch=4)
    told: list[dict[str, float]] = []

    def tell(progress: Progress) -> None:
        told.append(dict(progress.losses))

    whole = train.train_part("mouth", faces, faces, recipe, run=train.Run(tell, place=Place()))

    def stop(progress: Progress) -> None:
        raise KeyboardInterrupt

    kept = tmp_path / "run.safetensors"
    with pytest.raises(KeyboardInterrupt):
        train.train_part("mouth", faces, faces, recipe, run=train.Run(stop, kept, Place()))
    resumed = train.train_part("mouth", faces, faces, recipe, run=train.Run(tell, kept, Place()))
    for a, b in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(a, b)
    assert len(told) == 3, "only the second half was trained again"
