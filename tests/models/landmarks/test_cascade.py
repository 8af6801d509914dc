"""The cascade: batching, files, refusals, and real faces where they are at hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from models.base import ModelInputError, WeightsError
from models.landmarks import LandmarkCascade, dataset, evaluate, topology
from models.landmarks.cascade import PACKAGED_WEIGHTS, Image, _Found, frontality
from models.landmarks.crops import Matrix, Tone
from models.landmarks.net import PARTS, LandmarkNet, PartName
from models.weights import save_safetensors


@pytest.fixture(scope="module")
def trained() -> LandmarkCascade:
    return LandmarkCascade.load()


@pytest.fixture(scope="module")
def held_out(shared: Path) -> dataset.Faces:
    faces = dataset.load_faces(shared / "data/omi", held_out=True, levels=False)
    return dataset.Faces(faces.images[:24], faces.points[:24])


def _tiny() -> LandmarkCascade:
    """Return a cascade of small networks with random weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        nets: dict[PartName, LandmarkNet] = {
            name: LandmarkNet(replace(part, widths=(4, 4, 8, 8, 8))) for name, part in PARTS.items()
        }
    return LandmarkCascade(nets, dict.fromkeys(PARTS, 1.0))


def _noise_image(seed: int, side: int = 120) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


def test_faces_found_together_equal_faces_found_alone() -> None:
    cascade, images = _tiny(), [_noise_image(0), _noise_image(1, 90)]
    boxes = np.array([[20, 20, 90, 90], [10, 15, 70, 75]], np.float32)
    both = cascade.from_boxes(images, boxes)
    for i in range(2):
        one = cascade.from_boxes(images[i : i + 1], boxes[i : i + 1])
        assert both.points[i] == pytest.approx(one.points[0], abs=1e-2)
        assert both.score[i] == pytest.approx(one.score[0], abs=1e-3)


def test_no_faces_give_no_points() -> None:
    none = _tiny().from_points([], np.zeros((0, 68, 2)))
    assert none.points.shape == (0, 68, 2)
    assert none.score.shape == (0,)


@pytest.mark.parametrize(
    ("images", "boxes", "message"),
    [
        ([_noise_image(0)], np.zeros((2, 4)), r"shape \(1, 4\)"),
        ([_noise_image(0).astype(np.float32)], np.zeros((1, 4)), "uint8 RGB"),
        ([_noise_image(0)[..., 0]], np.zeros((1, 4)), "uint8 RGB"),
        ([_noise_image(0)], np.full((1, 4), np.nan), "finite"),
    ],
    ids=["count", "float", "grey", "nan"],
)
def test_wrong_input_is_named(images: list[np.ndarray], boxes: np.ndarray, message: str) -> None:
    with pytest.raises(ModelInputError, match=message):
        _tiny().from_boxes(images, boxes)


def test_saved_weights_give_the_same_points_to_half_precision(
    trained: LandmarkCascade, tmp_path: Path
) -> None:
    trained.save(tmp_path / "copy.safetensors", {})
    copy = LandmarkCascade.load(tmp_path / "copy.safetensors")
    image, box = [_noise_image(0)], np.array([[20.0, 20, 100, 100]])
    assert copy.from_boxes(image, box).points == pytest.approx(
        trained.from_boxes(image, box).points, abs=0.05
    )


def test_another_models_weights_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_safetensors(path, {"a": torch.zeros(2)}, {})
    with pytest.raises(WeightsError, match="not hold a landmark cascade"):
        LandmarkCascade.load(path)


def test_the_packaged_weights_are_small_and_name_their_licence() -> None:
    from models.weights import load_safetensors

    assert PACKAGED_WEIGHTS.stat().st_size < 5_600_000
    assert load_safetensors(PACKAGED_WEIGHTS)[1]["license"] == "CC-BY-NC-SA-4.0"


def test_held_out_faces_are_within_the_stated_error(
    trained: LandmarkCascade, held_out: dataset.Faces
) -> None:
    errors, estimate = evaluate.evaluate_faces(trained, held_out)
    assert errors["overall"] < 2.0
    assert errors["mouth"] < 1.3
    assert np.median(estimate.score) > 0.85


def test_a_turned_picture_turns_its_points(
    trained: LandmarkCascade, held_out: dataset.Faces
) -> None:
    image, points = np.asarray(held_out.images[0]), held_out.points[0]
    matrix = cv2.getRotationMatrix2D((255.5, 255.5), 20.0, 1.0)
    turned = np.asarray(cv2.warpAffine(image, matrix, (512, 512)), dtype=np.uint8)
    upright = trained.from_points([image], points[None]).points[0]
    start = (points @ matrix[:, :2].T + matrix[:, 2])[None]
    found = trained.from_points([turned], start).points[0]
    error = np.linalg.norm(found - (upright @ matrix[:, :2].T + matrix[:, 2]), axis=1)
    assert error.mean() / np.linalg.norm(points[36] - points[45]) < 0.01


def test_a_covered_mouth_lowers_the_mouths_confidence(
    trained: LandmarkCascade, held_out: dataset.Faces
) -> None:
    lowered = 0
    for image, points in zip(held_out.images[:8], held_out.points[:8], strict=True):
        covered = np.array(image)
        x0, y0 = points[48:68].min(axis=0).astype(int) - 15
        x1, y1 = points[48:68].max(axis=0).astype(int) + 15
        covered[y0:y1, x0:x1] = (90, 110, 140)
        clean = trained.from_points([np.asarray(image)], points[None])
        hidden = trained.from_points([covered], points[None])
        lowered += int(hidden.mouth_score[0] < 0.5 < clean.mouth_score[0])
    assert lowered >= 7


def test_what_is_no_face_gets_no_confidence(trained: LandmarkCascade) -> None:
    y, x = np.mgrid[0:200, 0:200]
    ramp = np.stack([x, y, 255 - x], axis=-1).astype(np.uint8)
    boxes = np.array([[40.0, 40, 160, 160]])
    assert trained.from_boxes([_noise_image(5, 200)], boxes).score[0] < 0.15
    assert trained.from_boxes([ramp], boxes).score[0] < 0.15


@pytest.mark.parametrize(
    ("yaw_deg", "trusted"), [(0, True), (35, True), (65, False), (80, False)], ids=str
)
def test_a_profile_is_not_trusted(shared: Path, yaw_deg: int, trusted: bool) -> None:
    mesh = np.load(shared / "data/omi/images_landmarks478.npz")["points"].mean(axis=0)
    yaw = np.radians(yaw_deg)
    turn = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    points = topology.mesh_to_68((mesh - mesh.mean(axis=0)) @ turn.T.astype(np.float32))
    assert (frontality(points[None, :, :2].astype(float))[0] > 0.5) == trusted


class _Lured(LandmarkCascade):
    """Takes something else for the second face's mouth; a second look finds it, or not."""

    is_there = True

    def _look(
        self,
        part: PartName,
        images: Sequence[Image],
        places: list[Matrix],
        tones: list[Tone] | None = None,
    ) -> _Found:
        found = super()._look(part, images, places, tones)
        if part == "main":
            first_look = len(images) == 2
            self._lost = np.array([False, True]) if first_look else np.array([not self.is_there])
            found.mean_scale[:] = np.where(self._lost, 1.5, 1.0)
            self.places = places
        elif part == "mouth":
            found.mean_scale[:] = np.where(self._lost, 9.0, 1.0)
        return found


def test_a_mouth_in_doubt_is_looked_for_where_eyes_and_nose_say() -> None:
    tiny = _tiny()
    nets: dict[PartName, LandmarkNet] = {"main": tiny.main, "mouth": tiny.mouth, "eye": tiny.eye}
    cascade = _Lured(nets, dict.fromkeys(PARTS, 1.0))
    images = [_noise_image(7, 240)] * 2
    points = np.random.default_rng(3).uniform(60, 180, (2, 68, 2))
    estimate = cascade.from_points(images, points)
    assert estimate.mouth_score.min() > 0.9
    assert len(cascade.places) == 1, "only the face in doubt is looked at again"
    first = tiny.from_points(images[1:], points[1:]).points[0]
    assert not np.allclose(estimate.points[1], first), "its points are those of the second look"
    cascade.is_there = False
    lost = cascade.from_points(images, points)
    assert lost.mouth_score[1] < 0.1, "there is none to find"
    assert np.allclose(lost.points[1], first, atol=1e-2)
