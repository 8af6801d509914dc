"""What a user can ask for: frozen requests and options, with every default in this one place.

A preset (`configs/*.toml`) holds the same names as the fields here; `load_preset` reads it. Values
are checked when an object is made, so that nothing wrong is found after frame 1.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_type_hints

from .errors import UsageError, did_you_mean
from .side_files import DAMAGE, PRESET_BYTES, in_words, read_text, shown

Transfer = Literal["replace", "delta"]
Precision = Literal["auto", "fp32", "bf16"]
BlendMethod = Literal["poisson", "alpha", "none"]
OnDamage = Literal["warn", "fail"]
Verify = Literal["quick", "full"]
OnUnedited = Literal["fail", "warn", "skip"]
"""What becomes of a shot of a batch in which no face could be edited: it fails, is delivered as it
came, or is left out."""

OWN_PACKS = ("portrait", "mini")
"""Packs that are part of the program: what moves their codes can be added, nothing else."""
LANDMARKERS = ("embedded", "face-alignment")
"""What finds landmarks; any other word is the path of a file with landmarks."""


@dataclass(frozen=True, slots=True)
class AnalyzeOptions:
    """How faces are found and followed."""

    landmarks: str = "embedded"
    """`embedded`, `face-alignment`, or the path of a file with landmarks."""
    detect_every_s: float = 0.5
    """A full detection runs at least this often [s]; between, faces are followed."""
    max_gap_s: float = 0.5
    """Gaps in a track up to this long [s] are filled by interpolation."""
    video_stream: int | None = None
    """Which video stream of the file is looked at and edited, counted from 0, covers not counted;
    None: FFmpeg's best one."""
    on_damage: OnDamage = "warn"
    """What becomes of a video that cannot be read as it was meant: `warn` keeps what can be read
    and says what is missing, `fail` refuses it."""

    def __post_init__(self) -> None:
        _check_range("detect_every_s", self.detect_every_s, 0.0, 60.0)
        _check_range("max_gap_s", self.max_gap_s, 0.0, 10.0)
        _check_choice("on_damage", self.on_damage, get_args(OnDamage))
        if self.video_stream is not None and self.video_stream < 0:
            raise UsageError(
                f"video_stream {self.video_stream} is out of range; video streams count from 0"
            )


@dataclass(frozen=True, slots=True)
class RenderOptions:
    """How an edit reaches the pixels."""

    faces: str = "all"
    """`all`, `largest`, a position from the left (`0`, `1`, …), or a reference (see `--help`)."""
    pack: str = "portrait"
    """Name of the pack: generator, encoder and what moves their codes."""
    editor: str = "latent-transformer"
    """Name of a latent editor (see `editors/`)."""
    transfer: Transfer | None = None
    """`replace` pastes the generated face, `delta` carries only what the edit changes onto the
    clip's own pixels; None: what the pack is made for."""
    precision: Precision = "auto"
    """Of large generators and encoders; `auto`: bf16 where the processor multiplies in it."""
    blend: BlendMethod = "poisson"
    smoothing_s: float = 0.13
    """Strength of the zero-phase landmark smoothing [s]; 0 switches it off."""
    occlusion: bool = True
    """Keep hands, hair and objects in front of the face as they are, as far as they can be told."""
    first_frame: int = 0
    """The number of the clip's first frame, as keys of curves and pictures of mattes count."""
    batch_size: int | None = None
    """Crops per call of the model; None: 8 on a GPU, 1 on a CPU, where more gains nothing and one
    makes a frame come out the same, bit for bit, in whatever part of a clip it is rendered."""

    def __post_init__(self) -> None:
        if self.transfer is not None:
            _check_choice("transfer", self.transfer, get_args(Transfer))
        _check_choice("precision", self.precision, get_args(Precision))
        _check_choice("blend", self.blend, get_args(BlendMethod))
        _check_range("smoothing_s", self.smoothing_s, 0.0, 5.0)
        if self.batch_size is not None:
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
    encoder_threads: int = 1
    """Threads of the encoder. x264 makes another file with another number, so it is an option and
    never a matter of the machine."""
    chunk: int | None = None
    """Encode anew every so many frames, as pieces that are joined are; None: in one piece."""
    verify: Verify | None = None
    """How the finished file is checked: `quick` counts and times what is stored, `full` decodes it
    too and, of a lossless encoder, compares every picture; None: `full` of a lossless encoder."""

    def __post_init__(self) -> None:
        _check_range("encoder_threads", self.encoder_threads, 1, 64)
        if self.chunk is not None:
            _check_range("chunk", self.chunk, 1, 1_000_000)
        if self.verify is not None:
            _check_choice("verify", self.verify, get_args(Verify))


def load_preset(path: Path) -> dict[str, Any]:
    """Return the settings of a TOML preset: names of the options above, `attr`, `strength`, `set`.

    `attr` is a list of `name` or `name=strength`, `set` one of `editor.option=value`; the others
    have the type of their option. Ranges are checked when the options are made.

    Raises:
        UsageError: the file cannot be read, is not TOML, names an option that does not exist, or
            gives one a value of another type.
    """
    text = read_text(path, "cannot use the preset", most=PRESET_BYTES, error=UsageError)
    try:
        settings = tomllib.loads(text)
    except DAMAGE as e:
        raise UsageError(
            f"cannot use the preset {path}: {in_words(e)}; accepted is TOML, one `name = value` in "
            "a line"
        ) from e
    accepted = preset_types()
    if unknown := sorted(set(settings) - set(accepted)):
        hint = did_you_mean(unknown[0], accepted)
        raise UsageError(
            f"preset {path}: unknown setting {shown(unknown[0])}; {hint}accepted: "
            f"{', '.join(sorted(accepted))}"
        )
    for name in ("attr", "set"):
        if isinstance(settings.get(name), str):
            settings[name] = [settings[name]]
    for name, value in settings.items():
        if not has_type(value, accepted[name]):
            raise UsageError(
                f"preset {path}: {name} = {shown(value)} is not {type_in_words(accepted[name])}, "
                "which it must be"
            )
        if isinstance(value, str) and "\0" in value:
            raise UsageError(f"preset {path}: {name} = {shown(value)} holds a zero byte")
    return settings


def type_in_words(kind: type) -> str:
    """Return what a value must be to be of a type, in words."""
    return _KINDS[kind]


_KINDS: dict[type, str] = {
    str: "a text in quotes",
    float: "a number",
    int: "a whole number",
    bool: "true or false",
    list: "a list of texts",
}


@cache
def preset_types() -> Mapping[str, type]:
    """Return what a preset may set, and the type of each."""
    types: dict[str, type] = {"attr": list, "set": list, "strength": float}
    for options in (AnalyzeOptions, RenderOptions, EncodeOptions):
        hints = get_type_hints(options)
        for field in dataclasses.fields(options):
            declared = [t for t in get_args(hints[field.name]) if isinstance(t, type)]
            own = [t for t in declared if t is not type(None)] or [hints[field.name]]
            types[field.name] = own[0] if own[0] in _KINDS else str  # a Literal holds texts
    return types


def has_type(value: object, kind: type) -> bool:
    """Return whether a value of a TOML file has the type of an option; whole numbers are numbers,
    and a list is one of texts."""
    if kind is list:
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    if isinstance(value, bool):
        return kind is bool
    if isinstance(value, int) and not -_LARGEST <= value <= _LARGEST:
        return False
    return isinstance(value, (int, float) if kind is float else kind)


_LARGEST: Final = 2**63 - 1
"""Whole numbers beyond it are no TOML, but Python reads them."""


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise UsageError(f"{name} {shown(value)} is out of range; accepted: {low:g} to {high:g}")


def _check_choice(name: str, value: str, accepted: tuple[str, ...]) -> None:
    if value not in accepted:
        raise UsageError(f"{name} {shown(value)} is unknown; accepted: {', '.join(accepted)}")
