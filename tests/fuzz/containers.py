"""Video files: a dozen tiny ones of many containers and codecs, damaged, then edited."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from .run import Family, command, complaint_of

WIDTH, HEIGHT, FRAMES = 64, 48, 12
RATE = 44_100
"""Of the sound [Hz]; what FLV takes."""
_BITEXACT = 0x400
"""AVFMT_FLAG_BITEXACT."""
_NO_LOOKAHEAD = "bframes=2:b-adapt=0:scenecut=0:mbtree=0:rc-lookahead=0:weightp=0"
"""x264's lookahead decides otherwise in the first encode of a process than in the next."""


def _write(path: Path, codec: str, *, sound: str = "", fragments: bool = False) -> None:
    """Write a moving pattern without a face, and a tone."""
    movflags = {"movflags": "frag_keyframe+empty_moov"} if fragments else {}
    with av.open(str(path), "w", container_options=movflags) as container:
        # The same bytes every time, or the numbers of a case would say nothing.
        container.flags |= _BITEXACT
        options = {"threads": "1", "g": "6"}
        if codec == "libx264":
            options["x264-params"] = _NO_LOOKAHEAD
        video = container.add_stream(codec, rate=25, options=options)
        assert isinstance(video, av.VideoStream)
        video.width, video.height = WIDTH, HEIGHT
        formats = {"mjpeg": "yuvj420p", "gif": "rgb8", "prores_ks": "yuv422p10le"}
        video.pix_fmt = formats.get(codec, "yuv420p")
        audio = container.add_stream(sound, rate=RATE, layout="mono") if sound else None
        container.start_encoding()
        for index in range(FRAMES):
            y, x = np.mgrid[:HEIGHT, :WIDTH]
            channels = [(x * 3 + index * 9) % 256, (y * 4 + index * 5) % 256, (x + y) % 256]
            picture = np.stack(channels, axis=2).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(
                format=video.pix_fmt
            )
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if isinstance(audio, av.AudioStream):
            _write_tone(container, audio)


def _write_tone(container: av.container.OutputContainer, audio: av.AudioStream) -> None:
    size = audio.codec_context.frame_size or 1024
    for start in range(0, RATE * FRAMES // 25, size):
        tone = (np.sin(np.arange(start, start + size) * 0.05) * 8000).astype(np.int16)[None]
        block = av.AudioFrame.from_ndarray(tone, format="s16", layout="mono")
        block.sample_rate, block.pts, block.time_base = RATE, start, Fraction(1, RATE)
        container.mux(audio.encode(block))
    container.mux(audio.encode(None))


def make(folder: Path) -> None:
    """Write the whole files."""
    _write(folder / "h264.mp4", "libx264", sound="mp2")
    _write(folder / "fragments.mp4", "libx264", fragments=True)
    _write(folder / "hevc.mp4", "libx265")
    _write(folder / "h264.mkv", "libx264", sound="mp2")
    _write(folder / "ffv1.mkv", "ffv1")
    _write(folder / "vp8.webm", "libvpx")
    _write(folder / "mpeg4.avi", "mpeg4", sound="mp2")
    _write(folder / "mjpeg.avi", "mjpeg")
    _write(folder / "h264.flv", "libx264", sound="pcm_s16le")
    _write(folder / "h264.ts", "libx264", sound="mp2")
    _write(folder / "mpeg2.mpg", "mpeg2video", sound="mp2")
    _write(folder / "prores.mov", "prores_ks")
    _write(folder / "pictures.gif", "gif")


def check(data: bytes, name: str, folder: Path) -> str:
    """Edit a damaged file; complain of whatever the program should not do."""
    clip = folder / name
    clip.write_bytes(data)
    output, report = folder / "out.mkv", folder / "report.json"
    code, said = command(
        *("edit", clip, "--attr", "smile", "-o", output, "--report", report, "--quiet")
    )
    if complaint := complaint_of(code, said):
        return complaint
    left = sorted(p.name for p in folder.iterdir() if p not in (clip, output, report))
    if left or (code and output.exists()):
        return f"files left: {left}, output {output.exists()}, exit code {code}"
    return _silence(clip, json.loads(report.read_text())) if code == 0 else ""


def _silence(clip: Path, report: dict[str, object]) -> str:
    """Return what FFmpeg complained of, if the report names no damage."""
    if report.get("damage"):
        return ""
    errors = _errors(clip)
    return f"silent: FFmpeg said {errors[0]!r}, the report nothing" if errors else ""


def _errors(clip: Path) -> list[str]:
    """Return the errors FFmpeg logs while it reads and decodes the video stream."""
    av.logging.set_level(av.logging.ERROR)
    with av.logging.Capture(False) as logs:
        try:
            with av.open(str(clip)) as container:
                stream = container.streams.best("video") or container.streams.video[0]
                assert isinstance(stream, av.VideoStream)
                stream.thread_type = "NONE"
                for packet in container.demux(stream):
                    try:
                        packet.decode()
                    except av.error.FFmpegError:
                        continue
        except (av.error.FFmpegError, ValueError):
            pass
    return [text.strip() for level, _, text in logs if level <= av.logging.ERROR]


def check_whole(data: bytes, name: str, folder: Path) -> str:
    """Edit a whole file; complain of damage that is not there."""
    complaint = check(data, name, folder)
    damage = json.loads((folder / "report.json").read_text()).get("damage")
    return complaint or (f"false alarm: {damage}" if damage else "")


FAMILY = Family("containers", make, check, check_whole)
