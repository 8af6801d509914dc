"""What a decoded picture says of itself: encoding, turn, HDR metadata, and what gets lost."""

from __future__ import annotations

import struct
from fractions import Fraction
from typing import cast

from av.sidedata.sidedata import SideData
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from ...types import Matrix, PixelEncoding
from .file import HdrMetadata
from .planes import layout_of, nearest_planar

_MATRICES: dict[int, Matrix] = {
    0: "rgb",
    1: "bt709",
    4: "fcc",
    5: "bt601",
    6: "bt601",
    7: "smpte240m",
    9: "bt2020",
    10: "bt2020",
}
"""AVCOL_SPC_* (ITU-T H.273 MatrixCoefficients) by number."""

_TURNS = {
    (1, 0, 0, 1): 0,
    (0, 1, -1, 0): 90,
    (-1, 0, 0, -1): 180,
    (0, -1, 1, 0): 270,
}
"""Rotation part (a, b, c, d) of a display matrix → clockwise turn [deg] that players apply."""


_NOT_CARRIED = {
    "DYNAMIC_HDR_PLUS": "HDR10+ dynamic metadata",
    "DYNAMIC_HDR_VIVID": "HDR Vivid dynamic metadata",
    "DOVI_METADATA": "Dolby Vision metadata",
    "A53_CC": "closed captioning inside the pictures",
    "STEREO3D": "the mark of a stereoscopic picture",
    "SPHERICAL": "the mark of a spherical (360 degree) picture",
    "ICC_PROFILE": "the ICC colour profile",
    "AMBIENT_VIEWING_ENVIRONMENT": "the ambient viewing environment",
}
"""Side data of frames that PyAV can read but not write → what it is."""


def encoding_of(frame: VideoFrame) -> tuple[PixelEncoding, str]:
    """Return the encoding of a decoded frame, and a warning if it must be converted.

    An unspecified matrix is taken as players take it (mpv, libplacebo): BT.709 from 720 lines or
    1280 columns on, BT.601 below.
    """
    pix_fmt = frame.format.name
    layout, warning = layout_of(pix_fmt), ""
    if layout is None:
        planar = nearest_planar(pix_fmt)
        layout = layout_of(planar)
        assert layout is not None
        warning = f"pictures are converted from {pix_fmt} to {planar}, which edits are made in"
    matrix: Matrix
    if layout.planar.startswith("gb"):
        matrix = "rgb"
    elif layout.planar.startswith(("gray", "ya")):
        matrix = "gray"
    else:
        guess: Matrix = "bt709" if frame.width >= 1280 or frame.height > 576 else "bt601"
        matrix = _MATRICES.get(int(frame.colorspace), guess)
        if matrix == "rgb":  # a YUV picture that calls itself RGB: the tag is wrong
            matrix = guess
    is_full = int(frame.color_range) == 2 or pix_fmt.startswith("yuvj")
    if int(frame.color_range) == 0 and matrix in ("rgb", "gray"):
        is_full = True  # as swscale and players read RGB and gray that say nothing
    return PixelEncoding(layout.planar, layout.bits, matrix, is_full), warning


def not_kept(stream: VideoStream, frame: VideoFrame, encoding: PixelEncoding) -> list[str]:
    """Return sentences on what the pictures carry and the output will not."""
    side_data = _side_data(frame)
    found = [
        f"{what} is not carried over" for key, what in _NOT_CARRIED.items() if key in side_data
    ]
    if frame.interlaced_frame:
        found.append(
            "the video is interlaced: frames are edited whole and encoded as progressive pictures"
        )
    if stream.metadata.get("alpha_mode") == "1" and not encoding.pix_fmt.startswith("yuva"):
        found.append("the transparency of this WebM video cannot be read and is lost")
    if int(frame.colorspace) in (8, 14):
        found.append(
            f"colour matrix {int(frame.colorspace)} (YCgCo or ICtCp) is treated as YCbCr; colours "
            "inside an edit may be off, outside they are untouched"
        )
    return found


def turn_of(
    display_matrix: tuple[int, ...], frame: VideoFrame, encoding: PixelEncoding
) -> tuple[int, str]:
    """Return the turn [deg] a display matrix asks for, and a warning if it is no plain turn."""
    if not display_matrix:
        return 0, ""
    a, b, _, c, d = (round(v / 65536, 3) for v in display_matrix[:5])
    turn = _TURNS.get((int(a), int(b), int(c), int(d))) if {a, b, c, d} <= {-1, 0, 1} else None
    if turn is None:
        return 0, (
            "the display matrix mirrors or turns by no multiple of 90 degrees: it is kept, but "
            "faces are looked for in the picture as stored"
        )
    is_subsampled = encoding.pix_fmt.startswith("yuv") and "444" not in encoding.pix_fmt
    if turn and is_subsampled and (frame.width % 2 or frame.height % 2):
        return 0, (
            f"a turned picture of odd size {frame.width}x{frame.height} is edited as stored; the "
            "turn is kept for players"
        )
    return turn, ""


def hdr_of(frame: VideoFrame) -> HdrMetadata | None:
    """Read AVMasteringDisplayMetadata and AVContentLightMetadata (libavutil headers)."""
    mastering = _side_data(frame).get("MASTERING_DISPLAY_METADATA", b"")
    light = _side_data(frame).get("CONTENT_LIGHT_LEVEL", b"")
    primaries: tuple[Fraction, ...] = ()
    luminance: tuple[Fraction, ...] = ()
    if len(mastering) >= 88:
        numbers = struct.unpack("<22i", mastering[:88])
        pairs = zip(numbers[0:20:2], numbers[1:20:2], strict=True)
        values = [Fraction(n, d) if d else Fraction(0) for n, d in pairs]
        primaries = tuple(values[:8]) if numbers[20] else ()
        luminance = tuple(values[8:10]) if numbers[21] else ()
    level = tuple(struct.unpack("<2I", light[:8])) if len(light) >= 8 else ()
    return HdrMetadata(primaries, luminance, level) if primaries or luminance or level else None


def display_matrix_of(frame: VideoFrame) -> tuple[int, ...]:
    """Return the nine numbers of the display matrix, or nothing."""
    stored = _side_data(frame).get("DISPLAYMATRIX", b"")
    if len(stored) >= 36:
        return struct.unpack("<9i", stored[:36])
    # Where side data cannot be listed, FFmpeg still tells the (counter-clockwise) angle.
    for (a, b, c, d), turn in _TURNS.items():
        if turn and turn == -frame.rotation % 360:
            return (a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    return ()


def _side_data(frame: VideoFrame) -> dict[str, bytes]:
    """Return the frame's side data by FFmpeg's name; nothing if one of them has no name in PyAV."""
    try:
        # PyAV's container iterates over its items, not over keys as its Mapping annotation says.
        items = cast("list[SideData]", list(frame.side_data))
    except ValueError:
        return {}
    return {item.type.name: bytes(item) for item in items}
