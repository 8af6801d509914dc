"""A real face before a drawn grid, and drawn things before a real face: truth is known exactly.

The lines of the grid stay straight beside the face, its pixels are the source's wherever the face
never was; letters and a hand over the face keep their pixels in every frame.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pipeline.cli import main
from pipeline.loading.parser import FaceParser
from pipeline.parsing import LABELS, Parsing
from pipeline.types import AlignedBatch

Picture = NDArray[np.uint8]
Floats = NDArray[np.float32]
SAMPLE = Path(__file__).resolve().parents[1] / "samples/astronaut.mp4"
OUTLINE = [
    (367, 44), (351, 32), (294, 7), (293, 0), (228, 0), (228, 6), (223, 9), (195, 13), (178, 23),
    (157, 47), (128, 61), (94, 89), (87, 100), (83, 116), (87, 181), (96, 200), (113, 220),
    (118, 221), (130, 247), (147, 256), (152, 305), (100, 310), (76, 319), (68, 325), (47, 323),
    (38, 332), (27, 350), (22, 366), (22, 377), (19, 381), (11, 381), (6, 389), (0, 389), (0, 479),
    (412, 479), (408, 459), (379, 413), (342, 376), (308, 351), (311, 318), (327, 293), (333, 266),
    (347, 263), (386, 221), (397, 205), (399, 191), (410, 163), (404, 120), (399, 111), (399, 94),
    (381, 60),
]  # fmt: skip
"""Of the person in the sample's first frame [px], drawn by hand a little inside."""
FACE_HEIGHT = 230.0
"""From hairline to chin [px]."""
LIMIT = 0.003 * FACE_HEIGHT
SIZE = 560
PITCH, FIRST = 26, 14
"""Of the grid's lines [px]."""
LINES = range(FIRST, SIZE - 8, PITCH)
FRAMES = 3


def lumas(path: Path) -> list[Picture]:
    """The brightness of every frame (S, S), as it is stored: colour is, at half the size."""
    with av.open(str(path)) as container:
        return [np.asarray(f.to_ndarray()[:SIZE], np.uint8) for f in container.decode(video=0)]


def first_frame() -> Picture:
    with av.open(str(SAMPLE)) as container:
        return np.asarray(next(container.decode(video=0)).to_ndarray(format="rgb24"), np.uint8)


def grid() -> Floats:
    """(S, S, 3) dark lines three pixels wide on a light wall."""
    near = np.min([np.abs(np.arange(SIZE) - line) for line in LINES], axis=0)
    share = np.clip(2.0 - near, 0, 1)
    share = np.maximum(share, share[:, None])[..., None]
    return (share * (40, 50, 60) + (1 - share) * (200, 195, 185)).astype(np.float32)


def person(index: int) -> tuple[Floats, Floats]:
    """The person's matte (S, S) 0–1 and picture (S, S, 3), a little further on in each frame."""
    large = np.zeros((4 * 480, 4 * 480), np.uint8)
    cv2.fillPoly(large, [np.rint(np.array(OUTLINE) * 4 + 1.5).astype(np.int32)], 255)
    matte = cv2.resize(large, (480, 480), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    place = np.array([[1, 0, 45 + 3.3 * index], [0, 1, 78 + 1.7 * np.sin(index)]], np.float32)
    matte = cv2.warpAffine(cv2.GaussianBlur(matte, (0, 0), 0.7), place, (SIZE, SIZE))
    picture = cv2.warpAffine(first_frame(), place, (SIZE, SIZE), borderMode=cv2.BORDER_REPLICATE)
    return matte, picture.astype(np.float32)


@pytest.fixture(scope="module")
def before_a_grid(clip_of: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    pictures = []
    for index in range(FRAMES):
        matte, picture = person(index)
        shown = matte[..., None] * picture + (1 - matte[..., None]) * grid()
        pictures.append(np.clip(np.rint(shown), 0, 255).astype(np.uint8))
    return clip_of(tmp_path_factory.mktemp("grid") / "grid.mkv", pictures, codec="ffv1")


def edited(clip: Path, attribute: str) -> list[Picture]:
    out = clip.with_name(f"{attribute}.mkv")
    stored = ["--analysis", str(clip.with_suffix(".json"))]
    if not out.exists():
        asked = [f"--attr={attribute}", "-o", str(out), "--quiet"]
        assert main(["edit", str(clip), *asked, *stored]) == 0
    return lumas(out)


def off_the_line(luma: Picture, line: int) -> tuple[Floats, NDArray[np.bool_]]:
    """How far a line is from where it was drawn (S,) [px], from the top or from the right down;
    and where it is seen whole, between other lines."""
    beside = luma[:, line - 6 : line + 7]
    dark = np.clip(180.0 - beside, 0, None)
    mass = dark.sum(1)
    middle = (dark * np.arange(-6, 7)).sum(1) / np.maximum(mass, 1e-6)
    phase = (np.arange(SIZE) - FIRST) % PITCH
    wall = np.minimum(beside[:, 0], beside[:, -1]) > 180
    return np.abs(middle), wall & (np.abs(mass - 390) < 60) & (phase > 8) & (phase < 18)


@pytest.mark.parametrize("attribute", ["smile=2", "weight=1.5", "weight=-1.5", "turn=1"])
def test_lines_behind_the_jaw_stay_straight(before_a_grid: Path, attribute: str) -> None:
    pairs = zip(lumas(before_a_grid), edited(before_a_grid, attribute), strict=True)
    for index, (source, result) in enumerate(pairs):
        assert np.abs(source.astype(int) - result).max() > 30
        off, seen_before, seen_after = [], 0, 0
        for before, after in ((source, result), (source.T, result.T)):
            for line in LINES:
                seen_before += off_the_line(before, line)[1].sum()
                away, here = off_the_line(after, line)
                off.append(away[here])
                seen_after += here.sum()
        away = np.concatenate(off)
        assert (away > LIMIT).mean() < 0.005, f"frame {index}"
        assert np.quantile(away, 0.99) < 0.5 * LIMIT
        assert seen_before > 2000
        # Lines that broke would not count as seen.
        assert seen_after > 0.97 * seen_before


def test_the_grid_is_the_source_s_where_the_person_never_was(before_a_grid: Path) -> None:
    pairs = zip(lumas(before_a_grid), edited(before_a_grid, "weight=-1.5"), strict=True)
    for index, (source, result) in enumerate(pairs):
        touched = cv2.dilate((person(index)[0] > 0).astype(np.uint8), np.ones((17, 17), np.uint8))
        change = np.abs(source.astype(int) - result)[touched == 0]
        # A crossing of lines that the parser takes for the tip of the hair is a speck.
        assert (change > 0).mean() < 0.0005, f"frame {index}"
        assert (change > 16).sum() <= 12
        assert change.max() <= 48


def with_letters(index: int) -> tuple[Picture, NDArray[np.bool_]]:
    """The sample with a word over the chin, further on in each frame; and where it is (S, S)."""
    matte, picture = person(0)
    shown = matte[..., None] * picture + (1 - matte[..., None]) * (150, 160, 170)
    place = (150 + 17 * index, 425)
    letters = np.zeros((SIZE, SIZE), np.uint8)
    cv2.putText(letters, "I SAID SO", place, cv2.FONT_HERSHEY_DUPLEX, 1.1, 255, 3, cv2.LINE_AA)
    around = cv2.dilate(letters, np.ones((7, 7), np.uint8))
    for tone, share in ((0, around), (255, letters)):
        shown += share[..., None] / 255.0 * (tone - shown)
    return np.clip(np.rint(shown), 0, 255).astype(np.uint8), around > 250


def test_letters_over_a_face_keep_their_pixels(
    clip_of: Callable[..., Path], tmp_path: Path
) -> None:
    drawn = [with_letters(index) for index in range(FRAMES)]
    clip = clip_of(tmp_path / "letters.mkv", [picture for picture, _ in drawn], codec="ffv1")
    for source, result, (_, letters) in zip(
        lumas(clip), edited(clip, "smile=2"), drawn, strict=True
    ):
        assert (source != result).sum() > 3000
        assert np.array_equal(source[letters], result[letters])


def hand(index: int) -> NDArray[np.bool_]:
    """(S, S) bool: a drawn hand that comes up to the cheek."""
    out = np.zeros((SIZE, SIZE), np.uint8)
    x, y = 215 + 6 * index, 425 - 9 * index
    cv2.ellipse(out, (x, y), (42, 50), 20, 0, 360, 1, -1)
    for k, (dx, dy) in enumerate([(-30, -95), (-8, -108), (15, -104), (36, -88)]):
        cv2.line(out, (x - 22 + 15 * k, y - 25), (x + dx, y + dy), 1, 17)
    return out > 0


def with_hand(index: int) -> Picture:
    """The sample with a hand before it that has the skin of the cheek, shaded along its rim."""
    matte, picture = person(0)
    shown = matte[..., None] * picture + (1 - matte[..., None]) * (150, 160, 170)
    skin = cv2.resize(picture[330:390, 215:305], (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)
    within = cv2.distanceTransform(hand(index).astype(np.uint8), cv2.DIST_L2, 5)
    shade = np.clip(0.6 + within / 25, 0, 1)[..., None]
    shown = np.where(hand(index)[..., None], skin * shade, shown)
    return np.clip(np.rint(shown), 0, 255).astype(np.uint8)


@pytest.fixture
def _hands_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The parser says of the drawn hand that it is before the face: how well it sees hands is
    measured elsewhere."""
    parse = FaceParser.__call__

    def told(parser: FaceParser, batch: AlignedBatch) -> Parsing:
        parsing = parse(parser, batch)
        shares = parsing.shares.clone()
        for n, frame in enumerate(batch.frame_index):
            to_crop = -batch.crop_to_frame[n, :2, 2]
            seen = _on_grid(
                hand(int(frame)),
                parsing.crop_to_grid[n].double().numpy(),
                to_crop,
                shares.shape[-1],
            )
            shares[n] *= 1 - seen
            shares[n, LABELS.index("front")] += seen
        return dataclasses.replace(parsing, shares=shares)

    monkeypatch.setattr(FaceParser, "__call__", told)


def _on_grid(
    mask: NDArray[np.bool_],
    crop_to_grid: NDArray[np.float64],
    frame_to_crop: NDArray[np.float64],
    side: int,
) -> torch.Tensor:
    """What cells (G, G) of a parsing see of a mask over the frame."""
    to_cells = (crop_to_grid[:, :2], crop_to_grid[:, :2] @ frame_to_crop + crop_to_grid[:, 2])
    matrix = np.column_stack([to_cells[0] * side / 2, (to_cells[1] + 1) * side / 2 - 0.5])
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 1.2)
    seen = cv2.warpAffine(soft, matrix, (side, side))
    return torch.from_numpy(seen)


@pytest.mark.usefixtures("_hands_are_told")
@pytest.mark.parametrize("attribute", ["smile=2", "weight=-1.5"])
def test_a_hand_before_a_face_keeps_its_pixels(
    clip_of: Callable[..., Path], tmp_path: Path, attribute: str
) -> None:
    pictures = [with_hand(index) for index in range(FRAMES)]
    clip = clip_of(tmp_path / "hand.mkv", pictures, codec="ffv1")
    for index, (source, result) in enumerate(
        zip(lumas(clip), edited(clip, attribute), strict=True)
    ):
        assert (source != result).sum() > 3000
        differs = (source != result) & hand(index)
        assert differs.sum() <= 0.002 * hand(index).sum(), f"frame {index}"
