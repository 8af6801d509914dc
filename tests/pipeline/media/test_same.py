"""A pass works on the video that was looked at, or on none."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.errors import VideoError
from pipeline.media.container.decode import VideoReader
from pipeline.media.container.fingerprint import fingerprint
from pipeline.media.container.probe import probe

MakeClip = Callable[..., Path]


def test_another_video_in_its_place_is_refused_before_a_pass(make_clip: MakeClip) -> None:
    path, other = make_clip("a.mp4"), make_clip("b.mp4", frames=11)
    source, content = probe(path), fingerprint(path).content
    shutil.copy(other, path)
    for expected in (content, ""):
        with (
            pytest.raises(VideoError, match="changed since it was opened"),
            VideoReader(source, content=expected),
        ):
            pass


def test_a_touched_file_and_a_copy_in_its_place_are_let_through(make_clip: MakeClip) -> None:
    path = make_clip("a.mp4")
    source, content = probe(path), fingerprint(path).content
    os.utime(path, ns=(1, 1))
    with VideoReader(source, content=content) as reader:
        assert len(list(reader)) == 12
    shutil.copy(path, path.with_name("copy.mp4"))
    path.with_name("copy.mp4").replace(path)
    with VideoReader(source, content=content) as reader:
        assert len(list(reader)) == 12


def test_other_pictures_under_the_same_size_and_time_are_found_by_reading(
    make_clip: MakeClip,
) -> None:
    path = make_clip("a.avi", codec="rawvideo", options={})
    source, content = probe(path), fingerprint(path).content
    state = path.stat()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    with path.open("r+b") as file:
        file.write(data)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    with (
        VideoReader(source, content=content) as reader,
        pytest.raises(VideoError, match="changed since it was opened"),
    ):
        list(reader)


def test_a_reader_has_the_fingerprint_of_the_file(make_clip: MakeClip) -> None:
    for name in ("a.mp4", "a.ts", "a.avi"):
        path = make_clip(name)
        with VideoReader(probe(path)) as reader:
            list(reader)
        assert reader.fingerprint == fingerprint(path)
