"""How large a picture says it is, read from its first bytes, before anything is reserved for it.

Formats as published: PNG (ISO/IEC 15948), JPEG (ITU-T T.81, B.2.2), WebP (RFC 9649), TIFF 6.0, and
the header that Windows bitmaps begin with. Others are refused: their decoders are little tested.
"""

from __future__ import annotations

import struct

_JPEG_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
"""Markers of a frame's header: SOF0 … SOF15, but not the tables that lie between them."""
_ALONE = {0x01, *range(0xD0, 0xD9)}
"""JPEG markers without a length behind them."""


def picture_size(data: bytes) -> tuple[int, int]:
    """Return width and height [px] of a PNG, JPEG, WebP, TIFF or BMP file.

    Raises:
        ValueError: it is none, or says that it has no pixels.
        struct.error, IndexError: it ends too early.
    """
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        width, height = struct.unpack_from(">II", data, 16)
    elif data.startswith(b"\xff\xd8"):
        width, height = _of_jpeg(data)
    elif data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        width, height = _of_webp(data)
    elif data.startswith((b"II*\0", b"MM\0*")):
        width, height = _of_tiff(data, "<" if data.startswith(b"II") else ">")
    elif data.startswith(b"BM"):
        width, height = (abs(side) for side in struct.unpack_from("<ii", data, 18))
    else:
        raise ValueError("it begins like none")
    if width < 1 or height < 1:
        raise ValueError(f"it says it has {width}x{height} px")
    return width, height


def _of_jpeg(data: bytes) -> tuple[int, int]:
    place = 2
    while True:
        if data[place] != 0xFF:
            raise ValueError("its parts do not follow each other")
        marker = data[place + 1]
        if marker == 0xFF or marker in _ALONE:
            place += 1 if marker == 0xFF else 2
            continue
        if marker in _JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", data, place + 5)
            return width, height
        (length,) = struct.unpack_from(">H", data, place + 2)
        place += 2 + length


def _of_webp(data: bytes) -> tuple[int, int]:
    kind = data[12:16]
    if kind == b"VP8X":
        width, height = (int.from_bytes(data[k : k + 3], "little") + 1 for k in (24, 27))
    elif kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    elif kind == b"VP8 ":
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", data, 26))
    else:
        raise ValueError("a WebP file without a picture")
    return width, height


def _of_tiff(data: bytes, order: str) -> tuple[int, int]:
    (place,) = struct.unpack_from(f"{order}I", data, 4)
    (count,) = struct.unpack_from(f"{order}H", data, place)
    lengths: dict[int, int] = {}
    for entry in range(place + 2, place + 2 + 12 * count, 12):
        tag, kind = struct.unpack_from(f"{order}HH", data, entry)
        if tag in (256, 257):  # width and length, as short or long
            form = f"{order}H" if kind == 3 else f"{order}I"
            (lengths[tag],) = struct.unpack_from(form, data, entry + 8)
    return lengths.get(256, 0), lengths.get(257, 0)
