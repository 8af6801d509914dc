"""The edit and encode stages with a latent model simple enough to check by hand."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.analysis import Analysis, load, save
from pipeline.batching import Halving
from pipeline.editors._base import FACE, CodeRule, LatentModel
from pipeline.errors import WeightsError
from pipeline.imaging.parsing import Region
from pipeline.stages.edit import EditChain, ImageStep, LatentStep, ShotCodes
from pipeline.stages.encode import (
    SampledCodes,
    fits,
    frames_of,
    gather,
    hold,
    look_at,
    sample_key,
    sampled,
)
from pipeline.types import AlignedBatch, Codes, EditedBatch, FaceTrack


class BrightnessModel:
    """Code = mean of the crop; rendering adds the change of the code to every pixel."""

    crop_side: float | None = 3.0

    def __init__(self, codes: CodeRule | None = None) -> None:
        self.codes = codes or CodeRule()

    def encode(self, batch: AlignedBatch) -> Codes:
        w = batch.images.mean((1, 2, 3))[:, None, None]
        return Codes(w=w, state=batch.weights[:, None])

    def observe(self, batch: AlignedBatch) -> Tensor:
        return self.encode(batch).state

    def reconstruct(self, codes: Codes) -> Tensor:
        return codes.w[:, :, :, None].expand(-1, 3, 8, 8)

    def settle(self, state: Tensor, rate: float) -> Tensor:
        return state

    def hidden(self, batch: AlignedBatch, codes: Codes) -> Tensor | None:
        return None

    def render(
        self, batch: AlignedBatch, before: Codes, after: Codes, regions: frozenset[Region] = FACE
    ) -> EditedBatch:
        change = (after.w - before.w)[:, 0, 0][:, None, None, None]
        return EditedBatch(batch, batch.images + change, torch.ones_like(batch.images[:, :1]))


def encode(
    batches: list[AlignedBatch], model: LatentModel, coded: dict[int, set[int]] | None = None
) -> dict[int, SampledCodes]:
    samples = (s for b in batches for s in look_at(b, model, Halving(), coded=coded))
    return gather(samples, model)


class Add:
    def move(self, codes: Codes, attribute: str, strength: Tensor) -> Codes:
        step = 0.25 if attribute == "small" else 0.5
        return Codes(w=codes.w + step * strength[:, None, None], state=codes.state)


class Darken:
    def apply(self, batch: AlignedBatch, attribute: str, strength: Tensor) -> EditedBatch:
        images = batch.images - 0.125 * strength[:, None, None, None]
        return EditedBatch(batch, images, torch.zeros_like(images[:, :1]))


def make_batch(frames: list[int], weights: list[float], value: float = 0.0) -> AlignedBatch:
    n = len(frames)
    return AlignedBatch(
        images=torch.full((n, 3, 8, 8), value) + torch.arange(n)[:, None, None, None] * 0.5,
        crop_to_frame=np.tile(np.eye(3), (n, 1, 1)),
        landmarks=torch.zeros(n, 68, 2),
        frame_index=np.array(frames, np.int64),
        track_id=np.full(n, 7, np.int64),
        weights=torch.tensor(weights),
    )


CODES = {7: ShotCodes(w=torch.zeros(1, 1), state=torch.zeros(10, 1), first_frame=0)}


def test_edits_add_up_in_order_and_scale_with_the_weight_of_the_frame() -> None:
    latent = LatentStep(Add(), (("small", 1.0), ("large", 2.0)))
    chain = EditChain([latent, ImageStep(Darken(), "darken", 1.0)], BrightnessModel(), CODES)
    batch = make_batch([0, 1], [1.0, 0.5])
    change = chain(batch).images - batch.images
    assert torch.allclose(change[0], torch.tensor(1.25 - 0.125))
    assert torch.allclose(change[1], torch.tensor((1.25 - 0.125) / 2))


def test_no_step_leaves_the_crops_as_they_are_with_an_empty_mask() -> None:
    batch = make_batch([0], [1.0])
    edited = EditChain([], BrightnessModel(), CODES)(batch)
    assert torch.equal(edited.images, batch.images)
    assert not edited.masks.any()


def test_the_result_does_not_depend_on_the_batch() -> None:
    chain = EditChain([LatentStep(Add(), (("large", 1.0),))], BrightnessModel(), CODES)
    together = chain(make_batch([0, 1, 2], [1.0, 0.3, 0.9])).images
    for n, weight in enumerate([1.0, 0.3, 0.9]):
        alone = chain(make_batch([n], [weight], value=0.5 * n)).images
        assert torch.equal(alone[0], together[n])


class Counting(Add):
    def __init__(self) -> None:
        self.calls = 0

    def move(self, codes: Codes, attribute: str, strength: Tensor) -> Codes:
        self.calls += 1
        return super().move(codes, attribute, strength)


def test_codes_that_stand_still_are_moved_once_for_each_share_of_the_edit() -> None:
    moving = ShotCodes(
        torch.zeros(1, 1), torch.zeros(10, 1), 0, torch.arange(10.0)[:, None, None], np.arange(10.0)
    )
    for codes, calls in ((CODES, 2), ({7: moving}, 4)):
        editor = Counting()
        step = LatentStep(editor, (("large", 1.0),))
        chain = EditChain([step], BrightnessModel(), codes)
        for frame, weight in enumerate([1.0, 1.0, 0.5, 1.0]):
            batch = make_batch([frame], [weight])
            ((before, after),) = chain.codes(batch)
            wanted = editor.move(before, "large", batch.weights)
            assert torch.equal(after.w, wanted.w)
            assert after.state is before.state
        assert editor.calls - 4 == calls


def make_track(weights: list[float]) -> FaceTrack:
    t = len(weights)
    return FaceTrack(
        track_id=7,
        shot=0,
        first_frame=3,
        landmarks=np.zeros((t, 68, 2), np.float32),
        states=np.ones(t, np.uint8),
        scores=np.ones(t, np.float32),
        weights=np.array(weights, np.float32),
    )


def test_a_track_is_sampled_at_a_rate_in_seconds_and_only_where_it_is_usable() -> None:
    track = make_track([0.0, 0.0, *[1.0] * 28])
    for fps in (25, 50):
        times = np.arange(40) / fps
        rows = np.flatnonzero(sampled(track, times, rate_hz=10).weights)
        assert rows[0] == 2
        assert np.all(np.diff(times[rows]) >= 0.1 - 1e-9)
        assert np.all(np.diff(times[rows]) <= 0.1 + 1 / fps)


def test_a_long_track_is_sampled_no_more_often_than_asked_and_from_end_to_end() -> None:
    track = make_track([1.0] * 100)
    few = sampled(track, np.arange(103) / 25, rate_hz=np.inf, most=7)
    rows = np.flatnonzero(few.weights)
    assert len(rows) == 7
    assert (rows[0], rows[-1]) == (0, 99)
    assert np.ptp(np.diff(rows)) <= 1
    assert frames_of(few) == {int(row) + track.first_frame for row in rows}


def test_frames_that_are_only_observed_give_states_and_no_code() -> None:
    class TwoStates(BrightnessModel):
        """The second column is the brightness, which only an encode tells."""

        def encode(self, batch: AlignedBatch) -> Codes:
            codes = super().encode(batch)
            return Codes(codes.w, torch.cat([codes.state, codes.w[:, 0]], dim=1))

        def observe(self, batch: AlignedBatch) -> Tensor:
            return torch.cat([batch.weights, batch.weights * torch.nan]).reshape(2, -1).T

    batch = make_batch([3, 4, 5, 6], [0.1, 0.2, 0.3, 0.4])
    values = torch.tensor([2.0, 50.0, 50.0, 8.0])[:, None, None, None]
    batch = dataclasses.replace(batch, images=values.expand_as(batch.images))
    found = encode([batch], TwoStates(), coded={7: {3, 6}})[7]
    assert found.w.tolist() == [[2.0]], "the lower median of the two that were encoded"
    assert found.frames.tolist() == [3, 4, 5, 6]
    np.testing.assert_allclose(found.state[:, 0], [0.1, 0.2, 0.3, 0.4])
    np.testing.assert_allclose(found.state[:, 1], [2.0, 4.0, 6.0, 8.0])


def test_the_code_of_a_shot_is_the_median_and_the_state_is_interpolated_in_time() -> None:
    track = make_track([1.0] * 5)
    times = np.array([0, 0, 0, 0.0, 0.1, 0.2, 0.6, 1.0])
    batch = make_batch([7, 3, 5], [1.0, 0.0, 0.2])
    values = torch.tensor([2.0, 1.0, 50.0])[:, None, None, None]
    batch = dataclasses.replace(batch, images=values.expand_as(batch.images))
    samples = encode([batch], BrightnessModel())[7]
    shot = hold(track, samples, times, BrightnessModel())
    assert torch.equal(shot.w, torch.full((1, 1), 2.0))
    assert torch.allclose(shot.state[:, 0], torch.tensor([0.0, 0.1, 0.2, 0.6, 1.0]))


def test_layers_that_move_follow_the_face_and_the_others_are_held() -> None:
    class TwoLayers(BrightnessModel):
        def encode(self, batch: AlignedBatch) -> Codes:
            value = batch.images.mean((1, 2, 3))[:, None, None]
            return Codes(w=value.expand(-1, 2, 3), state=batch.weights[:, None][:, :0])

    model = TwoLayers(CodeRule(moving_layers=1))
    track = make_track([1.0] * 5)
    times = np.array([0, 0, 0, 0.0, 0.1, 0.2, 0.6, 1.0])
    batch = make_batch([3, 5, 7], [1.0, 1.0, 1.0])
    values = torch.tensor([1.0, 2.0, 4.0])[:, None, None, None]
    batch = dataclasses.replace(batch, images=values.expand_as(batch.images))
    shot = hold(track, encode([batch], model)[7], times, model)
    codes = torch.stack([shot.of(frame) for frame in range(3, 8)])
    assert torch.equal(codes[:, 1], torch.full((5, 3), 2.0)), "the second layer is held"
    expected = torch.tensor([1.0, 1.5, 2.0, 3.0, 4.0])[:, None].expand(5, 3)
    assert torch.allclose(codes[:, 0], expected)


def test_layers_that_move_are_smoothed_in_seconds_without_delay() -> None:
    count, rate = 60, 30.0
    times = np.arange(count) / rate
    noise = np.random.default_rng(2).normal(0, 0.3, (count, 1, 4))
    level = np.sin(2 * np.pi * 0.5 * times)[:, None, None]
    track = dataclasses.replace(make_track([1.0] * count), first_frame=0)
    codes = SampledCodes(
        np.zeros((2, 4), np.float32),
        np.arange(count),
        np.zeros((count, 0), np.float32),
        (level + noise).astype(np.float32),
    )
    shots = {
        s: hold(track, codes, times, BrightnessModel(CodeRule(smoothing_s=s))) for s in (0.0, 0.15)
    }
    errors = {s: (shot.moving.numpy() - level).std() for s, shot in shots.items()}
    assert errors[0.15] < 0.5 * errors[0.0]


class FirstLayerMoves(BrightnessModel):
    def __init__(self) -> None:
        super().__init__(CodeRule(moving_layers=1))


@pytest.mark.parametrize("size", [1e-3, 1.0, 65504.0, 65520.0, 1e6, 131007.9, 3e30])
def test_codes_of_any_size_are_kept_to_half_precision_and_come_back_as_they_went(
    size: float, tmp_path: Path
) -> None:
    values = torch.tensor([1.0, -0.337, 0.01])[:, None, None, None] * size
    batch = make_batch([3, 5, 7], [1.0, 1.0, 1.0])
    batch = dataclasses.replace(batch, images=values.expand_as(batch.images))
    codes = encode([batch], FirstLayerMoves())[7]
    assert np.allclose(codes.moving[:, 0, 0], values[:, 0, 0, 0], rtol=2**-10, atol=6e-8)
    stored = Analysis(
        fingerprint="",
        video={},
        pts=np.arange(8),
        time_base=Fraction(1, 25),
        cuts=(),
        options={},
        tracks=(),
        codes={7: {"pack": codes}},
    )
    save(stored, tmp_path / "codes.json")
    back = load(tmp_path / "codes.json").codes[7]["pack"]
    assert (back.moving == codes.moving).all()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_code_that_is_not_finite_is_refused_with_its_frame(value: float) -> None:
    batch = make_batch([4, 5], [1.0, 1.0])
    batch.images[1] = value
    with pytest.raises(WeightsError, match="frame 5 is not finite"):
        encode([batch], BrightnessModel())


def test_codes_are_gathered_by_track_in_frame_order() -> None:
    found = encode([make_batch([5, 4], [0.25, 1.0])], BrightnessModel())
    assert found[7].frames.tolist() == [4, 5]
    assert found[7].state[:, 0].tolist() == [1.0, 0.25]


def test_stored_codes_are_known_by_weights_samples_and_landmarks() -> None:
    track = make_track([0.0, 1.0, 1.0])
    key = sample_key(track, {"a": "1"})
    assert key == sample_key(make_track([0.0, 0.5, 0.5]), {"a": "1"})
    moved = dataclasses.replace(track, landmarks=track.landmarks + 1)
    others = [(track, {"a": "2"}), (make_track([1.0, 1.0, 1.0]), {"a": "1"}), (moved, {"a": "1"})]
    assert len({key, *(sample_key(t, hashes) for t, hashes in others)}) == 4


@pytest.mark.parametrize(
    "wrong",
    [
        {"w": np.zeros((3, 5), np.float32)},
        {"w": np.zeros((2, 4), np.float32)},
        {"state": np.zeros((4, 1), np.float32)},
        {"moving": np.zeros((4, 1, 5), np.float32)},
        {"moving": np.zeros((0, 0, 0), np.float32)},
    ],
    ids=["rows", "width", "states", "moving layers", "no moving layers"],
)
def test_codes_of_other_sizes_than_the_models_do_not_fit_it(wrong: dict[str, np.ndarray]) -> None:
    rule = CodeRule(moving_layers=2, shape=(2, 5), states=3)
    codes = SampledCodes(
        np.zeros((2, 5), np.float32),
        np.arange(4),
        np.zeros((4, 3), np.float32),
        np.zeros((4, 2, 5), np.float32),
    )
    assert fits(codes, rule)
    assert fits(codes, CodeRule(moving_layers=2)), "a model that does not say takes any"
    assert not fits(dataclasses.replace(codes, **wrong), rule)
    held = dataclasses.replace(codes, moving=np.zeros((0, 0, 0), np.float32))
    assert fits(held, dataclasses.replace(rule, moving_layers=0))
