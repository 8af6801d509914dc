"""From the command line: damage is said once, refused if asked; input and output are checked."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import av
import pytest

import pipeline.run
from pipeline.cli import main
from pipeline.config import EncodeOptions
from pipeline.errors import OutputError
from pipeline.media.container.decode import VideoReader
from pipeline.media.container.encode import VideoWriter
from pipeline.media.container.file import OutputPlan
from pipeline.media.container.fingerprint import fingerprint
from pipeline.media.container.preflight import preflight_output
from pipeline.media.container.probe import probe
from pipeline.media.container.verify import checksum, verify_decoded
from tests.conftest import Desk, Pictures
from tests.copying import copy_packets

ClipOf = Callable[..., Path]


@pytest.fixture
def broken(desk: Desk, astronaut: Pictures, clip_of: ClipOf) -> Path:
    """Ten lossless frames, the fifth with a byte turned over."""
    path = clip_of(desk.folder / "broken.mkv", astronaut, codec="ffv1")
    with av.open(str(path)) as container:
        packet = [p for p in container.demux(video=0) if p.size][4]
    data = bytearray(path.read_bytes())
    data[packet.pos + packet.size // 2] ^= 0x55
    path.write_bytes(data)
    return path


def test_damage_is_one_warning_and_a_list_in_the_report(desk: Desk, broken: Path) -> None:
    report, faces = desk.folder / "r.json", desk.folder / "broken.faces.json"
    command = ["edit", str(broken), "--attr", "smile", "--report", str(report), "--quiet"]
    command += ["-o", str(desk.folder / "out.mp4"), "--analysis", str(faces), "--overwrite"]
    for _ in range(2):  # analyzed now; then from the stored analysis
        assert main(command) == 0
        said = desk.capture.readouterr().err
        assert said.count("damaged") == 1
        assert "the input is damaged at frame 4 (0.16 s)" in said
        told = json.loads(report.read_text())
        assert {(d["first_frame"], d["last_frame"]) for d in told["damage"]} == {(4, 4)}
        assert told["options"]["on_damage"] == "warn"
        assert json.loads(faces.read_text())["damage"] == told["damage"]


def test_a_damaged_input_is_refused_if_that_was_asked(desk: Desk, broken: Path) -> None:
    fail = ["--on-damage", "fail"]
    words = "damaged at frame 4"
    assert words in desk.refused(
        3, "edit", broken, "--attr", "smile", "-o", desk.folder / "out.mp4", *fail
    )
    assert words in desk.refused(
        3,
        *("edit", broken, "--attr", "smile", "-o", desk.folder / "out.mp4", *fail),
        *("--analysis", desk.folder / "new.json", "--report", desk.folder / "r.json"),
    )
    assert words in desk.refused(3, "analyze", broken, "-o", desk.folder / "new.json", *fail)
    preset = desk.folder / "strict.toml"
    preset.write_text('attr = ["smile"]\non_damage = "fail"\n')
    assert words in desk.refused(
        3, "edit", broken, "-o", desk.folder / "out.mp4", "--config", preset
    )
    assert main(["analyze", str(broken), "-o", str(desk.folder / "kept.json"), "--quiet"]) == 0
    desk.capture.readouterr()
    assert words in desk.refused(
        3,
        *("edit", broken, "--attr", "smile", "-o", desk.folder / "out.mp4", *fail),
        *("--analysis", desk.folder / "kept.json"),
    )
    assert "accepted: warn, fail" in desk.edit_refused(2, "--on-damage", "stop")


def test_a_whole_input_passes_where_damage_is_refused(desk: Desk) -> None:
    report = desk.folder / "r.json"
    command = ["edit", str(desk.clip), "--attr", "smile", "-o", str(desk.folder / "out.mp4")]
    assert main([*command, "--on-damage", "fail", "--report", str(report)]) == 0
    assert json.loads(report.read_text())["damage"] == []


@pytest.mark.parametrize("moment", ["open_sink", "open_report"])
def test_another_clip_in_the_inputs_place_is_refused(
    desk: Desk, empty_clip: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    before, swapped = getattr(pipeline.run, moment), desk.clip.read_bytes()

    def swap(*arguments: object, **named: object) -> object:
        result = before(*arguments, **named)
        shutil.copy(empty_clip, desk.clip)
        return result

    monkeypatch.setattr(pipeline.run, moment, swap)
    out = desk.folder / "out.mp4"
    command = ["edit", str(desk.clip), "--attr", "smile", "-o", str(out), "--quiet"]
    assert main(command) == 3
    assert "changed since it was opened" in desk.capture.readouterr().err
    assert not out.exists()
    assert swapped != desk.clip.read_bytes()


def test_an_analysis_holds_after_a_remux_and_not_for_another_clip(
    desk: Desk, empty_clip: Path
) -> None:
    copy = copy_packets(desk.clip, desk.folder / "copy.mkv", only_video=True)
    known = ["--attr", "smile", "--analysis", str(desk.analysis), "--quiet"]
    assert main(["edit", str(copy), "-o", str(desk.folder / "out.mkv"), *known]) == 0
    desk.capture.readouterr()
    error = desk.refused(3, "edit", empty_clip, "-o", desk.folder / "other.mp4", *known)
    assert "belongs to another video" in error


def test_an_analysis_with_a_former_fingerprint_is_used_where_it_proves_the_video(
    desk: Desk,
) -> None:
    stored = json.loads(desk.analysis.read_text())
    stored["fingerprint"] = fingerprint(desk.clip).former
    desk.analysis.write_text(json.dumps(stored))
    known = ["--attr", "smile", "--analysis", str(desk.analysis), "--quiet"]
    assert main(["edit", str(desk.clip), "-o", str(desk.folder / "done.mp4"), *known]) == 0
    stored["fingerprint"] = "0" * 64
    desk.analysis.write_text(json.dumps(stored))
    desk.capture.readouterr()
    assert "belongs to another video" in desk.edit_refused(3, "--analysis", desk.analysis)


# What was written is decoded again


def _written(clip: Path, target: Path, options: EncodeOptions) -> tuple[OutputPlan, list[int]]:
    source = probe(clip)
    plan = preflight_output(target, source, options)
    with VideoReader(source) as reader, VideoWriter(plan) as writer:
        times = []
        for frame in reader:
            writer.write(frame)
            times.append(frame.pts)
    return plan, times


def _checksums(clip: Path) -> list[int]:
    with VideoReader(probe(clip)) as reader:
        return [checksum(frame) for frame in reader]


@pytest.mark.parametrize(
    ("options", "again", "lossless"),
    [
        (EncodeOptions(), False, False),
        (EncodeOptions(verify="full"), True, False),
        (EncodeOptions(codec="ffv1"), True, True),
        (EncodeOptions(codec="ffv1", verify="quick"), False, True),
        (EncodeOptions(crf=0), True, True),
        (EncodeOptions(codec="libx265", crf=0, preset="ultrafast"), True, True),
        (EncodeOptions(codec="libx265", preset="ultrafast", verify="full"), True, False),
    ],
    ids=str,
)
def test_lossless_outputs_are_decoded_again_others_if_asked(
    desk: Desk, options: EncodeOptions, again: bool, lossless: bool
) -> None:
    plan, times = _written(desk.clip, desk.folder / "out.mkv", options)
    assert (plan.decodes_again, plan.is_lossless) == (again, lossless)
    given = _checksums(desk.clip) if lossless else []
    assert verify_decoded(plan.path, plan, times, given) == []


def test_a_picture_that_is_not_what_was_given_is_an_error(
    desk: Desk, astronaut: Pictures, clip_of: ClipOf
) -> None:
    other = clip_of(desk.folder / "other.mp4", [*astronaut[:6], 255 - astronaut[6], *astronaut[7:]])
    plan, times = _written(desk.clip, desk.folder / "out.mkv", EncodeOptions(codec="ffv1"))
    with pytest.raises(OutputError, match="frames, the first of them"):
        verify_decoded(plan.path, plan, times, _checksums(other))


def test_a_frame_that_does_not_come_out_of_the_file_is_an_error(desk: Desk) -> None:
    plan, times = _written(desk.clip, desk.folder / "out.mkv", EncodeOptions(codec="ffv1"))
    late = [*times, times[-1] + 512]
    with pytest.raises(OutputError, match="11 frames were given and 10 come out"):
        verify_decoded(plan.path, plan, late, [])
    slow = dataclasses.replace(plan.source.info, time_base=2 * plan.source.info.time_base)
    shifted = dataclasses.replace(plan, source=dataclasses.replace(plan.source, info=slow))
    assert "off their times" in verify_decoded(plan.path, shifted, times, [])[0]


def test_a_file_damaged_while_it_was_written_is_an_error(desk: Desk) -> None:
    plan, times = _written(desk.clip, desk.folder / "out.mkv", EncodeOptions(codec="ffv1"))
    with av.open(str(plan.path)) as container:
        packet = [p for p in container.demux(video=0) if p.size][3]
    data = bytearray(plan.path.read_bytes())
    data[packet.pos + packet.size // 2] ^= 0x55
    plan.path.write_bytes(data)
    with pytest.raises(OutputError, match="damaged at frame 3"):
        verify_decoded(plan.path, plan, times, [])


# Headers that announce what cannot be


def test_a_rate_beyond_all_cameras_is_refused(desk: Desk) -> None:
    data = desk.clip.read_bytes()
    media_header = data.index(b"mdhd")
    rate = media_header + 4 + 12  # version and flags, created, modified, then the time scale
    clip = desk.folder / "fast.mp4"
    clip.write_bytes(data[:rate] + (2**31 - 1).to_bytes(4, "big") + data[rate + 4 :])
    assert "frames a second; accepted are up to 10000" in desk.refused(
        3, "edit", clip, "--attr", "smile", "-o", desk.folder / "out.mp4"
    )


def test_a_length_that_no_video_has_is_not_believed(
    desk: Desk, astronaut: Pictures, clip_of: ClipOf
) -> None:
    clip = clip_of(desk.folder / "long.mkv", astronaut[:2])
    data = clip.read_bytes()
    at = data.index(b"DURATION") + len(b"DURATION")
    length = data.index(b"00:00:00.", at)
    clip.write_bytes(data[:length] + b"9" * 9 + data[length + 9 :])
    assert probe(clip).info.duration_s < 1.0
    out, report = desk.folder / "out.mkv", desk.folder / "r.json"
    command = ["edit", str(clip), "--attr", "smile", "-o", str(out), "--report", str(report)]
    assert main(command) == 0
    assert json.loads(report.read_text())["damage"] == []
