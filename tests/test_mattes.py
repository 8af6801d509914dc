"""Holdouts and `--only`: what a matte keeps is the plate to the bit, found by frame number."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.cli import main
from pipeline.errors import UsageError
from pipeline.matte_files import MatteReader
from pipeline.mattes import Mattes
from pipeline.request import EditRequest, MatteFile
from pipeline.session import Session, open_session
from pipeline.types import Frame
from tests.conftest import Desk, FaceClip

from .routes import frames_of, samples, session_of

SIDE, COUNT = 240, 10
LEFT = np.zeros((SIDE, SIDE), np.uint8)
LEFT[:, : SIDE // 2] = 255


def pictures(folder: Path, mattes: list[NDArray[np.uint8]], first: int = 0) -> Path:
    """Write a sequence; return its pattern."""
    for number, matte in enumerate(mattes, start=first):
        assert cv2.imwrite(str(folder / f"hand.{number:04d}.png"), matte)
    return folder / "hand.####.png"


def clip(path: Path, mattes: list[NDArray[np.uint8]], kind: str = "gray") -> Path:
    """Write a clip without loss."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", 25)
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width, stream.pix_fmt = *mattes[0].shape[:2], kind
        for matte in mattes:
            frame = av.VideoFrame.from_ndarray(matte, format="rgba" if kind == "bgra" else "gray")
            container.mux(stream.encode(frame.reformat(format=kind)))
        container.mux(stream.encode(None))
    return path


def session(face_clip: FaceClip, **mattes: object) -> Session:
    request = EditRequest(face_clip.path, ("smile=1.5",), analysis_path=face_clip.analysis)
    return open_session(replace(request, **mattes))  # type: ignore[arg-type]


def results(opened: Session) -> list[Frame]:
    return [result.frame for result in opened.render(opened.plan)]


def halves(frame: Frame) -> tuple[NDArray[np.generic], NDArray[np.generic]]:
    """The samples of the left and of the right half."""
    planes = [np.split(plane, 2, axis=1) for plane in frame.planes]
    left, right = (
        np.concatenate([half.ravel() for half in side]) for side in zip(*planes, strict=True)
    )
    return left, right


@pytest.fixture(scope="module")
def frames(face_clip: FaceClip) -> list[Frame]:
    return frames_of(face_clip.path)


@pytest.fixture(scope="module")
def edited(face_clip: FaceClip) -> list[Frame]:
    return results(session(face_clip))


def test_where_a_holdout_is_white_every_sample_stays(
    face_clip: FaceClip, frames: list[Frame], tmp_path: Path
) -> None:
    by_pictures = MatteFile(pictures(tmp_path, [LEFT] * COUNT))
    by_clip = MatteFile(clip(tmp_path / "hand.mkv", [LEFT] * COUNT))
    found = results(session(face_clip, holdout=(by_pictures,)))
    for before, after in zip(frames, found, strict=True):
        (left, right), (new_left, new_right) = halves(before), halves(after)
        assert np.array_equal(left, new_left)
        assert not np.array_equal(right, new_right)
    for one, other in zip(found, results(session(face_clip, holdout=(by_clip,))), strict=True):
        assert np.array_equal(samples(one), samples(other))


def test_only_where_a_matte_is_white_is_edited_and_as_without_it(
    face_clip: FaceClip, frames: list[Frame], edited: list[Frame], tmp_path: Path
) -> None:
    matte = np.zeros((SIDE, SIDE, 4), np.uint8)
    matte[..., 3] = 255 - LEFT
    only = MatteFile(clip(tmp_path / "only.mkv", [matte] * COUNT, "bgra"), "A")
    for before, whole, after in zip(
        frames, edited, results(session(face_clip, only=(only,))), strict=True
    ):
        assert np.array_equal(halves(before)[0], halves(after)[0])
        luma, wanted = after.planes[0][:, SIDE // 2 :], whole.planes[0][:, SIDE // 2 :]
        assert np.array_equal(luma, wanted)


def test_a_soft_matte_leaves_a_part_of_the_change(
    face_clip: FaceClip, frames: list[Frame], edited: list[Frame], tmp_path: Path
) -> None:
    grey = tmp_path / "grey.png"
    assert cv2.imwrite(str(grey), np.full((SIDE, SIDE), 32768, np.uint16))
    found = results(session(face_clip, only=(MatteFile(grey),)))
    for before, whole, after in zip(frames, edited, found, strict=True):
        change = whole.planes[0].astype(int) - before.planes[0]
        half = after.planes[0].astype(int) - before.planes[0]
        assert np.abs(half - change / 2).max() <= 1
        assert np.abs(half).sum() > 0.4 * np.abs(change).sum()


def test_mattes_go_by_number_and_not_by_order(
    face_clip: FaceClip, frames: list[Frame], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    black, white = np.zeros_like(LEFT), np.full_like(LEFT, 255)
    pattern = pictures(tmp_path, [white] * 4 + [black] * 6 + [white] * 3, first=1001)
    out, report = tmp_path / "out.mkv", tmp_path / "out.json"
    asked = ["--attr", "smile=1.5", "--holdout", str(pattern), "--first-frame", "1004"]
    more = ["--analysis", str(face_clip.analysis), "--codec", "ffv1", "--report", str(report)]
    assert main(["edit", str(face_clip.path), "-o", str(out), "--quiet", *asked, *more]) == 0
    for before, after in zip(frames, frames_of(out), strict=True):
        kept = before.index in (0, 7, 8, 9)  # 1004 and 1011 to 1013
        assert np.array_equal(samples(before), samples(after)) == kept
    told = json.loads(report.read_text())
    assert told["options"]["holdout"] == [str(pattern)]
    assert told["lapses"] == []
    assert told["frames"][0]["faces"][0]["skipped"] == "kept by a matte, as asked"
    assert told["counts"]["edited"] == 6


def test_a_clip_in_chunks_and_one_frame_of_it_are_the_same(
    face_clip: FaceClip, tmp_path: Path
) -> None:
    rising = [np.where(LEFT, 25 * n, 0).astype(np.uint8) for n in range(COUNT)]
    opened = session(face_clip, holdout=(MatteFile(clip(tmp_path / "h.mkv", rising)),))
    whole = results(opened)
    for begin, end in itertools.pairwise([0, 1, 7, COUNT]):
        for result in opened.render(opened.plan.chunk(begin, end)):
            assert np.array_equal(samples(result.frame), samples(whole[result.frame.index]))
    source = frames_of(face_clip.path)
    for index in (8, 2):
        shown = opened.look(source[index]).result.frame
        assert np.array_equal(samples(shown), samples(whole[index]))


@pytest.mark.parametrize("count", [9, 0])
def test_a_sequence_that_lacks_a_frame_is_refused_by_its_number(desk: Desk, count: int) -> None:
    pattern = pictures(desk.folder, [LEFT] * count)
    error = desk.edit_refused(3, "--holdout", pattern, "--analysis", desk.analysis)
    assert "lacks frame 9: hand.0009.png" in error if count else "no such picture" in error


def test_a_gap_a_short_clip_and_a_wrong_size_are_refused(desk: Desk) -> None:
    pattern = str(pictures(desk.folder, [LEFT] * COUNT)).replace("####", "%04d")
    (desk.folder / "hand.0005.png").unlink()
    known = ["--analysis", desk.analysis]
    assert "lacks frame 5" in desk.edit_refused(3, "--only", pattern, *known)
    short = clip(desk.folder / "short.mkv", [LEFT] * 9)
    error = desk.edit_refused(3, "--only", short, *known)
    assert "shorter than the clip" in error
    assert "frame 9 does not exist" in error
    small = desk.folder / "small.png"
    assert cv2.imwrite(str(small), LEFT[:200])
    assert "has 240x200 px and the clip 240x240" in desk.edit_refused(3, "--holdout", small, *known)
    narrow = clip(desk.folder / "narrow.mkv", [np.ascontiguousarray(LEFT[:, :200])] * COUNT)
    assert "has 200x240 px" in desk.edit_refused(3, "--holdout", narrow, *known)


def test_alpha_is_never_guessed(desk: Desk) -> None:
    picture = desk.folder / "hand.png"
    assert cv2.imwrite(str(picture), np.dstack([LEFT, LEFT, LEFT, 255 - LEFT]))
    assert "say what is meant" in desk.edit_refused(2, "--holdout", picture)
    grey = desk.folder / "grey.png"
    assert cv2.imwrite(str(grey), LEFT)
    assert "has no alpha channel" in desk.edit_refused(3, "--holdout", f"{grey}:A")
    assert "channel 'Z' of" in desk.edit_refused(2, "--holdout", f"{grey}:Z")
    (desk.folder / "text.png").write_text("no picture")
    assert "is no picture" in desk.edit_refused(3, "--holdout", desk.folder / "text.png")
    assert "accepted are .png" in desk.edit_refused(3, "--holdout", desk.folder / "h.####.exr")


def test_no_output_replaces_a_matte(desk: Desk) -> None:
    matte = clip(desk.folder / "hand.mkv", [LEFT] * COUNT)
    asked = ["--holdout", matte, "-o", matte, "--overwrite"]
    assert "is a matte of this run" in desk.edit_refused(4, *asked)
    pattern = pictures(desk.folder, [LEFT] * COUNT)
    asked = ["--only", pattern, "--report", desk.folder / "hand.0003.png", "--overwrite"]
    assert "is a matte of this run" in desk.edit_refused(4, *asked)


def test_a_key_knows_what_mattes_hold(face_clip: FaceClip, tmp_path: Path) -> None:
    def digests(channel: str = "Y", stop: int = COUNT) -> object:
        file = MatteFile.parse(f"{tmp_path / 'hand.####.png'}:{channel}")
        request = EditRequest(face_clip.path, (), holdout=(file,))
        return MatteReader(request, (SIDE, SIDE)).digests(0, stop)

    pictures(tmp_path, [LEFT] * COUNT)
    first, part = digests(), digests(stop=5)
    assert first == digests()
    assert first != digests("R")
    other = LEFT.copy()
    other[7, 9] = 1
    cv2.imwrite(str(tmp_path / "hand.0008.png"), other)
    assert first != digests()
    assert part == digests(stop=5)


def test_channels_and_numbers_are_read_from_the_name(tmp_path: Path) -> None:
    assert MatteFile.parse("roto/sh020.mov:a") == MatteFile(Path("roto/sh020.mov"), "A")
    assert str(MatteFile.parse("hand.####.png:R")) == "hand.####.png:R"
    odd = tmp_path / "take:A"
    odd.touch()
    assert MatteFile.parse(str(odd)) == MatteFile(odd)
    with pytest.raises(UsageError, match="accepted: R, G, B, A, Y"):
        MatteFile.parse("hand.png:alpha")


def test_what_is_both_held_and_left_is_what_remains_of_a_mask() -> None:
    held, only = (np.full((4, 4), value, np.float32) for value in (0.75, 0.5))
    mask = np.full((2, 2), 0.8, np.float32)
    box = (1, 1, 3, 3)
    assert Mattes().applied(mask, box) is mask
    assert Mattes(held, None).applied(mask, box) == pytest.approx(0.25)  # resampled crops
    assert Mattes(None, only).applied(mask, box) == pytest.approx(0.4)


def test_batches_of_any_size_meet_their_own_mattes(face_clip: FaceClip, tmp_path: Path) -> None:
    rising = [np.where(LEFT, 25 * n, 0).astype(np.uint8) for n in range(COUNT)]
    mattes = (MatteFile(pictures(tmp_path, rising)),)
    usual = session_of(face_clip.path, face_clip.analysis, batch_size=4)
    request = replace(usual.request, holdout=mattes)
    together = results(open_session(request))
    single = replace(request, render=replace(request.render, batch_size=1))
    for a, b in zip(together, results(open_session(single)), strict=True):
        off = np.abs(samples(a).astype(int) - samples(b))
        assert off.max() <= 1
        assert off.mean() < 1e-3
