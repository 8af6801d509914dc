"""Blending: what may change in a frame, and what must not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.imaging import geometry as g
from pipeline.imaging.color import frame_to_rgb
from pipeline.imaging.masks import face_mask
from pipeline.stages.align import cut
from pipeline.stages.blend import blend, without_holes
from pipeline.types import AlignedBatch, EditedBatch, FaceOutcome, Frame, PixelEncoding
from tests.pipeline.faces import drawn_face, natural, rgb_frame

PICTURE = ((natural(200, seed=3)[0].permute(1, 2, 0).numpy() + 1) * 127).astype(np.uint8)
SIDE = 120


def aligned(
    frames: list[Frame], matrices: list[np.ndarray], tracks: list[int], eyes: float = 40
) -> AlignedBatch:
    images = np.stack([cut(f, m, SIDE) for f, m in zip(frames, matrices, strict=True)])
    face = drawn_face((60, 50), eyes).astype(np.float32)
    return AlignedBatch(
        images=torch.from_numpy(images),
        crop_to_frame=np.stack(matrices),
        landmarks=torch.from_numpy(np.stack([face] * len(frames))),
        frame_index=np.array([f.index for f in frames]),
        track_id=np.array(tracks),
        weights=torch.ones(len(frames)),
    )


def edited(source: AlignedBatch, change: float = 0.4, feather: float = 0.2) -> EditedBatch:
    mask = face_mask(source.landmarks, SIDE, feather=feather)
    detail = natural(SIDE, seed=9)[0].mean(0) * 0.5
    images = source.images.clone()
    images[:, 0] += change
    images += detail
    return EditedBatch(source, images, mask)


FRAME = rgb_frame(7, PICTURE)
NATIVE = g.translation(30, 45)
TURNED = g.similarity(0.8, 15, 45, 40)


@pytest.mark.parametrize("method", ["poisson", "alpha", "none"])
@pytest.mark.parametrize("matrix", [NATIVE, TURNED], ids=["native", "turned"])
def test_an_edit_that_changes_nothing_leaves_the_frame_to_the_bit(
    method: str, matrix: np.ndarray
) -> None:
    source = aligned([FRAME], [matrix], [0])
    same = EditedBatch(source, source.images.clone(), face_mask(source.landmarks, SIDE))
    (result,) = blend([FRAME], [same], method=method)  # type: ignore[arg-type]
    for before, after in zip(FRAME.planes, result.frame.planes, strict=True):
        assert (before == after).all()


@pytest.mark.parametrize("method", ["poisson", "alpha", "none"])
@pytest.mark.parametrize("matrix", [NATIVE, TURNED], ids=["native", "turned"])
def test_only_pixels_under_the_mask_change(method: str, matrix: np.ndarray) -> None:
    batch = edited(aligned([FRAME], [matrix], [0]))
    (result,) = blend([FRAME], [batch], method=method)  # type: ignore[arg-type]
    changed = np.any(
        [a != b for a, b in zip(FRAME.planes, result.frame.planes, strict=True)], axis=0
    )
    assert changed.sum() > 500
    y, x = np.nonzero(changed)
    at = g.transform(g.invert(matrix), np.stack([x, y], -1).astype(float))
    low, high = np.floor(at).astype(int), np.ceil(at).astype(int)
    mask = batch.masks[0, 0].numpy()
    near = np.max([mask[r[:, 1].clip(0, SIDE - 1), c[:, 0].clip(0, SIDE - 1)]
                   for r in (low, high) for c in (low, high)], axis=0)  # fmt: skip
    assert (near > 0).all()


def test_alpha_is_the_plain_mixture() -> None:
    batch = edited(aligned([FRAME], [NATIVE], [0]), change=0.2)
    (result,) = blend([FRAME], [batch], method="alpha")
    region = (30, 45, 30 + SIDE, 45 + SIDE)
    before, after = frame_to_rgb(FRAME, region), frame_to_rgb(result.frame, region)
    mask = batch.masks[0, 0].numpy()[..., None]
    wanted = before + mask * (batch.images[0].permute(1, 2, 0).numpy() * 0.5 + 0.5 - before)
    assert np.abs(after - wanted.clip(0, 1)).max() < 0.6 / 255


def test_poisson_takes_out_a_colour_cast_and_keeps_detail() -> None:
    source = aligned([FRAME], [NATIVE], [0])
    mask = face_mask(source.landmarks, SIDE, feather=0.05)
    y, x = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    spot = 0.4 * torch.exp(-((x - 60) ** 2 + (y - 60) ** 2) / 60)
    cast = EditedBatch(source, source.images + 0.3 + spot, mask)
    (result,) = blend([FRAME], [cast], method="poisson")
    change = frame_to_rgb(result.frame, (30, 45, 150, 165)) - frame_to_rgb(
        FRAME, (30, 45, 150, 165)
    )
    assert abs(change[60, 60].mean() - 0.2) < 0.02
    assert np.abs(change[85:95, 55:65]).max() < 0.02


def test_a_difference_comes_back_from_a_turned_crop_where_it_was() -> None:
    source = aligned([FRAME], [TURNED], [0])
    y, x = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    spot = 0.5 * torch.exp(-((x - 64.0) ** 2 + (y - 52.0) ** 2) / 50)
    batch = EditedBatch(source, source.images + spot, face_mask(source.landmarks, SIDE))
    (result,) = blend([FRAME], [batch], method="alpha")
    change = (frame_to_rgb(result.frame) - frame_to_rgb(FRAME)).mean(-1)
    rows, columns = np.mgrid[:200, :200]
    centre = np.array([(columns * change).sum(), (rows * change).sum()]) / change.sum()
    np.testing.assert_allclose(centre, g.transform(TURNED, np.array([[64.0, 52.0]]))[0], atol=0.15)
    assert change.max() == pytest.approx(0.25, abs=0.01)


def test_two_overlapping_faces_do_not_add_up() -> None:
    near = aligned([FRAME], [NATIVE], [0], eyes=44)
    far = aligned([FRAME], [g.translation(60, 50)], [1], eyes=40)
    one = EditedBatch(near, near.images + 0.5, face_mask(near.landmarks, SIDE))
    two = EditedBatch(far, far.images + 0.5, face_mask(far.landmarks, SIDE))
    for order in ([one, two], [two, one]):
        (result,) = blend([FRAME], order, method="alpha")
        change = frame_to_rgb(result.frame) - frame_to_rgb(FRAME)
        assert change.max() < 0.25 + 1.1 / 255
        assert [f.track_id for f in result.faces] == [0, 1]
        assert all(f.edited for f in result.faces)


def test_a_face_cut_by_the_frames_edge_is_edited_up_to_the_edge() -> None:
    matrix = g.translation(-50, 45)  # the frame begins at crop column 50, in the middle of the face
    source = aligned([FRAME], [matrix], [0])
    mask = face_mask(source.landmarks, SIDE, feather=0.05)
    y, x = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    spot = 0.4 * torch.exp(-((x - 50) ** 2 + (y - 60) ** 2) / 60)
    batch = EditedBatch(source, source.images + 0.3 + spot, mask)
    (result,) = blend([FRAME], [batch], method="poisson")
    change = frame_to_rgb(result.frame) - frame_to_rgb(FRAME)
    # The cast goes, the spot at the very edge stays: nothing beyond the frame holds it down.
    assert abs(change[105, 0].mean() - 0.2) < 0.03
    assert np.abs(change[130:140, 0:10]).max() < 0.03


def test_the_result_does_not_depend_on_the_batch() -> None:
    frames = [rgb_frame(i, np.roll(PICTURE, 5 * i, 0)) for i in range(3)]
    matrices = [g.translation(30 + i, 45) for i in range(3)]
    together = blend(frames, [edited(aligned(frames, matrices, [0, 0, 0]))])
    alone = [
        blend([f], [edited(aligned([f], [m], [0]))])[0]
        for f, m in zip(frames, matrices, strict=True)
    ]
    for a, b in zip(together, alone, strict=True):
        assert a.frame.index == b.frame.index
        assert all((p == q).all() for p, q in zip(a.frame.planes, b.frame.planes, strict=True))


def test_frames_without_faces_pass_and_skipped_faces_are_reported() -> None:
    other = rgb_frame(8, PICTURE)
    skipped = {8: [FaceOutcome(3, False, "face turned away")]}
    results = blend([FRAME, other], [edited(aligned([FRAME], [NATIVE], [0]))], skipped=skipped)
    assert results[1].frame is other
    assert results[1].faces == (FaceOutcome(3, False, "face turned away"),)
    assert results[0].faces == (FaceOutcome(0, True, ""),)


@pytest.mark.parametrize("matrix", [NATIVE, TURNED], ids=["native", "turned"])
def test_a_part_of_a_crop_is_blended_like_the_whole(matrix: np.ndarray) -> None:
    source = aligned([FRAME], [matrix], [0])
    mask = face_mask(source.landmarks, SIDE, feather=0.2)
    images = torch.where(mask > 0, source.images + 0.3, source.images)
    whole = EditedBatch(source, images, mask)
    rows, columns = (np.flatnonzero(mask[0, 0].any(axis)) for axis in (1, 0))
    y, x = slice(rows[0] - 2, rows[-1] + 4), slice(columns[0] - 3, columns[-1] + 2)
    part = EditedBatch(source, images[:, :, y, x], mask[:, :, y, x], (int(x.start), int(y.start)))
    for left, right in ((part.whole().images, images), (part.whole().masks, mask)):
        assert torch.equal(left, right)
    (one,), (two,) = blend([FRAME], [whole]), blend([FRAME], [part])
    assert (one.frame.planes[0] != FRAME.planes[0]).any()
    assert all((a == b).all() for a, b in zip(one.frame.planes, two.frame.planes, strict=True))


def test_a_part_beyond_the_crop_is_refused() -> None:
    source = aligned([FRAME], [NATIVE], [0])
    with pytest.raises(ValueError, match="not inside crops of 120 px"):
        EditedBatch(source, source.images, torch.ones(1, 1, SIDE, SIDE), (1, 0))


def test_an_empty_mask_is_a_skipped_face() -> None:
    source = aligned([FRAME], [NATIVE], [0])
    batch = EditedBatch(source, source.images + 1, torch.zeros(1, 1, SIDE, SIDE))
    (result,) = blend([FRAME], [batch])
    assert result.frame is FRAME
    assert result.faces[0].edited is False
    assert result.faces[0].reason


def test_in_subsampled_yuv_with_ten_bits_only_the_region_changes() -> None:
    rng = np.random.default_rng(0)
    planes = tuple(
        rng.integers(200, 800, shape).astype(np.uint16)
        for shape in ((200, 200), (100, 100), (100, 100))
    )
    frame = Frame(0, 0, 1, planes, PixelEncoding("yuv420p10le", 10, "bt709", full_range=False))
    (result,) = blend([frame], [edited(aligned([frame], [NATIVE], [0]))])
    changed = result.frame.planes[0] != planes[0]
    assert changed.any()
    assert not changed[:45].any()
    assert not changed[:, :30].any()
    assert result.frame.planes[0].dtype == np.uint16


def test_holes_are_filled_for_the_membrane_and_bays_are_not() -> None:
    mask: Tensor = torch.zeros(1, 1, 20, 20, dtype=torch.bool)
    mask[..., 3:17, 3:17] = True
    mask[..., 8:11, 8:11] = False  # a hole
    mask[..., 3:6, 9] = False  # a bay
    filled = without_holes(mask)
    assert filled[0, 0, 9, 9]
    assert not filled[0, 0, 4, 9]
    assert filled.sum() == mask.sum() + 9
