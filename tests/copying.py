"""Files copied packet for packet, nothing encoded anew."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av


def copy_packets(
    source: Path,
    target: Path,
    *,
    later_s: Fraction = Fraction(0),
    only_video: bool = False,
    muxer: str | None = None,
    as_told: bool = False,
) -> Path:
    """Copy a file's packets into a new file, and return that.

    Args:
        later_s: by how much all times move [s].
        only_video: leave all but the first video stream behind.
        muxer: FFmpeg's name; default: by the ending.
        as_told: times before zero stay there; else a muxer that has none of those moves them all.
    """
    options = {"avoid_negative_ts": "disabled"} if as_told else {}
    with (
        av.open(str(source)) as before,
        av.open(str(target), "w", format=muxer, container_options=options) as after,
    ):
        kept = before.streams.video[:1] if only_video else before.streams
        copies = {s.index: after.add_stream_from_template(s, opaque=True) for s in kept}
        for packet in before.demux(*kept):
            if packet.size:
                if later_s:
                    ticks = int(later_s / packet.time_base)
                    packet.pts, packet.dts = packet.pts + ticks, packet.dts + ticks
                packet.stream = copies[packet.stream.index]
                after.mux(packet)
    return target
