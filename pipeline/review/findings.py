"""Findings: what there is to say of a shot, each with a code that stays the same and a level."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from ..doubts import Doubt
from ..lapses import told
from ..media.damage import summarize
from ..progress import counted
from ..report import UNEDITED, Report

Level = Literal["error", "warning", "note"]
LEVELS: Final[tuple[Level, ...]] = ("error", "warning", "note")

CODES: Final[Mapping[str, tuple[Level, str]]] = {
    "failed": ("error", "the shot could not be made"),
    "target-gone": ("error", "its target is missing, or is not what was delivered"),
    "frames-differ": ("error", "the target does not hold the frames that were written"),
    "not-done": ("warning", "the run was stopped before it, or it may succeed later"),
    "nothing-edited": ("warning", "no face could be edited; it was delivered as it came"),
    "lapse": ("warning", "for half a second or more, less than half of an edit was done"),
    "strong-doubt": ("warning", "frames the program itself does not trust"),
    "flicker": ("warning", "what the edit changes is restless from frame to frame"),
    "outside": ("warning", "encoding changed what the edit left alone more than it usually does"),
    "damage": ("warning", "what of the clip could not be read as it was meant"),
    "told": ("warning", "what else the program said while it made the shot"),
    "skipped": ("note", "there was nothing to edit, and it was left out as asked"),
    "brief-lapse": ("note", "for less than half a second, less than half of an edit was done"),
    "doubt": ("note", "frames to look at first"),
    "other-person": ("note", "a face came so far from who it was that it counts as somebody else"),
    "between": ("note", "faces edited between places read before and after"),
    "short-handles": ("note", "the clip has fewer frames than the handles asked for"),
}
"""By code: how grave it is, and what it means."""

_LOST_S: Final = 0.5
"""Seconds without an edit from which on they are a warning."""
_STRONG: Final = 1.0
"""Size of a doubt of what goes wrong now and then."""
_JITTER: Final = 3.0
"""Grey levels …"""
_SHARE: Final = 0.35
"""… and share of the change itself from which on a change that trembles is a warning."""
_PSNR_DB: Final = 32.0
_SSIM: Final = 0.85
"""Of pixels the edit left alone, below which encoding did more than it usually does."""
_MOST: Final = 12
"""Findings of one code that are told one by one."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to say of a shot."""

    code: str
    text: str
    frames: tuple[int, int] | None = None
    """First and last of those it is about, as numbered in the clip."""

    @property
    def level(self) -> Level:
        """How grave it is."""
        return CODES[self.code][0]

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        known = {name: value for name, value in asdict(self).items() if value is not None}
        return {"level": self.level, **known}


def in_words(findings: Sequence[Mapping[str, Any]]) -> str:
    """Return how many findings there are of each level: `no errors, 2 warnings`."""
    counts = Counter(str(finding["level"]) for finding in findings)
    told = [counted(counts[level], level) for level in LEVELS if counts[level]]
    return ", ".join(told if counts["error"] else ["no errors", *told])


def of_reports(reports: Sequence[Report]) -> Iterator[Finding]:
    """Yield what the accounts of a run's edits say."""
    sentences: dict[str, None] = {}
    for number, report in enumerate(reports):
        which = f"edit {number}: " if len(reports) > 1 else ""
        asked = [edit["attribute"] for edit in report.options["attributes"] if edit["strength"]]
        for lapse in report.lapses:
            code = "lapse" if lapse.lost_s >= _LOST_S else "brief-lapse"
            text = f"{which}{told(lapse, asked, len(report.tracks))}"
            yield Finding(code, text, (lapse.first_frame, lapse.last_frame))
        if UNEDITED in report.warnings:
            yield Finding("nothing-edited", f"{which}{UNEDITED}")
        if between := report.interpolated:
            faces = counted(between, "face")
            yield Finding("between", f"{which}{faces} edited between places read before and after")
        sentences |= dict.fromkeys(report.warnings)
    damaged = summarize(reports[0].damage)
    for sentence in dict.fromkeys((*damaged, *sentences)):
        if sentence != UNEDITED:
            yield Finding("damage" if sentence in damaged else "told", sentence)


def of_doubts(found: Iterable[Doubt]) -> Iterator[Finding]:
    """Yield what the program doubts most."""
    for doubt in found:
        code = "strong-doubt" if doubt.size >= _STRONG else "doubt"
        yield Finding(code, str(doubt), (doubt.frame, doubt.frame))


def of_figures(figures: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield what the figures of a target say; see `figures.Figures.to_json`."""
    outside, jitter = figures.get("outside"), figures.get("jitter")
    if outside and outside["psnr_db"] is not None:
        psnr, ssim = outside["psnr_db"], outside["ssim"]
        if psnr < _PSNR_DB or ssim < _SSIM:
            text = f"PSNR {psnr:.1f} dB, SSIM {ssim:.3f} of pixels that the edit left alone"
            yield Finding("outside", text)
    if jitter and jitter["largest"] >= _JITTER and jitter["share"] >= _SHARE:
        frame = jitter["frame"]
        text = (
            f"at frame {frame} the change of the face trembles by {jitter['largest']:.1f} grey "
            f"levels, {jitter['share']:.0%} of the change itself"
        )
        yield Finding("flicker", text, (frame, frame))


def of_identity(faces: Iterable[Mapping[str, Any]]) -> Iterator[Finding]:
    """Yield which faces count as other people after the edit; see `identity.identity_of`."""
    for face in faces:
        bound = face["other_person"]
        if bound is not None and face["distance"] >= bound:
            text = (
                f"face {face['track']} is {face['distance']:.2f} from who it was; from "
                f"{bound:g} on the {face['recogniser']} takes two pictures for two people"
            )
            yield Finding("other-person", text, (face["frames"][0], face["frames"][-1]))


def few(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings, the gravest first; of many with one code, the first and how many more."""
    kept: list[Finding] = []
    counts: Counter[str] = Counter()
    for finding in sorted(findings, key=lambda one: LEVELS.index(one.level)):
        counts[finding.code] += 1
        if counts[finding.code] <= _MOST:
            kept.append(finding)
    more = {code: count - _MOST for code, count in counts.items() if count > _MOST}
    return [*kept, *(Finding(code, f"… and {count} more like it") for code, count in more.items())]
