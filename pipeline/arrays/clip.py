"""Arrays: a clip, its faces and their codes step by step, for notebooks and scripts.

    clip = open_clip("shot.mp4", pack="mini")
    face = clip.faces(40)[0]                          # face.image: (S, S, 3)
    before = clip.codes(face)                         # before.w: (1, L, D), a tensor
    after = clip.move(before, "smile", 1.0)
    picture = clip.blend(40, [clip.render(face, before, after)])  # (H, W, 3)

Frames are (H, W, 3) uint8 RGB, crops and masks float32 in [0, 1], codes are tensors. What comes out
of the steps is what `edit` writes, sample for sample: they are the steps of the render pass itself.
"""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from ..config import RenderOptions, Transfer
from ..editors import FACE, Attribute, Codes, Mover
from ..editors.latent import SPEC as LATENT
from ..editors.latent import LatentOptions
from ..edits import resolve_edits
from ..errors import UsageError
from ..media.damage import check_whole
from ..media.opening import open_sink
from ..outputs import check_outputs
from ..passes.render import Cutter, Group, Rendering
from ..pictures import rgb_of
from ..progress import Stopwatch
from ..request import Edit, EditRequest
from ..segments import fit
from ..session import Session, open_session
from ..stages.blend import blend
from ..stages.edit import Step
from ..types import Frame
from .crops import EditedCrop, FaceCrop, Floats, to_array
from .given import GivenCodes, repainted

if TYPE_CHECKING:
    from torch import Tensor

    from ..editors._codes import ShotCodes

Picture = NDArray[np.uint8]
"""(H, W, 3) uint8 RGB."""

_DEFAULT = RenderOptions()
_AHEAD = 16
"""Frames decoded at once where one is asked for: the next ones usually follow."""
_KEPT = 2 * _AHEAD
"""Decoded frames that are remembered."""


def open_clip(
    video: Path | str,
    *,
    pack: str = _DEFAULT.pack,
    transfer: Transfer | None = None,
    faces: str = _DEFAULT.faces,
    analysis: Path | str | None = None,
    device: str = "cpu",
) -> Clip:
    """Return a clip to be looked at and edited by arrays; faces are found when first asked for.

    With options that are not here: `Clip(open_session(EditRequest(…)))`.

    Args:
        video: a local file.
        pack: `portrait`, `mini`, or one of your own.
        transfer: how an edit reaches the pixels; None: what the pack is made for.
        faces: which of them, as `--faces` has it.
        analysis: an analysis file to use, or to write if there is none.
        device: where networks compute.

    Raises:
        VisagistError: the video, the pack or the device cannot be used.
    """
    request = EditRequest(
        Path(video),
        (),
        render=RenderOptions(pack=pack, transfer=transfer, faces=faces),
        analysis_path=None if analysis is None else Path(analysis),
        device=device,
    )
    return Clip(open_session(request))


class Clip:
    """A clip with its faces and the pack that edits them; for one thread.

    Args:
        session: what it is made of; edits that were asked for there play no part here.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self._decoded: OrderedDict[int, Frame] = OrderedDict()

    @cached_property
    def attributes(self) -> Mapping[str, Attribute]:
        """What can be changed, by name: ranges, regions, needs. `move` knows those of the pack."""
        return {attribute.name: attribute for attribute in self.session.catalogue.attributes}

    @property
    def frame_count(self) -> int:
        """Frames of the clip."""
        return self.session.plan.frame_count

    @property
    def times(self) -> NDArray[np.float64]:
        """(frames of the clip,) float64, when each is shown [s]."""
        return self.session.plan.analysis.times

    def frame(self, number: int) -> Picture:
        """Return a frame (H, W, 3) uint8 RGB.

        Raises:
            UsageError: the clip has no such frame.
        """
        return rgb_of(self._frame(number))

    def edited(self, number: int, *attributes: str) -> Picture:
        """Return a frame (H, W, 3) uint8 RGB with edits by any editor, as `edit` makes them.

        Args:
            number: of the frame, from 0.
            attributes: `NAME=STRENGTH`, as `--attr` has them, in order.

        Raises:
            UsageError: there is no such frame, attribute or strength.
        """
        session, frame = self.session, self._frame(number)
        edits = session.checked(self._asked(*attributes))
        (result,) = session.render(session.plan.with_edits(edits), [frame])
        return rgb_of(result.frame)

    def faces(self, number: int) -> list[FaceCrop]:
        """Return the faces of a frame that can be edited, in the order of their tracks.

        Raises:
            UsageError: the clip has no such frame.
        """
        _, batches, _ = self._cutter([self._frame(number)])
        return [FaceCrop(batch) for batch in batches]

    def invert(self, face: FaceCrop) -> Codes:
        """Return the codes (N = 1) of a crop by itself; from frame to frame they flicker."""
        with torch.no_grad():
            return self.session.pack.model.encode(face.batch.to(self.session.device))

    def codes(self, face: FaceCrop) -> Codes:
        """Return the codes (N = 1) of a face as an edit uses them, steadied over its shot."""
        return self._codes[face.track].at(face.batch.to(self.session.device))

    def share(self, face: FaceCrop, attribute: str) -> Tensor:
        """Return how much of an edit a face takes in its frame, (1,) float32 0–1.

        `edit` multiplies strengths by it: less than 1 where a face comes, goes or turns away, or a
        part that the attribute needs is covered.

        Raises:
            UsageError: there is no such attribute.
        """
        return face.batch.share(self._attribute(attribute).needs)

    def move(
        self,
        codes: Codes,
        attribute: str | Mover,
        strength: float | Tensor,
    ) -> Codes:
        """Return codes moved along an attribute of the pack, or by a function of your own.

        Args:
            codes: of N faces.
            attribute: `[KIND:]NAME[@rows=FIRST-LAST]`, as in `--attr`: `smile`, `direction:age`,
                `pca:3@rows=2-5`; or what maps w (N, L, D) and strength (N,) to codes (N, L, D). In
                codes of the portrait, what it draws from is followed by how the face looks: let it
                be.
            strength: for all, or one for each (N,). It is not held to any range.

        Raises:
            UsageError: the pack moves no such attribute, or not so.
        """
        if isinstance(attribute, str):
            attribute = self._mover(attribute)
        amount = torch.as_tensor(strength, dtype=torch.float32, device=codes.w.device)
        with torch.no_grad():
            return Codes(w=attribute(codes.w, amount.expand(len(codes))), state=codes.state)

    def draw(self, codes: Codes) -> Floats:
        """Return what codes know of faces, (N, S, S, 3) float32 RGB in [0, 1].

        Packs with a generator draw the square that FFHQ cuts out; the portrait, a face without
        its shape.
        """
        with torch.no_grad():
            return to_array(self.session.pack.model.reconstruct(codes))

    def render(
        self, face: FaceCrop, before: Codes | None, after: Codes, attributes: Sequence[str] = ()
    ) -> EditedCrop:
        """Return a crop with what lies between two codes; what is in front of the face is kept.

        Args:
            face: whose pixels are changed.
            before: codes (N = 1) that stand for the crop as it is; None: the face that `after`
                draws is put in whole, also where it is only a reconstruction.
            after: codes (N = 1) to be shown.
            attributes: that the codes were moved along: they say which regions of a picture may
                change (hair, hat) and which parts of a face must be seen; none: the face.

        Raises:
            UsageError: there is no such attribute, or `before` is None and the pack transfers only
                what changes.
        """
        known = [self._attribute(name) for name in attributes]
        step = Step(
            GivenCodes(self.session, before or self._nobody(after), after, known),
            (Edit(""),),
            (1.0,),
            (frozenset().union(*(attribute.needs for attribute in known)),),
            {},
        )
        regions = FACE.union(*(attribute.regions for attribute in known))
        group = dataclasses.replace(self._group, steps=(step,), regions=regions)
        ((_, mattes),) = self.session.mattes.beside([self._frame(face.frame)])
        with torch.inference_mode():
            (edited,) = group.edited(
                face.batch, self._rendering.protection, Stopwatch(), {face.frame: mattes}
            )
        return EditedCrop(edited)

    def blend(self, number: int, edited: Iterable[EditedCrop]) -> Picture:
        """Return a frame (H, W, 3) uint8 RGB with edited crops in their places.

        Raises:
            UsageError: a crop is of another frame.
        """
        return rgb_of(self._blended(self._frame(number), list(edited)))

    def write(
        self,
        output: Path | str,
        change: Callable[[int], Iterable[EditedCrop] | Picture],
        *,
        overwrite: bool = False,
    ) -> None:
        """Write the clip, with its sound and all else, with faces or frames of your own.

        Only the difference that a change makes is carried into the frames' own samples.

        Args:
            output: target file.
            change: given the number of a frame, what to blend into it, or the frame itself as it is
                to be, (H, W, 3) uint8 RGB.
            overwrite: replace an existing file.

        Raises:
            VisagistError: the clip cannot be read, the output not be written, or a change does not
                fit the frame; then there is no output.
        """
        session, plan, target = self.session, self.session.plan, Path(output)
        check_outputs(session.request, [(target, "the output")], overwrite=overwrite)
        sink = open_sink(target, session.source, session.request.encode, overwrite=overwrite)
        fit(sink, plan)
        with session.frames(plan) as reader, sink:
            for frame in reader:
                self._remember(frame)
                made = change(frame.index)
                if isinstance(made, np.ndarray):
                    sink.write(repainted(frame, made))
                else:
                    sink.write(self._blended(frame, list(made)))
            check_whole(session.source.path, reader.damage, session.request.analyze.on_damage)

    @cached_property
    def _rendering(self) -> Rendering:
        """How frames are rendered without any edit."""
        return self.session.rendering(self.session.plan.with_edits(()))

    @property
    def _group(self) -> Group:
        return self._rendering.groups[0]

    @cached_property
    def _cutter(self) -> Cutter:
        return self._group.cutter(self._rendering.tracks)

    @cached_property
    def _codes(self) -> Mapping[int, ShotCodes]:
        """By track."""
        return self.session.codes(self.session.plan)

    def _asked(self, *attributes: str) -> tuple[Edit, ...]:
        """Return the edits that texts ask for."""
        request = dataclasses.replace(self.session.request, attributes=attributes)
        return resolve_edits(request, self.session.catalogue)

    def _attribute(self, text: str) -> Attribute:
        (edit,) = self._asked(text)
        return self.session.catalogue[edit.attribute]

    def _mover(self, text: str) -> Mover:
        """Return what moves codes as a text says; of a sum, that is its part of that name."""
        (edit,) = self._asked(text)
        catalogue, name = self.session.catalogue, edit.attribute
        part = next((p for p in catalogue.parts_of(edit) if p.attribute == name), None)
        if part is None or catalogue.editor_of(name) != LATENT.name:
            by_codes = ", ".join(attribute.name for attribute in self.session.pack.attributes)
            raise UsageError(
                f"{name!r} does not move codes; `edited` makes it. Codes are moved along: "
                f"{by_codes}"
            )
        options = LatentOptions.of(part)
        if edit.strength != self.session.request.strength or options.level:
            raise UsageError(f"{text!r} says how far; `move` is told that by its strength")
        return options.mover_of(self.session.pack, name)

    def _nobody(self, codes: Codes) -> Codes:
        """Return codes that are nobody's, so that all of what others draw is put in."""
        pack = self.session.pack
        if pack.settings.get("transfer") != "replace":
            raise UsageError(
                f"the pack {pack.name} carries over what changes between two codes, so `render` "
                "needs those before, too; packs opened with transfer='replace' draw whole faces "
                "(the portrait draws none)"
            )
        return Codes(w=torch.full_like(codes.w, torch.nan), state=codes.state)

    def _frame(self, number: int) -> Frame:
        if not 0 <= number < self.frame_count:
            raise UsageError(
                f"there is no frame {number}; the clip has 0 to {self.frame_count - 1}"
            )
        if number not in self._decoded:
            plan = self.session.plan
            stop = min(number + _AHEAD, self.frame_count)
            with self.session.frames(plan, number, stop) as reading:
                for frame in reading:
                    self._remember(frame)
        return self._decoded[number]

    def _remember(self, frame: Frame) -> None:
        self._decoded[frame.index] = frame
        while len(self._decoded) > _KEPT:
            self._decoded.popitem(last=False)

    def _blended(self, frame: Frame, edited: Sequence[EditedCrop]) -> Frame:
        strange = {int(crop.batch.source.frame_index[0]) for crop in edited} - {frame.index}
        if strange:
            raise UsageError(
                f"a crop of frame {min(strange)} cannot be blended into frame {frame.index}"
            )
        ((_, mattes),) = self.session.mattes.beside([frame])
        (result,) = blend(
            [frame],
            [crop.batch for crop in edited],
            method=self._rendering.blend,
            mattes={frame.index: mattes},
        )
        return result.frame
