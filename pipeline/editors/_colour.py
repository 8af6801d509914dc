"""Options of editors that give something a colour: a name of theirs, or #rrggbb."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ..errors import UsageError
from ..imaging.tones import Floats, colour_of

if TYPE_CHECKING:
    from ..request import Edit


@dataclass(frozen=True, slots=True)
class ColourOptions:
    """What `--set EDITOR.colour=VALUE` may set; an editor adds its default."""

    editor: ClassVar[str]
    names: ClassVar[Mapping[str, str]]
    """#rrggbb by name, in good light."""

    colour: str
    """A name, or #rrggbb."""

    def __post_init__(self) -> None:
        try:
            colour_of(self.colour, self.names)
        except ValueError as e:
            raise UsageError(f"{self.editor}.colour: {e}") from e

    @classmethod
    def goal(cls, edit: Edit) -> Floats:
        """Return the log colours (3,) that an edit goes to (see `tones`)."""
        options = cls(**dict(edit.options))  # type: ignore[arg-type]  # checked when resolved
        return colour_of(options.colour, cls.names)
