"""Retouching a drawn face: a fold, pores, a mole, edges beyond the skin, what passes before it."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.editors import Artefact
from pipeline.editors._skin import LOOK_SIDE, gathered, glances
from pipeline.editors.retouch import Retouch
from pipeline.imaging.detail import log_luma
from pipeline.imaging.geometry import similarity, transform
from pipeline.imaging.retouching import Skin
from pipeline.loading import load_network, load_pack
from pipeline.parsing import LABELS, Parsing
from pipeline.progress import Stopwatch
from pipeline.request import Edit
from pipeline.types import AlignedBatch

from ..faces import drawn_face

SIDE, EYES = 400, 130.0
CENTRE = (200.0, 150.0)
SKIN = (0.35, 0.0, -0.2)
CHEEK, FOREHEAD = (0.45, 0.55), (0.0, -0.55)


class Hands:
    """A kit that holds what retouching needs."""

    device = torch.device("cpu")
    clock = Stopwatch()
    face_model = load_pack("portrait", torch.device("cpu"))

    def network(self, role: str) -> Any:
        return load_network(role, self.device).module

    def exemplar(self, edit: Edit, crop: Any) -> AlignedBatch:
        raise AssertionError


EDITOR = Retouch(Hands())


def batch_of(
    pictures: Tensor, landmarks: np.ndarray, parsing: Parsing | None = None
) -> AlignedBatch:
    count = len(pictures)
    return AlignedBatch(
        images=pictures,
        crop_to_frame=np.tile(np.eye(3), (count, 1, 1)),
        landmarks=torch.from_numpy(np.broadcast_to(landmarks, (count, 68, 2)).copy()).float(),
        frame_index=np.arange(count),
        track_id=np.zeros(count, np.int64),
        weights=torch.ones(count),
        parsing=parsing,
    )


def plain(place: np.ndarray | None = None) -> tuple[Tensor, np.ndarray]:
    """A picture of even skin (1, 3, SIDE, SIDE), and the landmarks of the face in it."""
    landmarks = drawn_face(CENTRE, EYES) if place is None else transform(place, drawn_face())
    return torch.tensor(SKIN)[None, :, None, None].repeat(1, 1, SIDE, SIDE), landmarks


def at(x: float, y: float) -> tuple[int, int]:
    """The pixel (x, y) of a place of the face [E]."""
    return round(CENTRE[0] + EYES * x), round(CENTRE[1] + EYES * y)


def marked(
    picture: Tensor, place: tuple[int, int], size: tuple[float, float], depth: float
) -> Tensor:
    """A picture with a soft dark mark: its sigmas along x and y [px], its depth [log luma]."""
    y, x = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    away = ((x - place[0]) / size[0]) ** 2 + ((y - place[1]) / size[1]) ** 2
    return (picture + 1.125) * torch.exp(-depth * torch.exp(-0.5 * away)) - 1.125


def prepared(batch: AlignedBatch) -> Skin:
    artefact: Artefact = gathered(glances(batch))[0]
    skin: Skin = EDITOR.opened(None, artefact)  # type: ignore[arg-type]
    return skin


def retouched(batch: AlignedBatch, attribute: str, amount: float, **options: Any) -> Tensor:
    edit = Edit(attribute, options=tuple(options.items()))
    amounts = torch.full((len(batch),), amount)
    with torch.inference_mode():
        return EDITOR.apply(batch, edit, amounts, prepared(batch)).whole().images


def depth_at(picture: Tensor, place: tuple[int, int], beside: tuple[int, int]) -> float:
    luma = log_luma(picture)[0, 0]
    return float(luma[beside[1], beside[0]] - luma[place[1], place[0]])


FOLD, BESIDE = at(*FOREHEAD), at(0.0, -0.68)


def folded() -> AlignedBatch:
    picture, landmarks = plain()
    return batch_of(marked(picture, FOLD, (30.0, 2.0), 0.15), landmarks)


def test_a_fold_fades_as_much_as_is_asked_for_and_no_more() -> None:
    batch = folded()
    before = depth_at(batch.images, FOLD, BESIDE)
    left = [
        depth_at(retouched(batch, "wrinkles", s), FOLD, BESIDE) / before for s in (-0.5, -1, -1.5)
    ]
    assert left == pytest.approx([0.7, 0.4, 0.2], abs=0.12)
    assert left == sorted(left, reverse=True)


def test_a_fold_is_deepened_where_it_is() -> None:
    batch = folded()
    after = retouched(batch, "wrinkles", 1.0)
    assert depth_at(after, FOLD, BESIDE) > 1.15 * depth_at(batch.images, FOLD, BESIDE)


def test_grain_and_pores_stay() -> None:
    picture, landmarks = plain()
    grain = 0.03 * torch.randn(1, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    batch = batch_of(picture + grain, landmarks)
    for attribute, strength in (("smooth-skin", 1.0), ("wrinkles", -1.0), ("eye-bags", -1.0)):
        after = retouched(batch, attribute, strength)
        x, y = at(*CHEEK)
        patch = (0, 0, slice(y - 15, y + 15), slice(x - 12, x + 12))
        fine = [p[patch] - torch.from_numpy(cv2.GaussianBlur(p[patch].numpy(), (0, 0), 1.0))
                for p in (batch.images, after)]  # fmt: skip
        assert float(fine[1].std() / fine[0].std()) > 0.85, attribute


@pytest.mark.parametrize(
    "attribute", ["smooth-skin", "eye-bags", "shine", "blemishes", "skin-tone"]
)
@pytest.mark.parametrize("strength", [-1.0, 1.0])
def test_even_skin_stays_even(attribute: str, strength: float) -> None:
    picture, landmarks = plain()
    after = retouched(batch_of(picture, landmarks), attribute, strength)
    assert (after - picture).abs().max() < 0.012


def test_nothing_changes_beyond_the_skin() -> None:
    """Brows, eyes, lips and what is beside the face keep even their sharpest edges."""
    picture, landmarks = plain()
    picture[:, :, ::4] -= 0.3
    after = retouched(batch_of(picture, landmarks), "smooth-skin", 1.0)
    for place in ((-0.35, 0.0), (0.4, -0.28), (0.0, 0.76), (1.0, 0.4)):
        x, y = at(*place)
        assert torch.equal(after[..., y - 3 : y + 3, x - 3 : x + 3],
                           picture[..., y - 3 : y + 3, x - 3 : x + 3])  # fmt: skip
    x, y = at(*CHEEK)
    assert not torch.equal(after[..., y - 3 : y + 3, x], picture[..., y - 3 : y + 3, x])


def test_a_spot_goes_and_a_mole_stays_unless_asked_for() -> None:
    picture, landmarks = plain()
    spot, mole = at(*CHEEK), at(-CHEEK[0], CHEEK[1])
    away = [(x + 14, y) for x, y in (spot, mole)]
    size = (0.016 * EYES, 0.016 * EYES)
    batch = batch_of(marked(marked(picture, spot, size, 0.2), mole, size, 0.8), landmarks)
    after = retouched(batch, "blemishes", -1.0)
    assert depth_at(after, spot, away[0]) < 0.3 * depth_at(batch.images, spot, away[0])
    assert depth_at(after, mole, away[1]) == pytest.approx(
        depth_at(batch.images, mole, away[1]), rel=0.05
    )
    both = retouched(batch, "blemishes", -1.0, moles=True)
    assert depth_at(both, mole, away[1]) < 0.3 * depth_at(batch.images, mole, away[1])
    more = retouched(batch, "blemishes", 1.0)
    assert depth_at(more, spot, away[0]) > 1.4 * depth_at(batch.images, spot, away[0])


def test_a_fold_is_no_spot() -> None:
    batch = folded()
    after = retouched(batch, "blemishes", -1.0)
    assert torch.equal(after, batch.images)


def parsing_of(share: dict[str, Tensor], side: int) -> Parsing:
    """A parsing of one crop whose grid is the crop: some labels (G, G), skin for the rest."""
    g = next(iter(share.values())).shape[-1]
    shares = torch.zeros(1, len(LABELS), g, g)
    for label, values in share.items():
        shares[0, LABELS.index(label)] = values
    shares[0, LABELS.index("skin")] = 1 - shares.sum(1)[0]
    scale = 2 / side
    return Parsing(shares, torch.tensor([[[scale, 0, scale / 2 - 1], [0, scale, scale / 2 - 1]]]))


def test_what_passes_before_the_face_keeps_its_pixels() -> None:
    """In a single frame; the shot was prepared without it."""
    picture, landmarks = plain()
    picture[:, :, ::6, :] -= 0.2
    skin = prepared(batch_of(picture, landmarks))
    x, y = at(0.4, 0.6)
    hand = torch.zeros(100, 100)
    hand[y // 4 - 8 : y // 4 + 8, x // 4 - 8 : x // 4 + 8] = 1.0
    batch = batch_of(picture, landmarks, parsing_of({"front": hand}, SIDE))
    edit, amounts = Edit("smooth-skin"), torch.ones(1)
    with torch.inference_mode():
        after = EDITOR.apply(batch, edit, amounts, skin).whole().images
    inside = (slice(None), slice(None), slice(y - 20, y + 20), slice(x - 20, x + 20))
    assert torch.equal(after[inside], picture[inside])
    x, y = at(-0.4, 0.6)
    assert (after - picture)[..., y - 10 : y + 10, x].abs().max() > 0.02


def test_a_beard_that_is_there_for_the_shot_is_left_alone() -> None:
    picture, landmarks = plain()
    picture[:, :, :, ::5] -= 0.2
    beard = torch.zeros(100, 100)
    beard[at(0, 0.6)[1] // 4 :] = 1.0
    batch = batch_of(picture, landmarks, parsing_of({"hair": beard}, SIDE))
    with torch.inference_mode():
        skin = prepared(batch)
        bare = batch_of(picture, landmarks)
        after = EDITOR.apply(bare, Edit("smooth-skin"), torch.ones(1), skin).whole()
    x, y = at(0.0, 1.0)
    assert torch.equal(after.images[..., y - 5 : y + 5, x - 9 : x + 9],
                       picture[..., y - 5 : y + 5, x - 9 : x + 9])  # fmt: skip


def test_gains_follow_a_turned_and_smaller_face() -> None:
    """What is asked for at a place of the face is found at that place wherever the face is."""
    place = similarity(0.9, 20.0, 205.0, 160.0)
    picture, landmarks = plain(place)
    (x, y), (bx, by) = transform(place, np.array([[0.0, -55.0], [0.0, -68.0]])).round().astype(int)
    marks = marked(picture, (int(x), int(y)), (3.0, 3.0), 0.15)
    batch = batch_of(marks, landmarks)
    after = retouched(batch, "wrinkles", -1.0)
    left = depth_at(after, (x, y), (bx, by)) / depth_at(marks, (x, y), (bx, by))
    assert left == pytest.approx(0.5, abs=0.15)


def test_edits_in_a_row_add_up_and_do_not_depend_on_the_batch() -> None:
    picture, landmarks = plain()
    noisy = picture + 0.05 * torch.randn(
        3, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(2)
    )
    batch = batch_of(noisy, landmarks)
    skin = prepared(batch)
    edits = [Edit("wrinkles"), Edit("eye-bags"), Edit("shine")]
    amounts = torch.tensor([[-1.0, 0.5, 0.0], [-0.5, 0.0, 0.0], [-1.0, 0.3, 0.0]])
    with torch.inference_mode():
        together = EDITOR.apply_row(batch, edits, amounts, skin).whole().images
        for n in range(3):
            alone = EDITOR.apply_row(batch.rows([n]), edits, amounts[:, n : n + 1], skin).whole()
            assert torch.equal(together[n], alone.images[0])
    assert torch.equal(together[2], noisy[2])


def test_the_median_of_a_shot_forgets_what_passed() -> None:
    picture, landmarks = plain()
    frames = picture.repeat(5, 1, 1, 1)
    x, y = at(*CHEEK)
    frames[1, :, y - 20 : y + 20, x - 20 : x + 20] = -1.0
    look = gathered(glances(batch_of(frames, landmarks)))[0].tensors["look"]
    assert look.shape == (3, LOOK_SIDE, LOOK_SIDE)
    assert (look.float() - torch.tensor(SKIN)[:, None, None]).abs().max() < 2e-3
