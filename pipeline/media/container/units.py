"""The units (NAL) that packets of H.264 and HEVC are made of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_START_CODE = re.compile(rb"\x00\x00\x01")
"""Between the units of H.264 and HEVC in transport streams and AVI (ITU-T H.264, Annex B)."""


@dataclass(frozen=True, slots=True)
class Units:
    """How the units of a packet are told apart."""

    length_bytes: int
    """Of the number before each unit; 0: they are parted by start codes."""
    is_hevc: bool

    def all(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield type (H.264, table 7-1; H.265, table 7-1) and bytes of every unit of a packet."""
        units = self._counted(data) if self.length_bytes else iter(_START_CODE.split(data)[1:])
        for unit in units:
            if unit:  # zeros behind it belong to the next start code or fill the packet
                yield (unit[0] >> 1) & 63 if self.is_hevc else unit[0] & 31, unit.rstrip(b"\0")

    @property
    def picture_kinds(self) -> range:
        """Types of the units that hold pictures."""
        return range(32) if self.is_hevc else range(1, 6)

    def _counted(self, data: bytes) -> Iterator[bytes]:
        place, width = 0, self.length_bytes
        while place + width < len(data):
            length = int.from_bytes(data[place : place + width], "big")
            yield data[place + width : place + width + length]
            place += width + length


def units_of(codec: str, extradata: bytes) -> Units | None:
    """Return how to take packets apart; None: as they are.

    Extradata that begins with 1 is the configuration record of MP4 and Matroska (ISO/IEC 14496-15),
    whose byte 4 (H.264) or 21 (HEVC) ends in the width of the lengths, less one.
    """
    if codec not in ("h264", "hevc"):
        return None
    is_hevc = codec == "hevc"
    place = 21 if is_hevc else 4
    is_record = len(extradata) > place and extradata[0] == 1
    return Units((extradata[place] & 3) + 1 if is_record else 0, is_hevc)
