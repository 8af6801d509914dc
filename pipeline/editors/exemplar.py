"""Exemplar: a part of a face as another face has it.

What turns the one into the other is found once for a shot: the face as it usually looks, the
exemplar as it was read, and the difference of both in the region. It is drawn in the pose, the
light and the expression of every frame.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor

from ..causes import TURNED, Shares
from ..errors import InputError, UsageError, did_you_mean
from ..imaging import temporal
from ..request import Edit
from ..types import AlignedBatch, EditedBatch, FaceTrack
from ._attribute import Attribute
from ._base import FACE_MODEL, PARSING, Artefact, Editor, EditorSpec, Kit, Shot, Work
from ._codes import frames_of, sampled

if TYPE_CHECKING:
    from ._face_model import Carrier, Pack

BEARD = "beard"
"""What can be kept out beside the attributes of the pack."""
_BEARDS = (BEARD, "moustache", "mustache", "stubble", "facial-hair")

_RATE_HZ, _MOST_FRAMES = 4.0, 16
"""Frames looked at, and how many at most: a median needs no more."""
_TURNS_HZ, _TURNS_S = 16.0, 0.25
"""Frames whose turn is measured, and sigma of its smoothing: what fades with it must not shake."""
_LEAST_CLEAR = 0.6
"""Share of a region that must be seen in the exemplar."""
_MOST_TURNED = 40.0
"""Degrees of yaw beyond which a half of the exemplar's face is not seen."""


@dataclass(frozen=True, slots=True)
class Options:
    """What is taken, and what is not."""

    region: Literal["mouth", "eyes", "brows", "nose", "lower", "face"] = "mouth"
    """Of the face: what it takes from the exemplar; `lower` is all below the nose."""

    keep_out: str = ""
    """Attributes that are not taken with it, with commas: `beard,age`."""

    engine: Literal["portrait"] = "portrait"
    """What draws it."""

    @property
    def kept_out(self) -> tuple[str, ...]:
        """The names in `keep_out`."""
        return tuple(name.strip() for name in self.keep_out.split(",") if name.strip())

    @classmethod
    def of(cls, edit: Edit) -> Options:
        """Return the options of an edit."""
        return cls(**dict(edit.options))  # type: ignore[arg-type]  # checked when it was resolved


SPEC = EditorSpec(
    name="exemplar",
    summary="gives a part of a face the shape and relief that another face has there",
    attributes=(
        Attribute(
            "exemplar",
            "mouth, eyes, brows, nose, lower half or whole face as in the picture of --exemplar; "
            "--region says which; lines right beside the jaw may bend in face and lower, and a "
            "beard brought along is less still than the clip",
            aliases=("reference",),
            low=-0.7,
            high=1.3,
            experimental=True,
        ),
    ),
    needs=frozenset({FACE_MODEL, PARSING}),
    takes=frozenset({"exemplar"}),
    options=Options,
)


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """What to change in one face over its shot."""

    carried: Mapping[str, Tensor]
    """The carrier's own tensors."""
    turns: Tensor
    """(T,) yaw in every frame of the track [radians]."""
    first_frame: int


class Exemplar(Editor):
    """Carries a region of the exemplar's face into every frame."""

    spec = SPEC

    def __init__(self, kit: Kit) -> None:
        super().__init__(kit)
        self._pack = kit.face_model

    def check(self, edit: Edit) -> None:
        """Refuse what cannot be kept out, and an exemplar that does not show the region.

        Raises:
            UsageError: the pack carries no regions, or has no such attribute (the nearest is
                suggested).
            InputError: the exemplar's face is turned away, or the region is covered.
        """
        carrier = _carrier(self._pack)
        options = Options.of(edit)
        _directions(self._pack, options.kept_out)
        batch = self.kit.exemplar(edit, self._pack.model.crop)
        where = f"the exemplar {edit.exemplar.path if edit.exemplar else ''}"
        with torch.inference_mode():
            yaw = float(carrier.yaw(batch.landmarks)[0].rad2deg())
            seen = carrier.seen(batch, options.region)
        if abs(yaw) > _MOST_TURNED:
            raise InputError(
                f"{where} is turned by {abs(yaw):.0f} degrees, so half of the face is not seen; "
                f"accepted are up to {_MOST_TURNED:.0f}. Use a picture from nearer the front"
            )
        if seen < _LEAST_CLEAR:
            raise InputError(
                f"{where} shows {100 * seen:.0f} % of the region {options.region!r}, the rest is "
                f"covered (hair, glasses, a hand); at least {100 * _LEAST_CLEAR:.0f} % must be "
                "seen. Use another picture, or another --region"
            )

    def prepare_all(self, shots: Sequence[Shot], edit: Edit, work: Work) -> dict[int, Artefact]:
        """Return what to change in each face, found in one pass over the clip."""
        carrier, options = _carrier(self._pack), Options.of(edit)
        kept_out = _directions(self._pack, options.kept_out).to(self.kit.device)
        beard = not set(options.kept_out) & set(_BEARDS)
        with torch.inference_mode():
            other = carrier.likeness(self.kit.exemplar(edit, self._pack.model.crop))
        frames = {shot.key: frames_of(_looked_at(shot, _RATE_HZ, _MOST_FRAMES)) for shot in shots}
        found: dict[int, dict[int, Mapping[str, Tensor]]] = {shot.key: {} for shot in shots}

        def look(batch: AlignedBatch) -> list[tuple[int, int, Mapping[str, Tensor]]]:
            with torch.inference_mode():
                likeness = carrier.likeness(batch)
            places = zip(batch.track_id, batch.frame_index, strict=True)
            return [
                (int(track), int(frame), {k: v[n : n + 1] for k, v in likeness.items()})
                for n, (track, frame) in enumerate(places)
            ]

        for track, frame, likeness in work.looked(look, frames):
            found[track][frame] = likeness
        artefacts = {}
        for track, by_frame in found.items():
            if not by_frame:
                continue  # never seen well enough to be edited
            faces = [by_frame[frame] for frame in sorted(by_frame)]
            own = {name: torch.cat([face[name] for face in faces]) for name in other}
            with torch.inference_mode():
                carried = carrier.carried(own, other, options.region, kept_out, beard)
            artefacts[track] = Artefact({name: t.cpu() for name, t in carried.items()})
        return artefacts

    def opened(self, shot: Shot, artefact: Artefact) -> Opened:
        """Return what to change, on the device, and how the head turns over the shot."""
        carried = {name: t.float().to(self.kit.device) for name, t in artefact.tensors.items()}
        track, times = shot.track, shot.times
        known = np.flatnonzero(_looked_at(shot, _TURNS_HZ, None).weights)
        landmarks = torch.from_numpy(track.landmarks[known]).to(self.kit.device)
        yaw = _carrier(self._pack).yaw(landmarks).cpu().numpy()
        at = times[track.first_frame + known]
        settled = temporal.smooth(yaw, at, strength_s=_TURNS_S)
        wanted = times[track.first_frame : track.end_frame]
        turns = torch.from_numpy(np.interp(wanted, at, settled).astype(np.float32))
        return Opened(carried, turns, track.first_frame)

    def limits(self, shot: Shot, edit: Edit, prepared: Any) -> Mapping[str, Shares]:
        """Return what the turn of the head leaves in every frame."""
        del shot, edit
        return {TURNED: _carrier(self._pack).turned(prepared.turns).numpy()}

    def apply(self, batch: AlignedBatch, edit: Edit, amount: Tensor, prepared: Any) -> EditedBatch:
        """Return crops with the region as the exemplar has it."""
        del edit
        rows = torch.from_numpy(batch.frame_index - prepared.first_frame)
        yaw = prepared.turns[rows].to(batch.images.device, non_blocking=True)
        with self.kit.clock.time("edit / render"):
            return _carrier(self._pack).render(batch, prepared.carried, amount, yaw)


def _carrier(pack: Pack) -> Carrier:
    if pack.carrier is None:
        raise UsageError(
            f"the pack {pack.name!r} cannot carry a region of another face; --pack portrait can"
        )
    return pack.carrier


def _looked_at(shot: Shot, rate_hz: float, most: int | None) -> FaceTrack:
    """Return the track of a shot with weight in the frames that are looked at."""
    return sampled(shot.track, shot.times, rate_hz=rate_hz, most=most)


def _directions(pack: Pack, names: Sequence[str]) -> Tensor:
    """Return the directions (A, D) of a code along which attributes lie.

    Raises:
        UsageError: the pack has no such attribute.
    """
    assert pack.carrier is not None
    known = {alias: a.name for a in pack.attributes for alias in (a.name, *a.aliases)}
    accepted = {n: a for n, a in known.items() if "direction" in pack.kinds_of(a)}
    for name in names:
        if name not in accepted and name not in _BEARDS:
            own = [*dict.fromkeys([BEARD, *accepted.values()])]
            raise UsageError(
                f"--keep-out {name!r} is unknown; "
                f"{did_you_mean(name, (*_BEARDS, *accepted))}accepted: {', '.join(own)}"
            )
    movers = [pack.mover("direction", accepted[name]) for name in names if name in accepted]
    return pack.carrier.directions(movers)


def build(kit: Kit) -> Exemplar:
    """Return the editor."""
    return Exemplar(kit)
