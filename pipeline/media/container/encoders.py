"""Which encoder answers which input, at which quality, in which pixel format.

Defaults keep the input's family at visually lossless quality; lossless inputs stay lossless.
Options are FFmpeg's own names and units.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import av
from av.codec.codec import Codec
from av.codec.context import CodecContext
from av.video.format import VideoFormat

from ...config import EncodeOptions
from ...errors import OutputError, VideoError
from .containers import HELD, WITH_ALPHA
from .file import HdrMetadata, VideoFile
from .planes import layout_of, planar_of

Timing = Literal["any", "16-bit", "grid"]
"""`any` time base; a denominator of 16 bits or a constant rate; a constant rate only."""


@dataclass(frozen=True, slots=True)
class Encoder:
    """What the program knows of an FFmpeg encoder beyond FFmpeg's own tables."""

    options: tuple[tuple[str, str], ...] = ()
    crf: float | None = None
    """Default constant rate factor; None if the encoder has none."""
    preset: str | None = None
    timing: Timing = "any"
    limits: str = ""
    """What it takes besides, in words."""


_QSCALE = (("flags", "+qscale"), ("global_quality", str(2 * 118)))
"""Fixed quantiser 2, the finest in use; 118 is FF_QP2LAMBDA."""

_MPEG_RATES = "23.976, 24, 25, 29.97, 30, 50, 59.94 and 60 frames/s"

ENCODERS: dict[str, Encoder] = {
    "libx264": Encoder(crf=14, preset="fast"),
    "libx264rgb": Encoder(crf=14, preset="fast"),
    # What x265 says of itself in the stream names the processor's features: other bytes elsewhere.
    "libx265": Encoder((("x265-params", "log-level=error:info=0"),), crf=14, preset="fast"),
    "libvpx-vp9": Encoder((("b", "0"), ("cpu-used", "3"), ("row-mt", "1")), crf=15),
    "libvpx": Encoder((("b", "100M"), ("cpu-used", "2"), ("auto-alt-ref", "0")), crf=4),
    "libsvtav1": Encoder(crf=16, preset="6"),
    "mpeg4": Encoder(_QSCALE, timing="16-bit"),
    "mpeg2video": Encoder(
        _QSCALE, timing="grid", limits=f"{_MPEG_RATES}, and simple parts of these"
    ),
    "mpeg1video": Encoder(_QSCALE, timing="grid", limits=_MPEG_RATES),
    "mjpeg": Encoder(_QSCALE),
    "flv": Encoder(_QSCALE, timing="16-bit"),
    "h263": Encoder(
        _QSCALE, timing="grid", limits="128x96, 176x144, 352x288, 704x576 and 1408x1152"
    ),
    "h263p": Encoder(_QSCALE, timing="16-bit"),
    "msmpeg4": Encoder(_QSCALE, timing="16-bit"),
    "msmpeg4v2": Encoder(_QSCALE, timing="16-bit"),
    "wmv1": Encoder(_QSCALE, timing="16-bit"),
    "wmv2": Encoder(_QSCALE, timing="16-bit"),
    "dvvideo": Encoder(
        timing="grid", limits="720x576 at 25 frames/s or 720x480 at 29.97, in 4:2:0 or 4:1:1"
    ),
    "ffv1": Encoder((("level", "3"), ("slicecrc", "1"))),
}

_FAMILIES = {
    "h264": "libx264",
    "hevc": "libx265",
    "vp9": "libvpx-vp9",
    "vp8": "libvpx",
    "av1": "libsvtav1",
    "prores": "prores_ks",
    "msmpeg4v3": "msmpeg4",
    "flv1": "flv",
}
"""Codec of the input → encoder of its family, where the names differ."""

_X26_PRESETS = (
    *("ultrafast", "superfast", "veryfast", "faster", "fast", "medium"),
    *("slow", "slower", "veryslow", "placebo"),
)
"""Of x264 and x265 (their command line help); FFmpeg passes them on unread."""

ANIMATIONS = {"gif", "apng", "webp"}
"""Codecs of animations, whose encoders would not keep colours or times."""

LOSSLESS = {"ffv1", "ffvhuff", "huffyuv", "utvideo", "png", "qtrle", "rawvideo"}
"""Encoders that keep every value in the pixel formats they take."""

_PRORES_PROFILES = ("Proxy", "LT", "Standard", "HQ", "4444", "XQ")


def encoders_for(source: VideoFile, wanted: str | None, container: str) -> list[str]:
    """Return the encoders to try for an input, best first: the wanted one, or its family's, then
    general ones, then the container's own; none if it holds nothing that can be encoded here.

    Args:
        source: the input.
        wanted: `--codec`, an FFmpeg encoder name, or None for the input's family.
        container: FFmpeg muxer name.

    Raises:
        OutputError: the wanted encoder is unknown, or one the container cannot hold.
    """
    if wanted is not None:
        return [_checked(wanted, container)]
    general = ("libx264", "libvpx-vp9", "ffv1", "mpeg4", "mpeg2video")
    names = (_family(source), *general, _usual_encoder(container))
    usable = [n for n in names if n is not None and is_encoder(n) and _holds(container, n)]
    return list(dict.fromkeys(usable))


def is_same_family(source: VideoFile, encoder: str) -> bool:
    """Return whether an encoder makes the codec the input has."""
    return Codec(encoder, "w").canonical_name == source.info.codec


def is_lossless(encoder: str, options: Mapping[str, str], pix_fmt: str) -> bool:
    """Return whether an encoder with its options keeps every value it is given.

    x264 is lossless at crf 0 with 8 bits only: with more, its scale begins below zero.
    """
    if encoder in ("libx264", "libx264rgb"):
        form = VideoFormat(pix_fmt, 64, 64)
        return options.get("crf") == "0" and form.components[0].bits == 8
    asked = {options.get("lossless"), *options.get("x265-params", "").split(":")}
    return encoder in LOSSLESS or bool(asked & {"1", "lossless=1"})


def is_encoder(name: str) -> bool:
    """Return whether FFmpeg here has a video encoder of a name."""
    with suppress(ValueError):
        return Codec(name, "w").type == "video"
    return False


def encoder_options(source: VideoFile, encoder: str, options: EncodeOptions) -> dict[str, str]:
    """Return FFmpeg's options for an encoder: defaults, then what was asked for.

    Raises:
        OutputError: a crf or preset the encoder does not have, or outside its range.
    """
    known = ENCODERS.get(encoder, Encoder())
    found = dict(known.options)
    private = {o.name for o in CodecContext.create(encoder, "w").supported_options.private}
    crf = options.crf if options.crf is not None else known.crf
    if crf is not None:
        found["crf"] = _checked_crf(encoder, crf, "crf" in private)
    preset = options.preset if options.preset is not None else known.preset
    if preset is not None:
        found["preset"] = _checked_preset(encoder, preset)
    hdr = _hdr_options(encoder, source.hdr) if source.hdr is not None else {}
    for name, value in (*_particulars(source, encoder, crf).items(), *hdr.items()):
        found[name] = f"{found[name]}:{value}" if name in found else value
    return found


def _checked_crf(encoder: str, crf: float, has_crf: bool) -> str:
    if not has_crf:
        raise OutputError(
            f"encoder {encoder} has no crf (asked for: {crf:g}); leave --crf out, or use one "
            "of libx264, libx265, libvpx-vp9, libsvtav1"
        )
    highest = 51 if "x26" in encoder else 63
    if not 0 <= crf <= highest:
        raise OutputError(f"crf {crf:g} is out of range for {encoder}; accepted: 0–{highest}")
    return f"{crf:g}"


def _checked_preset(encoder: str, preset: str) -> str:
    known = {o.name: o for o in CodecContext.create(encoder, "w").supported_options.private}
    option = known.get("preset")
    if option is None:
        raise OutputError(f"encoder {encoder} has no presets (asked for: {preset!r})")
    is_text = Codec(encoder, "w").name in ("libx264", "libx264rgb", "libx265")
    names = _X26_PRESETS if is_text else tuple(c.name for c in option.choices or ())
    low, high = (0, 9) if is_text else (int(option.min), int(option.max))
    usable = preset in names
    with suppress(ValueError):
        usable = usable or low <= int(preset) <= high
    if not usable:
        number = f"a number from {low} to {high}"
        listed = f"{', '.join(names)}, or {number}" if names else number
        raise OutputError(
            f"encoder {encoder} has no preset {preset!r}; accepted: {listed}. Or leave --preset out"
        )
    return preset


def _particulars(source: VideoFile, encoder: str, crf: float | None) -> dict[str, str]:
    """Return what single encoders need beside their defaults."""
    if encoder.startswith("libx264"):
        # Otherwise its macroblock tree rounds as each processor does it fastest, and with AVX-512
        # reads past a row whose width in macroblocks is not a multiple of 16: files then differ
        # from run to run (seen with x264 core 165, 2026). Costs 2 % of the encoder's time.
        return {"x264-params": "cpu-independent=1"}
    if encoder == "libx265" and crf == 0:
        return {"x265-params": "lossless=1"}
    if encoder == "libvpx-vp9" and crf == 0:
        return {"lossless": "1"}
    if encoder == "prores_ks" and source.profile in _PRORES_PROFILES:
        return {"profile": str(_PRORES_PROFILES.index(source.profile))}
    return {"profile": "dnxhr_hq"} if encoder == "dnxhd" else {}


def _hdr_options(encoder: str, hdr: HdrMetadata) -> dict[str, str]:
    """Return the encoder option that carries static HDR metadata, if it has one.

    Units: x264 and x265 count chromaticity in 1/50 000 and luminance in 1/10 000 cd/m² (ITU-T H.265
    D.3.28); SVT-AV1 takes plain numbers.
    """
    is_svt = encoder == "libsvtav1"
    names = {
        "libx264": ("x264-params", "mastering-display", "cll"),
        "libx265": ("x265-params", "master-display", "max-cll"),
        "libsvtav1": ("svtav1-params", "mastering-display", "content-light"),
    }
    if encoder not in names:
        return {}
    option, display, light = names[encoder]

    def written(value: Fraction, unit: int) -> str:
        return f"{float(value):.6g}" if is_svt else str(round(value * unit))

    parts = []
    if hdr.primaries and hdr.luminance:
        xy = [written(v, 50_000) for v in hdr.primaries]
        low, high = (written(v, 10_000) for v in hdr.luminance)
        text = f"G({xy[2]},{xy[3]})B({xy[4]},{xy[5]})R({xy[0]},{xy[1]})WP({xy[6]},{xy[7]})"
        parts.append(f"{display}={text}L({high},{low})")
    if hdr.light_level:
        parts.append(f"{light}={hdr.light_level[0]},{hdr.light_level[1]}")
    return {option: ":".join(parts)} if parts else {}


def _family(source: VideoFile) -> str | None:
    codec = source.info.codec
    if codec == "h264" and source.encoding.matrix == "rgb":
        return "libx264rgb"
    return None if codec in ANIMATIONS else _FAMILIES.get(codec, codec)


def _usual_encoder(container: str) -> str:
    """Return the encoder of the codec that FFmpeg writes into a container by default."""
    with av.open(io.BytesIO(), "w", format=container) as output:
        codec = output.default_video_codec
    return _FAMILIES.get(codec, codec)


def _holds(container: str, encoder: str) -> bool:
    """Return whether a container may hold an encoder's codec, as far as FFmpeg's tables know."""
    if container in HELD:
        return encoder in HELD[container]
    with av.open(io.BytesIO(), "w", format=container) as output, suppress(ValueError):
        output.add_stream(encoder)
        return True
    return False


def _checked(wanted: str, container: str) -> str:
    usual = [name for name in (*ENCODERS, "prores_ks", "png") if is_encoder(name)]
    held = [name for name in usual if _holds(container, name)]
    if not is_encoder(wanted):
        raise OutputError(
            f"unknown video encoder {wanted!r}; accepted are FFmpeg's encoder names, in "
            f"{container} for instance {', '.join(held)}"
        )
    if not _holds(container, wanted):
        raise OutputError(
            f"{container} cannot hold video of {wanted}; it can hold {', '.join(held) or 'none'}. "
            "Or write .mkv, which takes nearly every codec"
        )
    return wanted


def choose_pix_fmt(
    source: VideoFile, encoder: str, wanted: str | None, container: str
) -> tuple[str, str]:
    """Return the pixel format to encode in, and a warning if it cannot hold all of the input.

    Animations (GIF, APNG, WebP) become 4:2:0 where the encoder has it and their size is even: what
    they hold in more is seldom seen, and phones and browsers play nothing else.

    Raises:
        OutputError: the wanted format is unknown or the encoder does not take it.
    """
    offered = [f.name for f in Codec(encoder, "w").video_formats or []]
    usable = [name for name in offered if _has_layout(name)]
    if encoder.startswith("libvpx") and container not in WITH_ALPHA:
        usable = [name for name in usable if "yuva" not in name and name != "gbrap"]
    is_even = source.stored_size[0] % 2 == source.stored_size[1] % 2 == 0
    is_animation = source.info.codec in ANIMATIONS and is_even and encoder not in LOSSLESS
    planar = source.encoding.pix_fmt
    if wanted is not None:
        if (offered and wanted not in offered) or not _has_layout(wanted):
            raise OutputError(
                f"encoder {encoder} does not take pixel format {wanted!r}; accepted: "
                f"{', '.join(usable) or 'any planar format'}"
            )
        chosen = wanted
    elif is_animation and "yuv420p" in usable:
        chosen = "yuv420p"
    elif not offered:
        chosen = source.info.pix_fmt if _has_layout(source.info.pix_fmt) else planar
    else:
        stored = "" if source.info.pix_fmt.startswith("yuvj") else source.info.pix_fmt
        exact = [name for name in usable if planar_of(name) == planar]
        preferred = [name for name in (stored, planar) if name in exact]
        chosen = [*preferred, *exact, *sorted(usable, key=lambda n: _cost(planar, n))][0]
    lost = _what_is_lost(planar, planar_of(chosen))
    if planar_of(chosen) == planar:
        return chosen, ""
    how = f"loses {', '.join(lost)}" if lost else "nothing is lost but exactness of rounding"
    if is_animation and wanted is None and chosen == "yuv420p" and "yuv444p" in usable:
        how += "; --pix-fmt yuv444p keeps more, but phones and Safari do not play it"
    return chosen, f"{encoder} stores {chosen} instead of {planar}: {how}"


def _has_layout(pix_fmt: str) -> bool:
    with suppress(VideoError, ValueError):
        return layout_of(pix_fmt) is not None
    return False


def _traits(planar: str) -> tuple[int, float, bool, bool, bool]:
    """Return bits, chroma samples per pixel, and whether it has alpha, is RGB, is gray."""
    if planar.startswith("ya"):
        return (8 if planar == "ya8" else 16), 0.0, True, False, True
    form = VideoFormat(planar, 64, 64)
    count = len(form.components)
    is_gray = count == 1
    chroma = 0.0 if is_gray else form.chroma_width() * form.chroma_height() / 4096
    return form.components[0].bits, chroma, count == 4, bool(form.is_rgb), is_gray


def _what_is_lost(before: str, after: str) -> list[str]:
    bits, chroma, alpha, is_rgb, is_gray = _traits(before)
    new_bits, new_chroma, new_alpha, new_rgb, new_gray = _traits(after)
    lost = []
    if new_bits < bits:
        lost.append(f"bit depth ({bits} to {new_bits})")
    if new_chroma < chroma and not new_rgb:
        lost.append("chroma resolution")
    if alpha and not new_alpha:
        lost.append("the alpha channel")
    if new_gray and not is_gray:
        lost.append("colour")
    if is_rgb != new_rgb and not is_gray:
        lost.append("exact colours (RGB and YUV are converted)")
    return lost


def _cost(before: str, name: str) -> tuple[int, int, float, int]:
    after = planar_of(name)
    bits, chroma, _, _, _ = _traits(before)
    new_bits, new_chroma, _, _, _ = _traits(after)
    lost = len(_what_is_lost(before, after))
    return lost, max(0, bits - new_bits), abs(new_chroma - chroma), abs(new_bits - bits)
