"""Manifests of edit lists: frames by the timecode of plates; odd lines told with their number."""

from __future__ import annotations

import json
import tomllib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from pipeline.batch.manifest import read_manifest
from pipeline.cli import main
from pipeline.edl import read_edl
from pipeline.errors import InputError
from pipeline.shots import manifest_of
from tests.conftest import Pictures

EVENTS = """TITLE: REEL 3
FCM: NON-DROP FRAME
001  A001  V     C        01:00:00:12 01:00:01:00 10:00:00:00 10:00:00:12
* FROM CLIP NAME: A001_C003.MOV
002  A002  AA/V  C        01:00:00:10 01:00:00:20 10:00:00:12 10:00:00:22
003  A002  V     C        01:00:00:20 01:00:00:20 10:00:00:22 10:00:00:22
003  A001  V     D    006 01:00:01:00 01:00:01:12 10:00:00:22 10:00:01:09
* FROM CLIP NAME: A002.mov
* TO CLIP NAME: A001_C003.MOV
004  A002  V     C        01:00:01:00 01:00:01:04 10:00:01:09 10:00:01:13
M2   A002       012.5                01:00:01:00
005  LOST  V     C        01:00:00:00 01:00:01:00 10:00:01:13 10:00:02:13
006  A001  A     C        01:00:00:00 01:00:01:00 10:00:01:13 10:00:02:13
007  A002  V     C        01:00:01:20 01:00:03:00 10:00:02:13 10:00:04:00
008  A002  V     C        09:00:00:00 09:00:01:00 10:00:04:00 10:00:05:00
009  BL    V     C        00:00:00:00 00:00:01:00 10:00:05:00 10:00:06:00
EFFECTS NAME IS SOMETHING ELSE
"""


def plate(
    path: Path,
    timecode: str,
    frames: int = 50,
    shown: Pictures | None = None,
    rate: Fraction = Fraction(25),
) -> None:
    pictures = shown or [np.full((48, 64, 3), 90, np.uint8)] * frames
    with av.open(str(path), "w") as container:
        if timecode:
            container.metadata["timecode"] = timecode
        stream = container.add_stream("mpeg4", rate, options={"q": "2"})
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    plates = tmp_path / "plates"
    plates.mkdir()
    plate(plates / "A001_C003.mov", "01:00:00:00")
    plate(plates / "A002.mov", "01:00:00:05")
    (tmp_path / "cut.edl").write_text(EVENTS)
    return tmp_path


def test_every_event_is_frames_of_its_plate(folder: Path) -> None:
    told: list[str] = []
    text = manifest_of(
        folder / "cut.edl",
        folder / "plates",
        attributes=("smile=0.8", "age=-0.3"),
        handles=5,
        folder=folder,
        warn=told.append,
    )
    manifest = tomllib.loads(text)
    assert (manifest["version"], manifest["handles"]) == (1, 5)
    assert manifest["defaults"] == {"attr": ["smile=0.8", "age=-0.3"]}
    shots = {shot["name"]: (shot["input"], shot["frames"]) for shot in manifest["shot"]}
    one, two = "plates/A001_C003.mov", "plates/A002.mov"
    assert shots == {
        "sh010": (one, "12-24"),
        "sh020": (two, "5-20"),  # longer by the six frames of the dissolve
        "sh030": (one, "25-36"),
        "sh040": (two, "20-21"),  # four frames at half the speed
        "sh070": (two, "40-49"),  # as far as the plate goes
    }
    lines = {int(sentence.split()[1].rstrip(":")): sentence for sentence in told}
    assert "dissolve of 6 frames" in lines[7]
    assert "retimed" in lines[11]
    assert "no plate is named LOST" in lines[12]
    assert "fewer handles than 5: 0 at its end" in lines[14]
    assert any("line 14" in s and "ends 20 frames too early" in s for s in told)
    assert "has none of 09:00:00:00" in lines[15]
    assert "not understood, and left out: EFFECTS" in lines[17]
    assert set(lines) == {7, 11, 12, 14, 15, 17}


def test_a_plate_without_a_timecode_begins_at_0(folder: Path) -> None:
    plate(folder / "plates" / "B.mp4", "")
    list_ = folder / "b.edl"
    list_.write_text("1 B V C 00:00:00:05 00:00:00:15 01:00:00:00 01:00:00:10\n")
    manifest = tomllib.loads(manifest_of(list_, folder / "plates", handles=0))
    (shot,) = manifest["shot"]
    assert shot["frames"] == "5-14"
    assert Path(shot["input"]) == folder / "plates" / "B.mp4"


def test_backwards_is_the_frames_that_are_seen(folder: Path) -> None:
    list_ = folder / "b.edl"
    list_.write_text(
        "1 A002 V C 01:00:01:05 01:00:01:15 01:00:00:00 01:00:00:10\nM2 A002 -25.0 01:00:01:05\n"
    )
    (shot,) = tomllib.loads(manifest_of(list_, folder / "plates", handles=0))["shot"]
    assert shot["frames"] == "16-25"


def test_a_name_that_means_several_plates_is_left_out(folder: Path) -> None:
    plate(folder / "plates" / "A002.mp4", "")
    told: list[str] = []
    manifest_of(folder / "cut.edl", folder / "plates", warn=told.append)
    assert any("may be any of A002.mov, A002.mp4" in sentence for sentence in told)


def test_a_batch_delivers_the_shots_of_a_list_with_their_handles_and_timecode(
    folder: Path, astronaut: Pictures
) -> None:
    plate(folder / "plates" / "F.mov", "01:00:00:00", shown=astronaut)
    cut = folder / "faces.edl"
    cut.write_text(
        "1 F V C 01:00:00:01 01:00:00:03 01:00:00:00 01:00:00:02\n"
        "2 F V C 01:00:00:03 01:00:00:03 01:00:00:02 01:00:00:02\n"
        "2 F V D 002 01:00:00:07 01:00:00:09 01:00:00:02 01:00:00:04\n"
        "3 A002 V C 01:00:00:10 01:00:00:14 01:00:00:04 01:00:00:08\n"
    )
    reel = folder / "reel.toml"
    asked = ["--plates", str(folder / "plates"), "--handles", "2", "-o", str(reel)]
    assert main(["shots", str(cut), *asked, "--quiet"]) == 0
    assert main(["run", str(reel), "--on", "here", "--quiet"]) == 8  # nobody is on A002
    found = {}
    for path in sorted((folder / "deliver").iterdir()):
        with av.open(str(path)) as container:
            timecode = container.streams.video[0].metadata["timecode"]
            found[path.name] = timecode, sum(1 for _ in container.decode(video=0))
    assert found == {
        "sh010.mov": ("01:00:00:00", 1 + 2 + 2 + 2),  # one handle only; a dissolve of 2 frames
        "sh020.mov": ("01:00:00:05", 2 + 2 + 1),
    }
    report = json.loads((folder / "reel.work" / "report.json").read_text())
    assert {shot["shot"]: shot["state"] for shot in report["shots"]} == {
        "sh010": "done",
        "sh020": "done",
        "sh030": "failed",
    }


def test_what_is_no_list_or_has_no_plate_is_refused(folder: Path) -> None:
    bad = folder / "bad.edl"
    bad.write_text("hello\n")
    with pytest.raises(InputError, match="no picture event"):
        read_edl(bad, lambda sentence: None)
    with pytest.raises(InputError, match="has a plate in"):
        manifest_of(folder / "cut.edl", folder)
    with pytest.raises(InputError, match="cannot look for plates"):
        manifest_of(folder / "cut.edl", folder / "no")


def test_the_command_writes_it_and_never_over_the_list(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["shots", str(folder / "cut.edl"), "--plates", str(folder / "plates")]
    assert main(asked) == 0
    shown = capsys.readouterr()
    assert len(tomllib.loads(shown.out)["shot"]) == 5
    assert "line 11:" in shown.err
    target = folder / "reel.toml"
    assert main([*asked, "-o", str(target), "--quiet"]) == 0
    assert tomllib.loads(target.read_text())["shot"][0]["input"] == "plates/A001_C003.mov"
    shot = read_manifest(target).shots[0]
    assert (shot.name, shot.frames, shot.handles) == ("sh010", "12-24", 8)
    assert shot.request.input == folder / "plates" / "A001_C003.mov"
    assert main([*asked, "-o", str(target)]) == 4
    plate_of_it = str(folder / "plates" / "A002.mov")
    assert main([*asked, "-o", plate_of_it, "--overwrite"]) == 4
    assert main([*asked, "-o", str(folder / "cut.edl"), "--overwrite"]) == 4
    assert main([*asked, "--handles", "-1"]) == 2
    assert (folder / "cut.edl").read_text() == EVENTS
