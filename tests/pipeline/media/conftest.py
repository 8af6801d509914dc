"""Small clips made on the spot with PyAV alone, and plain readers to compare files with."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.config import EncodeOptions
from pipeline.media.container.decode import VideoReader
from pipeline.media.container.encode import VideoWriter
from pipeline.media.container.file import OutputPlan
from pipeline.media.container.preflight import preflight_output
from pipeline.media.container.probe import probe
from pipeline.media.container.scheduling import usual_scheduling
from pipeline.types import Frame


@dataclass(frozen=True)
class Clip:
    """What a synthetic clip should be."""

    width: int = 64
    height: int = 48
    frames: int = 12
    rate: Fraction = Fraction(25)
    pts: Sequence[int] | None = None
    """[ticks of time_base]; None is one tick of 1/rate each."""
    time_base: Fraction | None = None
    codec: str = "libx264"
    pix_fmt: str = "yuv420p"
    options: dict[str, str] = field(default_factory=lambda: {"crf": "20", "threads": "1"})
    rotation_ccw: int = 0
    aspect: Fraction | None = None
    tags: tuple[int, int, int, int] | None = None
    """Colour range, primaries, transfer, matrix."""
    audio: Sequence[str] = ()
    """Language of every audio track."""
    audio_codec: str = "aac"
    subtitles: bool = False
    chapters: bool = False
    metadata: dict[str, str] = field(default_factory=dict)
    muxer_options: dict[str, str] = field(default_factory=dict)


def picture(width: int, height: int, index: int) -> NDArray[np.uint8]:
    """Return a moving gradient with fixed noise, (h, w, 3) uint8 RGB."""
    y, x = np.mgrid[:height, :width]
    noise = np.random.default_rng(7).integers(0, 24, (height, width))
    red = (x * 3 + index * 5) % 232 + noise
    green = (y * 4 + index * 2) % 232 + noise
    blue = (x + y + index * 7) % 232 + noise
    return np.stack([red, green, blue], axis=2).astype(np.uint8)


def _add_video(container: av.container.OutputContainer, clip: Clip) -> av.VideoStream:
    stream = container.add_stream(
        clip.codec,
        rate=clip.rate,
        options=dict(clip.options),
        width=clip.width,
        height=clip.height,
        time_base=clip.time_base or 1 / clip.rate,
    )
    assert isinstance(stream, av.VideoStream)
    stream.pix_fmt = clip.pix_fmt
    if clip.rotation_ccw:
        stream.set_display_rotation(clip.rotation_ccw)
    if clip.aspect is not None:
        stream.sample_aspect_ratio = clip.aspect
    if clip.tags is not None:
        stream.color_range, stream.color_primaries = clip.tags[:2]
        stream.color_trc, stream.colorspace = clip.tags[2:]
    return stream


def _encode_video(
    container: av.container.OutputContainer, stream: av.VideoStream, clip: Clip
) -> None:
    stamps = clip.pts if clip.pts is not None else range(clip.frames)
    for index, pts in enumerate(stamps):
        frame = av.VideoFrame.from_ndarray(picture(clip.width, clip.height, index), format="rgb24")
        frame = frame.reformat(format=clip.pix_fmt)
        frame.pts, frame.time_base = pts, clip.time_base or 1 / clip.rate
        if clip.tags is not None:
            frame.color_range, frame.colorspace = clip.tags[0], clip.tags[3]
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def _encode_audio(
    container: av.container.OutputContainer, stream: av.AudioStream, seconds: float, pitch: int
) -> None:
    rate = stream.codec_context.sample_rate
    block = 1024
    for start in range(0, int(seconds * rate), block):
        time = np.arange(start, start + block) / rate
        samples = (np.sin(2 * np.pi * pitch * time) * 8000).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def make(path: Path, clip: Clip) -> Path:
    """Write a synthetic clip and return its path."""
    with av.open(str(path), "w", container_options=dict(clip.muxer_options)) as container:
        container.metadata.update(clip.metadata)
        video = _add_video(container, clip)
        tracks = []
        for language in clip.audio:
            track = container.add_stream(clip.audio_codec, rate=48000, layout="mono")
            assert isinstance(track, av.AudioStream)
            track.metadata["language"] = language
            tracks.append(track)
        titles = None
        if clip.subtitles:
            name = "mov_text" if path.suffix == ".mp4" else "subrip"
            titles = container.add_mux_stream(name, time_base=Fraction(1, 1000))
            titles.metadata["language"] = "fra"
        if clip.chapters:
            base = Fraction(1, 1000)
            first, second = {"title": "One"}, {"title": "Two"}
            container.set_chapters(
                [
                    {"id": 1, "start": 0, "end": 200, "time_base": base, "metadata": first},
                    {"id": 2, "start": 200, "end": 480, "time_base": base, "metadata": second},
                ]
            )
        container.start_encoding()
        _encode_video(container, video, clip)
        for pitch, track in enumerate(tracks):
            _encode_audio(container, track, clip.frames / float(clip.rate), 440 + 110 * pitch)
        if titles is not None:
            for start, text in ((0, b"hello"), (250, b"world")):
                body = len(text).to_bytes(2, "big") + text if path.suffix == ".mp4" else text
                packet = av.Packet(body)
                packet.pts = packet.dts = start
                packet.duration, packet.time_base, packet.stream = 200, Fraction(1, 1000), titles
                container.mux_one(packet)
    return path


@pytest.fixture
def make_clip(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a clip: `make_clip("name.mp4", frames=5, …)`."""

    def write(name: str, **fields: Any) -> Path:
        return make(tmp_path / name, Clip(**fields))

    return write


@dataclass(frozen=True)
class Stored:
    """One packet as a file holds it."""

    time_s: Fraction
    duration_s: Fraction
    payload: str


def packets(path: Path, kind: str, position: int = 0) -> list[Stored]:
    """Return the packets of a stream as plain PyAV demuxes them, in order of time."""
    found = []
    with av.open(str(path)) as container:
        stream = [s for s in container.streams if s.type == kind][position]
        for packet in container.demux(stream):
            if packet.size and packet.pts is not None:
                base = packet.time_base
                span = (packet.duration or 0) * base
                digest = hashlib.sha256(bytes(packet)).hexdigest()
                found.append(Stored(packet.pts * base, span, digest))
    return sorted(found, key=lambda p: p.time_s)


def times(path: Path) -> list[tuple[Fraction, Fraction]]:
    """Return time and duration [s] of every video packet, in order of time."""
    return [(p.time_s, p.duration_s) for p in packets(path, "video")]


def read(path: Path) -> list[Frame]:
    """Return all frames of a (short) video, with planes of their own."""
    with VideoReader(probe(path)) as reader:
        return list(reader)


def transcode(
    source: Path, target: Path, *, overwrite: bool = False, **options: Any
) -> tuple[OutputPlan, list[str]]:
    """Pass every frame of a video through reader and writer; return plan and warnings."""
    found = probe(source)
    plan = preflight_output(
        target,
        found,
        EncodeOptions(**options),
        overwrite=overwrite,
    )
    with VideoReader(found) as reader, VideoWriter(plan, threads=1) as writer:
        for frame in reader:
            writer.write(frame)
    return plan, writer.warnings


@dataclass(frozen=True)
class Tools:
    """Helpers of this folder, given to tests as one fixture."""

    packets: Callable[..., list[Stored]] = packets
    times: Callable[[Path], list[tuple[Fraction, Fraction]]] = times
    read: Callable[[Path], list[Frame]] = read
    transcode: Callable[..., tuple[OutputPlan, list[str]]] = transcode
    picture: Callable[[int, int, int], NDArray[np.uint8]] = picture


@pytest.fixture(scope="session")
def tools() -> Tools:
    return Tools()


@pytest.fixture(autouse=True)
def _ordinary_threads() -> Iterator[None]:
    """Clips that tests write with SVT-AV1 leave no real-time thread to the tests after them."""
    with usual_scheduling():
        yield
