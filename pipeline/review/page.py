"""The page of a run: one file that needs no other, a line per shot, all else folded away.

It has no script and asks nobody for anything: styles and pictures are in it. Whatever comes from
outside (names, paths, messages) is escaped where it is written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from typing import Any, Final

from ..progress import counted
from .drawing import NAMES, line, strip
from .findings import LEVELS
from .style import CSS

GROUP: Final = 50
"""Shots that are folded away together, where there are more."""
PICTURES_BYTES: Final = 64_000_000
"""Of all pictures of a page; shots with the gravest findings have theirs first."""
_OTHERS_BYTES: Final = 6_000
"""Of what else there is to show of a shot, about."""

Record = Mapping[str, Any]
"""What the report of a run says of a shot."""


def page(
    run: Mapping[str, Any],
    records: Sequence[Record],
    review_of: Callable[[Record], Mapping[str, Any]],
) -> Iterator[str]:
    """Yield a page, piece by piece.

    Args:
        run: what is known of the run as a whole: `manifest`, `counts`, `seconds` and so on.
        records: of its shots, in order.
        review_of: returns the review of a shot (`looking.review`), or nothing; asked for one at a
            time, so that the pictures of a thousand shots never lie in memory together.
    """
    shown = _shown_whole(records)
    title = escape(str(run["name"]))
    yield f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
    yield "img-src data:; style-src 'unsafe-inline'\">"
    yield f"<style>{CSS}</style></head><body>\n"
    yield from _head(run, records, len(shown))
    for begin in range(0, len(records), GROUP):
        group = records[begin : begin + GROUP]
        if len(records) > GROUP:
            yield _group_begin(group, begin)
        for number, record in enumerate(group, begin):
            yield from _shot(record, review_of(record), is_whole=number in shown)
        if len(records) > GROUP:
            yield "</details>\n"
    yield "</body></html>\n"


def _shown_whole(records: Sequence[Record]) -> set[int]:
    """Return the numbers of the shots that there is room to show with all that is known."""

    def gravity(number: int) -> tuple[int, int]:
        levels = {finding["level"] for finding in records[number]["findings"]}
        return next((n for n, level in enumerate(LEVELS) if level in levels), len(LEVELS)), number

    shown, left = set(), PICTURES_BYTES
    for number in sorted(range(len(records)), key=gravity):
        left -= int(records[number].get("picture_bytes", 0)) + _OTHERS_BYTES
        if left < 0:
            break
        shown.add(number)
    return shown


def _head(run: Mapping[str, Any], records: Sequence[Record], whole: int) -> Iterator[str]:
    counts = ", ".join(f"{count} {state}" for state, count in run["counts"].items())
    levels = Counter(finding["level"] for record in records for finding in record["findings"])
    told = ", ".join(counted(levels[level], level) for level in LEVELS)
    yield f"<header><h1>{escape(str(run['name']))}</h1>"
    yield f"<p><b>{counted(len(records), 'shot')}</b>: {escape(counts)} · {told}</p>"
    facts = {
        "manifest": run["manifest"],
        "made": f"{run['time']} on {run['host']}",
        "seconds": _seconds(run["seconds"]),
        "versions": ", ".join(f"{name} {number}" for name, number in run["versions"].items()),
    }
    yield _facts(facts)
    yield "<details><summary>weights</summary>"
    yield _facts(run["weights"]) + "</details>"
    if whole < len(records):
        yield f"<p>{whole} shots are shown with all that is known, the gravest findings first; "
        yield "the others only with their findings, so that the page stays usable.</p>"
    yield '<p class="key">'
    for state, name in NAMES.items():
        yield f"{strip(state)} {escape(name)} "
    yield "</p>"
    for number, what in enumerate(("all shots", "with findings", "with errors or warnings")):
        checked = " checked" if not number else ""
        yield f'<label><input type="radio" name="show" id="show{number}"{checked}> {what}</label> '
    yield "</header>\n"


def _group_begin(group: Sequence[Record], begin: int) -> str:
    levels = {finding["level"] for record in group for finding in record["findings"]}
    is_open = " open" if "error" in levels or not begin else ""
    ends = f"{escape(group[0]['shot'])} – {escape(group[-1]['shot'])}"
    states = Counter(record["state"] for record in group)
    counts = ", ".join(f"{count} {escape(state)}" for state, count in states.items())
    return f'<details class="group"{is_open}><summary>{ends}: {counts}</summary>\n'


def _shot(record: Record, review: Mapping[str, Any], *, is_whole: bool) -> Iterator[str]:
    levels = {finding["level"] for finding in record["findings"]}
    gravity = next((level for level in LEVELS if level in levels), "good")
    state, strips = escape(record["state"]), review.get("strips", [])
    yield f'<details class="shot {gravity}"><summary><span class="state {state}">{state}</span>'
    yield f"<b>{escape(record['shot'])}</b>"
    counts = record.get("counts")
    edited = f"{counts['edited']} of {counted(counts['frames'], 'frame')}" if counts else ""
    yield f"<span>{edited}</span>"
    yield f"<span>{strip(strips[0]['states']) if strips else ''}</span>"
    yield f"<span>{_short(record.get('figures') or {})}</span>"
    yield f"<span>{escape(record['in_words'])}</span></summary>\n"
    yield from _findings(record["findings"])
    if is_whole:
        for picture in review.get("pictures", []):
            yield _picture(picture)
        yield from _strips(review)
        yield _facts(_known(record))
    if record.get("log"):
        yield f"<pre>{escape(chr(10).join(record['log']))}</pre>"
    yield "</details>\n"


def _short(figures: Mapping[str, Any]) -> str:
    """Return the two figures that tell most."""
    outside, jitter = figures.get("outside"), figures.get("jitter")
    parts = []
    if outside:
        psnr = outside["psnr_db"]
        parts.append("outside unchanged" if psnr is None else f"outside {psnr:.1f} dB")
    if jitter:
        parts.append(f"jitter {jitter['mean']:.2f}")
    return ", ".join(parts)


def _findings(findings: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not findings:
        return
    yield "<ul>"
    for finding in findings:
        level, code, text = (escape(finding[name]) for name in ("level", "code", "text"))
        yield f'<li class="{level}"><b>{level}</b> <code>{code}</code> {text}</li>'
    yield "</ul>\n"


def _picture(picture: Mapping[str, Any]) -> str:
    what, why = escape(str(picture["what"])), escape(str(picture["why"]))
    caption = f"{what}, frame {int(picture['frame'])}{': ' if why else ''}{why}"
    return (
        f'<figure><img loading="lazy" width="{int(picture["width"])}" '
        f'height="{int(picture["height"])}" alt="before, after, difference" '
        f'src="data:image/jpeg;base64,{escape(picture["jpeg"])}">'
        f"<figcaption>{caption} <i>before | after | difference ×4</i></figcaption></figure>\n"
    )


def _strips(review: Mapping[str, Any]) -> Iterator[str]:
    jitter = review.get("jitter", [])
    for one in review.get("strips", []):
        asked = max(float(one["asked"]), 1e-6)
        yield f'<div class="over"><p>{escape(one["label"])}: strength up to {asked:.2g}</p>'
        yield line(one["strength"], asked, "strength")
        yield strip(one["states"]) + "</div>\n"
    if jitter and max(jitter) > 0:
        yield f'<div class="over"><p>jitter, up to {max(jitter):.2f} grey levels</p>'
        yield line(jitter, max(jitter), "jitter") + "</div>\n"


def _known(record: Record) -> dict[str, object]:
    """Return what there is to say of a shot in lines."""
    target, figures = record.get("target") or {}, record.get("figures") or {}
    outside, inside, jitter = (figures.get(name) for name in ("outside", "inside", "jitter"))
    lines: dict[str, object] = {
        "input": record.get("input"),
        "target": target.get("path"),
        "SHA-256": target.get("sha256"),
        "bytes": target.get("bytes"),
    }
    if outside:
        psnr = (
            "nothing differs"
            if outside["psnr_db"] is None
            else (
                f"PSNR {outside['psnr_db']:.2f} dB (worst frame {outside['worst_frame']}: "
                f"{outside['worst_psnr_db'] or 0:.2f}), SSIM {outside['ssim']:.4f}, difference "
                f"{outside['mean']:.2f} on average, {outside['largest']:.0f} at most"
            )
        )
        lines["where no edit was, after encoding"] = psnr
    if inside:
        lines["where an edit was"] = (
            f"difference {inside['mean']:.2f} on average, {inside['largest']:.0f} at most"
        )
    if jitter:
        lines["jitter"] = (
            f"{jitter['mean']:.2f} grey levels on average, {jitter['largest']:.2f} at frame "
            f"{jitter['frame']} ({jitter['share']:.0%} of the change)"
        )
    for face in record.get("identity") or []:
        lines[f"identity of face {face['track']} ({face['recogniser']})"] = _identity(face)
    if skipped := (record.get("counts") or {}).get("skipped"):
        lines["faces skipped"] = ", ".join(f"{count} × {why}" for why, count in skipped.items())
    if seconds := record.get("seconds"):
        lines["seconds"] = _seconds(seconds)
    if record.get("peak_mb"):
        lines["memory"] = f"{record['peak_mb']:.0f} MB at most"
    return {name: value for name, value in lines.items() if value not in (None, "")}


def _identity(face: Mapping[str, Any]) -> str:
    """Return how far a face is from who it was, with what that may be compared with."""
    parts = [f"{face['distance']:.2f} from who it was"]
    if "in_the_clip" in face:
        parts.append(f"{face['in_the_clip']:.2f} between frames of the clip")
    if face["other_person"] is not None:
        parts.append(f"another person from {face['other_person']:g} on")
    return "; ".join(parts)


def _seconds(seconds: Mapping[str, float] | float) -> str:
    if not isinstance(seconds, Mapping):
        return f"{seconds:.1f}"
    parts = ", ".join(f"{stage} {value:.1f}" for stage, value in seconds.items())
    return f"{sum(seconds.values()):.1f} ({parts})"


def _facts(facts: Mapping[str, object]) -> str:
    rows = "".join(
        f"<dt>{escape(str(name))}</dt><dd>{escape(str(value))}</dd>"
        for name, value in facts.items()
    )
    return f"<dl>{rows}</dl>\n"
