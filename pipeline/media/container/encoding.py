"""Frames of one output on their way into its encoder, and the encoder set up for them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from av.codec.context import Flags as CodecFlags
from av.container import OutputContainer
from av.format import ContainerFormat, Flags
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from ...errors import OutputError
from ...thread_limit import limit
from ...types import Frame
from .containers import ONE_TIME, has_flag
from .file import OutputPlan
from .planes import frame_of, planar_of

_RGB, _BT709, _UNSPECIFIED = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Encoded:
    """A packet of the edited video; times in ticks of the encoder."""

    payload: bytes
    slot: int
    """When it is shown."""
    due: int
    """When it is decoded; of all packets of the output, each later than the one before."""
    span: int
    """How long it is shown."""
    is_key: bool


_POOLS = {"libx265": ("x265-params", "pools"), "libsvtav1": ("svtav1-params", "lp")}
"""Encoders that start threads beside those they are given, and how they are told how many. What
they write does not depend on it."""


def _bounded(plan: OutputPlan) -> dict[str, str]:
    """Return the options of the encoder, with the bound that the process has for its threads."""
    options, bound = dict(plan.codec_options), limit()
    if plan.codec in _POOLS and bound is not None:
        name, key = _POOLS[plan.codec]
        options[name] = ":".join([*filter(None, [options.get(name)]), f"{key}={bound}"])
    return options


class Encoding:
    """What an encoder is given: the same for a whole output and for every segment of it."""

    def __init__(self, plan: OutputPlan) -> None:
        self.plan = plan
        info = plan.source.info
        self.start_s = plan.source.first_pts * info.time_base if plan.is_grid else Fraction(0)
        """What the encoder counts from [s in the input]."""

    def add_stream(self, file: OutputContainer, threads: int) -> VideoStream:
        """Add the video to a file, the output or a segment, with its encoder set up but not opened.

        Whether the codec's parameters stand once or in every keyframe is as the output wants it.
        `threads` are of the encoder; 0 lets FFmpeg choose.
        """
        plan, source = self.plan, self.plan.source
        video = file.add_stream(
            plan.codec,
            rate=source.info.rate,
            options=_bounded(plan),
            width=source.stored_size[0],
            height=source.stored_size[1],
            time_base=plan.time_base,
        )
        assert isinstance(video, VideoStream)
        video.pix_fmt = plan.pix_fmt
        if source.sample_aspect is not None:
            video.sample_aspect_ratio = source.sample_aspect
        video.colorspace, video.color_range = self._tags()
        video.color_primaries = source.info.color_primaries
        video.color_trc = source.info.color_transfer
        video.codec_context.thread_count = threads
        if plan.container in ONE_TIME:
            video.max_b_frames = 0
        video.codec_context.flags &= ~CodecFlags.global_header
        if has_flag(ContainerFormat(plan.container, "w"), Flags.global_header):
            video.codec_context.flags |= CodecFlags.global_header
        return video

    def picture(self, frame: Frame) -> VideoFrame:
        """Return a frame as the encoder takes it; its pts is its slot.

        Raises:
            OutputError: its time cannot be stored.
        """
        picture = self._picture(frame)
        picture.colorspace, picture.color_range = self._tags()
        picture.color_primaries = self.plan.source.info.color_primaries
        picture.color_trc = self.plan.source.info.color_transfer
        picture.time_base = self.plan.time_base
        picture.pts = self.slot(frame.pts)
        return picture

    def slot(self, pts: int) -> int:
        """Return a frame's time in ticks of the encoder.

        On a grid it is the nearest slot after the first frame; elsewhere it must be exact.

        Raises:
            OutputError: it is not.
        """
        plan = self.plan
        exact = (pts * plan.source.info.time_base - self.start_s) / plan.time_base
        if exact != round(exact) and not plan.is_grid:
            raise self.unstorable(pts)
        return round(exact)

    def span(self, duration: int) -> int:
        """Return how long a frame of some ticks of the input is shown, in ticks of the encoder."""
        source = self.plan.source
        ticks = duration or source.nominal_duration
        return max(1, round(ticks * source.info.time_base / self.plan.time_base))

    def unstorable(self, pts: int) -> OutputError:
        """Return the error of a frame whose time the output cannot hold."""
        plan, info = self.plan, self.plan.source.info
        return OutputError(
            f"the frame at {float(pts * info.time_base):.4f} s cannot be stored: "
            f"{plan.codec} in {plan.container} takes a constant rate of "
            f"{float(info.rate):.3f} frames/s. Use libx264 in .mp4 or .mkv"
        )

    def _tags(self) -> tuple[int, int]:
        """Return colour matrix and range tags of the encoded pixels."""
        info, encoding = self.plan.source.info, self.plan.source.encoding
        is_rgb = planar_of(self.plan.pix_fmt).startswith("gb")
        color_range = 2 if encoding.full_range else info.color_range
        if is_rgb == (encoding.matrix == "rgb"):
            matrix = info.color_matrix
            if not is_rgb and matrix == _RGB:
                matrix = _UNSPECIFIED
            return matrix, color_range
        return (_RGB, 2) if is_rgb else (_BT709, 1)

    def _picture(self, frame: Frame) -> VideoFrame:
        plan, source = self.plan, self.plan.source
        planes, size = frame.planes, source.stored_size
        if source.turn_deg:
            planes = tuple(np.rot90(plane, source.turn_deg // 90) for plane in planes)
        if planar_of(plan.pix_fmt) == frame.encoding.pix_fmt:
            return frame_of(planes, plan.pix_fmt, size)
        matrix, color_range = self._tags()
        before_range = 2 if frame.encoding.full_range else 1
        stays_yuv = frame.encoding.matrix != "rgb" and matrix != _RGB
        spaces = {"bt709": 1, "fcc": 4, "bt601": 5, "smpte240m": 7, "bt2020": 9}
        space = spaces.get(frame.encoding.matrix, 1)
        return frame_of(planes, frame.encoding.pix_fmt, size).reformat(
            format=plan.pix_fmt,
            src_colorspace=space,
            dst_colorspace=space if stays_yuv else 1,
            src_color_range=before_range,
            dst_color_range=before_range if stays_yuv else color_range,
        )
