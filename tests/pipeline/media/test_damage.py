"""Damage is heard, counted and numbered; whole files, however odd, have none."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
import pytest

from pipeline.errors import VideoError
from pipeline.media.container.decode import VideoReader
from pipeline.media.container.log import ErrorLog
from pipeline.media.container.probe import probe
from pipeline.media.damage import Damage, summarize

MakeClip = Callable[..., Path]
ROOT = Path(__file__).parents[3]


def damage_of(path: Path) -> tuple[int, list[Damage]]:
    """Return how many frames a file has, and its damage."""
    with VideoReader(probe(path)) as reader:
        count = sum(1 for _ in reader)
    return count, reader.damage


def hit(path: Path, index: int) -> None:
    """Turn over a byte in the middle of a stored picture."""
    with av.open(str(path)) as container:
        packet = [p for p in container.demux(video=0) if p.size][index]
    data = bytearray(path.read_bytes())
    data[packet.pos + packet.size // 2] ^= 0x55
    path.write_bytes(data)


def test_what_ffmpeg_calls_an_error_is_said_with_the_frames_number(make_clip: MakeClip) -> None:
    path = make_clip("a.mkv", codec="ffv1", options={"slicecrc": "1", "level": "3"})
    hit(path, 7)
    count, damage = damage_of(path)
    assert count == 12
    assert {(d.first_frame, d.last_frame) for d in damage} == {(7, 7)}
    assert any("slice CRC mismatch" in d.message for d in damage)
    (sentence,) = summarize(damage)
    assert sentence.startswith("the input is damaged at frame 7 (0.28 s): ")


def test_the_number_is_that_of_the_shown_frame_where_the_stored_order_is_another(
    make_clip: MakeClip,
) -> None:
    path = make_clip("a.mkv", codec="mpeg4", options={"bf": "2", "g": "100"}, frames=20)
    with av.open(str(path)) as container:
        stored = [p for p in container.demux(video=0) if p.size]
    late = stored[9]
    hit(path, 9)
    _, damage = damage_of(path)
    assert damage
    assert min(d.first_frame for d in damage) == round(late.pts * late.time_base * 25)


CUTS = {
    "a.avi": ("announces 60 pictures", {}),
    "a.flv": ("it is cut off", {}),
    "a.ts": ("ends inside a packet", {}),
    "a.vob": ("ends inside a pack ", {}),
    "a.y4m": ("ends inside a picture", {}),
    "a.mkv": ("before its announced end", {}),
    "a.mp4": ("cut off", {"movflags": "+faststart"}),
}


@pytest.mark.parametrize("name", CUTS)
def test_a_file_cut_off_says_so_in_every_container(make_clip: MakeClip, name: str) -> None:
    words, muxer = CUTS[name]
    more: dict[str, Any] = {} if name == "a.flv" else {"audio": ("eng",)}
    if name == "a.vob":
        more = {"codec": "mpeg2video", "options": {"b": "2000k"}}
    if name == "a.y4m":
        more = {"codec": "rawvideo", "options": {}}
    path = make_clip(name, frames=60, muxer_options=muxer, **more)
    size = path.stat().st_size * 6 // 10
    path.write_bytes(path.read_bytes()[: size - size % 188 + 100])
    count, damage = damage_of(path)
    assert 5 < count < 60
    (sentence,) = summarize(damage)
    assert words in sentence


def test_a_fragmented_mp4_cut_off_says_so_or_is_refused(make_clip: MakeClip) -> None:
    fragments = {"movflags": "frag_keyframe+empty_moov"}
    options = {"g": "10", "crf": "20", "threads": "1"}
    whole = make_clip("a.mp4", frames=60, muxer_options=fragments, options=options)
    assert damage_of(whole) == (60, [])
    data = whole.read_bytes()
    for share in (0.5, 0.6, 0.75, 0.9):
        cut = whole.with_name(f"cut{share}.mp4")
        cut.write_bytes(data[: int(len(data) * share)])
        try:
            count, damage = damage_of(cut)
        except VideoError:
            continue
        assert count < 60
        assert damage, share


ODD: dict[str, tuple[str, dict[str, Any]]] = {
    "open groups": ("a.mp4", {"options": {"g": "6", "x264-params": "open-gop=1:bframes=2"}}),
    "open groups, from the middle": ("a.ts", {"options": {"g": "6", "bf": "2"}}),
    "packed AVI": ("a.avi", {"codec": "mpeg4", "options": {"bf": "2"}}),
    "variable": ("a.mkv", {"pts": (0, 100, 133, 200, 900, 2000), "time_base": Fraction(1, 1000)}),
    "begins late": ("a.mkv", {"pts": range(700, 1200, 40), "time_base": Fraction(1, 1000)}),
    "flash": ("a.flv", {"codec": "flv1", "options": {}}),
    "sound": ("a.ts", {"audio": ("eng", "fra")}),
    "no delay": ("a.h264", {"options": {"bf": "0"}}),
    "hidden pictures": ("a.webm", {"codec": "libvpx", "options": {"auto-alt-ref": "1"}}),
    "raw": ("a.y4m", {"codec": "rawvideo", "options": {}, "width": 63, "height": 47}),
    "program stream": ("a.mpg", {"codec": "mpeg2video", "options": {"bf": "2"}}),
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_but_whole_file_has_no_damage(make_clip: MakeClip, name: str) -> None:
    file, fields = ODD[name]
    count, damage = damage_of(make_clip(file, **{"frames": 40, **fields}))
    assert damage == []
    assert count == len(fields.get("pts", range(40)))


def test_a_program_stream_without_stuffing_at_its_end_is_whole(make_clip: MakeClip) -> None:
    path = make_clip("a.vob", codec="mpeg2video", frames=30, options={"b": "2000k"})
    data = path.read_bytes()
    end = data.rindex(b"\x00\x00\x01\xe0")
    path.write_bytes(data[: end + 6 + int.from_bytes(data[end + 4 : end + 6], "big")])
    assert damage_of(path) == (30, [])
    path.write_bytes(path.read_bytes() + b"\x00\x00\x01\xb9")
    assert damage_of(path) == (30, [])


def test_a_repeated_picture_in_avi_counts_as_one_of_those_announced(make_clip: MakeClip) -> None:
    path = make_clip("a.avi", codec="mjpeg", pix_fmt="yuvj420p", options={}, pts=(0, 1, 2, 6, 7))
    count, damage = damage_of(path)
    assert (count, damage) == (5, [])


def test_errors_of_other_streams_decoders_are_no_damage_of_the_video() -> None:
    with ErrorLog() as log:
        for name, text in (("aac", "bad sound\n"), ("h264", "bad "), ("h264", "picture\n")):
            log.call(partial(av.logging.log, av.logging.ERROR, name, text))
        log.call(lambda: av.logging.log(av.logging.WARNING, "h264", "odd\n"))
        assert log.take(but_of={"aac"}) == ["bad", "picture"]
        assert log.take() == []


def test_a_message_in_pieces_is_one_and_the_level_is_put_back() -> None:
    before = av.logging.get_level(), av.logging.get_skip_repeated()

    def speak() -> None:
        av.logging.log(av.logging.ERROR, "ffv1", "slice broken")
        av.logging.log(av.logging.ERROR, "ffv1", "at 1 second\n")

    with ErrorLog() as outer, ErrorLog() as inner:
        outer.call(speak)
        inner.call(speak)
        assert outer.take() == inner.take() == ["slice broken at 1 second"]
    assert (av.logging.get_level(), av.logging.get_skip_repeated()) == before


def test_what_a_decoder_says_on_other_threads_is_heard_whenever_it_is_said() -> None:
    def speak(*names: str) -> None:
        for name in names:
            av.logging.log(av.logging.ERROR, name, f"bad {name}\n")

    def elsewhere(*names: str) -> None:
        thread = threading.Thread(target=speak, args=names)
        thread.start()
        thread.join()

    with ErrorLog() as first, ErrorLog() as second:
        first.decoder, second.decoder = "hevc", "vp9"
        first.call(lambda: elsewhere("hevc", "mp4"))
        elsewhere("vp9", "hevc", "libx264")  # between two calls
        first.call(lambda: second.call(lambda: None))
        elsewhere("vp9")
        second.call(lambda: None)
        first.call(lambda: None)
        assert first.take() == ["bad hevc"]
        assert second.take() == ["bad vp9"]


def test_calls_that_overlap_on_two_threads_lose_no_message() -> None:
    begun, both, over = threading.Event(), threading.Event(), threading.Event()

    def short() -> None:
        begun.set()
        both.wait(10)

    def long() -> None:
        both.set()
        over.wait(10)
        speaker = threading.Thread(target=av.logging.log, args=(av.logging.ERROR, "hevc", "x\n"))
        speaker.start()
        speaker.join()

    with ErrorLog() as first, ErrorLog() as second:
        second.decoder = "hevc"
        ends_first = threading.Thread(target=first.call, args=(short,))
        ends_last = threading.Thread(target=second.call, args=(long,))
        ends_first.start()
        begun.wait(10)
        ends_last.start()
        ends_first.join()
        over.set()
        ends_last.join()
        assert second.take() == ["x"]


def test_two_readers_at_once_hear_their_own_files(make_clip: MakeClip) -> None:
    whole = make_clip("a.mkv", codec="ffv1", options={"slicecrc": "1", "level": "3"}, frames=60)
    broken = make_clip("b.mkv", codec="ffv1", options={"slicecrc": "1", "level": "3"}, frames=60)
    hit(broken, 30)
    found: dict[Path, list[Damage]] = {}

    def read(path: Path) -> None:
        source = probe(path)
        with VideoReader(source, threads=1) as reader:
            for _ in reader:
                pass
        found[path] = reader.damage

    threads = [threading.Thread(target=read, args=(path,)) for path in (whole, broken)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found[whole] == []
    assert {d.first_frame for d in found[broken]} == {30}


LEAVE_EARLY = """
import sys
from pathlib import Path
from pipeline.media.container.decode import VideoReader
from pipeline.media.container.probe import probe

for _ in range(3):
    with VideoReader(probe(Path(sys.argv[1])), threads=4) as reader:
        for frame in reader:
            if frame.index == 3:
                break
"""


def test_leaving_a_large_damaged_video_early_does_not_wait_for_ever(make_clip: MakeClip) -> None:
    options = {"preset": "ultrafast", "g": "4", "threads": "2"}
    path = make_clip("a.mkv", width=1936, height=1104, frames=12, options=options)
    for index in range(2, 12):
        hit(path, index)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", LEAVE_EARLY, str(path)]
    subprocess.run(command, check=True, timeout=120, env=environment)
