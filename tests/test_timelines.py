"""Timelines of editing programs, written by hand: which frames of which plates they show."""

from __future__ import annotations

import json
import sys
import tomllib
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli import main
from pipeline.errors import InputError
from pipeline.fcpxml import read_fcpxml
from pipeline.shots import manifest_of
from tests.test_shots import plate

FILM = Fraction(24_000, 1001)


@pytest.fixture(scope="module")
def plates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two plates of 96 frames at 23.976, from 01:00:00:00 on; one without a timecode."""
    folder = tmp_path_factory.mktemp("plates")
    plate(folder / "A001 C003.mov", "01:00:00:00", 96, rate=FILM)
    plate(folder / "A002.mov", "01:00:00:00", 96, rate=FILM)
    plate(folder / "B.mov", "", 50)
    return folder


def shots(cut: Path, plates: Path) -> tuple[dict[str, tuple[str, str]], list[str]]:
    """Return plate and frames of every shot, and what was told."""
    told: list[str] = []
    text = manifest_of(cut, plates, handles=0, folder=plates, warn=told.append)
    found = tomllib.loads(text)["shot"]
    return {shot["name"]: (shot["input"], shot["frames"]) for shot in found}, told


@pytest.fixture
def library() -> None:
    pytest.importorskip("opentimelineio", reason="needs the extra `editorial`")


def has(told: list[str], *words: str) -> bool:
    return any(all(word in sentence for word in words) for sentence in told)


def seconds(frames: int) -> str:
    """Return frames at 23.976 as FCPXML writes their time."""
    return f"{frames * 1001}/24000s"


HOUR = 86_400
"""Frames until 01:00:00:00 at 23.976."""

ASSET = f'duration="{seconds(96)}" hasVideo="1" hasAudio="1" format="r1"'
FCPXML = f"""<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE fcpxml>
<fcpxml version="1.10">
 <resources>
  <format id="r1" frameDuration="1001/24000s" width="64" height="48"/>
  <asset id="r2" name="one" start="{seconds(HOUR)}" {ASSET}>
   <media-rep kind="original-media" src="file:///Volumes/Shoot/A001%20C003.mov"/>
  </asset>
  <asset id="r3" name="A002" src="file:///Volumes/Shoot/A002.mov" start="{seconds(HOUR)}" {ASSET}/>
  <asset id="r4" name="music" src="file:///m.wav" hasAudio="1" duration="100s"/>
  <effect id="r5" name="Basic Title"/>
  <media id="r6" name="inner"><sequence format="r1"><spine>
   <asset-clip ref="r2" name="inside" offset="0s" duration="{seconds(5)}"/>
  </spine></sequence></media>
 </resources>
 <library><event name="e"><project name="p"><sequence format="r1" tcStart="0s"><spine>
  <asset-clip ref="r2" name="first" offset="0s" start="{seconds(HOUR + 7)}"
   duration="{seconds(10)}">
   <asset-clip ref="r3" lane="1" name="over" offset="{seconds(HOUR + 8)}"
    start="{seconds(HOUR + 40)}" duration="{seconds(3)}"/>
   <asset-clip ref="r4" lane="-1" name="music" offset="0s" duration="{seconds(10)}"/>
  </asset-clip>
  <transition name="Cross Dissolve" offset="{seconds(7)}" duration="{seconds(6)}"/>
  <asset-clip ref="r3" name="second" offset="{seconds(10)}" start="{seconds(HOUR + 20)}"
   duration="{seconds(12)}"/>
  <gap offset="{seconds(22)}" duration="{seconds(5)}"/>
  <asset-clip ref="r3" name="slow" offset="{seconds(27)}" start="{seconds(2 * HOUR + 20)}"
   duration="{seconds(10)}">
   <timeMap><timept time="{seconds(2 * HOUR)}" value="{seconds(HOUR)}" interp="linear"/>
    <timept time="{seconds(2 * HOUR + 192)}" value="{seconds(HOUR + 96)}"/></timeMap>
  </asset-clip>
  <asset-clip ref="r3" name="back" offset="{seconds(37)}" start="{seconds(10)}"
   duration="{seconds(10)}">
   <timeMap><timept time="0s" value="{seconds(HOUR + 96)}"/>
    <timept time="{seconds(96)}" value="{seconds(HOUR)}"/></timeMap>
  </asset-clip>
  <clip name="box" offset="{seconds(47)}" start="{seconds(4)}" duration="{seconds(6)}">
   <video ref="r2" offset="0s" start="{seconds(HOUR)}" duration="{seconds(96)}"/>
  </clip>
  <video ref="r5" name="Title" offset="{seconds(53)}" duration="{seconds(6)}"/>
  <ref-clip ref="r6" name="Inner" offset="{seconds(59)}" duration="{seconds(5)}"/>
  <asset-clip ref="r2" name="off" enabled="0" offset="{seconds(64)}" duration="{seconds(5)}"/>
 </spine></sequence></project></event></library>
</fcpxml>
"""


def test_fcpxml_needs_no_extra_and_counts_every_frame_at_23_976(
    tmp_path: Path, plates: Path
) -> None:
    cut = tmp_path / "cut.fcpxml"
    cut.write_text(FCPXML)
    found, told = shots(cut, plates)
    one, two = "A001 C003.mov", "A002.mov"
    assert found == {
        "sh010": (one, "7-19"),  # three frames more below the transition
        "sh020": (two, "40-42"),  # hangs on the first one
        "sh040": (two, "17-31"),  # begins three frames sooner
        "sh050": (two, "10-15"),  # ten frames at half the speed
        "sh060": (two, "76-86"),  # ten frames backwards, from ten before the end
        "sh070": (one, "4-9"),
    }
    assert has(told, "event 4 (second)", "transition of 6 frames")
    assert has(told, "event 5 (slow)", "retimed")
    assert has(told, "event 6 (back)", "retimed")
    assert has(told, "event 8 (Title)", "made by the editing program")
    assert has(told, "Inner", "compound clip")
    assert has(told, "event 9 (off)", "switched off")
    assert not has(told, "music")
    renamed = tmp_path / "cut.xml"
    renamed.write_text(FCPXML)
    assert shots(renamed, plates)[0] == found
    bundle = tmp_path / "cut.fcpxmld"
    bundle.mkdir()
    (bundle / "Info.fcpxml").write_text(FCPXML)
    assert shots(bundle, plates)[0] == found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<fcpxml", "is no XML"),
        ('<!DOCTYPE x [<!ENTITY a "b">]><fcpxml/>', "declares entities"),
        ("<fcpxml><project><sequence/></project></fcpxml>", "no clip in 1 projects"),
        (FCPXML.replace(f'"{seconds(12)}"', '"12 frames"'), 'duration="12 frames"'),
        (FCPXML.replace(f'"{seconds(12)}"', '"1e999999999s"'), "accepted are times"),
        (FCPXML.replace(f'"{seconds(12)}"', '"1/0s"'), "accepted are times"),
        ("<fcpxml><project><sequence><spine>" + "<gap>" * 9999, "is no XML"),
        (FCPXML.replace('frameDuration="1001/24000s"', ""), "how many frames a second"),
    ],
)
def test_damaged_fcpxml_is_refused(tmp_path: Path, text: str, words: str) -> None:
    cut = tmp_path / "cut.fcpxml"
    cut.write_text(text)
    with pytest.raises(InputError, match=words):
        read_fcpxml(cut, lambda _: None)


def timed(start: float, length: float, rate: float = 24.0) -> dict[str, Any]:
    """Return a range of time as OpenTimelineIO's files have it."""
    begin, duration = (
        {"OTIO_SCHEMA": "RationalTime.1", "rate": rate, "value": value} for value in (start, length)
    )
    return {"OTIO_SCHEMA": "TimeRange.1", "start_time": begin, "duration": duration}


def clip(name: str, url: str, start: float, length: float, **more: Any) -> dict[str, Any]:
    media = {"OTIO_SCHEMA": "ExternalReference.1", "target_url": url, "metadata": {}}
    media["available_range"] = more.pop("media", timed(HOUR, 96))
    rate = more.pop("rate", 24.0)
    return {
        "OTIO_SCHEMA": "Clip.1",
        "name": name,
        "media_reference": media,
        "source_range": timed(start, length, rate),
        "metadata": {},
        **more,
    }


def otio_text() -> str:
    transition = {
        "OTIO_SCHEMA": "Transition.1",
        "transition_type": "SMPTE_Dissolve",
        "in_offset": timed(0, 2)["duration"],
        "out_offset": timed(0, 4)["duration"],
    }
    warp = {"OTIO_SCHEMA": "LinearTimeWarp.1", "effect_name": "", "time_scalar": -0.5}
    freeze = {"OTIO_SCHEMA": "FreezeFrame.1", "effect_name": "", "time_scalar": 0.0}
    ramp = {"OTIO_SCHEMA": "TimeEffect.1", "effect_name": "ramp"}
    one, two = "file:///a/A001%20C003.mov", "A002.mov"
    items = [
        clip("a", one, HOUR + 7, 10),
        transition,
        clip("b", two, HOUR + 20, 12),
        {"OTIO_SCHEMA": "Gap.1", "source_range": timed(0, 5)},
        clip("back", two, HOUR + 50, 10, effects=[warp]),
        clip("still", two, HOUR + 60, 10, effects=[freeze]),
        clip("ramp", two, HOUR + 70, 10, effects=[ramp]),
        clip("B", "", 120, 15, rate=30.0, media=timed(90, 60, 30.0)),
        {"OTIO_SCHEMA": "Stack.1", "name": "inner", "children": [clip("x", two, HOUR, 5)]},
    ]
    tracks = [
        {"OTIO_SCHEMA": "Track.1", "kind": "Video", "name": "V1", "children": items},
        {"OTIO_SCHEMA": "Track.1", "kind": "Audio", "children": [clip("s", two, HOUR, 9)]},
        {"OTIO_SCHEMA": "Track.1", "kind": "Video", "children": [clip("top", two, HOUR + 1, 2)]},
    ]
    stack = {"OTIO_SCHEMA": "Stack.1", "name": "tracks", "children": tracks}
    return json.dumps({"OTIO_SCHEMA": "Timeline.1", "name": "reel", "tracks": stack})


@pytest.mark.usefixtures("library")
def test_otio(tmp_path: Path, plates: Path) -> None:
    cut = tmp_path / "cut.otio"
    cut.write_text(otio_text())
    found, told = shots(cut, plates)
    one, two = "A001 C003.mov", "A002.mov"
    assert found == {
        "sh010": (one, "7-20"),
        "sh020": (two, "18-31"),
        "sh030": (two, "46-50"),
        "sh040": (two, "60-60"),
        "sh050": (two, "0-95"),
        "sh060": ("B.mov", "25-37"),  # a second into its file, half a second of it
        "sh070": (two, "1-2"),
    }
    assert has(told, "event 2 (b)", "begins with a transition of 6 frames")
    assert has(told, "event 3 (back)", "retimed, -50 %")
    assert has(told, "event 4 (still)", "retimed, 0 %")
    assert has(told, "event 5 (ramp)", "whole plate")
    assert has(told, "inner", "sequence in a sequence")


ALE = (
    "Heading\nFIELD_DELIM\tTABS\nVIDEO_FORMAT\t1080\nFPS\t23.976\n\n"
    "Column\nName\tTracks\tStart\tEnd\tTape\tSource File\n\nData\n"
    "take 1\tVA1A2\t01:00:00:05\t01:00:01:01\tA001\tA001 C003.mov\n"
    "take 2\tV\t01:00:01:00\t01:00:02:00\tA002\t\n"
    "wild\tA1\t01:00:01:00\t01:00:02:00\tA002\t\n"
    "take 3\tV\t\t\tA002\t\n"
)


@pytest.mark.usefixtures("library")
def test_ale(tmp_path: Path, plates: Path) -> None:
    cut = tmp_path / "cut.ale"
    cut.write_text(ALE)
    found, told = shots(cut, plates)
    assert found == {"sh010": ("A001 C003.mov", "5-24"), "sh020": ("A002.mov", "24-47")}
    assert has(told, "event 3 (take 3)", "does not say which of its frames")
    cut.write_text(ALE.replace("FPS\t23.976\n", ""))
    assert has(shots(cut, plates)[1], "no FPS")


def item(name: str, file: str, place: tuple[int, int], seen: tuple[int, int], *more: str) -> str:
    """Return a clip of Final Cut 7: where it lies in the sequence, and its frames."""
    return f"""<clipitem id="{name}"><name>{name}</name><duration>96</duration>{RATE}
     <start>{place[0]}</start><end>{place[1]}</end><in>{seen[0]}</in><out>{seen[1]}</out>
     {file}{"".join(more)}</clipitem>"""


RATE = "<rate><timebase>24</timebase><ntsc>TRUE</ntsc></rate>"
ONE = f"""<file id="f1"><name>A001 C003.mov</name>{RATE}<duration>96</duration>
 <pathurl>file://localhost/Volumes/A001%20C003.mov</pathurl>
 <timecode>{RATE}<string>01:00:00:00</string><frame>86400</frame></timecode></file>"""
TWO = ONE.replace("f1", "f2").replace("A001%20C003", "A002").replace("A001 C003", "A002")
REMAP = """<filter><effect><name>Time Remap</name><effectid>timeremap</effectid>
 <effecttype>motion</effecttype><parameter><parameterid>speed</parameterid><value>50</value>
 </parameter></effect></filter>"""
XMEML = f"""<?xml version="1.0" encoding="UTF-8"?><!DOCTYPE xmeml><xmeml version="5">
<sequence id="s"><name>reel</name>{RATE}<duration>60</duration><media><video><track>
{item("a", ONE, (0, 10), (7, 17))}
{item("b", TWO, (10, -1), (20, 35))}
<transitionitem>{RATE}<start>19</start><end>25</end><alignment>center</alignment>
<effect><name>Cross Dissolve</name><effectid>Cross Dissolve</effectid></effect></transitionitem>
{item("c", '<file id="f1"/>', (-1, 30), (40, 51))}
{item("slow", '<file id="f2"/>', (30, 40), (40, 50), REMAP)}
{item("off", '<file id="f2"/>', (40, 50), (40, 50), "<enabled>FALSE</enabled>")}
</track></video></media></sequence></xmeml>"""


@pytest.mark.usefixtures("library")
def test_final_cut_7(tmp_path: Path, plates: Path) -> None:
    cut = tmp_path / "cut.xml"
    cut.write_text(XMEML)
    found, told = shots(cut, plates)
    one, two = "A001 C003.mov", "A002.mov"
    assert found == {
        "sh010": (one, "7-16"),
        "sh020": (two, "20-34"),  # 12 to the middle of the transition, and 3 more
        "sh030": (one, "40-50"),  # from where the transition begins
        "sh040": (two, "0-95"),
    }
    assert has(told, "event 3 (c)", "transition of 6 frames")
    assert has(told, "event 4 (slow)", "whole plate")
    assert has(told, "event 5 (off)", "switched off")


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("name", ["a.otio", "a.ale", "a.xml"])
@pytest.mark.parametrize("text", ["", "{}", "<xmeml/>", "Heading\nColumn\n", "[1"])
def test_what_is_no_timeline_is_refused(tmp_path: Path, plates: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError):
        shots(tmp_path / name, plates)


@pytest.mark.parametrize("name", ["a.otio", "a.ale", "a.xml"])
def test_where_the_library_is_missing_the_extra_is_named(
    tmp_path: Path,
    plates: Path,
    name: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "opentimelineio", None)
    (tmp_path / name).write_text("<xmeml/>")
    assert main(["shots", str(tmp_path / name), "--plates", str(plates)]) == 2
    told = capsys.readouterr().err
    assert "pip install 'visagist[editorial]'" in told
    assert "EDL or FCPXML" in told
