"""A video is recognised by its pictures' packets, not by its name or its sound."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import av
import pytest

from pipeline.errors import VideoError
from pipeline.video.fingerprint import fingerprint

MakeClip = Callable[..., Path]


def without_sound(source: Path, target: Path) -> Path:
    with av.open(str(source)) as before, av.open(str(target), "w") as after:
        stream = after.add_stream_from_template(before.streams.video[0])
        for packet in before.demux(video=0):
            if packet.size:
                packet.stream = stream
                after.mux(packet)
    return target


def test_renaming_and_removing_the_sound_keep_the_fingerprint(
    make_clip: MakeClip, tmp_path: Path
) -> None:
    path = make_clip("a.mp4", audio=("eng",))
    moved = tmp_path / "b.mp4"
    shutil.copy(path, moved)
    assert fingerprint(moved) == fingerprint(path)
    assert fingerprint(without_sound(path, tmp_path / "mute.mp4")) == fingerprint(path)
    assert len(fingerprint(path)) == 64


def test_another_encode_or_another_length_is_another_video(make_clip: MakeClip) -> None:
    prints = {
        fingerprint(make_clip("a.mp4")),
        fingerprint(make_clip("b.mp4", frames=11)),
        fingerprint(make_clip("c.mp4", options={"crf": "35"})),
        fingerprint(make_clip("d.mp4", width=80)),
    }
    assert len(prints) == 4


def test_a_file_that_is_no_video_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_text("not a video")
    with pytest.raises(VideoError, match="cannot be read as a video"):
        fingerprint(path)
