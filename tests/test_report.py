"""The report: everything that was asked, used and done, as plain JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline import EditRequest, edit
from pipeline.cli import main
from pipeline.config import RenderOptions
from tests.conftest import FaceClip, Pictures

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def told(face_clip: FaceClip, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("report")
    options = ["--attr", "smile=0.5", "--attr", "old=-1", "--smoothing", "0.1", "--quiet"]
    options += ["-o", str(folder / "out.mp4"), "--report", str(folder / "report.json")]
    options += ["--analysis", str(face_clip.analysis)]
    assert main(["edit", str(face_clip.path), *options]) == 0
    found: dict[str, Any] = json.loads((folder / "report.json").read_text())
    assert sorted(p.name for p in folder.iterdir()) == ["out.mp4", "report.json"]
    return found


def test_the_report_has_every_chapter(told: dict[str, Any], face_clip: FaceClip) -> None:
    assert set(told) - {"identity"} == {  # which is there with the extra of that name only
        *("report_version", "input", "output", "options", "versions", "weights", "video"),
        *("counts", "seconds", "warnings", "damage", "tracks", "lapses", "frames"),
    }
    assert told["report_version"] == 1
    assert told["input"] == str(face_clip.path)
    assert told["output"].endswith("out.mp4")


def test_options_are_resolved_with_their_defaults(
    told: dict[str, Any], face_clip: FaceClip
) -> None:
    options = told["options"]
    assert options["attributes"] == [
        {"attribute": "smile", "strength": 0.5},
        {"attribute": "age", "strength": -1.0},
    ]
    assert options["render"]["smoothing_s"] == 0.1
    assert options["render"]["editor"] == "latent-transformer"
    assert options["analyze"]["landmarks"] == "embedded"
    assert options["faces_from"] == str(face_clip.analysis)
    assert options["encode"]["codec"] == "libx264"
    assert float(options["encode"]["crf"]) > 0
    assert options["device"] == "cpu"


def test_every_frame_and_face_has_an_entry(told: dict[str, Any]) -> None:
    assert [frame["frame"] for frame in told["frames"]] == list(range(10))
    assert [f["pts"] for f in told["frames"]] == sorted({f["pts"] for f in told["frames"]})
    for frame in told["frames"]:
        (face,) = frame["faces"]
        assert (face["track"], face["weight"], face["edited"]) == (0, 1.0, True)
        # She smiles in the picture: little more is added to that.
        assert face["weights"]["age"] == 1.0
        assert 0.5 < face["weights"]["smile"] < 0.95
        assert face["causes"] == {"smile": "expression already near its limit"}
        assert 0.7 < face["seen"] < 1
    assert told["lapses"] == []
    assert told["counts"] == {"frames": 10, "edited": 10, "skipped": {}}
    (track,) = told["tracks"]
    assert (track["first_frame"], track["frames"]) == (0, 10)


def test_the_weight_of_a_face_falls_as_it_goes(face_clip: FaceClip, tmp_path: Path) -> None:
    stored = json.loads(face_clip.analysis.read_text())
    del stored["tracks"][0]["frames"][7:]
    changed = tmp_path / "faces.json"
    changed.write_text(json.dumps(stored))
    request = EditRequest(face_clip.path, ("smile",), analysis_path=changed)
    weights = [f["faces"][0]["weight"] for f in edit(request, tmp_path / "out.mp4").frames[:7]]
    assert weights == sorted(weights, reverse=True)
    assert weights[0] == 1.0
    assert 0 < weights[-1] < 0.5


def test_one_is_not_told_in_the_plural(
    astronaut: Pictures,
    clip_of: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    clip = clip_of(tmp_path / "one.mp4", astronaut[:1])
    assert main(["edit", str(clip), "--attr", "smile"]) == 0
    said = capsys.readouterr().err
    assert "edit done: 1 frame\n" in said
    assert "edited 1 of 1 frame, 1 face track\n" in said


def test_weights_are_named_by_their_hash(told: dict[str, Any]) -> None:
    families = {"portrait", "portrait_movers", "landmarks"}
    assert {name.split("/")[0] for name in told["weights"]} == families
    for name, digest in told["weights"].items():
        assert hashlib.sha256((ROOT / "models" / name).read_bytes()).hexdigest() == digest


def test_timings_and_versions_are_there(told: dict[str, Any]) -> None:
    assert {"analyze", "prepare", "decode", "align", "edit", "blend"} <= set(told["seconds"])
    assert all(seconds >= 0 for seconds in told["seconds"].values())
    assert told["seconds"]["edit"] > 0
    assert {"python", "av", "torch", "numpy", "opencv-python"} <= set(told["versions"])
    assert told["video"]["rate"] == "25"
    assert (told["video"]["width"], told["video"]["height"]) == (240, 240)


def test_skipped_faces_say_why(face_clip: FaceClip, tmp_path: Path) -> None:
    stored = json.loads(face_clip.analysis.read_text())
    for line in stored["tracks"][0]["frames"][4:]:
        line["score"] = 0.1
    changed = tmp_path / "faces.json"
    changed.write_text(json.dumps(stored))
    request = EditRequest(face_clip.path, ("smile",), analysis_path=changed)
    report = edit(request, tmp_path / "out.mp4")
    skipped = [f["faces"][0].get("skipped") for f in report.frames if f["faces"]]
    assert any(skipped)
    assert sum(report.skipped().values()) == sum(bool(reason) for reason in skipped)
    assert report.edited_frames < 10
    (lapse,) = report.lapses
    assert (lapse.last_frame, lapse.face, lapse.cause) == (9, 0, "face not seen well enough")
    assert lapse.least == {"smile": 0}
    assert f"frames {lapse.first_frame}–9 (" in report.summary()
    assert "face not seen well enough; no smile" in report.summary()


def test_an_analysis_option_that_a_stored_file_overrules_is_named(
    face_clip: FaceClip, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--attr", "smile", "--quiet", "--analysis", str(face_clip.analysis)]
    options += ["--detect-every", "2", "-o", str(tmp_path / "out.mp4")]
    assert main(["edit", str(face_clip.path), *options]) == 0
    assert "warning: detect_every_s 2.0 is not used" in capsys.readouterr().err


def test_frames_of_people_who_were_not_chosen_are_not_frames_without_a_face(
    face_clip: FaceClip, tmp_path: Path
) -> None:
    stored = json.loads(face_clip.analysis.read_text())
    frames = stored["tracks"][0]["frames"]
    there = [dict(line) for line in frames]
    other = [
        {**line, "landmarks": [[x + 60, y] for x, y in line["landmarks"]]} for line in frames[:8]
    ]
    stored["tracks"] = [
        {**stored["tracks"][0], "frames": there[:4]},
        {**stored["tracks"][0], "id": 1, "frames": other},
    ]
    changed = tmp_path / "faces.json"
    changed.write_text(json.dumps(stored))
    request = EditRequest(
        face_clip.path, ("smile",), analysis_path=changed, render=RenderOptions(faces="0")
    )
    report = edit(request, tmp_path / "out.mp4")
    assert report.untouched() == (2, 4)
    assert "  frames 4–7 (0.16–0.28 s): no chosen face\n" in report.summary()
    assert report.summary().endswith("  frames 8–9 (0.32–0.36 s): no face found")
    assert report.to_json()["counts"]["without_chosen_face"] == 4


def test_faces_between_places_are_counted(face_clip: FaceClip, tmp_path: Path) -> None:
    stored = json.loads(face_clip.analysis.read_text())
    del stored["tracks"][0]["frames"][4:6]
    changed = tmp_path / "faces.json"
    changed.write_text(json.dumps(stored))
    request = EditRequest(face_clip.path, ("smile",), analysis_path=changed)
    report = edit(request, tmp_path / "out.mp4")
    assert report.interpolated == report.to_json()["counts"]["interpolated"] == 2
    assert [f["faces"][0].get("interpolated", False) for f in report.frames[3:7]] == [
        False, True, True, False,
    ]  # fmt: skip
    assert "2 faces edited between places read before and after" in report.summary()
