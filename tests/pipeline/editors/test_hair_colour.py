"""Hair in other colours, on a drawn head: striped hair over skin before a plain wall."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from pipeline.editors import Shot, hair_colour
from pipeline.editors.hair_colour import COLOURS, HairColour
from pipeline.errors import UsageError
from pipeline.imaging.hair import Hair, Sight, learnt
from pipeline.imaging.hair_place import PARSED_WIDER
from pipeline.parsing import LABELS, Parsing
from pipeline.request import Edit
from pipeline.types import AlignedBatch, FaceState, FaceTrack

from ..faces import drawn_face

SIDE, EYES = 448, 96.0
MIDDLE = (SIDE / 2 - 0.5, SIDE / 2 - 0.38 * EYES)
SKIN, WALL, CLOTH = (0.78, 0.60, 0.50), (0.42, 0.50, 0.58), (0.16, 0.12, 0.10)
BROWN, BLACK, GREY = (0.36, 0.24, 0.16), (0.10, 0.09, 0.085), (0.62, 0.60, 0.57)
Flags = NDArray[np.bool_]
GRID = 160


@dataclass(frozen=True)
class Head:
    """A crop, and where its parts are."""

    batch: AlignedBatch
    hair: Flags
    skin: Flags
    wall: Flags
    cloth: Flags
    wide: Parsing


def a_head(
    colour: tuple[float, float, float] = BROWN, *, long: bool = False, seed: int = 0
) -> Head:
    """A face with hair round it, striped by strands; `long` hair hangs beyond the parsing."""
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float64)
    u, v = (x - MIDDLE[0]) / EYES, (y - MIDDLE[1]) / EYES
    skin = (u / 0.72) ** 2 + ((v - 0.3) / 0.95) ** 2 < 1
    end = 1.9 if long else 0.75
    round_head = (u / 1.0) ** 2 + ((v + 0.05) / 1.05) ** 2 < 1
    hanging = (np.abs(u) > 0.74) & (np.abs(u) < 1.0) & (v > -0.05) & (v < end)
    hair = (round_head | hanging) & ~(skin & (v > -0.42)) & (v < end)
    cloth = (v > 1.75) & (np.abs(u) < 0.6) & ~hair
    picture = np.empty((3, SIDE, SIDE))
    picture[:] = np.array(WALL)[:, None, None]
    for part, value in ((cloth, CLOTH), (skin, SKIN), (hair, colour)):
        picture[:, part] = np.array(value)[:, None]
    strands = 1 + 0.25 * np.sin(2.2 * x + 0.7 * np.sin(y / 9))
    noise = 0.01 * np.random.default_rng(seed).normal(size=picture.shape)
    picture = (np.where(hair, picture * strands, picture) + noise).clip(0, 1)
    parts = {"hair": hair, "skin": skin & ~hair, "clothes": cloth}
    batch = AlignedBatch(
        images=torch.from_numpy(2 * picture - 1).float()[None],
        crop_to_frame=np.eye(3)[None],
        landmarks=torch.from_numpy(drawn_face(MIDDLE, EYES)).float()[None],
        frame_index=np.array([seed]),
        track_id=np.zeros(1, np.int64),
        weights=torch.ones(1),
        parsing=parsed(parts),
    )
    nothing = ~(hair | skin | cloth)
    return Head(batch, hair, skin & ~hair, nothing, cloth, parsed(parts, PARSED_WIDER))


def parsed(parts: dict[str, Flags], wider: float = 1.0) -> Parsing:
    """What a network would say: soft, on a square of 2.9 eye distances, or a wider one."""
    scale = 2 / (2.9 * EYES * wider)
    offset = -scale * np.array([MIDDLE[0], MIDDLE[1] + 0.1 * EYES])
    matrix = torch.tensor([[scale, 0, offset[0]], [0, scale, offset[1]]]).float()[None]
    line = (torch.arange(GRID) + 0.5) * 2 / GRID - 1
    at = (torch.stack(torch.meshgrid(line, line, indexing="xy"), -1) - matrix[0, :, 2]) / scale
    at = (at * 2 + 1) / SIDE - 1
    shares = torch.zeros(1, len(LABELS), GRID, GRID)
    for name, part in parts.items():
        values = torch.from_numpy(part).float()[None, None]
        values = F.avg_pool2d(values, 7, 1, 3)
        found = F.grid_sample(values, at[None], align_corners=False)
        shares[:, LABELS.index(cast("Any", name))] = found[:, 0]
    shares[:, 0] = (1 - shares.sum(1)).clamp(min=0)
    return Parsing(shares / shares.sum(1, keepdim=True), matrix)


def known(head: Head) -> Hair | None:
    sight = Sight.of(head.batch, head.wide, 0)
    assert sight is not None
    return Hair.of(learnt([sight]))


def done(head: Head, name: str, strength: float, colour: str = "auburn") -> Tensor:
    """(3, S, S) the crop with one edit."""
    edit = Edit(name, options=(("colour", colour),))
    editor = HairColour(cast("Any", None))
    edited = editor.apply(head.batch, edit, torch.tensor([strength]), known(head))
    kept = (edited.masks == 0).expand(-1, 3, -1, -1)
    assert torch.equal(edited.images[kept], head.batch.images[kept])
    return edited.images[0]


def light(picture: Tensor, part: Flags) -> NDArray[np.float32]:
    """(3, P) RGB in 0–1 of some pixels."""
    return np.asarray((0.5 * picture + 0.5)[:, torch.from_numpy(part)].numpy())


def luma(picture: Tensor, part: Flags) -> NDArray[np.float32]:
    return np.asarray(np.array([0.299, 0.587, 0.114]) @ light(picture, part))


def strand_contrast(picture: Tensor, part: Flags) -> float:
    return float(np.log(luma(picture, part) + 0.03).std())


def inner(part: Flags, px: int = 5) -> Flags:
    """The pixels of a part that are further from its edge."""
    around = torch.from_numpy(~part).float()[None]
    return np.asarray(F.max_pool2d(around, 2 * px + 1, 1, px)[0].numpy() == 0)


def paleness(picture: Tensor, part: Flags) -> float:
    """Mean of the least channel over the greatest."""
    values = light(picture, part)
    return float((values.min(0) / values.max(0)).mean())


@pytest.mark.parametrize("name", ["auburn", "black", "chestnut", "#4a3a6a"])
def test_hair_takes_the_colour_and_keeps_its_strands(name: str) -> None:
    head = a_head()
    edited = done(head, "hair-colour", 1.0, name)
    code = COLOURS.get(name, name)
    goal = np.array([int(code[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    inside = inner(head.hair)
    assert np.abs(np.median(light(edited, inside), 1) - goal).max() < 0.05
    before = strand_contrast(head.batch.images[0], inside)
    assert strand_contrast(edited, inside) == pytest.approx(before, rel=0.25)


def test_lighter_and_darker_follow_the_strength_and_keep_strands_apart() -> None:
    head = a_head()
    inside = inner(head.hair)
    means, contrasts = [], []
    for strength in (-2.0, -1.0, 0.0, 1.0, 2.0):
        edited = done(head, "hair-lightness", strength)
        means.append(luma(edited, inside).mean())
        contrasts.append(strand_contrast(edited, inside))
    assert means == sorted(means)
    assert means[4] > 1.6 * means[2] > 2.2 * means[0]
    assert min(contrasts) > 0.55 * contrasts[2]


def test_black_hair_is_not_lifted_to_white() -> None:
    head = a_head(BLACK)
    edited = done(head, "hair-colour", 1.0, "platinum")
    inside = inner(head.hair)
    assert 1.8 < luma(edited, inside).mean() / luma(head.batch.images[0], inside).mean() < 3.5


@pytest.mark.parametrize(
    ("name", "strength"), [("hair-colour", 1.2), ("hair-lightness", 2.0), ("hair-grey", 2.5)]
)
def test_skin_and_wall_beside_the_hair_stay(name: str, strength: float) -> None:
    head = a_head(BLACK)
    change = (done(head, name, strength) - head.batch.images[0]).abs().amax(0)
    for part in (head.skin, head.wall):
        near = torch.from_numpy(inner(part, 2))
        assert change[near].max() < 0.12
        assert change[near].mean() < 0.002


def test_grey_is_lighter_and_paler_with_more_different_strands() -> None:
    head = a_head()
    inside = inner(head.hair)
    source, edited = head.batch.images[0], done(head, "hair-grey", 1.0)
    assert luma(edited, inside).mean() > 1.15 * luma(source, inside).mean()
    assert paleness(edited, inside) > paleness(source, inside) + 0.1
    spread = [luma(p, inside).std() for p in (source, edited)]
    assert spread[1] > 1.3 * spread[0]


def test_grey_begins_beside_the_face() -> None:
    head = a_head()
    rows = np.arange(SIDE)[:, None] + np.zeros(SIDE)
    columns = np.arange(SIDE) + np.zeros((SIDE, 1))
    top = inner(head.hair) & (rows < MIDDLE[1] - 0.75 * EYES)
    temple = inner(head.hair, 3) & (np.abs(columns - MIDDLE[0]) < 0.9 * EYES) & (rows > MIDDLE[1])
    edited, source = done(head, "hair-grey", 0.7), head.batch.images[0]
    gain = [luma(edited, part).mean() / luma(source, part).mean() for part in (temple, top)]
    assert gain[0] > 1.1 * gain[1] > 1.1


def test_below_0_pale_strands_take_the_colour_of_the_others() -> None:
    head = a_head()
    picture = head.batch.images.clone()
    pale = head.hair & (np.arange(SIDE) % 7 == 0)
    picture[0][:, torch.from_numpy(pale)] = 2 * torch.tensor(GREY)[:, None] - 1
    mixed = replace(head, batch=replace(head.batch, images=picture))
    edited = done(mixed, "hair-grey", -1.0)
    some = pale & inner(head.hair)
    assert luma(edited, some).mean() < 0.78 * luma(picture[0], some).mean()
    others = inner(head.hair) & ~pale
    assert luma(edited, others).mean() > 0.85 * luma(picture[0], others).mean()


def test_hair_is_followed_beyond_what_the_parsing_sees_and_nothing_else_of_its_colour() -> None:
    head = a_head(long=True)
    picture = head.batch.images.clone()
    rows, columns = slice(SIDE - 40, SIDE - 10), slice(20, 60)  # as brown, on the wall
    picture[0, :, rows, columns] = 2 * torch.tensor(BROWN)[:, None, None] - 1
    head = replace(head, batch=replace(head.batch, images=picture))
    change = (done(head, "hair-colour", 1.0, "black") - picture[0]).abs().amax(0).numpy()
    low = np.zeros_like(head.hair)
    low[round(MIDDLE[1] + 1.62 * EYES) : round(MIDDLE[1] + 1.8 * EYES)] = True
    assert change[inner(head.hair, 4) & low].min() > 0.05
    assert change[rows, columns].max() == 0
    assert change[inner(head.cloth, 3)].max() < 0.02


def test_a_bald_head_is_left_alone() -> None:
    head = a_head()
    assert head.batch.parsing is not None
    shares = head.batch.parsing.shares.clone()
    shares[:, 1] += shares[:, 2]
    shares[:, 2] = 0
    parsing = Parsing(shares, head.batch.parsing.crop_to_grid)
    bald = replace(head, batch=replace(head.batch, parsing=parsing), wide=parsing)
    assert known(bald) is None
    assert torch.equal(done(bald, "hair-colour", 1.0), head.batch.images[0])


def test_an_edit_does_not_flicker_with_the_noise_of_a_clip() -> None:
    heads = [a_head(seed=seed) for seed in (1, 2)]
    hair = known(heads[0])
    editor = HairColour(cast("Any", None))
    edit = Edit("hair-colour", options=(("colour", "black"),))
    edited = [editor.apply(h.batch, edit, torch.ones(1), hair).images[0] for h in heads]
    sources = [h.batch.images[0] for h in heads]
    ratio = (edited[0] - edited[1]).square().mean() / (sources[0] - sources[1]).square().mean()
    assert ratio.sqrt() < 1.1


def test_several_edits_in_a_row_are_made_of_each_other() -> None:
    head = a_head()
    editor, hair = HairColour(cast("Any", None)), known(head)
    edits = (Edit("hair-lightness"), Edit("hair-colour", options=(("colour", "auburn"),)))
    both = editor.apply_row(head.batch, edits, torch.tensor([[1.0], [1.0]]), hair).images[0]
    alone = done(head, "hair-colour", 1.0, "auburn")
    inside = inner(head.hair)
    medians = [np.median(light(p, inside), 1) for p in (both, alone)]
    assert np.abs(medians[0] - medians[1]).max() < 0.03


class Frames:
    """Work on crops that are there already."""

    device = torch.device("cpu")

    def __init__(self, heads: list[Head]) -> None:
        self.heads, self.asked = heads, list[int]()

    def crops(self, frames: Any = None) -> Iterator[AlignedBatch]:
        self.asked = list(frames)
        yield from (head.batch for head in self.heads)

    def parsed(self, batch: AlignedBatch, *, wider: float) -> Parsing:
        assert wider == PARSED_WIDER
        return next(head.wide for head in self.heads if head.batch is batch)

    def step(self, done: int, total: int) -> None:
        assert 0 < done <= total


def test_a_shot_is_looked_at_in_some_of_its_frames_and_kept_as_tensors() -> None:
    heads = [a_head(seed=seed) for seed in range(3)]
    count = 100
    weights = np.ones(count, np.float32)
    weights[:20] = 0
    track = FaceTrack(
        0,
        0,
        10,
        np.zeros((count, 68, 2), np.float32),
        np.full(count, FaceState.DETECTED, np.uint8),
        weights,
        weights,
    )
    shot, work = Shot(track, np.arange(200) / 25.0, "clip"), Frames(heads)
    editor = HairColour(cast("Any", None))
    artefact = editor.prepare(shot, Edit("hair-grey"), cast("Any", work))
    assert min(work.asked) == 30
    assert max(work.asked) == 109
    assert len(work.asked) == 16
    hair = editor.opened(shot, artefact)
    assert hair is not None
    assert np.abs(np.exp(hair.tone.median) - 0.03 - BROWN).max() < 0.03
    assert editor.depends(shot, Edit("hair-grey")) == editor.depends(shot, Edit("hair-colour"))


def test_an_unknown_colour_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(UsageError, match="'mousy' is no colour; accepted: auburn, black"):
        hair_colour.Options("mousy")
