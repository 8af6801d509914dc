"""Weights and analysis files that are not what they should be are refused and never executed."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load

import models.weights
from pipeline import analysis
from pipeline.cli import main
from pipeline.errors import AnalysisError
from tests.conftest import Desk, Pictures


class _Canary:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


DAMAGE: dict[str, Callable[[bytes, Path], bytes | None]] = {
    "missing": lambda data, _: None,
    "truncated": lambda data, _: data[:-100],
    "one bit": lambda data, _: data[:-1] + bytes([data[-1] ^ 1]),
    "web page": lambda data, _: b"<!DOCTYPE html><html>not found</html>",
    "pickle": lambda data, canary: pickle.dumps(_Canary(canary)),
}


Cards = dict[str, models.weights.WeightCard]


@pytest.fixture
def cards(monkeypatch: pytest.MonkeyPatch) -> Cards:
    """Return the cards the program will see; a test may change them."""
    found = models.weights.embedded()
    monkeypatch.setattr(models.weights, "embedded", lambda: found)
    return found


@pytest.mark.parametrize("weights", ["portrait", "portrait_movers", "landmarks"])
@pytest.mark.parametrize("kind", DAMAGE)
def test_weights_that_are_not_what_they_should_be_are_refused_and_never_run(
    desk: Desk, cards: Cards, kind: str, weights: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    canary = tmp_path_factory.mktemp("canary") / "executed"
    card = cards[weights]
    bad = desk.folder / "weights.safetensors"
    data = DAMAGE[kind](card.path.read_bytes(), canary)
    if data is not None:
        bad.write_bytes(data)
    cards[weights] = dataclasses.replace(card, path=bad)
    error = desk.edit_refused(5, "--quiet")
    assert str(bad) in error
    if kind in ("web page", "pickle"):  # also without a hash to compare with
        cards[weights] = dataclasses.replace(card, path=bad, sha256=models.weights.sha256_of(bad))
        assert kind in desk.edit_refused(5, "--quiet")
    assert not canary.exists()


def test_the_analysis_of_another_video_is_refused(
    desk: Desk, astronaut: Pictures, clip_of: Callable[..., Path]
) -> None:
    other = clip_of(desk.folder / "other.mp4", astronaut[:4])
    error = desk.refused(
        *(3, "edit", other, "--attr", "smile", "-o", desk.folder / "out.mp4"),
        *("--analysis", desk.analysis),
    )
    assert "belongs to another video" in error


def test_a_damaged_analysis_file_is_refused_with_the_line(desk: Desk) -> None:
    lines = desk.analysis.read_text().splitlines()
    at = next(k for k, line in enumerate(lines) if '"frame": 3,' in line)
    desk.analysis.write_text(
        "\n".join([*lines[:at], lines[at].replace(":", "", 1), *lines[at + 1 :]])
    )
    assert f"line {at + 1}" in desk.edit_refused(3, "--analysis", desk.analysis)
    wrong = lines[at].replace('"detected"', '"guessed"')
    desk.analysis.write_text("\n".join([*lines[:at], wrong, *lines[at + 1 :]]))
    error = desk.edit_refused(3, "--analysis", desk.analysis)
    assert f"line {at + 1}" in error
    assert "'guessed'" in error


def test_an_analysis_file_with_any_value_replaced_is_read_or_refused(desk: Desk) -> None:
    """Every value in turn becomes something else: an AnalysisError at worst, never a crash."""
    document = json.loads(desk.analysis.read_text())
    document["tracks"][0]["frames"] = document["tracks"][0]["frames"][:2]
    document["pts"], document["cuts"] = document["pts"][:2], [1]
    codes = {"w": "AAAA", "w_shape": [1], "frames": [0], "state": "", "state_shape": [0]}
    document["codes"] = {"0": {"pack": codes}}
    others: list[Any] = [None, -1, 1e300, "x", [], {}, [[]], {"a": 1}]
    trials = [
        replaced
        for path in _places(document)
        for value in others
        if (replaced := _replaced(document, path, value)) != document
    ]
    assert len(trials) > 200
    for trial in trials:
        desk.analysis.write_text(json.dumps(trial))
        with contextlib.suppress(AnalysisError):
            analysis.load(desk.analysis)


def test_codes_in_the_cache_that_are_damaged_are_made_anew(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISAGIST_CACHE", str(desk.folder / "cache"))
    command = ["edit", str(desk.clip), "--attr", "smile", "--analysis", str(desk.analysis)]
    command += ["--quiet", "--overwrite", "-o"]
    assert main([*command, str(desk.folder / "a.mp4")]) == 0
    (kept,) = (desk.folder / "cache").rglob("*.safetensors")
    before = load(kept.read_bytes())
    kept.write_bytes(kept.read_bytes()[:-100] + bytes(100))
    assert main([*command, str(desk.folder / "b.mp4")]) == 0
    assert "is damaged" in desk.capture.readouterr().err
    after = load(kept.read_bytes())
    assert {name: tensor.shape for name, tensor in after.items()} == {
        name: tensor.shape for name, tensor in before.items()
    }
    assert all(torch.allclose(after[name], before[name], atol=1e-4) for name in before)


def _places(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if path:
        yield path
    if isinstance(value, dict):
        for key in value:
            yield from _places(value[key], (*path, key))
    elif isinstance(value, list):
        for index in range(min(2, len(value))):
            yield from _places(value[index], (*path, index))


def _replaced(document: Any, path: tuple[str | int, ...], value: object) -> Any:
    copy = json.loads(json.dumps(document))
    inner = copy
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return copy


def test_something_else_given_as_analysis_is_refused(desk: Desk) -> None:
    assert "cannot read" in desk.edit_refused(3, "--analysis", desk.clip)
    other = desk.folder / "other.json"
    other.write_text("[1, 2]")
    assert "is not an analysis file" in desk.edit_refused(3, "--analysis", other)


def test_frames_that_do_not_exist_cannot_be_inspected(desk: Desk) -> None:
    for frame, words in (("10", "has frames 0 to 9"), ("-1", "frames count from 0")):
        error = desk.refused(
            *(2, "inspect", desk.clip, "--attr", "smile", f"--frame={frame}"),
            *("--analysis", desk.analysis, "-o", desk.folder / "pictures"),
        )
        assert words in error
