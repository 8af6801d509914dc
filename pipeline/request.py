"""What a user asks for: plain data, which can be compared, stored and sent to another machine."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from .config import AnalyzeOptions, EncodeOptions, RenderOptions
from .errors import UsageError
from .keyframes import Strength
from .ranges import check_range
from .side_files import expanded_path

Scalar = str | float | bool


@dataclass(frozen=True, slots=True)
class Exemplar:
    """A face that an edit takes something from: in a picture, or in one frame of a clip."""

    path: Path
    frame: int = 0
    """Of a clip, from 0."""
    face: int | None = None
    """Counted from the left, from 0; None: the one face there, or one clearly larger than the
    others."""

    @classmethod
    def parse(cls, text: str) -> Exemplar:
        """Return what `FILE`, `FILE@FRAME` or `FILE@FRAME:FACE` means.

        Raises:
            UsageError: the part behind the last @ is no number and there is no file of that name.
        """
        name, mark, place = text.rpartition("@")
        frame, _, face = place.partition(":")
        if not mark or expanded_path(text).exists():
            return cls(expanded_path(text))
        if not frame.isdecimal() or not (face or "0").isdecimal():
            raise UsageError(
                f"--exemplar {text!r} is neither a file nor FILE@FRAME or FILE@FRAME:FACE, with "
                "whole numbers from 0"
            )
        return cls(expanded_path(name), int(frame), int(face) if face else None)


@dataclass(frozen=True, slots=True)
class Edit:
    """One attribute moved by a strength."""

    attribute: str
    """Canonical name, e.g. `smile`."""
    strength: Strength = 1.0
    """A number, or a curve over the frames. 0 is exactly the identity; of attributes of a face
    model in standard deviations."""
    exemplar: Exemplar | None = None
    """For editors that take one."""
    options: tuple[tuple[str, Scalar], ...] = ()
    """Of its editor, by name; those left out have their defaults."""


@dataclass(frozen=True, slots=True)
class EditRequest:
    """What to change in which clip, and how."""

    input: Path
    attributes: tuple[str, ...]
    """`name`, `name=strength` or `name=curve` (see `curve_text`), applied in order."""
    strength: float = 1.0
    """Of every attribute that names none [standard deviations]."""
    exemplar: Exemplar | None = None
    """For the attributes whose editors take one."""
    settings: tuple[str, ...] = ()
    """Options of editors, `editor.name=value`."""
    analyze: AnalyzeOptions = field(default_factory=AnalyzeOptions)
    render: RenderOptions = field(default_factory=RenderOptions)
    encode: EncodeOptions = field(default_factory=EncodeOptions)
    frames: str | None = None
    """`FIRST-LAST` (see `ranges`): the output holds these frames of the clip only; None: all."""
    analysis_path: Path | None = None
    """Analysis file to reuse, or to write if it does not exist."""
    cache: Path | None = None
    """Folder where what editors prepare is kept; None: the user's own (see `artefacts`)."""
    device: str = "cpu"
    presets: tuple[Path, ...] = ()
    """Files the options above were read from; no output may replace one."""

    def __post_init__(self) -> None:
        if self.frames is not None:
            check_range(self.frames)
