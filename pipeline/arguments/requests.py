"""From typed arguments to requests: flags over preset over defaults."""

from __future__ import annotations

import argparse
import re
from dataclasses import fields
from typing import Any, TypeVar

from ..config import AnalyzeOptions, EncodeOptions, RenderOptions, load_preset
from ..errors import UsageError
from ..request import EditRequest

_BETWEEN = re.compile(r",(?=\s*[A-Za-z]|$)")
"""The commas between attributes; others belong to the easings of a curve."""

T = TypeVar("T", AnalyzeOptions, RenderOptions, EncodeOptions)


def request_of(options: argparse.Namespace) -> EditRequest:
    """Return the request of `edit`, `inspect` or `preview`: flags over preset over defaults.

    Raises:
        UsageError: nothing to change, a value out of range, or an unusable preset.
    """
    preset = _preset(options)
    attributes = options.attr or preset.get("attr", ())
    if not attributes:
        raise UsageError("nothing to change: give --attr NAME (see `visagist attrs`)")
    strength = options.strength if options.strength is not None else preset.get("strength", 1.0)
    return EditRequest(
        input=options.input,
        attributes=tuple(a for text in attributes for a in _BETWEEN.split(text)),
        strength=strength,
        exemplar=options.exemplar,
        holdout=tuple(options.holdout or ()),
        only=tuple(options.only or ()),
        settings=(*preset.get("set", ()), *(options.settings or ())),
        analyze=AnalyzeOptions(**given(options, AnalyzeOptions, preset)),
        render=RenderOptions(**given(options, RenderOptions, preset)),
        encode=EncodeOptions(**given(options, EncodeOptions, preset)),
        frames=getattr(options, "frames", None),
        analysis_path=options.analysis,
        cache=options.cache,
        device=options.device,
        presets=(options.config,) if options.config else (),
    )


def options_of(kind: type[T], options: argparse.Namespace) -> T:
    """Return the options of one class that a command has: flags over preset over defaults.

    Raises:
        UsageError: a value out of range, or an unusable preset.
    """
    return kind(**given(options, kind, _preset(options)))


def _preset(options: argparse.Namespace) -> dict[str, Any]:
    return load_preset(options.config) if options.config else {}


def given(options: argparse.Namespace, kind: type, preset: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of an options class that a flag or, failing that, the preset sets."""
    chosen = {}
    for field in fields(kind):
        flag = getattr(options, field.name, None)
        if flag is not None:
            chosen[field.name] = flag
        elif field.name in preset:
            chosen[field.name] = preset[field.name]
    return chosen


def factors_of(text: str) -> tuple[float, ...]:
    """Return the numbers of a comma-separated list.

    Raises:
        UsageError: something in it is no number.
    """
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as e:
        raise UsageError(f"--strengths {text!r} must be numbers separated by commas") from e
