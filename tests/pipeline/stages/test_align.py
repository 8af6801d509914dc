"""Crops: which pixels they hold, where they lie, what happens at the frame's edge."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from pipeline.imaging import geometry as g
from pipeline.imaging.color import frame_to_rgb_planes
from pipeline.passes.crops import Crops
from pipeline.stages.align import (
    FfhqSquare,
    NativeCrop,
    Placing,
    align,
    cut,
    place,
    placing_of,
)
from pipeline.types import AlignedBatch, CropRule, FaceState, FaceTrack, Frame
from tests.pipeline.faces import drawn_face, natural, rgb_frame

PICTURE = ((natural(240, seed=1)[0].permute(1, 2, 0).numpy() + 1) * 127).astype(np.uint8)


def frames(count: int = 5) -> list[Frame]:
    return [rgb_frame(i, PICTURE) for i in range(count)]


def track_of(landmarks: np.ndarray, weights: np.ndarray | None = None, first: int = 0) -> FaceTrack:
    count = len(landmarks)
    weights = np.ones(count, np.float32) if weights is None else weights.astype(np.float32)
    states = np.where(weights >= 0, FaceState.DETECTED, FaceState.ABSENT).astype(np.uint8)
    ones = np.ones(count, np.float32)
    turned = np.where(weights == 0, 0, ones).astype(np.float32)
    return FaceTrack(
        4, 0, first, landmarks.astype(np.float32), states, ones, np.maximum(weights, 0), turned
    )


def moving(count: int = 5, eyes: float = 40) -> np.ndarray:
    return np.stack([drawn_face((110 + 2.3 * i, 105 + 1.7 * i), eyes) for i in range(count)])


def only_batch(track: FaceTrack, rule: Placing, **more: float) -> AlignedBatch:
    placed = place([track], rule, times=np.arange(999) / 25, **more)
    (batch,) = align(frames(), placed)[1]
    return batch


def test_native_crops_hold_the_frames_own_pixels_to_the_bit() -> None:
    batch = only_batch(track_of(moving()), NativeCrop(side_eyes=2.5))
    side = batch.images.shape[-1]
    whole = torch.from_numpy(frame_to_rgb_planes(rgb_frame(0, PICTURE), span=(-1.0, 1.0)))
    for image, matrix in zip(batch.images, batch.crop_to_frame, strict=True):
        assert (matrix[:2, :2] == np.eye(2)).all()
        x, y = matrix[:2, 2].astype(int)
        assert (matrix[:2, 2] == (x, y)).all()
        assert torch.equal(image, whole[:, y : y + side, x : x + side])


def test_the_side_is_fixed_per_track_and_fits_the_largest_face() -> None:
    faces = np.stack([drawn_face((120, 110), eyes) for eyes in (30, 40, 44, 44, 44)])
    batch = only_batch(track_of(faces), NativeCrop(side_eyes=3.0))
    # Eyes to mouth is 0.76 eye distances on this face: 1.3 of it is less than one eye distance.
    assert batch.images.shape[-1] == 144  # 3 × 44 = 132, up to a multiple of 16


def test_a_turned_head_does_not_shrink_the_crop() -> None:
    narrow = drawn_face((0, 0), 44) * (0.6, 1) + (120, 110)
    batch = only_batch(track_of(np.stack([narrow] * 5)), NativeCrop(side_eyes=3.0))
    assert batch.images.shape[-1] == 144  # 3 × 1.3 × 0.76 × 44 = 130.4, up to a multiple of 16


def test_landmarks_of_the_crop_lead_back_to_the_frame() -> None:
    track = track_of(moving())
    for rule in (NativeCrop(), FfhqSquare()):
        batch = only_batch(track, rule)
        back = g.transform(batch.crop_to_frame, batch.landmarks.double().numpy())
        np.testing.assert_allclose(back, track.landmarks, atol=1e-3)


def test_beyond_the_frame_a_native_crop_repeats_its_edge() -> None:
    batch = only_batch(track_of(moving() - (100, 95)), NativeCrop(side_eyes=3.0))
    x, y = batch.crop_to_frame[0, :2, 2].astype(int)
    assert x < 0
    assert y < 0
    image = batch.images[0]
    assert torch.equal(image[:, :-y, -x:], image[:, -y : 1 - y, -x:].expand(-1, -y, -1))
    assert torch.equal(image[:, :, :-x], image[:, :, -x : 1 - x].expand(-1, -1, -x))


@pytest.mark.parametrize("x", [-500, 500])
def test_a_crop_wholly_outside_still_is_a_picture(x: int) -> None:
    out = cut(frames()[0], g.translation(x, 20), 32)
    assert out.shape == (3, 32, 32)
    assert (out == out[:, :, :1]).all()


def test_ffhq_crops_put_the_face_where_ffhq_has_it() -> None:
    turned = np.stack([g.transform(g.similarity(0.6, 20, 120, 110), drawn_face())] * 5)
    batch = only_batch(track_of(turned), FfhqSquare())
    assert batch.quads is not None
    upright = g.transform(g.invert(g.quad_to_matrix(g.ffhq_quad(drawn_face()), 256)), drawn_face())
    to_square = g.invert(g.quad_to_matrix(batch.quads[2], 256))
    inside = g.transform(to_square, batch.landmarks[2].double().numpy())
    np.testing.assert_allclose(inside, upright, atol=0.05)


def test_ffhq_crops_of_a_large_face_do_not_alias() -> None:
    x = np.mgrid[:800, :800][1]
    stripes = np.repeat(((x % 2) * 255).astype(np.uint8)[..., None], 3, 2)
    matrix = g.quad_to_matrix(g.ffhq_quad(drawn_face((400, 380), 180)), 128)
    out = cut(rgb_frame(0, stripes), matrix, 128)
    assert np.abs(out).max() < 0.06


def test_ffhq_crops_mirror_the_frame_at_its_edge() -> None:
    matrix = g.similarity(1.0, 0.0, -10.5, 20.5)
    out = cut(frames()[0], matrix, 40)
    # Mirroring at the centre of the edge pixel: -k looks like +k.
    left, right = out[:, :, 4], out[:, :, 17]  # frame x = -6.5 and 6.5
    np.testing.assert_allclose(left, right, atol=1e-5)


def test_an_oblong_pixel_is_made_square_and_the_way_back_knows() -> None:
    squeezed = moving() / (1.5, 1)
    batch = only_batch(track_of(squeezed), NativeCrop(side_eyes=2.5), pixel_aspect=1.5)
    eyes = batch.landmarks[:, 45] - batch.landmarks[:, 36]
    height = batch.landmarks[:, 8, 1] - batch.landmarks[:, 27, 1]
    upright = drawn_face()
    ratio = float(eyes.norm(dim=1)[0] / height[0])
    assert ratio == pytest.approx(100 / (upright[8, 1] - upright[27, 1]), rel=1e-3)
    back = g.transform(batch.crop_to_frame, batch.landmarks.double().numpy())
    np.testing.assert_allclose(back, squeezed, atol=1e-3)


def test_every_frame_comes_out_once_in_order_whatever_the_batch_size() -> None:
    track = track_of(moving(3), first=1)
    whole = None
    for size in (1, 2, 8):
        crops = Crops(1.0, CropRule(3.4), size, torch.device("cpu"), np.arange(5) / 25)
        chunks = list(map(crops.cutter([track]), crops.chunks(iter(frames()))))
        assert [f.index for chunk in chunks for f in chunk[0]] == [0, 1, 2, 3, 4]
        images = torch.cat([b.images for chunk in chunks for b in chunk[1]])
        index = np.concatenate([b.frame_index for chunk in chunks for b in chunk[1]])
        assert index.tolist() == [1, 2, 3]
        whole = images if whole is None else whole
        assert torch.equal(images, whole)


def test_frames_are_taken_only_as_chunks_are_asked_for() -> None:
    def endless() -> Iterator[Frame]:
        i = 0
        while True:
            yield rgb_frame(i, PICTURE)
            i += 1

    crops = Crops(1.0, CropRule(3.4), 2, torch.device("cpu"), np.arange(5) / 25)
    assert [f.index for f in next(crops.chunks(endless()))] == [0, 1]


def test_skipped_faces_are_named_with_the_reason() -> None:
    track = track_of(moving(), np.array([1, 0, -1, 1, 1]))
    _, (batch,), skipped = align(frames(), place([track], NativeCrop(), times=np.arange(999) / 25))
    assert batch.frame_index.tolist() == [0, 3, 4]
    assert skipped[1][0].reason == "face turned away"
    assert skipped[2][0].reason == "face not seen well enough"
    assert (skipped[1][0].track_id, skipped[1][0].edited) == (4, False)


def test_a_model_says_which_crops_it_wants() -> None:
    assert placing_of(CropRule(5.0)) == NativeCrop(side_eyes=5.0)
    assert placing_of(CropRule()) == FfhqSquare()


def test_ffhq_squares_hold_the_frames_own_pixels_and_know_where_ffhq_would_cut() -> None:
    turned = g.transform(g.similarity(1.0, 12.0, 20.0, -20.0), moving())
    track = track_of(turned)
    batch = only_batch(track, FfhqSquare(smoothing_s=0.0))
    assert (batch.crop_to_frame[:, :2, :2] == np.eye(2)).all()
    assert batch.quads is not None
    back = g.transform(batch.crop_to_frame, batch.quads)
    np.testing.assert_allclose(back, g.ffhq_quad(track.landmarks), atol=1e-6)
    side = batch.images.shape[-1]
    assert batch.quads.min() > -1.5  # the square holds the quad, turned as it is
    assert batch.quads.max() < side + 0.5


def test_the_ffhq_square_of_a_face_is_steadied_over_time() -> None:
    shaky = moving(5) + np.random.default_rng(1).normal(0, 1.0, (5, 1, 2))
    track = track_of(shaky)
    quads = [
        g.transform(b.crop_to_frame, b.quads)
        for b in (only_batch(track, FfhqSquare(smoothing_s=s)) for s in (0.0, 0.12))
        if b.quads is not None
    ]
    raw, steady = (np.abs(np.diff(q.mean(1), n=2, axis=0)).mean() for q in quads)
    assert steady < 0.5 * raw


def test_some_rows_of_a_batch_are_a_batch() -> None:
    batch = only_batch(track_of(moving()), FfhqSquare())
    part = batch.rows(slice(1, 3))
    assert len(part) == 2
    assert part.frame_index.tolist() == [1, 2]
    assert torch.equal(part.images, batch.images[1:3])
    assert part.quads is not None
    assert batch.quads is not None
    np.testing.assert_array_equal(part.quads, batch.quads[1:3])
