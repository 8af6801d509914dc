"""The analysis file: what goes in comes out, hands may correct it, damage is located."""

from __future__ import annotations

import dataclasses
import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from pipeline.analysis import Analysis, as_stored, load, save
from pipeline.errors import AnalysisError, OutputError
from pipeline.media.base import Fingerprint
from pipeline.tracking.track import RawTrack, refine
from pipeline.types import FaceState
from tests.pipeline.faces import drawn_face

RNG = np.random.default_rng(0)
PRINT = "sha256:" + "f" * 64
FOUND = Fingerprint(PRINT, None)


def track(track_id: int, shot: int, first: int, count: int) -> RawTrack:
    states = np.ones(count, np.uint8)
    if count > 6:
        states[3:5] = FaceState.ABSENT
    seen = (states != FaceState.ABSENT).astype(np.float32)
    landmarks = drawn_face((1300.5, 900)) + RNG.normal(size=(count, 68, 2)) * 3
    return RawTrack(
        track_id,
        shot,
        first,
        (landmarks * seen[:, None, None]).astype(np.float32),
        states,
        (0.9 * seen).astype(np.float32),
        np.tile(np.array([0.75, 1.0], np.float32), (count, 1)) * seen[:, None],
        RNG.normal(size=600).astype(np.float16).astype(np.float32),
    )


@pytest.fixture
def analysis() -> Analysis:
    return Analysis(
        fingerprint=PRINT,
        video={"width": 1920, "codec": "h264", "file": "Zoë.mp4"},
        pts=np.arange(40) * 512,
        time_base=Fraction(1, 12800),
        cuts=(20,),
        options={"landmarks": "embedded", "max_gap_s": 0.5},
        tracks=(track(0, 0, 0, 20), track(1, 0, 4, 5), track(2, 1, 20, 20)),
    )


def saved(analysis: Analysis, folder: Path) -> Path:
    path = folder / "clip.faces.json"
    save(analysis, path)
    return path


def test_what_is_used_at_once_is_what_the_file_will_say(analysis: Analysis, tmp_path: Path) -> None:
    scores = np.array([0.0005, 0.1235, 0.0625, 0.4375, 0.9995], np.float32)
    ties = np.arange(20 * 136).reshape(20, 68, 2) * np.float32(0.125) + 3
    tracks = [
        dataclasses.replace(
            t,
            landmarks=(t.landmarks if k else ties).astype(np.float32),
            scores=np.resize(scores, len(t)),
            region_scores=RNG.random((len(t), 2), np.float32),
            appearance=RNG.normal(size=20).astype(np.float32),
        )
        for k, t in enumerate(analysis.tracks)
    ]
    plain = dataclasses.replace(analysis, tracks=tuple(tracks))
    save(plain, tmp_path / "a.json")
    for used, read in zip(as_stored(plain).tracks, load(tmp_path / "a.json").tracks, strict=True):
        for field in dataclasses.fields(RawTrack):
            a, b = getattr(used, field.name), getattr(read, field.name)
            np.testing.assert_array_equal(a, b, err_msg=field.name)


def test_what_is_saved_is_loaded(analysis: Analysis, tmp_path: Path) -> None:
    back = load(saved(analysis, tmp_path), FOUND)
    assert (back.fingerprint, back.time_base, back.cuts) == (PRINT, Fraction(1, 12800), (20,))
    assert back.pts.tolist() == analysis.pts.tolist()
    assert back.video == analysis.video
    assert back.options == analysis.options
    for a, b in zip(analysis.tracks, back.tracks, strict=True):
        assert (a.track_id, a.shot, a.first_frame) == (b.track_id, b.shot, b.first_frame)
        assert np.abs(a.landmarks - b.landmarks).max() <= 0.00501
        assert (a.states == b.states).all()
        assert np.abs(a.scores - b.scores).max() < 1e-3
        assert (a.region_scores == b.region_scores).all()
        assert (a.appearance == b.appearance).all()


def test_saving_again_gives_the_same_bytes(analysis: Analysis, tmp_path: Path) -> None:
    path = saved(analysis, tmp_path)
    before = path.read_bytes()
    save(load(path), path)
    assert path.read_bytes() == before


def test_times_are_in_seconds(analysis: Analysis) -> None:
    np.testing.assert_allclose(analysis.times, np.arange(40) / 25)


def test_a_face_is_one_line_of_about_a_kilobyte(analysis: Analysis, tmp_path: Path) -> None:
    path = saved(analysis, tmp_path)
    lines = [line for line in path.read_text().splitlines() if '"frame":' in line]
    assert len(lines) == 18 + 5 + 18
    assert max(map(len, lines)) <= 1320
    assert json.loads(lines[0].rstrip(","))["frame"] == 0


def test_a_line_corrected_by_hand_is_used_as_it_is(analysis: Analysis, tmp_path: Path) -> None:
    path = saved(analysis, tmp_path)
    lines = path.read_text().splitlines()
    at = next(i for i, line in enumerate(lines) if '"frame": 10,' in line)
    entry = json.loads(lines[at].rstrip(","))
    entry["state"] = "manual"
    entry["landmarks"] = [[x + 40, y] for x, y in entry["landmarks"]]
    lines[at] = "   " + json.dumps(entry) + ","
    path.write_text("\n".join(lines))
    raw = load(path, FOUND).tracks[0]
    assert raw.states[10] == FaceState.MANUAL
    track = refine(raw, times=analysis.times, cuts=analysis.cuts)
    np.testing.assert_allclose(track.landmarks[10], entry["landmarks"], atol=1e-3)


def test_a_frame_may_be_taken_out_by_hand(analysis: Analysis, tmp_path: Path) -> None:
    path = saved(analysis, tmp_path)
    lines = [line for line in path.read_text().splitlines() if '{"frame": 10,' not in line]
    path.write_text("\n".join(lines))
    assert load(path).tracks[0].states[10] == FaceState.ABSENT


def test_an_excluded_frame_is_not_edited_though_the_gap_is_short(
    analysis: Analysis, tmp_path: Path
) -> None:
    path = saved(analysis, tmp_path)
    line = '{"frame": 10, "state": '
    path.write_text(path.read_text().replace(line + '"detected"', line + '"excluded"', 1))
    track = refine(load(path).tracks[0], times=analysis.times, cuts=analysis.cuts)
    assert track.states[10] == FaceState.ABSENT
    assert track.weights[10] == 0


def test_another_video_is_refused(analysis: Analysis, tmp_path: Path) -> None:
    with pytest.raises(AnalysisError, match="belongs to another video"):
        load(saved(analysis, tmp_path), Fingerprint("sha256:" + "0" * 64, None))


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(AnalysisError, match="there is no analysis file"):
        load(tmp_path / "no.json")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AnalysisError, match="cannot read"):
        load(tmp_path)


def test_another_version_is_refused(analysis: Analysis, tmp_path: Path) -> None:
    path = saved(analysis, tmp_path)
    path.write_text(path.read_text().replace('"visagist_analysis": 1', '"visagist_analysis": 9'))
    with pytest.raises(AnalysisError, match="has version 9, this program reads version 1"):
        load(path)


@pytest.mark.parametrize("text", ["{}", "[]", "3", '{"frames": []}'])
def test_other_json_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(AnalysisError, match="not an analysis file"):
        load(path)


def test_broken_json_is_told_with_its_line(analysis: Analysis, tmp_path: Path) -> None:
    path = saved(analysis, tmp_path)
    lines = path.read_text().splitlines()
    at = next(i for i, line in enumerate(lines) if '"frame": 7,' in line)
    lines[at] = lines[at].replace('"score": ', '"score" ')
    path.write_text("\n".join(lines))
    with pytest.raises(AnalysisError, match=f"damaged at line {at + 1}, column"):
        load(path)


def test_a_file_cut_off_anywhere_is_refused(analysis: Analysis, tmp_path: Path) -> None:
    path = saved(analysis, tmp_path)
    whole = path.read_bytes().rstrip()
    for share in (0.0, 0.001, 0.3, 0.9, 0.9999):
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(AnalysisError):
            load(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('{"frame": 7, "state": "d', '{"frame": 7, "state": "x', r"frame 7 \(line \d+\): 'state'"),
        ('"score": 0.900', '"score": 9', r"frame 0 \(line \d+\): scores must be 0–1"),
        ('"landmarks": [[', '"landmarks": [[1,2],[', r"\(line \d+\): 'landmarks' must be 68"),
        ('{"frame": 7,', '{"frame": 70,', "must be distinct and lie in shot 0, 0 to 19"),
        ('{"frame": 7,', '{"frame": 8,', "must be distinct"),
        ('"shot": 1', '"shot": 5', "there is no shot 5"),
        ('{"id": 1,', '{"id": 0,', "track ids must be distinct"),
        ('"cuts": [20]', '"cuts": [50]', "'cuts' must be rising frame numbers from 1 to 39"),
        ('"pts": [0, 512', '"pts": [512, 512', "'pts' must be a list of rising numbers"),
        ('"time_base": [1, 12800]', '"time_base": [1, 0]', "damaged"),
        ('"time_base": [1, 12800],', "", "'time_base' is missing"),
        ('"appearance": "', '"appearance": "?', "damaged"),
    ],
)  # fmt: skip
def test_wrong_contents_are_told_with_their_place(
    analysis: Analysis, tmp_path: Path, old: str, new: str, message: str
) -> None:
    path = saved(analysis, tmp_path)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(AnalysisError, match=message):
        load(path)


def test_a_failed_save_leaves_the_old_file_and_no_crumbs(
    analysis: Analysis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(analysis, tmp_path)
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OutputError, match="No space left"):
        save(analysis, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_an_unwritable_place_is_told(analysis: Analysis, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot write the analysis file"):
        save(analysis, tmp_path / "no folder" / "x.json")


def test_a_file_that_holds_codes_as_files_once_did_is_read_all_the_same(
    analysis: Analysis, tmp_path: Path
) -> None:
    path = saved(analysis, tmp_path)
    document = json.loads(path.read_text())
    document["codes"] = {"0": {"abc": {"w": "AAAA", "w_shape": [1, 1]}}}
    path.write_text(json.dumps(document))
    assert load(path).tracks[0].track_id == 0


def test_landmarks_on_one_spot_are_refused(analysis: Analysis, tmp_path: Path) -> None:
    path = saved(analysis, tmp_path)
    lines = path.read_text().splitlines()
    at = next(i for i, line in enumerate(lines) if '"frame": 10,' in line)
    entry = json.loads(lines[at].rstrip(","))
    entry |= {"state": "manual", "landmarks": [[5.0, 5.0]] * 68}
    lines[at] = '   {"frame": 10,' + json.dumps(entry).partition(",")[2] + ","
    path.write_text("\n".join(lines))
    with pytest.raises(AnalysisError, match=rf"line {at + 1}.*must spread over a face"):
        load(path)
