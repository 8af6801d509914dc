"""The steps from Python make of a frame what the program makes of it, sample for sample."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.training.codes import read_codes
from pipeline import (
    Clip,
    Codes,
    EditedCrop,
    EditRequest,
    EncodeOptions,
    between,
    edit,
    load_codes,
    open_clip,
    open_session,
    save_codes,
)
from pipeline.config import Transfer
from pipeline.errors import InputError, OutputError, UsageError
from pipeline.media.opening import open_source
from pipeline.pictures import rgb_of
from pipeline.request import Edit
from tests.conftest import FaceClip
from tests.style_pack import write_tiny_pack

PACKS: dict[str, tuple[str, Transfer | None]] = {
    "portrait": ("portrait", None),
    "mini": ("mini", None),
    "mini, replaced": ("mini", "replace"),
    "brought": ("tiny", None),
}
N = 4
"""The frame that is looked at."""


@pytest.fixture(scope="module")
def clips(
    face_clip: FaceClip, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Clip]]:
    """The clip opened with every sort of pack."""
    home = tmp_path_factory.mktemp("brought")
    write_tiny_pack(home / "packs" / "tiny")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VISAGIST_HOME", str(home))
        yield {
            name: open_clip(
                face_clip.path, pack=pack, transfer=transfer, analysis=face_clip.analysis
            )
            for name, (pack, transfer) in PACKS.items()
        }


def stepped(clip: Clip, number: int, strength: float) -> Iterator[EditedCrop]:
    """The smile of a frame, step by step."""
    for face in clip.faces(number):
        before = clip.codes(face)
        after = clip.move(before, "smile", strength * clip.share(face, "smile"))
        yield clip.render(face, before, after, ["smile"])


@pytest.mark.parametrize("pack", PACKS)
def test_step_by_step_a_frame_becomes_what_the_session_shows(
    pack: str, clips: dict[str, Clip]
) -> None:
    clip = clips[pack]
    session = clip.session
    with session.frames(session.plan, N, N + 1) as reading:
        (frame,) = reading
    shown = session.look(frame, [Edit("smile", 0.8)]).result.frame
    picture = clip.blend(N, stepped(clip, N, 0.8))
    assert np.array_equal(picture, rgb_of(shown))
    assert np.array_equal(picture, clip.edited(N, "smile=0.8"))
    assert not np.array_equal(picture, clip.frame(N))


@pytest.mark.parametrize("pack", PACKS)
def test_strength_0_is_the_source(pack: str, clips: dict[str, Clip]) -> None:
    clip = clips[pack]
    assert np.array_equal(clip.blend(N, stepped(clip, N, 0.0)), clip.frame(N))
    assert np.array_equal(clip.edited(N, "smile=0"), clip.frame(N))


def test_a_clip_written_step_by_step_is_the_file_that_edit_writes(
    clips: dict[str, Clip], face_clip: FaceClip, tmp_path: Path
) -> None:
    clip = clips["portrait"]
    clip.write(tmp_path / "steps.mp4", lambda number: stepped(clip, number, 0.8))
    request = EditRequest(face_clip.path, ("smile=0.8",), analysis_path=face_clip.analysis)
    edit(request, tmp_path / "edit.mp4")
    made, wanted = ((tmp_path / name).read_bytes() for name in ("steps.mp4", "edit.mp4"))
    assert made == wanted
    with pytest.raises(OutputError, match="exists"):
        clip.write(tmp_path / "steps.mp4", lambda number: [])


def test_of_a_frame_that_comes_back_as_an_array_only_the_change_is_written(
    clips: dict[str, Clip], face_clip: FaceClip, tmp_path: Path
) -> None:
    request = EditRequest(
        face_clip.path, (), analysis_path=face_clip.analysis, encode=EncodeOptions(codec="ffv1")
    )
    clip, at = Clip(open_session(request)), (slice(8, 40), slice(8, 40))

    def stamped(number: int) -> NDArray[np.uint8]:
        picture = clip.frame(number)
        picture[at] = 255 - picture[at]
        return picture

    clip.write(tmp_path / "stamped.mkv", stamped)
    with (
        open_source(tmp_path / "stamped.mkv").frames() as after,
        open_source(face_clip.path).frames() as source,
    ):
        for new, old in zip(after, source, strict=True):
            changed = new.planes[0] != old.planes[0]
            assert changed[at].mean() > 0.9
            changed[at] = False
            assert not changed.any()


def test_codes_exported_and_supplied_give_the_same_frames(
    clips: dict[str, Clip], tmp_path: Path
) -> None:
    clip, file = clips["mini"], tmp_path / "codes.npz"
    faces = [face for number in (N, N + 1) for face in clip.faces(number)]
    moved = {face.name: clip.move(clip.codes(face), "smile", 1.0) for face in faces}
    save_codes(file, moved)
    supplied = load_codes(file)
    assert list(supplied) == ["0/4", "0/5"]
    for face in faces:
        first, second = (
            clip.blend(face.frame, [clip.render(face, clip.codes(face), codes[face.name])])
            for codes in (moved, supplied)
        )
        assert np.array_equal(first, second)
        assert not np.array_equal(first, clip.frame(face.frame))
    with np.load(file) as archive:
        assert archive["w"].shape == (2, 12, 128)
        assert archive["w"].dtype == archive["state"].dtype == np.float32
    assert torch.equal(read_codes(file), torch.cat([codes.w for codes in moved.values()]))
    with pytest.raises(OutputError, match="exists"):
        save_codes(file, moved)


def test_between_two_people_0_and_1_are_the_ends(clips: dict[str, Clip]) -> None:
    clip = clips["mini"]
    (face,) = clip.faces(N)
    one, other = clip.codes(face), clip.move(clip.codes(face), "gender", 3.0)
    other = Codes(w=other.w, state=other.state + 1)
    assert torch.equal(between(one, other, 0.0).w, one.w)
    assert torch.equal(between(one, other, 1.0).w, other.w)
    half = between(one, other, 0.5)
    assert torch.allclose(half.w, (one.w + other.w) / 2, atol=1e-5)
    assert torch.equal(half.state, one.state)
    source = clip.frame(N)
    there = [clip.blend(N, [clip.render(face, one, between(one, other, t))]) for t in (0.0, 1.0)]
    assert np.array_equal(there[0], source)
    assert np.array_equal(there[1], clip.blend(N, [clip.render(face, one, other)]))


def test_a_face_can_be_put_in_whole_where_the_pack_draws_whole_faces(
    clips: dict[str, Clip],
) -> None:
    clip = clips["mini, replaced"]
    (face,) = clip.faces(N)
    codes = clip.codes(face)
    drawn = clip.render(face, None, codes)
    same = clip.render(face, clip.move(codes, "smile", 1.0), codes)  # replace shows the later alone
    assert np.array_equal(drawn.image, same.image)
    assert np.array_equal(drawn.mask, same.mask)
    assert drawn.mask.max() == 1
    (picture,) = clip.draw(codes)
    assert picture.shape == (128, 128, 3)
    for pack in ("portrait", "mini"):
        (face,) = clips[pack].faces(N)
        with pytest.raises(UsageError, match="transfer='replace' draw whole faces"):
            clips[pack].render(face, None, clips[pack].codes(face))


def test_a_function_of_ones_own_moves_codes(clips: dict[str, Clip]) -> None:
    clip = clips["mini"]
    (face,) = clip.faces(N)
    codes = clip.codes(face)
    moved = clip.move(codes, lambda w, strength: w + strength[:, None, None], 2.0)
    assert torch.equal(moved.w, codes.w + 2)


def test_codes_are_moved_as_attr_says_it(clips: dict[str, Clip]) -> None:
    clip = clips["mini"]
    (face,) = clip.faces(N)
    codes, pack = clip.codes(face), clip.session.pack
    moved = clip.move(codes, "direction:smile@rows=2-5", 1.5).w
    step = pack.mover("direction", "smile", (2, 6))
    assert torch.equal(moved, step(codes.w, torch.full((1,), 1.5)))
    assert torch.equal(moved[:, 6:], codes.w[:, 6:])
    portrait = clips["portrait"]
    (face,) = portrait.faces(N)
    codes = portrait.codes(face)
    aged = portrait.session.pack.mover("latent-transformer", "age")(codes.w, torch.ones(1))
    assert torch.equal(portrait.move(codes, "age", 1.0).w, aged)  # of the sum, what moves codes


def test_a_crop_shows_the_frames_own_pixels_and_takes_a_picture(clips: dict[str, Clip]) -> None:
    clip = clips["mini"]
    (face,) = clip.faces(N)
    x, y = face.crop_to_frame[:2, 2].astype(int)
    side, own = len(face.image), clip.frame(N)
    inside = face.image[max(0, -y) : own.shape[0] - y, max(0, -x) : own.shape[1] - x]
    there = own[max(0, y) : y + side, max(0, x) : x + side]
    assert np.abs(255 * inside - there).max() <= 0.51
    mask = np.zeros((side, side), np.float32)
    mask[side // 2 - 8 : side // 2 + 8, side // 2 - 8 : side // 2 + 8] = 1
    same, darker = face.edited(face.image, mask), face.edited(0.5 * face.image, mask)
    assert np.array_equal(clip.blend(N, [same]), own)
    assert (clip.blend(N, [darker]) != own).any()
    with pytest.raises(ValueError, match="takes an image"):
        face.edited(face.image[:-1], mask)


def test_what_is_asked_wrongly_is_refused_with_what_is_accepted(clips: dict[str, Clip]) -> None:
    clip = clips["mini"]
    (face,) = clip.faces(N)
    codes = clip.codes(face)
    with pytest.raises(UsageError, match="no frame 10; the clip has 0 to 9"):
        clip.frame(10)
    with pytest.raises(UsageError, match="did you mean 'smile'"):
        clip.move(codes, "smil", 1.0)
    with pytest.raises(UsageError, match="does not move codes; `edited` makes it"):
        clip.move(codes, "teeth-white", 1.0)
    for text in ("smile=0.5", "smile->0.8"):
        with pytest.raises(UsageError, match="`move` is told that by its strength"):
            clip.move(codes, text, 1.0)
    with pytest.raises(UsageError, match="of frame 4 cannot be blended into frame 5"):
        clip.blend(N + 1, [clip.render(face, codes, codes)])
    with pytest.raises(UsageError, match="different packs"):
        between(codes, Codes(w=torch.zeros(1, 8, 16), state=torch.zeros(1, 0)), 0.5)


@pytest.mark.parametrize("harm", ["names", "not finite", "no codes", "no archive"])
def test_a_file_of_codes_that_is_none_is_refused(harm: str, tmp_path: Path) -> None:
    arrays = {"w": np.zeros((2, 8, 16), np.float32), "files": np.array(["a", "b"])}
    arrays |= {"names": {"files": np.array(["a"])}, "not finite": {"w": arrays["w"] + np.nan}}.get(
        harm, {}
    )
    if harm == "no codes":
        del arrays["w"]
    np.savez(tmp_path / "c.npz", **arrays)  # type: ignore[arg-type]  # which are not its options
    if harm == "no archive":
        (tmp_path / "c.npz").write_bytes(b"codes")
    with pytest.raises(InputError, match=r"accepted is an \.npz with w"):
        load_codes(tmp_path / "c.npz")
