"""A plan: what is to be done to which frames, as data to be pickled, compared and cut."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .analysis import Analysis
from .curves import in_frames
from .errors import UsageError
from .request import Edit, EditRequest
from .types import FaceTrack


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What is to be done to which frames: data, to be pickled, compared and cut."""

    request: EditRequest
    edits: tuple[Edit, ...]
    analysis: Analysis
    tracks: tuple[FaceTrack, ...]
    """Those chosen to be edited, as the render pass uses them."""
    artefacts: tuple[str, ...]
    """Keys of what was prepared; where the store lacks one, it is made anew."""
    start: int
    stop: int
    """The frames to be rendered: from `start` to before `stop`."""

    @property
    def frame_count(self) -> int:
        """Frames of the clip."""
        return len(self.analysis.pts)

    def edits_any_of(self, track: FaceTrack) -> bool:
        """Return whether a face may be edited in any frame of the plan."""
        first = track.first_frame
        return bool(track.weights[max(0, self.start - first) : max(0, self.stop - first)].any())

    def strength(self, edit: Edit) -> float | NDArray[np.float32]:
        """Return the strength of an edit, of a curve in every frame of the clip (F,)."""
        return in_frames(edit.strength, self.analysis.times)

    def asked(self, edits: Sequence[Edit]) -> NDArray[np.bool_]:
        """Return in which frames of the clip (F,) any of some edits has a strength but 0."""
        found = np.zeros(self.frame_count, bool)
        for edit in edits:
            found |= np.asarray(self.strength(edit)) != 0
        return found

    @property
    def asks(self) -> bool:
        """Whether anything is to change in any frame of the plan."""
        return bool(self.asked(self.edits)[self.start : self.stop].any())

    def curves(self) -> dict[str, NDArray[np.float32]]:
        """Return the strengths (F,) of attributes that are curves; of one asked for twice, the
        sum."""
        found: dict[str, NDArray[np.float32]] = {}
        for edit in self.edits:
            strength = self.strength(edit)
            if isinstance(strength, np.ndarray):
                found[edit.attribute] = found.get(edit.attribute, np.float32(0)) + strength
        return found

    def with_edits(self, edits: Sequence[Edit]) -> Plan:
        """Return the same plan with other edits."""
        return dataclasses.replace(self, edits=tuple(edits))

    def chunk(self, start: int, stop: int) -> Plan:
        """Return the plan of some of its frames, counted as in the whole clip.

        Raises:
            UsageError: they are not all frames of this plan.
        """
        if not self.start <= start < stop <= self.stop:
            raise UsageError(
                f"frames {start} to {stop - 1} are no part of {self.start} to {self.stop - 1}"
            )
        return dataclasses.replace(self, start=start, stop=stop)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Plan) and _plain(self) == _plain(other)

    __hash__ = None  # type: ignore[assignment]  # equal by content, which is long


def _plain(value: object) -> object:
    """Return data in a form that can be compared: arrays as their numbers."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return (type(value), [_plain(getattr(value, field.name)) for field in fields])
    if isinstance(value, np.ndarray):
        return (value.dtype.str, value.shape, value.tobytes())
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
