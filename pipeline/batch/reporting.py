"""The report of a batch, `report.json` and `report.html`: made of what is kept, whoever made it.

What there is to show of a shot was found out once, when its target was made, and lies in the unit
of the target. So a report is read together in seconds, and can be made again at any time.
"""

from __future__ import annotations

import json
import platform
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from ..errors import VisagistError
from ..files import write_whole
from ..report import versions
from ..review.findings import Finding, few, in_words
from ..review.page import page
from .costs import together
from .delivery import JOIN, REVIEW, state_of
from .manifest import Shot
from .serving import EXIT_BUG, EXIT_LATER
from .shots import Desk, ShotCourse
from .store import DamagedUnitError
from .units import Ending, Trouble

REPORT_VERSION: Final = 2
JSON_NAME: Final = "report.json"
PAGE_NAME: Final = "report.html"
_SHOWN: Final = ("counts", "figures", "identity")
"""Of what there is to show of a shot, what the report itself holds."""
_WITH_LOG: Final = (1, EXIT_BUG, EXIT_LATER)
"""Exit codes whose cause may only be seen in what the worker said."""


def trouble_facts(ending: Ending) -> dict[str, Any]:
    """Return why a shot was not delivered, as plain data; nothing if it was."""
    trouble = ending.trouble
    if trouble is None:
        return {}
    told = {"unit": ending.unit, "words": trouble.words, "exit_code": trouble.exit_code}
    return {**told, "log": list(trouble.log)} if trouble.exit_code in _WITH_LOG else told


def save(desk: Desk, endings: Sequence[Ending], *, seconds: float) -> None:
    """Write the report of all shots of a reel into its work folder.

    Args:
        desk: of the reel.
        endings: of the shots that a run has just dealt with; of others it is looked up.
        seconds: that the run took.

    Raises:
        OSError: it cannot be written; what stood there stands there.
    """
    known = {ending.shot: ending for ending in endings}
    records, weights = [], dict[str, str]()
    for shot in desk.reel.shots:
        ending = known.get(shot.name) or _ending_now(desk, shot)
        records.append(_record(desk, shot, ending, weights))
    run = {
        "report_version": REPORT_VERSION,
        "name": desk.reel.path.stem,
        "manifest": str(desk.reel.path),
        "host": platform.node(),
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "seconds": round(seconds, 3),
        "versions": versions(),
        "weights": weights,
        "counts": dict(Counter(record["state"] for record in records)),
    }
    text = json.dumps({**run, "shots": records}, indent=1) + "\n"
    write_whole(desk.reel.work / JSON_NAME, text)
    pieces = page(run, records, lambda record: _review(desk, str(record["shot"])))
    write_whole(desk.reel.work / PAGE_NAME, pieces)


def _ending_now(desk: Desk, shot: Shot) -> Ending:
    """Return what is to be said of a shot that no run has dealt with just now."""
    note = desk.targets.note(shot.name)
    try:
        for stage in ShotCourse(shot, desk).stages():
            if not all(desk.targets.has(unit.kind, unit.key) for unit in stage):
                break
        else:
            return Ending(shot.name, "done")
    except VisagistError as e:
        return Ending(shot.name, "failed", trouble=Trouble(str(e), e.exit_code))
    told = note.get("trouble") or {}
    if not told:
        return Ending(shot.name, "stopped")
    log = tuple(str(line) for line in told.get("log", ()))
    trouble = Trouble(str(told.get("words")), int(told.get("exit_code", 1)), log=log)
    return Ending(shot.name, note.get("state", "failed"), 0, trouble, str(told.get("unit", "")))


def _record(desk: Desk, shot: Shot, ending: Ending, weights: dict[str, str]) -> dict[str, Any]:
    """Return what the report says of a shot; the hashes of its weights are added to others."""
    record: dict[str, Any] = {
        "shot": shot.name,
        "state": ending.state,
        "made": ending.made,
        **trouble_facts(ending),
        "input": str(shot.request.input),
    }
    target = desk.targets.note(shot.name).get("target", {})
    is_gone = bool(target) and state_of(Path(str(target["path"]))) != target.get("state")
    findings, told = list(_of_ending(ending)), list[Mapping[str, Any]]()
    if is_gone and ending.state in ("done", "stopped"):
        findings = [Finding("target-gone", f"{target['path']} is not what was delivered")]
    if ending.state == "done":
        facts = _facts(desk, str(target.get("key")))
        review = _review(desk, shot.name)
        record["target"] = {
            "path": target.get("path"),
            "sha256": target.get("sha256"),
            "bytes": facts.get("bytes"),
        }
        record |= _of_facts(facts)
        record |= {name: review[name] for name in _SHOWN if name in review}
        pictures = review.get("pictures", [])
        record["picture_bytes"] = sum(len(picture["jpeg"]) for picture in pictures)
        told = review.get("findings", [])
        weights |= facts.get("weights", {})
    record["findings"] = [*(one.to_json() for one in few(findings)), *told]
    record["in_words"] = in_words(record["findings"])
    return record


def _of_ending(ending: Ending) -> Iterator[Finding]:
    where = f"in {ending.unit}: " if ending.unit else ""
    words = "" if ending.trouble is None else f"{where}{ending.trouble.words}"
    if ending.state == "failed":
        yield Finding("failed", words)
    elif ending.state in ("later", "stopped"):
        yield Finding("not-done", words or "not made yet")
    elif ending.state == "skipped":
        yield Finding("skipped", words)


def _of_facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the costs of a shot by stage, of those that were noted."""
    costs: Mapping[str, Mapping[str, float]] = facts.get("costs", {})
    whole = together(costs.values())
    return {
        "seconds": {stage: cost["seconds"] for stage, cost in costs.items() if cost},
        "cpu_s": whole.get("cpu_s"),
        "peak_mb": whole.get("peak_mb"),
    }


def _facts(desk: Desk, key: str) -> Mapping[str, Any]:
    with suppress(DamagedUnitError):
        if desk.store.has(JOIN, key):
            return desk.store.facts(JOIN, key)
    return {}


def _review(desk: Desk, shot: str) -> Mapping[str, Any]:
    """Return what there is to show of a shot; nothing if that is lost."""
    key = str(desk.targets.note(shot).get("target", {}).get("key"))
    with suppress(OSError, ValueError):
        review = json.loads((desk.store.path(JOIN, key) / REVIEW).read_bytes())
        if isinstance(review, dict):
            return review
    return {}
