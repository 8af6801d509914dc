"""`teeth-white` and `lip-colour` on a drawn mouth: each part has one colour, with folds over it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, cast

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.editors import lip_colour, teeth_white
from pipeline.errors import UsageError
from pipeline.request import Edit
from pipeline.types import AlignedBatch, EditedBatch

from ..faces import drawn_face

SIDE, EYES = 320, 140.0
SKIN, LIPS, DARK = (0.78, 0.60, 0.48), (0.62, 0.34, 0.34), (0.12, 0.05, 0.04)
TEETH, TONGUE = (0.76, 0.68, 0.54), (0.60, 0.32, 0.31)
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Mouth:
    """A face with its mouth open, and where each part of the mouth is."""

    batch: AlignedBatch
    lips: Flags
    teeth: Flags
    tongue: Flags
    dark: Flags

    @property
    def picture(self) -> Tensor:
        return self.batch.images[0]


def a_mouth(count: int = 1) -> Mouth:
    points = drawn_face((SIDE / 2, 0.32 * SIDE), EYES)
    middle = points[60:68].mean(0)
    points[60:68] = middle + (points[60:68] - middle) * (1, 3.5)  # open
    points[[49, 50, 51, 52, 53]] -= (0, 13)
    points[[55, 56, 57, 58, 59]] += (0, 13)
    outer, inner = (filled(points[part]) for part in (slice(48, 60), slice(60, 68)))
    rows = np.arange(SIDE)[:, None] + np.zeros(SIDE)
    above, below = rows < middle[1] - 2, rows > middle[1] + 8
    parts = {"teeth": inner & above, "tongue": inner & below, "dark": inner & ~above & ~below}
    picture = np.tile(np.array(SKIN, np.float32)[:, None, None], (1, SIDE, SIDE))
    colours = {"teeth": TEETH, "tongue": TONGUE, "dark": DARK}
    for mask, colour in [(outer, LIPS), *((parts[name], colours[name]) for name in parts)]:
        picture[:, mask] = np.array(colour, np.float32)[:, None]
    folds = 1 + 0.12 * np.sin(np.arange(SIDE) / 1.5)
    picture = (picture * folds[None, None]).clip(0, 1).astype(np.float32)
    batch = AlignedBatch(
        images=torch.from_numpy(2 * picture - 1).expand(count, -1, -1, -1).contiguous(),
        crop_to_frame=np.tile(np.eye(3), (count, 1, 1)),
        landmarks=torch.from_numpy(points).float().expand(count, -1, -1).contiguous(),
        frame_index=np.arange(count),
        track_id=np.zeros(count, np.int64),
        weights=torch.ones(count),
    )
    eroded = {name: shrunk(mask) for name, mask in parts.items()}
    return Mouth(batch, shrunk(outer & ~inner), **eroded)


def filled(polygon: NDArray[np.float64]) -> Flags:
    mask = np.zeros((SIDE, SIDE), np.uint8)
    cv2.fillPoly(mask, [np.rint(polygon).astype(np.int32)], 1)
    return mask > 0


def shrunk(mask: Flags) -> Flags:
    return cv2.erode(mask.view(np.uint8), np.ones((7, 7), np.uint8)) > 0


def seen(edited: EditedBatch) -> Tensor:
    """(3, S, S) what is put into the frame."""
    before = edited.source.images[0]
    return before + edited.masks[0] * (edited.images[0] - before)


def whitened(mouth: Mouth, strength: float) -> Any:
    editor = teeth_white.build(cast("Any", None))
    amount = torch.full((len(mouth.batch),), strength)
    return editor.apply(mouth.batch, Edit("teeth-white"), amount, None).whole()


def coloured(mouth: Mouth, strength: float, colour: str = "rose") -> Any:
    editor = lip_colour.build(cast("Any", None))
    edit = Edit("lip-colour", options=(("colour", colour),))
    return editor.apply(mouth.batch, edit, torch.full((len(mouth.batch),), strength), None).whole()


def light(picture: Tensor, mask: Flags) -> NDArray[np.float32]:
    """(3,) mean RGB in 0–1 over some pixels."""
    return np.asarray((0.5 * picture + 0.5)[:, torch.from_numpy(mask)].mean(1).numpy())


def blue_share(picture: Tensor, mask: Flags) -> float:
    red, green, blue = light(picture, mask)
    return float(blue / (0.5 * (red + green)))


def test_teeth_lose_yellow_and_gain_light_with_strength() -> None:
    mouth = a_mouth()
    shares, lights = [], []
    for strength in (-2.0, -1.0, 0.0, 1.0, 2.0):
        image = whitened(mouth, strength).images[0]
        shares.append(blue_share(image, mouth.teeth))
        lights.append(light(image, mouth.teeth).mean())
    assert shares == sorted(shares)
    assert lights == sorted(lights)
    assert shares[3] - shares[2] > 0.05
    assert shares[4] < 1.0, "teeth turned blue"
    assert lights[4] < 1.25 * lights[2], "teeth glow"


@pytest.mark.parametrize("strength", [-2.0, 2.0])
def test_tongue_dark_lips_and_skin_are_not_whitened(strength: float) -> None:
    mouth = a_mouth()
    edited = whitened(mouth, strength)
    for part in (mouth.tongue, mouth.dark, mouth.lips):
        assert (seen(edited) - mouth.picture)[:, part].abs().max() < 0.01
    assert (edited.masks[0, 0].numpy()[mouth.teeth] > 0.8).mean() > 0.9


def test_a_closed_mouth_has_no_teeth_to_whiten() -> None:
    mouth = a_mouth()
    picture = mouth.picture.clone()
    inner = torch.from_numpy(mouth.teeth | mouth.tongue | mouth.dark)
    lips = picture[:, torch.from_numpy(mouth.lips)].mean(1)
    grown = torch.nn.functional.max_pool2d(inner[None].float(), 13, 1, 6)[0] > 0
    picture[:, grown] = lips[:, None]
    batch = dataclasses.replace(mouth.batch, images=picture[None])
    closed = dataclasses.replace(mouth, batch=batch)
    assert (seen(whitened(closed, 2.0)) - picture).abs().max() < 0.02


@pytest.mark.parametrize("colour", ["red", "plum", "#804030"])
def test_lips_come_near_the_colour_and_keep_their_folds(colour: str) -> None:
    mouth = a_mouth()
    image = coloured(mouth, 1.0, colour).images[0]
    code = lip_colour.COLOURS.get(colour, colour)
    goal = np.array([int(code[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    before, after = light(mouth.picture, mouth.lips), light(image, mouth.lips)
    assert np.abs(after - goal).sum() < 0.45 * np.abs(before - goal).sum() + 0.05
    for channel in range(3):
        contrast = [
            float((0.5 * p[channel] + 0.53)[torch.from_numpy(mouth.lips)].log().std())
            for p in (mouth.picture, image)
        ]
        assert contrast[1] == pytest.approx(contrast[0], rel=0.12)


def test_lips_below_0_are_nearer_to_the_skin() -> None:
    mouth = a_mouth()
    before, after = (light(p, mouth.lips) for p in (mouth.picture, coloured(mouth, -1.0).images[0]))
    assert np.abs(after - SKIN).sum() < 0.8 * np.abs(before - SKIN).sum()


def test_teeth_and_skin_stay_when_lips_are_coloured() -> None:
    mouth = a_mouth()
    edited = coloured(mouth, 1.3, "red")
    for part in (mouth.teeth, mouth.dark):
        assert (seen(edited) - mouth.picture)[:, part].abs().max() < 0.01
    far = edited.masks[0, 0] == 0
    assert torch.equal(edited.images[0][:, far], mouth.picture[:, far])
    assert far.float().mean() > 0.9


def test_an_unknown_colour_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(UsageError, match="'mauvish' is no colour; accepted: rose, nude"):
        lip_colour.Options("mauvish")


def test_crops_are_edited_alike_beside_others() -> None:
    one, two = a_mouth(), a_mouth(2)
    for edit in (whitened, coloured):
        assert torch.equal(edit(two, 1.0).images[1], edit(one, 1.0).images[0])


def test_a_mouth_beyond_the_crop_is_left_alone() -> None:
    mouth = a_mouth()
    mouth.batch.landmarks[:] += torch.tensor([0.0, SIDE / 2])
    assert torch.equal(whitened(mouth, 2.0).images, mouth.batch.images)
    assert not coloured(mouth, 1.0).masks.any()
