"""What `inspect` and `preview` write: pictures that show what they say, and numbers that agree."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.cli import main
from pipeline.editors import retouch
from pipeline.editors.latent import Latent
from pipeline.types import AlignedBatch, CropRule, EditedBatch
from tests.conftest import Desk, FaceClip, Pictures

PER_FACE = (
    "crop",
    "edited",
    "blended",
    "mask",
    "residual",
    "change",
    "edge",
    "gates",
    "overview",
    "parsing",
    "reconstruction",
    "reconstruction-edited",
)


def picture(path: Path) -> NDArray[np.uint8]:
    found = cv2.imread(str(path), cv2.IMREAD_COLOR)
    assert found is not None, path
    return np.asarray(found[..., ::-1])


@pytest.fixture(scope="module")
def folder(face_clip: FaceClip, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("inspect") / "pictures"
    options = ["--attr", "smile=1.5", "--analysis", str(face_clip.analysis), "--quiet"]
    options += ["--frame", "4", "-o", str(target)]
    assert main(["inspect", str(face_clip.path), *options]) == 0
    return target


def test_every_stage_of_the_frame_is_there(folder: Path) -> None:
    frame = ("frame", "landmarks", "composite", "change", "side-by-side")
    names = {f"{name}.png" for name in (*frame, *(f"face0-{name}" for name in PER_FACE))}
    assert {p.name for p in folder.iterdir()} == {*names, "frame.json"}


def test_the_pictures_agree_with_each_other(folder: Path) -> None:
    before, after = picture(folder / "frame.png"), picture(folder / "composite.png")
    assert before.shape == (240, 240, 3)
    changed = (np.abs(before.astype(int) - after) > 1).any(2)
    assert changed.any()
    grey = (np.abs(picture(folder / "change.png").astype(int) - 128) <= 4).all(2)
    assert not (changed & grey).any()
    crop, edited = picture(folder / "face0-crop.png"), picture(folder / "face0-edited.png")
    mask = picture(folder / "face0-mask.png")[..., 0]
    assert mask.max() == 255
    blended = picture(folder / "face0-blended.png")
    assert np.abs(crop.astype(int) - blended)[mask == 0].max() <= 1
    assert np.abs(crop.astype(int) - edited)[mask > 200].max() > 20
    edge = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    assert edge.max() == 0


def test_what_the_face_shows_and_takes_is_told_in_numbers(folder: Path) -> None:
    (face,) = json.loads((folder / "frame.json").read_text())["faces"]
    shows = face["shows"]
    assert sum(shows.values()) == pytest.approx(1, abs=0.01)
    assert 0.1 < shows["skin"] < 0.4
    assert shows["hair"] > 0.1
    assert shows["front"] < 0.1
    smile = face["attributes"]["smile"]
    assert 0.3 < smile["share"] < 0.9, "she smiles already"
    assert smile["cause"] == "expression already near its limit"
    assert face["turned"] == 1


def test_gates_and_parsing_are_shown_of_a_face_that_is_not_edited(
    face_clip: FaceClip, tmp_path: Path
) -> None:
    stored = json.loads(face_clip.analysis.read_text())
    for line in stored["tracks"][0]["frames"]:
        line["mouth"] = 0.0
    changed = tmp_path / "faces.json"
    changed.write_text(json.dumps(stored))
    target = tmp_path / "pictures"
    options = ["--attr", "smile", "--frame", "4", "-o", str(target), "--quiet"]
    assert main(["inspect", str(face_clip.path), *options, "--analysis", str(changed)]) == 0
    (face,) = json.loads((target / "frame.json").read_text())["faces"]
    assert (face["edited"], face["skipped"]) == (False, "mouth covered")
    assert face["attributes"] == {"smile": {"share": 0, "cause": "mouth covered"}}
    names = {path.name for path in target.glob("face0-*.png")}
    assert names == {"face0-gates.png", "face0-parsing.png"}


def test_edits_of_every_crop_are_shown(
    face_clip: FaceClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = dataclasses.replace(retouch.SPEC, crop=CropRule(2.5))
    monkeypatch.setattr(retouch, "SPEC", spec)
    monkeypatch.setattr(retouch.Retouch, "spec", spec)
    target = tmp_path / "pictures"
    options = ["--attr", "smile", "--attr", "smooth-skin=2", "--frame", "4", "-o", str(target)]
    options += ["--analysis", str(face_clip.analysis), "--quiet"]
    assert main(["inspect", str(face_clip.path), *options]) == 0
    first, second = (picture(target / f"face0-crop{mark}.png") for mark in ("", "-2"))
    assert len(second) < len(first)
    for name in ("edited", "mask", "edge", "overview"):
        assert (target / f"face0-{name}-2.png").is_file()
    # What the later edit sees is what the earlier one made.
    margin = (len(first) - len(second)) // 2
    within = slice(margin, margin + len(second))
    blended = picture(target / "face0-blended.png")[within, within].astype(int)
    assert np.abs(blended - picture(target / "face0-blended-2.png")).max() <= 1
    assert np.abs(first[within, within].astype(int) - second).max() > 20


def test_the_frame_is_edited_once(
    face_clip: FaceClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows: list[int] = []
    usual = Latent.apply_row

    def counted(self: Latent, batch: AlignedBatch, *more: Any) -> EditedBatch:
        rows.append(len(batch))
        return usual(self, batch, *more)

    monkeypatch.setattr(Latent, "apply_row", counted)
    options = ["--attr", "smile", "--frame", "4", "-o", str(tmp_path / "pictures"), "--quiet"]
    options += ["--analysis", str(face_clip.analysis)]
    assert main(["inspect", str(face_clip.path), *options]) == 0
    assert rows == [1]


def test_the_numbers_are_those_of_the_frame(folder: Path, face_clip: FaceClip) -> None:
    facts = json.loads((folder / "frame.json").read_text())
    assert facts["frame"] == 4
    assert facts["seconds"] == pytest.approx(4 / 25)
    assert facts["edits"] == [{"attribute": "smile", "strength": 1.5}]
    (face,) = facts["faces"]
    assert face["edited"] is True
    assert face["skipped"] == ""
    assert face["state"] == "detected"
    stored = json.loads(face_clip.analysis.read_text())["tracks"][0]["frames"][4]
    np.testing.assert_allclose(face["landmarks_px"], stored["landmarks"], atol=2.0)
    x0, y0, x1, y1 = face["box_px"]
    assert 0 < x0 < x1 < 240
    assert 0 < y0 < y1 < 240
    side = picture(folder / "face0-crop.png").shape[0]
    assert face["crop"]["side_px"] == side
    assert np.array(face["crop"]["crop_to_frame"]).shape == (3, 3)


def test_a_folder_with_something_in_it_needs_overwrite(
    folder: Path, face_clip: FaceClip, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--attr", "smile", "--frame", "0", "-o", str(folder)]
    options += ["--analysis", str(face_clip.analysis)]
    before = (folder / "frame.png").read_bytes()
    assert main(["inspect", str(face_clip.path), *options]) == 4
    assert "is not empty; use --overwrite" in capsys.readouterr().err
    assert (folder / "frame.png").read_bytes() == before


def test_a_frame_without_a_face_is_shown_as_it_is(
    empty_clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "pictures"
    options = ["--attr", "smile", "--frame", "2", "-o", str(target)]
    assert main(["inspect", str(empty_clip), *options]) == 0
    assert capsys.readouterr().out == f"{target}\n"
    assert json.loads((target / "frame.json").read_text())["faces"] == []
    np.testing.assert_array_equal(picture(target / "frame.png"), picture(target / "composite.png"))


@pytest.mark.parametrize("frame", ["10", "-1"])
def test_a_frame_that_does_not_exist_is_refused_before_the_analysis(
    desk: Desk, frame: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("pipeline.session.analyze")
    target = desk.folder / "pictures"
    error = desk.refused(
        *(2, "inspect", desk.clip, "--attr", "smile", "--frame", frame, "-o", target)
    )
    assert f"frame {frame} does not exist; " in error
    assert frame == "-1" or "has frames 0 to 9" in error


def test_a_sheet_has_a_row_per_frame_and_a_column_per_strength(
    face_clip: FaceClip, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "sheet.png"
    options = ["--attr", "smile", "--analysis", str(face_clip.analysis), "--quiet"]
    options += ["--count", "2", "--strengths", "0,2,0", "-o", str(target)]
    assert main(["preview", str(face_clip.path), *options]) == 0
    sheet = picture(target)
    tile = 300 + 4
    assert sheet.shape[0] == 26 + 2 * tile
    margin = sheet.shape[1] - 3 * tile
    assert 0 < margin < 120
    body = sheet[26:, margin:]
    first, second, third = (body[:, k * tile : k * tile + 300] for k in range(3))
    np.testing.assert_array_equal(first, third)
    assert (first != second).any()
    assert main(["preview", str(face_clip.path), *options]) == 4
    assert "--overwrite" in capsys.readouterr().err


def test_a_sheet_of_the_worst_frames_tells_the_reasons(
    face_clip: FaceClip, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stored = json.loads(face_clip.analysis.read_text())
    stored["tracks"][0]["frames"][3]["mouth"] = 0.3
    stored["tracks"][0]["frames"][7]["score"] = 0.65
    changed = tmp_path / "faces.json"
    changed.write_text(json.dumps(stored))
    target = tmp_path / "worst.png"
    options = ["--attr", "smile=-2", "--analysis", str(changed), "--worst", "2", "-o", str(target)]
    assert main(["preview", str(face_clip.path), *options]) == 0
    shown = capsys.readouterr()
    assert shown.out == f"{target}\n"
    assert shown.err.splitlines()[-2:] == [
        "frame 3, face 0: mouth hardly seen, score 0.30",
        "frame 7, face 0: landmark score 0.65",
    ]
    sheet = picture(target)
    tile, label = 400, 26
    assert sheet.shape == (2 * (2 * label + tile + 4), 2 * (tile + 4), 3)
    for row in range(2):
        top = row * (2 * label + tile + 4) + 2 * label
        original, edited = (sheet[top : top + tile, x : x + tile] for x in (0, tile + 4))
        assert np.abs(original.astype(int) - edited).max() > 30
    assert main(["preview", str(face_clip.path), *options]) == 4


def test_a_clip_without_doubts_says_so(
    face_clip: FaceClip, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--attr", "age=0", "--analysis", str(face_clip.analysis), "--worst", "3"]
    assert main(["preview", str(face_clip.path), *options, "-o", str(tmp_path / "w.png")]) == 0
    assert "nothing to doubt was found" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--worst", "0"], 2),
        (["--worst", "2", "--side-by-side"], 2),
        (["--worst", "2", "-o", "sheet.jpg"], 4),
        (["--strengths", "1,x"], 2),
        (["--strengths", "5"], 2),
        (["--count", "0"], 2),
        (["-o", "sheet.jpg"], 4),
    ],
)
def test_a_sheet_that_cannot_be_made_is_refused(
    face_clip: FaceClip, options: list[str], code: int
) -> None:
    base = ["preview", str(face_clip.path), "--attr", "smile"]
    assert main([*base, "--analysis", str(face_clip.analysis), *options]) == code


@pytest.mark.parametrize("size", [(240, 240), (237, 240)])
def test_a_side_by_side_clip_shows_the_original_left_and_the_edit_right(
    astronaut: Pictures, clip_of: Callable[..., Path], tmp_path: Path, size: tuple[int, int]
) -> None:
    width, height = size
    clip = clip_of(
        tmp_path / "in.mkv", [p[:height, :width] for p in astronaut[:3]], codec="ffv1", sound=True
    )
    out, compared = tmp_path / "out.mkv", tmp_path / "compare.mkv"
    stored = ["--attr", "smile=1.5", "--quiet", "--analysis", str(tmp_path / "faces.json")]
    assert main(["edit", str(clip), "-o", str(out), *stored]) == 0
    more = ["--side-by-side", "-o", str(compared)]
    assert main(["preview", str(clip), *more, *stored]) == 0
    half = width + width % 2
    for a, b, c in zip(*(lumas(p) for p in (clip, out, compared)), strict=True):
        assert c.shape == (height, 2 * half)
        np.testing.assert_array_equal(c[:, :width], a)
        np.testing.assert_array_equal(c[:, half : half + width], b)
    assert stamps(compared) == stamps(clip)


def lumas(path: Path) -> list[NDArray[np.uint8]]:
    found = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            line = frame.planes[0].line_size
            memory = np.frombuffer(memoryview(frame.planes[0]), np.uint8).reshape(-1, line)
            found.append(memory[: frame.height, : frame.width].copy())
    return found


def stamps(path: Path) -> list[tuple[str, Fraction]]:
    with av.open(str(path)) as container:
        return sorted((p.stream.type, p.pts * p.time_base) for p in container.demux() if p.size)
