"""A video is recognised by its pictures' packets, not by its name or its sound."""

from __future__ import annotations

import hashlib
import re
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import av
import pytest

from pipeline.errors import VideoError
from pipeline.media.container.fingerprint import fingerprint
from tests.copying import copy_packets

MakeClip = Callable[..., Path]


def test_renaming_and_removing_the_sound_keep_the_fingerprint(
    make_clip: MakeClip, tmp_path: Path
) -> None:
    path = make_clip("a.mp4", audio=("eng",))
    moved = tmp_path / "b.mp4"
    shutil.copy(path, moved)
    assert fingerprint(moved) == fingerprint(path)
    mute = copy_packets(path, tmp_path / "mute.mp4", only_video=True)
    assert fingerprint(mute) == fingerprint(path)
    assert re.fullmatch("sha256:[0-9a-f]{64}", fingerprint(path).content)


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


def _in(source: Path, suffix: str) -> Path:
    return copy_packets(source, source.with_name(f"copy-of-{source.stem}{suffix}"), only_video=True)


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_another_container_keeps_the_content(make_clip: MakeClip, codec: str) -> None:
    path = make_clip("a.mp4", codec=codec, options={"g": "5", "threads": "1"}, frames=20)
    content = fingerprint(path).content
    for suffix in (".mkv", ".ts", ".mov", ".flv"):
        copy = _in(path, suffix)
        assert fingerprint(copy).content == content, suffix
    assert fingerprint(_in(_in(path, ".ts"), ".mp4")).content == content


def test_pictures_of_one_size_are_told_apart_by_what_they_show(make_clip: MakeClip) -> None:
    path = make_clip("a.avi", codec="rawvideo", options={})
    before = fingerprint(path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert fingerprint(path).content != before.content
    assert before.former is None, "sizes and times would be those of any other clip"


def test_the_former_fingerprint_is_still_known(make_clip: MakeClip) -> None:
    path = make_clip("a.mp4")
    digest = hashlib.sha256(b"h264|64|48|1/12800")
    with av.open(str(path)) as container:
        for packet in container.demux(video=0):
            if packet.size:
                digest.update(struct.pack("<qq", packet.pts, packet.size))
    assert fingerprint(path).former == digest.hexdigest()
