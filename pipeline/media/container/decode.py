"""Frames out of a video: every one, in presentation order, with its exact time, upright.

Memory is bounded by the decoder's own buffers. What cannot be decoded is kept in `damage`, never
guessed. Times are those of the file's clock (`clock.py`). A container that stores only decoding
times (AVI) gives the k-th shown frame the k-th of them; if it knows some presentation times, other
frames are shown when the packet that completed them was due, as FFmpeg has it; elsewhere a frame
without a time begins where the frame before ends; a stamp not later than its predecessor's is moved
one tick after it. The last two are counted in `warnings`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import av
import numpy as np
from av.codec.context import ThreadType
from av.container import InputContainer
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from ...errors import VideoError, lack_of
from ...progress import counted
from ...types import Frame
from ..base import Fingerprint
from ..damage import Damage, DamageKind, DamageLog
from .announced import Announced, announced, shortfall
from .file import VideoFile
from .fingerprint import Fingerprinter, changed, check_unchanged
from .inputs import decoder_of, find_video, open_input, packets_of
from .log import ErrorLog
from .planes import layout_of, planes_of
from .starts import WHOLE, Entry

_FRAME_THREADS_PIXELS = 1920 * 1088
"""Above this picture size frames are decoded in parallel."""

_CONCEALED = {
    *("h264", "mpeg1video", "mpeg2video", "mpeg4", "h263", "flv1", "msmpeg4v2", "msmpeg4v3"),
    *("wmv1", "wmv2", "wmv3", "vc1", "rv10", "rv20", "rv30", "rv40"),
}
"""Codecs of which FFmpeg conceals missing parts, unless slices are decoded in parallel."""

_MOST_THREADS = 64
"""More decoder threads FFmpeg does not start on its own."""

_HIDDEN = {"vp8", "vp9", "av1", "mpeg4", "msmpeg4v3"}
"""Codecs whose packets may hold a picture that is never shown, or none."""


def _threads_of(source: VideoFile) -> ThreadType:
    """Return how a video is decoded in parallel.

    Frame threads report damage late and PyAV then drops frames at the end of the file, so they are
    used only where one core would be too slow. With slice threads FFmpeg neither conceals nor
    reports what is missing in a picture of some codecs.
    """
    if source.info.width * source.info.height > _FRAME_THREADS_PIXELS:
        return ThreadType.AUTO
    return ThreadType.NONE if source.info.codec in _CONCEALED else ThreadType.SLICE


class VideoReader:
    """Iterates over the frames of a video once; a context manager.

    Args:
        source: what `probe` found.
        threads: decoder threads; 0 lets FFmpeg choose, None: as `thread_limit` says.
        content: fingerprint of the video that is expected (`fingerprint.Fingerprint.content`);
            empty: any.
        entry: where decoding begins, if not with the first packet; then frames count from there,
            no damage is noted before all is settled, and no content is compared.

    Raises (while iterating):
        VideoError: the file changed or vanished, size or pixel format change mid-stream, or not
            one frame can be decoded. That it holds another video is known at its end.
    """

    def __init__(
        self,
        source: VideoFile,
        *,
        threads: int | None = None,
        content: str = "",
        entry: Entry = WHOLE,
    ) -> None:
        self.source = source
        self.threads = threads
        self.content = content
        self.entry = entry
        self.frames_read = 0
        self._packets_read = 0
        self._log = ErrorLog()
        self.damage_log = DamageLog()
        self._others: set[str] = set()
        self._awaited: set[int] = set()
        self._prints: Fingerprinter | None = None
        self._counts = True
        self._first_shown = 0
        self._last_dts = 0
        self._untimed = 0
        self._moved = 0
        self._decoding_times: deque[int] = deque()
        self._is_over = False
        self._decoder: VideoCodecContext | None = None
        self._end = source.first_pts
        self._last: int | None = None
        self._opened = ExitStack()
        self._container: InputContainer | None = None

    def __enter__(self) -> VideoReader:
        check_unchanged(self.source, self.content)
        file = open_input(self.source.path)
        with ExitStack() as opened:
            opened.enter_context(self._log)
            self._container = self._log.call(lambda: opened.enter_context(file))
            opened.callback(self._rest)
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()
        self._container = self._decoder = None

    @property
    def damage(self) -> list[Damage]:
        """What could not be read as it was meant; complete once all frames were read."""
        return self.damage_log.damages()

    @property
    def is_plain(self) -> bool:
        """Whether every frame so far was stored whole, with its own time, and none is missing."""
        return self._counts and not self._moved and not self._untimed and not self.damage_log

    @property
    def fingerprint(self) -> Fingerprint:
        """Of what was read; of the whole video once all frames were."""
        if self._prints is None:
            raise RuntimeError("VideoReader has a fingerprint once it was iterated")
        return self._prints.finish()

    @property
    def warnings(self) -> list[str]:
        """Sentences on what was read otherwise than stored, for the report."""
        found = []
        if self._untimed:
            found.append(
                f"{counted(self._untimed, 'frame')} had no time stamp; each is shown when the one "
                "before it ends"
            )
        if self._moved:
            found.append(
                f"{counted(self._moved, 'frame')} had a time stamp not after the frame before; "
                "each was moved one tick after it"
            )
        return found

    def __iter__(self) -> Iterator[Frame]:
        """Yield every frame; `Frame.planes` are read-only."""
        if self._container is None:
            raise RuntimeError("VideoReader must be entered with `with`, and is iterated once")
        container, self._container = self._container, None
        stream = find_video(container, self.source.path, self.source.number)
        if stream.index != self.source.stream_index:
            raise VideoError(f"{self.source.path} changed since it was opened; start again")
        self._decoder = decoder_of(stream)
        self._decoder.thread_type = _threads_of(self.source)
        if self.threads is not None:
            self._decoder.thread_count = self.threads
        self._log.decoder = self._decoder.name
        self._prints = Fingerprinter(stream)
        said = announced(container, stream, self.source.path)
        contexts = [getattr(s, "codec_context", None) for s in container.streams if s is not stream]
        self._others = {c.name for c in contexts if c is not None} - {self._decoder.name}
        self._note_log("container")
        for packet in self._packets(container, stream, self._prints):
            self._last_dts = packet.dts if packet.dts is not None else self._last_dts
            if packet.dts is not None and not self.source.clock.has_pts:
                self._decoding_times.append(packet.dts)
            if self._packets_read >= self.entry.first:
                for decoded in self._decoded(self._decoder, packet):
                    yield self._frame(decoded)
            self._packets_read += 1
        self._is_over = True
        for decoded in self._decoded(self._decoder, None):
            yield self._frame(decoded)
        self._check_end(said)

    def _packets(
        self, container: InputContainer, stream: VideoStream, prints: Fingerprinter
    ) -> Iterator[Packet[VideoStream]]:
        retime = self.source.clock.retimer(stream.index)
        packets = packets_of(container, [stream])
        try:
            while packet := self._log.call(lambda: next(packets, None)):
                self._note_log("container")
                if self.entry == WHOLE:
                    prints.add(packet)  # before its times change
                retime(packet)
                # Where files were joined FFmpeg misses packets by their count; none is hurt.
                packet.is_corrupt &= not retime.is_seam
                yield packet
        except av.error.FFmpegError as e:
            if lack_of(e):
                raise  # the clip is not at fault
            self._note("container", None, f"reading stopped: {e.strerror}")
        self._note_log("container")

    def _decoded(
        self, decoder: VideoCodecContext, packet: Packet[VideoStream] | None
    ) -> list[VideoFrame]:
        stamp = packet.pts if packet is not None else None
        if packet is not None and packet.is_corrupt:
            self._note("packet", stamp, "a packet is cut short or fails its checksum")
        try:
            frames = self._log.call(lambda: decoder.decode(packet))
        except av.error.FFmpegError as e:
            if lack_of(e):
                raise
            self._note("packet", stamp, f"a packet could not be decoded: {e.strerror}")
            if self._decoding_times:
                self._decoding_times.popleft()
            return []
        else:
            # A picture that edit lists or the encoder hide is not missed.
            if packet is not None and stamp is not None and not packet.is_discard:
                self._awaited.add(stamp)
            return frames
        finally:
            self._note_log("logged", stamp)

    def _frame(self, decoded: VideoFrame) -> Frame:
        source = self.source
        found = (decoded.format.name, (decoded.width, decoded.height))
        if found != (source.info.pix_fmt, source.stored_size):
            raise VideoError(
                f"{source.path}: frame {self.frames_read} is {found[0]} {decoded.width}x"
                f"{decoded.height}, the video began as {source.info.pix_fmt} "
                f"{source.stored_size[0]}x{source.stored_size[1]}; only videos of one format can "
                "be edited. Cut the video there and edit the parts"
            )
        if decoded.is_corrupt:
            self._note("concealed", decoded.pts, "a frame was decoded with guessed parts")
        if layout_of(source.info.pix_fmt) is None:
            decoded = decoded.reformat(format=source.encoding.pix_fmt)
        planes = planes_of(decoded)
        if source.turn_deg:
            planes = tuple(np.rot90(plane, -source.turn_deg // 90) for plane in planes)
        self.damage_log.shown(decoded.pts)
        self._show(decoded)
        pts = self._stamp(decoded)
        span = source.nominal_duration if source.clock.is_untimed else decoded.duration or 0
        self.frames_read += 1
        return Frame(
            index=self.frames_read - 1,
            pts=pts,
            duration=max(0, span),
            planes=planes,
            encoding=source.encoding,
        )

    def _stamp(self, decoded: VideoFrame) -> int:
        """Return the time stamp of a frame, later than any before."""
        if self.source.clock.is_untimed:
            self._end = self.frames_read + 1
            return self.frames_read
        pts = decoded.pts
        if pts is None and self.source.clock.has_pts:
            pts = decoded.dts
        if pts is None and self._decoding_times:
            pts = self._decoding_times.popleft()
        if pts is None:
            self._untimed += not self._is_over  # the last frames follow from those before
            pts = self._end
        if self._last is not None and pts <= self._last:
            self._moved += 1
            pts = self._last + 1
        self._last = pts
        self._end = pts + (decoded.duration or self.source.nominal_duration)
        return pts

    def _show(self, decoded: VideoFrame) -> None:
        """Note that a stored picture was shown, and nothing before the first one can be."""
        if decoded.pts is None or decoded.interlaced_frame:  # two packets may make one frame
            self._counts = False
            return
        if self.frames_read == 0:
            self._awaited = {stamp for stamp in self._awaited if stamp >= decoded.pts}
            self._first_shown = decoded.pts
        self._awaited.discard(decoded.pts)

    def _check_end(self, said: Announced) -> None:
        if self.frames_read == 0:
            raise VideoError(f"{self.source.path}: not one frame of its video could be decoded")
        clock, packets = self.source.clock, self._packets_read
        self.check_missing()
        if self.source.info.container == "avi":  # whose times count pictures, repeated or not
            packets = max(packets, self._last_dts + 1)
        short = shortfall(
            self.source.path,
            said,
            packets=packets,
            length_s=self._seconds(self._end - self.source.first_pts),
            end_s=self._seconds(self._end),
            frame_s=float(1 / self.source.info.rate),
            # After a jump what is announced is wrong; without time stamps it is a guess.
            is_timed=not clock.jumps(self.source.stream_index) and not clock.is_untimed,
        )
        if short:
            self._note("truncated", None, short)
        if self.entry == WHOLE and self.content not in ("", self.fingerprint.content):
            raise changed(self.source.path)

    def check_missing(self, until: int | None = None) -> None:
        """Note which stored pictures were not shown, of those due before a time [ticks]."""
        if self.source.clock.is_untimed or self.source.info.codec in _HIDDEN or not self._counts:
            return
        for stamp in sorted(s for s in self._awaited if s > self._first_shown):
            if until is None or stamp < until:
                self._note("missing", stamp, "a frame is stored and was not decoded")

    def _rest(self) -> None:
        """Let decoder threads come to rest, so that none has a message when they are freed."""
        decoder = self._decoder
        if decoder is None or decoder.thread_type != ThreadType.AUTO:
            return
        for _ in range(_MOST_THREADS):  # each may hold a packet that it cannot decode
            with suppress(av.error.FFmpegError):
                self._log.call(lambda: decoder.decode(None))
                return

    def _note_log(self, kind: DamageKind, pts: int | None = None) -> None:
        """Note what FFmpeg called an error since the last time."""
        for message in self._log.take(but_of=self._others):
            self._note(kind, pts, f"FFmpeg: {message}")

    def _note(self, kind: DamageKind, pts: int | None, message: str) -> None:
        if self._packets_read < self.entry.settled:
            return
        if self.source.clock.is_untimed:
            pts = None
        where = self._seconds(pts if pts is not None else self._end)
        self.damage_log.note(kind, message, where, frame=self.frames_read, pts=pts)

    def _seconds(self, ticks: int) -> float:
        return float(ticks * self.source.info.time_base)
