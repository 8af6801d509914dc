"""What a user asks for: plain data, which can be compared, stored and sent to another machine."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

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


Channel = Literal["R", "G", "B", "A", "Y"]
"""Of a matte: a colour, alpha, or how bright it is."""


@dataclass(frozen=True, slots=True)
class MatteFile:
    """A clip, a picture or a sequence of pictures, white where something is so."""

    path: Path
    """With `####` or `%04d` in its name: a sequence, by the numbers of the frames."""
    channel: Channel | None = None
    """None: how bright it is, of files without alpha."""

    @classmethod
    def parse(cls, text: str) -> MatteFile:
        """Return what `FILE` or `FILE:CHANNEL` means.

        Raises:
            UsageError: the part behind the last colon is no channel, and there is no such file.
        """
        name, mark, end = text.rpartition(":")
        for channel in get_args(Channel):
            if name and end.upper() == channel and not expanded_path(text).exists():
                return cls(expanded_path(name), channel)
        if mark and "." in name and not expanded_path(text).exists() and "/" not in end:
            accepted = ", ".join(get_args(Channel))
            raise UsageError(f"the channel {end!r} of {name} is unknown; accepted: {accepted}")
        return cls(expanded_path(text))

    def __str__(self) -> str:
        return f"{self.path}:{self.channel}" if self.channel else str(self.path)


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
    holdout: tuple[MatteFile, ...] = ()
    """Mattes that are white where the plate is kept."""
    only: tuple[MatteFile, ...] = ()
    """Mattes that are white where alone the plate may be changed; none: everywhere."""
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
