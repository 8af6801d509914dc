"""Between FFmpeg's frames and the planes the program works on: a regrouping, never a conversion.

Formats that interleave or shift samples (nv12, p010, yuyv, rgb24 …) hold the same numbers as a
planar format; `LAYOUTS` says where. What has no exact planar twin (palettes, packed 10-bit words)
goes through swscale by name, and the caller is told. Floating-point, Bayer and XYZ pictures are
refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from av.video.format import VideoFormat
from av.video.frame import VideoFrame

from ...errors import VideoError
from ...types import Plane


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the samples of a planar format lie in a stored format."""

    planar: str
    """FFmpeg name of the planar twin (`ya8` and `ya16le` stand for gray with alpha)."""
    parts: tuple[tuple[int, int, int], ...]
    """Per planar plane: stored plane, step and offset [samples]."""
    shift: int = 0
    """Left shift of every stored sample [bits]."""
    bits: int = 8
    big_endian: bool = False


_GBR = ((0, 3, 1), (0, 3, 2), (0, 3, 0))
_BGR = ((0, 3, 1), (0, 3, 0), (0, 3, 2))
_RGBA = ((0, 4, 1), (0, 4, 2), (0, 4, 0), (0, 4, 3))
_BGRA = ((0, 4, 1), (0, 4, 0), (0, 4, 2), (0, 4, 3))
_ARGB = ((0, 4, 2), (0, 4, 3), (0, 4, 1), (0, 4, 0))
_ABGR = ((0, 4, 2), (0, 4, 1), (0, 4, 3), (0, 4, 0))
_SEMI = ((0, 1, 0), (1, 2, 0), (1, 2, 1))
_SEMI_VU = ((0, 1, 0), (1, 2, 1), (1, 2, 0))
_YUYV = ((0, 2, 0), (0, 4, 1), (0, 4, 3))

LAYOUTS: dict[str, Layout] = {
    "nv12": Layout("yuv420p", _SEMI),
    "nv21": Layout("yuv420p", _SEMI_VU),
    "nv16": Layout("yuv422p", _SEMI),
    "nv24": Layout("yuv444p", _SEMI),
    "nv42": Layout("yuv444p", _SEMI_VU),
    "nv20le": Layout("yuv422p10le", _SEMI, 0, 10),
    "p010le": Layout("yuv420p10le", _SEMI, 6, 10),
    "p012le": Layout("yuv420p12le", _SEMI, 4, 12),
    "p016le": Layout("yuv420p16le", _SEMI, 0, 16),
    "p210le": Layout("yuv422p10le", _SEMI, 6, 10),
    "p212le": Layout("yuv422p12le", _SEMI, 4, 12),
    "p216le": Layout("yuv422p16le", _SEMI, 0, 16),
    "p410le": Layout("yuv444p10le", _SEMI, 6, 10),
    "p412le": Layout("yuv444p12le", _SEMI, 4, 12),
    "p416le": Layout("yuv444p16le", _SEMI, 0, 16),
    "yuyv422": Layout("yuv422p", _YUYV),
    "yvyu422": Layout("yuv422p", ((0, 2, 0), (0, 4, 3), (0, 4, 1))),
    "uyvy422": Layout("yuv422p", ((0, 2, 1), (0, 4, 0), (0, 4, 2))),
    "y210le": Layout("yuv422p10le", _YUYV, 6, 10),
    "y212le": Layout("yuv422p12le", _YUYV, 4, 12),
    "rgb24": Layout("gbrp", _GBR),
    "bgr24": Layout("gbrp", _BGR),
    "rgb0": Layout("gbrp", _RGBA[:3]),
    "bgr0": Layout("gbrp", _BGRA[:3]),
    "0rgb": Layout("gbrp", _ARGB[:3]),
    "0bgr": Layout("gbrp", _ABGR[:3]),
    "rgba": Layout("gbrap", _RGBA),
    "bgra": Layout("gbrap", _BGRA),
    "argb": Layout("gbrap", _ARGB),
    "abgr": Layout("gbrap", _ABGR),
    "rgb48le": Layout("gbrp16le", _GBR, 0, 16),
    "bgr48le": Layout("gbrp16le", _BGR, 0, 16),
    "rgba64le": Layout("gbrap16le", _RGBA, 0, 16),
    "bgra64le": Layout("gbrap16le", _BGRA, 0, 16),
    "ya8": Layout("ya8", ((0, 2, 0), (0, 2, 1))),
    "ya16le": Layout("ya16le", ((0, 2, 0), (0, 2, 1)), 0, 16),
}
"""Stored formats that interleave or shift the samples of a planar one (libavutil/pixfmt.h)."""

_REFUSED = ("f16", "f32", "xyz12", "bayer")


@lru_cache(maxsize=64)
def layout_of(pix_fmt: str) -> Layout | None:
    """Return how a stored format regroups into planes, or None if it has no exact planar twin.

    Raises:
        VideoError: floating-point, Bayer and XYZ formats, which the program cannot edit.
    """
    if any(word in pix_fmt for word in _REFUSED) or not VideoFormat(pix_fmt).components:
        raise VideoError(
            f"pixel format {pix_fmt!r} cannot be edited; accepted are integer YUV, RGB and gray "
            "formats of 8 to 16 bits. Convert the video first"
        )
    is_big_endian = VideoFormat(pix_fmt).is_big_endian and pix_fmt.endswith("be")
    name = pix_fmt[:-2] + "le" if is_big_endian else pix_fmt.replace("yuvj", "yuv")
    stored = LAYOUTS.get(name)
    if stored is not None:
        return Layout(stored.planar, stored.parts, stored.shift, stored.bits, is_big_endian)
    components = VideoFormat(name).components
    is_planar = (
        len({c.plane for c in components}) == len(components)
        and not VideoFormat(name).has_palette
        and not VideoFormat(name).is_bit_stream
        and "msb" not in name
        and all(c.bits == components[0].bits and 8 <= c.bits <= 16 for c in components)
    )
    if not is_planar:
        return None
    parts = tuple((i, 1, 0) for i in range(len(components)))
    return Layout(name, parts, 0, components[0].bits, is_big_endian)


def nearest_planar(pix_fmt: str) -> str:
    """Return the planar format that swscale converts a format without exact twin to."""
    form = VideoFormat(pix_fmt)
    bits = max(c.bits for c in form.components)
    depth = next((d for d in (8, 10, 12, 16) if d >= bits), 16)
    suffix = "" if depth == 8 else f"{depth}le"
    if form.has_palette:
        return "gbrap"
    if len(form.components) == 1:
        return "gray" + suffix
    alpha = "a" if len(form.components) == 4 else ""
    return f"gbr{alpha}p{suffix}" if form.is_rgb else f"yuv{alpha}444p{suffix}"


def planar_of(pix_fmt: str) -> str:
    """Return the planar twin of a format that has one."""
    layout = layout_of(pix_fmt)
    assert layout is not None
    return layout.planar


def planes_of(frame: VideoFrame) -> tuple[Plane, ...]:
    """Return the planes of a frame with a layout, read-only: views of its memory where possible.

    Each is (h, w) uint8, or uint16 for more than 8 bits, in the order of the planar format.
    """
    layout = layout_of(frame.format.name)
    assert layout is not None
    shapes = plane_shapes(layout.planar, frame.width, frame.height)
    planes: list[Plane] = []
    for (stored, step, offset), shape in zip(layout.parts, shapes, strict=True):
        samples = _samples(frame, stored, layout, shape[0])
        plane: Plane = samples[:, offset : offset + step * (shape[1] - 1) + 1 : step]
        if layout.big_endian:
            plane = plane.astype(np.uint16)
        if layout.shift:
            plane = np.right_shift(plane, layout.shift, dtype=np.uint16)
        plane.flags.writeable = False
        planes.append(plane)
    return tuple(planes)


def frame_of(planes: Sequence[Plane], pix_fmt: str, size: tuple[int, int]) -> VideoFrame:
    """Return a new FFmpeg frame that holds the planes in a format with an exact layout.

    Args:
        planes: planes of the planar twin of `pix_fmt`, stored orientation.
        pix_fmt: any format for which `layout_of` gives a layout.
        size: width and height [px] of the stored picture.
    """
    layout = layout_of(pix_fmt)
    if layout is None or len(layout.parts) != len(planes):
        raise ValueError(f"{len(planes)} planes cannot be laid out as {pix_fmt}")
    frame = VideoFrame(*size, pix_fmt)
    for (stored, step, offset), plane in zip(layout.parts, planes, strict=True):
        samples = _samples(frame, stored, layout, plane.shape[0])
        shifted = np.left_shift(plane, layout.shift) if layout.shift else plane
        end = offset + step * (plane.shape[1] - 1) + 1
        samples[:, offset:end:step] = shifted
        # x264 looks at the padding of lines; left as found, it would make files differ.
        samples[:, step * plane.shape[1] :] = 0
    return frame


def plane_shapes(planar: str, width: int, height: int) -> list[tuple[int, int]]:
    """Return the (h, w) of every plane of a planar format for a picture of a size."""
    if planar.startswith("ya"):
        return [(height, width)] * 2
    form = VideoFormat(planar, width, height)
    chroma = (form.chroma_height(), form.chroma_width())
    count = len(form.components)
    is_yuv = count >= 3 and not form.is_rgb
    return [chroma if is_yuv and i in (1, 2) else (height, width) for i in range(count)]


def _samples(frame: VideoFrame, index: int, layout: Layout, height: int) -> Plane:
    """Return the memory of one stored plane as (height, line) samples, top row first."""
    plane = frame.planes[index]
    line = abs(plane.line_size)
    memory = np.frombuffer(memoryview(plane), np.uint8)[: line * height].reshape(height, line)
    samples: Plane = memory
    if layout.bits > 8:
        word: np.dtype[np.uint16] = np.dtype(">u2" if layout.big_endian else "<u2")
        samples = memory.view(word)
    return samples[::-1] if plane.line_size < 0 else samples
