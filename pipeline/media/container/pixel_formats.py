"""Which pixel format an output is encoded in, and what that loses."""

from __future__ import annotations

from av.codec.codec import Codec
from av.video.format import VideoFormat

from ...errors import OutputError, VideoError
from .containers import WITH_ALPHA
from .encoders import ANIMATIONS, LOSSLESS
from .file import VideoFile
from .planes import layout_of


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
        exact = [name for name in usable if _planar(name) == planar]
        preferred = [name for name in (stored, planar) if name in exact]
        chosen = [*preferred, *exact, *sorted(usable, key=lambda n: _cost(planar, n))][0]
    lost = _what_is_lost(planar, _planar(chosen))
    if _planar(chosen) == planar:
        return chosen, ""
    how = f"loses {', '.join(lost)}" if lost else "nothing is lost but exactness of rounding"
    if is_animation and wanted is None and chosen == "yuv420p" and "yuv444p" in usable:
        how += "; --pix-fmt yuv444p keeps more, but phones and Safari do not play it"
    return chosen, f"{encoder} stores {chosen} instead of {planar}: {how}"


def _has_layout(pix_fmt: str) -> bool:
    try:
        return layout_of(pix_fmt) is not None
    except (VideoError, ValueError):
        return False


def _planar(pix_fmt: str) -> str:
    layout = layout_of(pix_fmt)
    assert layout is not None
    return layout.planar


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
    after = _planar(name)
    bits, chroma, _, _, _ = _traits(before)
    new_bits, new_chroma, _, _, _ = _traits(after)
    lost = len(_what_is_lost(before, after))
    return lost, max(0, bits - new_bits), abs(new_chroma - chroma), abs(new_bits - bits)
