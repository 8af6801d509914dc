"""What lamps do to a face: which side, how much, how evenly over time, and what they leave."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.editors import Shot
from pipeline.editors.light import SPEC, Light
from pipeline.loading import load_network
from pipeline.parsing import LABELS, Label, Parsing
from pipeline.request import Edit
from pipeline.types import AlignedBatch, FaceState, FaceTrack

SIDE, EYES = 240, 62.0
NAMES = [attribute.name for attribute in SPEC.attributes or ()]


class Hands:
    """A kit with the network that knows heads."""

    device = torch.device("cpu")
    head: Any = load_network("head", device).module

    def network(self, role: str) -> Any:
        assert role in SPEC.needs
        return self.head


class Crops:
    """Work on crops that are there already."""

    def __init__(self, batch: AlignedBatch) -> None:
        self.batch = batch

    def crops(self, frames: Any) -> Any:
        yield self.batch.rows(sorted(frames))

    def step(self, done: int, total: int) -> None:
        """Nobody watches."""


def a_parsing(count: int, covered: bool = False) -> Parsing:
    """Skin in an ellipse, hair above it, a wall behind; or something before its right half."""
    line = (torch.arange(64) + 0.5) / 32 - 1
    across, down = line[None, :] / 0.55, (line[:, None] + 0.05) / 0.8
    head = (across.square() + down.square()) < 1
    front = head & (line[None, :] > 0.1) if covered else head & False
    shares = torch.zeros(count, len(LABELS), 64, 64)
    parts: list[tuple[Label, Tensor]] = [
        ("background", ~head),
        ("hair", head & (down < -0.6)),
        ("skin", head & (down >= -0.6) & ~front),
        ("front", front & (down >= -0.6)),
    ]
    for label, part in parts:
        shares[:, LABELS.index(label)] = part.float()
    to_grid = torch.tensor([[2 / SIDE, 0.0, 1 / SIDE - 1], [0.0, 2 / SIDE, 1 / SIDE - 1]])
    return Parsing(shares, to_grid.expand(count, -1, -1))


def a_batch(
    level: float | Tensor = -0.1, count: int = 1, shift: float = 0.0, covered: bool = False
) -> AlignedBatch:
    """Crops of one grey, or of a picture, with the mean head's points; they move by so much [px] a
    frame."""
    head = Hands.head.neutral[Hands.head.landmarks68][:, :2].double().numpy()
    eyes = 0.5 * (head[36] + head[45])
    still = (head - eyes) * EYES + np.array([(SIDE - 1) / 2, 0.42 * SIDE])
    points = still + np.arange(count)[:, None, None] * np.array([shift, 0.0])
    images = level if isinstance(level, Tensor) else torch.full((count, 3, SIDE, SIDE), level)
    return AlignedBatch(
        images=images,
        crop_to_frame=np.tile(np.eye(3), (count, 1, 1)),
        landmarks=torch.from_numpy(points).float(),
        frame_index=np.arange(count),
        track_id=np.zeros(count, np.int64),
        weights=torch.ones(count),
        parsing=a_parsing(count, covered),
    )


def prepared(editor: Light, batch: AlignedBatch) -> Any:
    count = len(batch)
    ones = np.ones(count, np.float32)
    states = np.full(count, FaceState.DETECTED, np.uint8)
    track = FaceTrack(0, 0, 0, batch.landmarks.numpy(), states, ones, ones)
    shot = Shot(track, np.arange(count) / 25.0, "clip")
    return editor.opened(shot, editor.prepare(shot, Edit(""), cast("Any", Crops(batch))))


def lit(batch: AlignedBatch, **strengths: float) -> Tensor:
    """The luma (N, S, S) of a batch under some lamps, over what it was."""
    editor = Light(cast("Any", Hands()))
    edits = [Edit(f"light-{side}") for side in strengths]
    amounts = torch.tensor([[s] * len(batch) for s in strengths.values()])
    with torch.inference_mode():
        edited = editor.apply_row(batch, edits, amounts, prepared(editor, batch)).whole()
    weights = torch.tensor([0.299, 0.587, 0.114])[:, None, None]
    before, after = (((i + 1) / 2 * weights).sum(1) for i in (batch.images, edited.images))
    return after / before


def of_face(picture: Tensor, side: str) -> float:
    """The mean of a picture (S, S) over the cheek and forehead of one side of the face."""
    middle, reach = SIDE // 2, int(0.6 * EYES)
    rows = {"top": slice(-45, -25), "bottom": slice(40, 60)}.get(side, slice(-45, 60))
    columns = {"left": slice(-reach, -6), "right": slice(6, reach)}.get(side, slice(-15, 15))
    top = int(0.42 * SIDE)
    part = picture[
        top + rows.start : top + rows.stop, middle + columns.start : middle + columns.stop
    ]
    return float(part.mean())


@pytest.mark.parametrize(("side", "other"), [("left", "right"), ("top", "bottom")])
@pytest.mark.parametrize("level", [-0.6, -0.1, 0.5], ids=["dark", "middle", "fair"])
def test_each_lamp_lights_its_side_and_below_zero_darkens_it(
    side: str, other: str, level: float
) -> None:
    batch = a_batch(level)
    for lamp, far in ((side, other), (other, side)):
        more, less = (lit(batch, **{lamp: strength})[0] for strength in (1.0, -1.0))
        assert of_face(more, lamp) / of_face(more, far) > (1.1 if side == "top" else 1.15)
        assert of_face(less, lamp) / of_face(less, far) < 1 / 1.1
        whole = 0.5 * (of_face(more, "left") + of_face(more, "right"))
        assert whole == pytest.approx(1, abs=0.06)


def test_left_and_right_are_mirror_images() -> None:
    batch = a_batch()
    left, right = (lit(batch, **{side: 1.0})[0] for side in ("left", "right"))
    face = (slice(40, 190), slice(70, 170))
    assert (left[face] - right.flip(1)[face]).abs().mean() < 0.006


def test_lamps_add_up_and_half_a_lamp_is_half_as_much() -> None:
    batch = a_batch()
    half, whole = (of_face(lit(batch, left=s)[0], "left") - 1 for s in (0.5, 1.0))
    assert 0.4 < half / whole < 0.75
    both = lit(batch, left=1.0, right=1.0)[0]
    assert of_face(both, "left") / of_face(both, "right") == pytest.approx(1, abs=0.04)


def test_a_face_that_is_lit_from_one_side_gains_less_there() -> None:
    slope = torch.linspace(0.45, -0.45, SIDE).expand(1, 3, SIDE, SIDE)
    bright_left = lit(a_batch(slope.clone()), left=1.0)[0]
    bright_right = lit(a_batch(slope.flip(3).clone()), left=1.0)[0]
    assert of_face(bright_right, "left") > of_face(bright_left, "left") + 0.03


def test_a_wall_and_what_is_before_the_face_keep_their_light() -> None:
    out = lit(a_batch(covered=True), left=1.0)[0]
    assert (out[:, :10] == 1).all()
    assert (out[100:150, 145:165] - 1).abs().max() < 0.02
    assert (lit(a_batch(), left=1.0)[0][100:150, 145:165] - 1).abs().max() > 0.05


def test_a_face_that_moves_by_parts_of_a_pixel_does_not_flicker() -> None:
    out = lit(a_batch(count=8, shift=0.3), left=1.0, top=0.5).log()
    at = out[:, 60:170, 80:160]
    assert (at[2:] - 2 * at[1:-1] + at[:-2]).abs().quantile(0.99) < 0.015


def test_a_frame_is_lit_the_same_alone_and_among_others() -> None:
    batch = a_batch(count=3, shift=2.0)
    editor = Light(cast("Any", Hands()))
    known = prepared(editor, batch)
    together = editor.apply(batch, Edit("light-top"), torch.ones(3), known).whole()
    alone = editor.apply(batch.rows([1]), Edit("light-top"), torch.ones(1), known).whole()
    assert torch.equal(alone.images[0], together.images[1])
    assert torch.equal(alone.masks[0], together.masks[1])
