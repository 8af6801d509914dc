"""The page of a run: one file, nothing of the outside in it as it came, usable with many shots."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

from pipeline.review import page as pages
from pipeline.review.findings import CODES, Finding, few, in_words
from pipeline.review.page import page

EVIL = '<script src="http://evil/x.js"></script>"\'&<b>'
VOID = {"meta", "img", "input"}


class Reading(HTMLParser):
    """Counts tags and collects addresses; every tag must be closed in its order."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.addresses: list[str] = []
        self.text = ""
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.addresses += [
            value or "" for name, value in attrs if name in ("src", "href", "action")
        ]
        assert not [name for name, _ in attrs if name.startswith("on")]
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def close(self) -> None:
        super().close()
        assert self._open == []


def record(name: str, **more: Any) -> dict[str, Any]:
    findings = more.pop("findings", [])
    return {
        "shot": name,
        "state": "done",
        "input": name,
        "target": {"path": name, "sha256": "0" * 64, "bytes": 7},
        "counts": {"frames": 9, "edited": 4, "skipped": {EVIL: 5}},
        "seconds": {"render": 2.5},
        "figures": {"outside": None, "inside": None, "jitter": None},
        "findings": findings,
        "in_words": in_words(findings),
        **more,
    }


REVIEW: Mapping[str, Any] = {
    "strips": [{"label": EVIL, "asked": 0.8, "states": "eeffsnna", "strength": [0.8] * 8}],
    "jitter": [0, 0, 1, 2, 1, 0, 0, 0],
    "pictures": [
        {"what": "worst", "frame": 3, "why": EVIL, "width": 9, "height": 3, "jpeg": "AAAA"}
    ],
}
RUN: Mapping[str, Any] = {
    "name": EVIL,
    "manifest": EVIL,
    "host": EVIL,
    "time": "now",
    "seconds": 3.0,
    "versions": {"x": EVIL},
    "weights": {EVIL: EVIL},
    "counts": {"done": 1},
}


def read(records: list[dict[str, Any]]) -> tuple[Reading, str]:
    text = "".join(page(RUN, records, lambda _: REVIEW))
    reading = Reading()
    reading.feed(text)
    reading.close()
    return reading, text


def test_what_comes_from_outside_is_text_and_nothing_else() -> None:
    evil = Finding("told", EVIL).to_json()
    failed = record(EVIL, state="failed", log=[EVIL, EVIL], findings=[evil])
    face = {"track": 0, "recogniser": EVIL, "distance": 0.31, "other_person": 0.6}
    reading, text = read([record(EVIL, identity=[face]), failed])
    assert reading.tags["script"] == 0
    assert EVIL not in text
    assert reading.text.count(EVIL) >= 13
    assert "0.31 from who it was; another person from 0.6 on" in reading.text
    assert all(address.startswith("data:image/jpeg;base64,") for address in reading.addresses)
    assert len(reading.addresses) == 2
    assert not re.search(r"url\(|@import", text)


def test_a_thousand_shots_are_folded_away_in_groups_and_those_with_errors_are_open() -> None:
    error = Finding("failed", "it broke").to_json()
    records = [record(f"sh{n:04}", findings=[error] if n == 777 else []) for n in range(1000)]
    _, text = read(records)
    groups = re.findall(r'<details class="group"( open)?>', text)
    assert len(groups) == 1000 / pages.GROUP
    assert [n for n, is_open in enumerate(groups) if is_open] == [0, 777 // pages.GROUP]
    assert len(text) / 1000 < 3000  # bytes a shot, with pictures of four


def test_shots_with_the_gravest_findings_are_shown_whole_where_not_all_have_room() -> None:
    error = Finding("failed", "it broke").to_json()
    big = pages.PICTURES_BYTES * 3 // 10
    records = [
        record(f"sh{n}", picture_bytes=big, findings=[error] if n == 8 else []) for n in range(9)
    ]
    reading, text = read(records)
    assert reading.tags["img"] == 3
    assert "3 shots are shown with all that is known" in text
    assert text.index('id="show0"') < text.index("<img") < text.index("sh8")
    assert "<img" in text[text.index("sh8") :]


def test_findings_are_told_gravest_first_and_many_alike_are_summed_up() -> None:
    many = [Finding("brief-lapse", str(n)) for n in range(40)] + [Finding("failed", "x")]
    told = few(many)
    assert told[0].code == "failed"
    assert told[-1].text == "… and 28 more like it"
    assert in_words([finding.to_json() for finding in told]) == "1 error, 13 notes"
    assert in_words([]) == "no errors"
    assert {level for level, _ in CODES.values()} == {"error", "warning", "note"}
