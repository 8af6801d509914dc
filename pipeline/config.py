"""What a user can ask for: frozen requests and options, with every default in this one place.

A preset (`configs/*.toml`) holds the same names as the fields here; `load_preset` reads it. Values
are checked when an object is made, so that nothing wrong is found after frame 1.
"""

from __future__ import annotations

import dataclasses
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from .errors import UsageError

BlendMethod = Literal["poisson", "alpha", "none"]
EditorName = Literal["latent-transformer", "direction"]

MAX_STRENGTH = 3.0
"""Standard deviations of the rated attribute; beyond this a face leaves what the model has seen."""


@dataclass(frozen=True, slots=True)
class AttributeEdit:
    """One attribute moved by a strength."""

    attribute: str
    """Canonical name, e.g. `smile`."""
    strength: float = 1.0
    """[standard deviations of the rated attribute], -3 … 3; 0 is exactly the identity."""

    def __post_init__(self) -> None:
        if not -MAX_STRENGTH <= self.strength <= MAX_STRENGTH:
            raise UsageError(
                f"strength {self.strength:g} of {self.attribute!r} is out of range; accepted: "
                f"-{MAX_STRENGTH:g} to {MAX_STRENGTH:g} (1 is one standard deviation over faces)"
            )


@dataclass(frozen=True, slots=True)
class AnalyzeOptions:
    """How faces are found and followed."""

    landmarks: str = "embedded"
    """`embedded`, `face-alignment`, or the path of a file with landmarks."""
    detect_every_s: float = 0.5
    """A full detection runs at least this often [s]; between, faces are followed."""
    max_gap_s: float = 0.5
    """Gaps in a track up to this long [s] are filled by interpolation."""

    def __post_init__(self) -> None:
        _check_range("detect_every_s", self.detect_every_s, 0.0, 60.0)
        _check_range("max_gap_s", self.max_gap_s, 0.0, 10.0)


@dataclass(frozen=True, slots=True)
class RenderOptions:
    """How an edit reaches the pixels."""

    faces: str = "all"
    """`all`, `largest`, a position from the left (`0`, `1`, …), or a reference (see `--help`)."""
    editor: EditorName = "latent-transformer"
    blend: BlendMethod = "poisson"
    smoothing_s: float = 0.06
    """Strength of the zero-phase landmark smoothing [s]; 0 switches it off."""
    occlusion: bool = True
    """Keep hands, hair and objects in front of the face as they are, as far as they can be told."""
    batch_size: int = 4
    """Crops per call of the model; the result does not depend on it."""

    def __post_init__(self) -> None:
        _check_choice("editor", self.editor, ("latent-transformer", "direction"))
        _check_choice("blend", self.blend, ("poisson", "alpha", "none"))
        _check_range("smoothing_s", self.smoothing_s, 0.0, 5.0)
        _check_range("batch_size", self.batch_size, 1, 256)


@dataclass(frozen=True, slots=True)
class EncodeOptions:
    """How the result is encoded, in FFmpeg's own names and units; None means like the input."""

    codec: str | None = None
    """Encoder name, e.g. `libx264`, `libx265`, `ffv1`."""
    crf: float | None = None
    """Constant rate factor of the encoder."""
    preset: str | None = None
    pix_fmt: str | None = None


def load_preset(path: Path) -> dict[str, Any]:
    """Return the settings of a TOML preset as keyword arguments of the command line's options.

    Raises:
        UsageError: the file cannot be read, is not TOML, or names an option that does not exist.
    """
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as e:
        raise UsageError(f"cannot use the preset {path}: {e}") from e
    known = {
        f.name
        for options in (AnalyzeOptions, RenderOptions, EncodeOptions)
        for f in dataclasses.fields(options)
    } | {"attr"}
    if unknown := sorted(set(settings) - known):
        raise UsageError(
            f"preset {path}: unknown setting {unknown[0]!r}; accepted: {', '.join(sorted(known))}"
        )
    return settings


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise UsageError(f"{name} {value:g} is out of range; accepted: {low:g} to {high:g}")


def _check_choice(name: str, value: str, accepted: tuple[str, ...]) -> None:
    if value not in accepted:
        raise UsageError(f"{name} {value!r} is unknown; accepted: {', '.join(accepted)}")
