"""Codes over a shot, with a latent model simple enough to check by hand."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.artefacts import Store
from pipeline.editors import FACE, Attribute, Shot
from pipeline.editors._codes import (
    SampledCodes,
    ShotCodes,
    frames_of,
    gather,
    hold,
    look_at,
    sampled,
)
from pipeline.editors._face_model import CodeRule, Codes, LatentModel
from pipeline.editors.latent import Latent
from pipeline.errors import WeightsError
from pipeline.imaging.parsing import Region
from pipeline.progress import Stopwatch
from pipeline.request import Edit
from pipeline.types import AlignedBatch, CropRule, EditedBatch, FaceTrack


class BrightnessModel:
    """Code = mean of the crop; rendering adds the change of the code to every pixel."""

    crop = CropRule(3.0)

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

    def limits(self, before: Tensor, after: Tensor, state: Tensor) -> dict[str, Tensor]:
        return {}

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
    samples = (s for b in batches for s in look_at(b, model, coded=coded))
    return gather(samples, model)


class Add:
    """Moves codes by a step, counting how often."""

    def __init__(self, step: float) -> None:
        self.step, self.calls = step, 0

    def __call__(self, w: Tensor, amount: Tensor) -> Tensor:
        self.calls += 1
        return w + self.step * amount[:, None, None]


class BrightnessPack:
    attributes = (Attribute("small", "a quarter brighter"), Attribute("large", "half brighter"))

    def __init__(self) -> None:
        self.model = BrightnessModel()
        self.movers = {"small": Add(0.25), "large": Add(0.5)}

    def mover(self, kind: str, attribute: str, rows: object = None) -> Add:
        return self.movers[attribute]


class Hands:
    device = torch.device("cpu")
    clock = Stopwatch()

    def __init__(self) -> None:
        self.face_model: Any = BrightnessPack()

    def network(self, role: str) -> Any:
        raise AssertionError

    def exemplar(self, edit: Edit, crop: CropRule) -> AlignedBatch:
        raise AssertionError


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


STILL = ShotCodes(w=torch.zeros(1, 1), state=torch.zeros(10, 1), first_frame=0)


def test_edits_in_a_row_add_up_in_order_by_what_a_frame_takes_of_each() -> None:
    batch = make_batch([0, 1], [1.0, 0.5])
    amounts = torch.tensor([[1.0, 0.5], [2.0, 1.0]])
    edited = Latent(Hands()).apply_row(batch, [Edit("small"), Edit("large")], amounts, STILL)
    change = edited.images - batch.images
    assert torch.allclose(change[0], torch.tensor(1.25))
    assert torch.allclose(change[1], torch.tensor(1.25 / 2))


def test_codes_that_stand_still_are_moved_once_for_each_share_of_the_edit() -> None:
    moving = ShotCodes(
        torch.zeros(1, 1), torch.zeros(10, 1), 0, torch.arange(10.0)[:, None, None], np.arange(10.0)
    )
    for codes, calls in ((STILL, 2), (moving, 4)):
        hands = Hands()
        editor = Latent(hands)
        for frame, weight in enumerate([1.0, 1.0, 0.5, 1.0]):
            amounts = torch.tensor([[weight]])
            batch = make_batch([frame], [weight])
            before, after = editor.moved(batch, [Edit("large")], amounts, codes)
            assert torch.equal(after.w, before.w + 0.5 * weight)
            assert after.state is before.state
        assert hands.face_model.movers["large"].calls == calls


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
    store = Store(tmp_path)
    store.put("00" * 32, codes.kept())
    artefact = store.get("00" * 32)
    assert artefact is not None
    back = SampledCodes.of(artefact)
    for name in ("w", "frames", "state", "moving", "tone"):
        np.testing.assert_array_equal(getattr(back, name), getattr(codes, name))


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


def test_codes_depend_on_what_is_looked_at_and_on_no_edit() -> None:
    editor, times = Latent(Hands()), np.arange(40) / 25

    def dependence(track: FaceTrack, attribute: str = "small", clip: str = "") -> object:
        return editor.depends(Shot(track, times, clip), Edit(attribute))

    track = make_track([0.0, 1.0, 1.0])
    known = dependence(track)
    assert known == dependence(track, "large")
    moved = dataclasses.replace(track, landmarks=track.landmarks + 1)
    others = [dependence(moved), dependence(make_track([1.0] * 3)), dependence(track, clip="b")]
    assert all(known != other for other in others)
