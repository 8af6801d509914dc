"""Batches of real edits: what is delivered, made again, refused, and how it ends."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from torch import Tensor

from pipeline.batch import making
from pipeline.cli import main
from pipeline.errors import WeightsError
from tests.conftest import FaceClip, Pictures

ROOT = Path(__file__).resolve().parents[1]
HEAD = """version = 1
output = "out/{shot}{ext}"
[defaults]
attr = "smile=0.8"
chunk = 4
"""


@dataclass
class Bench:
    """A folder with two clips of a face, their analyses, and a manifest."""

    folder: Path
    capture: pytest.CaptureFixture[str]

    @property
    def manifest(self) -> Path:
        return self.folder / "reel.toml"

    @property
    def work(self) -> Path:
        return self.folder / "reel.work"

    def write(self, *shots: str, head: str = HEAD) -> None:
        self.manifest.write_text(head + "".join(f"[[shot]]\n{shot}\n" for shot in shots))

    def run(self, *options: str) -> int:
        self.capture.readouterr()
        here = [] if "--unit" in options or "--on" in options else ["--on", "here"]
        return main(["run", str(self.manifest), *here, *options])

    def percents(self) -> list[int]:
        """Return what the last run with `--progress farm` said of how far it is."""
        return percents_of(self.capture.readouterr().out)

    def said(self) -> str:
        return self.capture.readouterr().err

    def report(self) -> dict[str, Any]:
        """Return what `report.json` says, of the shots by their names."""
        report: dict[str, Any] = json.loads((self.work / "report.json").read_text())
        return {**report, "shots": {shot["shot"]: shot for shot in report["shots"]}}

    def made(self) -> dict[str, int]:
        """Return how many units the last run over all shots made, by shot."""
        return {name: shot["made"] for name, shot in self.report()["shots"].items()}

    def states(self) -> dict[str, str]:
        """Return the state of every unit, as `--list` tells it."""
        assert self.run("--list", "--json") == 0
        lines = json.loads(self.capture.readouterr().out)
        return {f"{line['shot']} {line['unit']}": line["state"] for line in lines}

    def hashes(self) -> dict[str, str]:
        files = sorted((self.folder / "out").glob("*"))
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture
def bench(
    tmp_path: Path,
    face_clip: FaceClip,
    astronaut: Pictures,
    clip_of: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
) -> Bench:
    shutil.copy(face_clip.path, tmp_path / "a.mp4")
    shutil.copy(face_clip.analysis, tmp_path / "a.json")
    clip_of(tmp_path / "b.mp4", astronaut[5:])
    return Bench(tmp_path, capsys)


A = 'name = "a"\ninput = "a.mp4"\nanalysis = "a.json"'
B = 'name = "b"\ninput = "b.mp4"'


def percents_of(out: str) -> list[int]:
    found = re.findall(r"^Progress: (\d+)%$", out, re.MULTILINE)
    assert len(found) == len(out.splitlines())
    return [int(number) for number in found]


def check_rises(percents: list[int]) -> None:
    assert percents == sorted(set(percents))
    assert percents[-1] == 100


def frames_of(path: Path) -> int:
    with av.open(str(path)) as video:
        return sum(1 for _ in video.decode(video=0))


def test_what_is_missing_is_made_once_and_a_change_makes_what_it_touches(bench: Bench) -> None:
    bench.write(A, B)
    assert set(bench.states().values()) == {"missing"}
    assert not (bench.folder / "out").exists()
    assert bench.run() == 0
    assert bench.made() == {"a": 6, "b": 5}
    assert [frames_of(bench.folder / "out" / f"{shot}.mp4") for shot in "ab"] == [10, 5]
    assert set(bench.states().values()) == {"kept"}
    before = bench.hashes()
    assert bench.run() == 0
    assert bench.made() == {"a": 0, "b": 0}

    bench.write(f"{A}\nstrength = 2", f'{B}\nattr = "smile=0.4"')
    states = bench.states()
    assert {unit for unit, state in states.items() if state == "missing"} == {
        "b 0",
        "b 1",
        "b join",
    }
    assert bench.run() == 0
    assert bench.made() == {"a": 0, "b": 3}
    assert bench.hashes()["a.mp4"] == before["a.mp4"]
    assert bench.hashes()["b.mp4"] != before["b.mp4"]

    bench.write(A, B)
    assert bench.run() == 0  # chunks of the first run are kept still
    assert bench.made() == {"a": 0, "b": 1}
    assert bench.hashes() == before


def test_a_batch_a_plain_edit_in_pieces_and_processes_make_the_same_file(bench: Bench) -> None:
    bench.write(f'{A}\nframes = "2-7"\nhandles = 1', head=HEAD)
    assert bench.run() == 0
    plain = bench.folder / "plain.mp4"
    asked = ["edit", str(bench.folder / "a.mp4"), "--attr", "smile=0.8", "--chunk", "4"]
    asked += ["--frames", "1-8", "--analysis", str(bench.folder / "a.json"), "-o", str(plain)]
    assert main(asked) == 0
    assert plain.read_bytes() == (bench.folder / "out" / "a.mp4").read_bytes()
    assert frames_of(plain) == 8
    before = bench.hashes()
    shutil.rmtree(bench.folder / "reel.work")
    assert bench.run() == 4
    assert "exists; use --overwrite" in bench.said()
    assert bench.run("--overwrite", "--on", "processes:2", "--progress", "farm") == 0
    check_rises(bench.percents())
    assert bench.made() == {"a": 5}
    assert bench.hashes() == before


def test_one_unit_is_made_with_what_it_needs_and_twice_is_once(bench: Bench) -> None:
    bench.write(A, B)
    for _ in range(2):
        assert bench.run("--shot", "b", "--unit", "1", "--progress", "farm") == 0
        check_rises(bench.percents())
        states = bench.states()
        kept = {unit for unit, state in states.items() if state == "kept"}
        assert kept == {"b analysis", "b codes", "b 1"}
    assert bench.run("--shot", "b", "--unit", "7") == 3
    assert "has no unit '7'; accepted: analysis, codes, 0 to 1, join" in bench.said()
    assert bench.run("--unit", "1") == 2
    assert bench.run("--shot", "b", "--unit", "join") == 0
    assert frames_of(bench.folder / "out" / "b.mp4") == 5


def test_a_shot_that_cannot_be_used_is_named_and_the_others_are_delivered(bench: Bench) -> None:
    (bench.folder / "c.mp4").write_bytes(b"no video at all")
    lost = 'name = "lost"\ninput = "lost.mp4"'
    short = f'{B}\nframes = "3-99"'
    bench.write('name = "c"\ninput = "c.mp4"', A, lost, short)
    assert bench.run("--progress", "farm", "--log", "json") == 8
    out, err = bench.capture.readouterr()
    check_rises(percents_of(out))
    lines = [json.loads(line) for line in err.splitlines()]
    assert {line["shot"]: line["state"] for line in lines if "shot" in line} == {
        **dict.fromkeys(("c", "lost", "b"), "failed"),
        "a": "done",
    }
    said = " ".join(line["message"] for line in lines)
    for told in ("c failed: ", "lost failed: ", "b failed", "there are 0 to 4", "a done"):
        assert told in said
    assert list(bench.hashes()) == ["a.mp4"]
    assert bench.run("--shot", "c") == 3
    assert bench.run("--shot", "b") == 2
    shutil.copy(bench.folder / "b.mp4", bench.folder / "lost.mp4")
    assert bench.run() == 8
    assert {shot: made for shot, made in bench.made().items() if made} == {"lost": 4}


def test_the_report_is_of_what_is_kept_whoever_made_it_and_looks_at_no_frame_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.write(A, f'{B}\nhandles = 3\nframes = "0-3"', 'name = "gone"\ninput = "gone.mp4"')
    assert bench.run("--shot", "a", "--shot", "b") == 0
    assert not (bench.work / "report.json").exists()  # of a part of the shots there is none
    monkeypatch.setattr("pipeline.batch.making.review", None)
    assert bench.run() == 8
    first, shown = bench.report(), (bench.work / "report.html").read_text()
    shots = first["shots"]
    assert first["counts"] == {"done": 2, "failed": 1}
    assert {name: shot["made"] for name, shot in shots.items()} == {"a": 0, "b": 0, "gone": 0}
    for name, hashed in bench.hashes().items():
        assert shots[Path(name).stem]["target"]["sha256"] == hashed
        assert hashed in shown
    codes = {name: {one["code"] for one in shot["findings"]} for name, shot in shots.items()}
    assert codes["gone"] == {"failed"}
    assert "short-handles" in codes["b"]
    assert shots["gone"]["in_words"] == "1 error"
    assert set(shots["a"]["seconds"]) == {"analysis", "codes", "render", "join", "review"}
    assert shots["a"]["counts"]["edited"] == 10
    assert 30 < shots["a"]["figures"]["outside"]["psnr_db"] < 70
    assert shots["a"]["figures"]["inside"]["mean"] > shots["a"]["figures"]["outside"]["mean"]
    assert shown.count("<img") >= 4
    assert "://" not in shown

    for path in (bench.work / "report.json", bench.work / "report.html"):
        path.unlink()
    shutil.rmtree(bench.work / "shots")
    assert bench.run("--report") == 0
    again = bench.report()["shots"]
    assert [again[name] for name in "ab"] == [shots[name] for name in "ab"]
    (bench.folder / "out" / "a.mp4").write_bytes(b"of somebody else")
    assert bench.run("--report") == 0
    (finding,) = bench.report()["shots"]["a"]["findings"]
    assert (finding["level"], finding["code"]) == ("error", "target-gone")


class Difference:
    """A recogniser to which people differ as their pictures do, and soon are others."""

    name, other_person = "difference", 0.001

    def distances(self, a: Tensor, b: Tensor) -> Tensor:
        return (a - b).abs().mean((1, 2, 3))


def test_the_report_says_how_far_people_moved_and_nothing_else_is_made_anew_for_that(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "load_recogniser", lambda: None)
    bench.write(
        f"{A}\nframes = '2-6'\n[[shot.edit]]\nattr = 'smile=1'\n[[shot.edit]]\nattr='age=1'"
    )
    assert bench.run() == 0
    hashes = bench.hashes()
    monkeypatch.setattr(making, "load_recogniser", Difference)
    assert bench.run() == 0
    assert bench.made() == {"a": 0}
    assert "identity" not in bench.report()["shots"]["a"], "it is of what was looked at then"
    shutil.rmtree(bench.work / "store" / "join")
    assert bench.run() == 0
    assert bench.made() == {"a": 1}
    assert bench.hashes() == hashes
    shot = bench.report()["shots"]["a"]
    (face,) = shot["identity"]
    assert face["frames"] == [2, 3, 4, 5, 6]
    assert 0.001 < face["distance"] <= face["farthest"] < 0.2
    assert [one["text"] for one in shot["findings"] if one["code"] == "other-person"]
    shown = (bench.work / "report.html").read_text()
    assert f"{face['distance']:.2f} from who it was" in shown


def test_a_damaged_recogniser_fails_a_shot_before_it_is_joined(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged() -> None:
        raise WeightsError("it ends within a layer")

    monkeypatch.setattr(making, "load_recogniser", damaged)
    monkeypatch.setattr(making, "join_segments", None)
    bench.write(f"{A}\nframes = '2-3'")
    assert bench.run() != 0
    assert "it ends within a layer" in bench.said()


def test_where_nothing_can_be_edited_a_shot_fails_or_is_delivered_or_left_out(
    bench: Bench, empty_clip: Path
) -> None:
    shutil.copy(empty_clip, bench.folder / "empty.mp4")
    shot = 'input = "empty.mp4"\nchunk = 6\non-unedited = '
    ways = ("fail", "warn", "skip")
    bench.write(*(f'name = "{how}"\n{shot}"{how}"' for how in ways))
    assert bench.run() == 8
    said = bench.said()
    assert "fail failed in join: no face could be edited" in said
    assert "skip skipped" in said
    assert list(bench.hashes()) == ["warn.mp4"]


def test_another_content_of_a_matte_makes_chunks_anew_and_a_lost_one_fails_the_shot(
    bench: Bench,
) -> None:
    matte = bench.folder / "hand.png"
    size = (240, 240)
    cv2.imwrite(str(matte), np.zeros(size, np.uint8))
    bench.write(B, f'{B}\nholdout = "hand.png"'.replace('name = "b"', 'name = "held"'))
    assert bench.run() == 0
    assert len(set(bench.hashes().values())) == 1  # black keeps nothing
    cv2.imwrite(str(matte), np.full(size, 255, np.uint8))
    assert bench.run() == 8  # white keeps all of it, so that there is nothing to edit
    assert bench.made() == {"b": 0, "held": 2}
    assert "held failed in join: no face could be edited" in bench.said()
    matte.unlink()
    assert bench.run("--shot", "held") == 3


def test_every_wrong_line_is_told_before_anything_is_made(bench: Bench) -> None:
    bench.write(f'{A}\nattr = "smlie"', f'{B}\nfaces = "tallest"', B.replace('"b"', '"b/c"'))
    assert bench.run() == 2
    assert "line 16: shot 'b/c'" in bench.said()
    bench.write(f'{A}\nattr = "smlie"', f'{B}\nfaces = "tallest"')
    assert bench.run() == 2
    said = bench.said()
    assert "line 10: shot 'a': attr: unknown attribute 'smlie'; did you mean 'smile'?" in said
    assert "line 14: shot 'b': faces: cannot choose faces by 'tallest'" in said
    assert not (bench.folder / "out").exists()


def test_what_no_shot_needs_goes_when_that_is_asked_for(bench: Bench) -> None:
    bench.write(B)
    assert bench.run() == 0
    bench.write(f'{B}\nattr = "smile=0.4"')
    assert bench.run() == 0
    left = bench.folder / "reel.work" / "tmp" / "bad.x.0"
    left.mkdir()
    assert bench.run("--clean") == 0
    assert bench.capture.readouterr().out == "removed 3 units, 1 folder in tmp\n"
    assert set(bench.states().values()) == {"kept"}
    assert list((bench.folder / "reel.work" / "tmp").iterdir()) == []


def test_the_example_delivers_its_shots(tmp_path: Path) -> None:
    for name in ("configs/reels/example.toml", "samples/astronaut.mp4"):
        (tmp_path / name).parent.mkdir(parents=True)
        shutil.copy(ROOT / name, tmp_path / name)
    assert main(["run", str(tmp_path / "configs/reels/example.toml"), "--on", "here"]) == 0
    out = tmp_path / "out" / "reel"
    assert frames_of(out / "sh010_v001.mp4") == 8 + 2 * 2
    assert frames_of(out / "sh020_v001.mp4") == 4
