"""A session: a request with everything live that carrying it out takes.

`open_session` turns a request into a session; `plan` finds the faces and has editors prepare what
they need; `render` turns frames into edited ones, and `look` shows a single frame. The plan between
them is data: it can be compared, cut into chunks and sent to another machine, where a session that
is opened with the same request renders its part.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from . import analysis as analysis_file
from .analysis import Analysis
from .artefacts import Store, check_folder, key_of
from .causes import Shares
from .editors import PARSING, Editor, Pack, Shot
from .editors.latent import Latent
from .edits import Catalogue, check_offered, numbered, resolve_edits
from .errors import InputError, WeightsError
from .kit import SessionKit
from .loading import load_pack, load_parser, resolve_device
from .matte_files import MatteReader
from .media.base import Reading, Source
from .media.damage import check_whole
from .media.opening import open_source
from .passes.analyze import analyze
from .passes.crops import Crops
from .passes.prepare import STAGE as PREPARING
from .passes.prepare import ShotWork, prepared
from .passes.render import Group, Rendering, look, render
from .plan import Plan
from .progress import Progress, Stopwatch
from .ranges import frame_range
from .reference import Exemplars, describe_person
from .request import Edit, EditRequest
from .side_files import is_missing
from .stages.edit import Step, followed
from .stages.protect import Protection
from .tracking.select import FaceChoice, select
from .tracking.track import TrackOptions, refine
from .types import EditResult, FaceState, FaceTrack, Frame, Needs

if TYPE_CHECKING:
    from torch import Tensor

    from .editors._codes import ShotCodes
    from .tracking.track import RawTrack
    from .types import AlignedBatch, EditedBatch


@dataclass(frozen=True, slots=True, repr=False)
class FrameView:
    """One frame, before, on its way, and after."""

    frame: Frame
    result: EditResult
    faces: tuple[EditedBatch, ...]
    """The crops (`source`) of the faces that were edited, and the edited ones, whole; where later
    edits see other crops, these follow."""
    present: tuple[AlignedBatch, ...]
    """One crop of every face that is there, edited or not, with what it shows where."""
    views: Mapping[int, Mapping[str, Tensor]]
    """By track, what editors can show of their work, (3, S, S) in [-1, 1]."""


def open_session(
    request: EditRequest,
    *,
    source: Source | None = None,
    progress: Progress | None = None,
    clock: Stopwatch | None = None,
) -> Session:
    """Return a session for a request, with its networks on the device.

    Args:
        request: what is asked for.
        source: the clip, if it was opened already.
        progress: what watches; default: nobody.
        clock: what takes the times.

    Raises:
        VisagistError: the input, the options, the weights or the device cannot be used.
    """
    source = source or open_source(request.input, request.analyze.video_stream)
    device = resolve_device(request.device)
    return Session(request, source, device, progress or Progress(), clock or Stopwatch())


class Session:
    """A request, its clip, the networks on their device, and what was prepared.

    It belongs to one thread; what renders within it shares its networks among several.
    """

    def __init__(
        self,
        request: EditRequest,
        source: Source,
        device: torch.device,
        progress: Progress,
        clock: Stopwatch,
    ) -> None:
        self.request, self.source, self.device = request, source, device
        self.progress, self.clock = progress, clock
        options = request.render
        self.pack: Pack = load_pack(
            options.pack, device, transfer=options.transfer, precision=options.precision
        )
        self.catalogue = Catalogue(self.pack)
        self.edits = self.checked(resolve_edits(request, self.catalogue))
        self.mattes = MatteReader(request, (source.info.width, source.info.height))
        if request.cache is not None:
            check_folder(request.cache)
        self.store = Store(request.cache)
        self.exemplars = Exemplars(device)
        self.parser = load_parser(device)
        self._editors: dict[str, Editor] = {}
        self._opened: dict[str, Any] = {}
        """What was prepared, as editors use it, by key."""

    @cached_property
    def plan(self) -> Plan:
        """The faces found, followed, chosen and smoothed, and all prepared.

        Raises:
            VisagistError: the input or the analysis file cannot be used.
        """
        request, source = self.request, self.source
        choice = FaceChoice.parse(request.render.faces)
        person = describe_person(choice.picture, self.device) if choice.picture else None
        if choice.frame is not None:
            source.check_frame(choice.frame)
        for edit in self.catalogue.drawn(self.edits):  # what is wrong is said before all work
            if edit.exemplar is not None:
                self.exemplars.face(edit.exemplar)
                self.editor(self.catalogue.editor_of(edit.attribute)).check(edit)
        with self.clock.time("analyze"):
            analysis = self._analysis()
        check_whole(source.path, analysis.damage, request.analyze.on_damage)
        chosen = select(analysis.tracks, choice, person=person)
        if person is not None and analysis.tracks and not chosen:
            raise InputError(f"nobody in {source.path} looks like the person in {choice.picture}")
        with self.clock.time("track"):
            tracks = self._refined(chosen, analysis)
        info, count = source.info, len(analysis.pts)
        part = frame_range(request.frames, count, timecode=source.timecode, rate=info.rate)
        plan = Plan(request, self.edits, analysis, tracks, (), part.start, part.stop)
        with self.clock.time("prepare"):
            self._protection(plan)
            self._groups(plan)
        self.progress.skip(PREPARING)  # where nobody had anything to prepare
        path = request.analysis_path
        if path is not None and is_missing(path):
            analysis_file.save(analysis, path, overwrite=False)
        return dataclasses.replace(plan, artefacts=tuple(sorted(self._opened)))

    def checked(self, edits: Sequence[Edit]) -> tuple[Edit, ...]:
        """Return edits whose curves count the clip's frames from 0.

        Raises:
            UsageError: the pack cannot make one of them.
            WeightsError: the file of a mover or of the classifier cannot be used.
        """
        source, first_frame = self.source, self.request.render.first_frame
        rate = source.info.rate
        counted = numbered(edits, first_frame, timecode=source.timecode, rate=rate)
        check_offered(self.catalogue.drawn(counted), self.catalogue)
        return counted

    def rendering(self, plan: Plan) -> Rendering:
        """Return what renders the frames of a plan; what was not prepared yet is prepared now.

        Raises:
            WeightsError: the plan was made with other networks, or another exemplar, than this
                session has.
        """
        if not self._needed(plan) <= set(plan.artefacts):
            raise WeightsError(
                "the plan was made with other weights or another version of the program; make it "
                "anew here, or use the weights it was made with"
            )
        self.mattes.check(plan.start, plan.stop)
        protection = self._protection(plan)
        return Rendering(self._groups(plan), plan.tracks, protection, self.request.render.blend)

    def render(
        self, plan: Plan, frames: Iterable[Frame] | None = None
    ) -> Generator[EditResult, None, None]:
        """Yield the frames of a plan in order, edited or as they came; close it if not used up.

        Args:
            plan: of this request.
            frames: decoded already; default: those of the plan, read from the clip.
        """
        rendering = self.rendering(plan)
        with ExitStack() as opened:
            given = opened.enter_context(self.frames(plan)) if frames is None else frames
            shown = opened.enter_context(closing(self.mattes.beside(given)))
            yield from opened.enter_context(closing(render(rendering, shown, self.clock)))

    def frames(self, plan: Plan, start: int | None = None, stop: int | None = None) -> Reading:
        """Return the frames of a plan, or others of its clip: from one to before another."""
        analysis = plan.analysis
        return self.source.frames(
            plan.start if start is None else start,
            plan.stop if stop is None else stop,
            times=analysis.pts.tolist(),
            content=analysis.fingerprint,
        )

    def look(self, frame: Frame, edits: Sequence[Edit] | None = None) -> FrameView:
        """Return everything about one frame of the clip; `edits`: others than those asked for."""
        plan = self.plan if edits is None else self.plan.with_edits(edits)
        ((_, mattes),) = self.mattes.beside([frame])
        result, faces = look(self.rendering(plan), frame, mattes)
        first = {int(face.source.track_id[0]): face for face in faces[::-1]}
        views = {track: self._views(plan, face) for track, face in first.items()}
        return FrameView(frame, result, faces, self._present(plan, frame), views)

    def needs(self, edits: Sequence[Edit]) -> dict[str, Needs]:
        """Return the parts of a face that each attribute needs; strength 0 needs nothing."""
        return {e.attribute: self.catalogue[e.attribute].needs for e in edits if e.strength}

    def limits(self, plan: Plan) -> dict[tuple[int, str], Mapping[str, Shares]]:
        """Return, by track and attribute, what editors themselves leave of an edit: shares (T,) of
        the track's frames by cause."""
        return {
            (shot.key, edit.attribute): step.editor.limits(shot, edit, step.prepared.get(shot.key))
            for group in self._groups(plan)
            for step in group.steps
            for edit in step.edits
            for shot in self._shots(plan)
        }

    def codes(self, plan: Plan) -> dict[int, ShotCodes]:
        """Return the codes of the faces of a plan over their shots, by track."""
        return self._prepared(self.face_editor, _ANY_EDIT, plan)

    @cached_property
    def face_editor(self) -> Latent:
        """The editor that knows the faces by their codes; what protects them asks it."""
        editor = self.editor("latent")
        assert isinstance(editor, Latent)
        return editor

    def editor(self, name: str) -> Editor:
        """Return an editor, built once."""
        if name not in self._editors:
            module = self.catalogue.modules[name]
            self._editors[name] = module.build(
                SessionKit(module.spec, self.pack, self.crops, self.exemplars, self.clock)
            )
        return self._editors[name]

    @cached_property
    def crops(self) -> Crops:
        """How faces are cut out for the face model."""
        batch_size = self.request.render.batch_size or (1 if self.device.type == "cpu" else 8)
        aspect = float(self.source.info.pixel_aspect)
        rule = self.pack.model.crop
        return Crops(aspect, rule, batch_size, self.device, np.zeros(0), parser=self.parser)

    def _crops(self, plan: Plan) -> Crops:
        return dataclasses.replace(self.crops, times=plan.analysis.times)

    def _analysis(self) -> Analysis:
        """Return what is known of the faces: read from the file, or found now."""
        request, source = self.request, self.source
        path = request.analysis_path
        if path is not None and not is_missing(path):
            self.progress.skip("analyze")
            size = (source.info.width, source.info.height)
            return analysis_file.load(path, source.fingerprint(), size=size)
        return analyze(
            source, request.analyze, device=self.device, progress=self.progress, clock=self.clock
        )

    def _refined(self, chosen: Iterable[RawTrack], analysis: Analysis) -> tuple[FaceTrack, ...]:
        """Return the chosen tracks as the render pass uses them: filled and smoothed."""
        options = TrackOptions(
            smoothing_s=self.request.render.smoothing_s, max_gap_s=self.request.analyze.max_gap_s
        )
        return tuple(
            refine(
                raw,
                times=analysis.times,
                cuts=analysis.cuts,
                pixel_aspect=float(self.source.info.pixel_aspect),
                options=options,
            )
            for raw in chosen
        )

    def _shots(self, plan: Plan) -> tuple[Shot, ...]:
        times, content = plan.analysis.times, plan.analysis.fingerprint
        return tuple(Shot(t, times, content) for t in plan.tracks if plan.edits_any_of(t))

    def _keys(self, editor: Editor, edit: Edit, shots: Sequence[Shot]) -> dict[int, str]:
        """Return the keys of what an editor prepares, by track."""
        spec = editor.spec
        kit = editor.kit
        assert isinstance(kit, SessionKit)
        facts = {
            "editor": [spec.name, spec.version],
            "networks": kit.hashes,
            "exemplar": edit.exemplar and self.exemplars.digest(edit.exemplar),
        }
        return {shot.key: key_of(**facts, depends=editor.depends(shot, edit)) for shot in shots}

    def _needed(self, plan: Plan) -> set[str]:
        """Return the keys of what the edits that were asked for, and the protection, need."""
        asked = [edit for edit in self.catalogue.drawn(self.edits) if edit.strength]
        editors = [self.editor(self.catalogue.editor_of(edit.attribute)) for edit in asked]
        pairs = zip([self.face_editor, *editors], [_ANY_EDIT, *asked], strict=True)
        shots = self._shots(plan)
        return {
            key
            for editor, edit in pairs
            if editor.prepares
            for key in self._keys(editor, edit, shots).values()
        }

    def _prepared(self, editor: Editor, edit: Edit, plan: Plan) -> dict[int, Any]:
        """Return what an editor needs to know of each face, by track, ready to be used."""
        if not editor.prepares:
            return {}
        shots = self._shots(plan)
        keys = self._keys(editor, edit, shots)
        missing = tuple(shot for shot in shots if keys[shot.key] not in self._opened)
        if missing:
            crops = self._crops(plan).by(editor.spec.crop)
            work = ShotWork(
                missing,
                partial(self.frames, plan),
                plan.frame_count,
                crops if PARSING in editor.spec.needs else dataclasses.replace(crops, parser=None),
                self.store,
                self.progress,
            )
            artefacts = prepared(editor, edit, keys, work)
            for shot in missing:
                self._opened[keys[shot.key]] = editor.opened(shot, artefacts[shot.key])
        return {track: self._opened[key] for track, key in keys.items()}

    def _groups(self, plan: Plan) -> tuple[Group, ...]:
        """Return the edits of a plan by the crops they see; those of strength 0 are left out."""
        groups: list[Group] = []
        for edit in (edit for edit in self.catalogue.drawn(plan.edits) if edit.strength):
            editor = self.editor(self.catalogue.editor_of(edit.attribute))
            part, prepared = self.catalogue.part(edit.attribute), self._prepared(editor, edit, plan)
            step = Step(editor, (edit,), (plan.strength(edit),), (part.needs,), prepared)
            alone = Group((step,), self._crops(plan).by(editor.spec.crop), part.regions)
            if groups and groups[-1].sees_as(alone):
                steps = followed(groups[-1].steps, step)
                groups[-1] = dataclasses.replace(groups[-1], steps=steps)
            else:
                groups.append(alone)
        return tuple(groups) or (Group((), self._crops(plan)),)

    def _protection(self, plan: Plan) -> Protection:
        codes = self.codes(plan)
        return Protection(
            tones={track: known.tone for track, known in codes.items()},
            hidden={t: partial(self.face_editor.hidden, codes=known) for t, known in codes.items()},
            occlusion=self.request.render.occlusion,
        )

    def _views(self, plan: Plan, face: EditedBatch) -> Mapping[str, Tensor]:
        """Return what the face's code holds before and after all edits of it."""
        codes = self.codes(plan)
        steps = [step for group in self._groups(plan) for step in group.steps]
        own = [step for step in steps if step.editor is self.face_editor]
        edits = [edit for step in own for edit in step.edits]
        none = face.source.weights[None][:0]
        amounts = torch.cat([none, *(step.amounts(face.source) for step in own)])
        track = int(face.source.track_id[0])
        views = self.face_editor.views(face.source, edits, amounts, codes[track])
        return {name: pictures[0] for name, pictures in views.items()}

    def _present(self, plan: Plan, frame: Frame) -> tuple[AlignedBatch, ...]:
        """Return the crops of all faces that are there, whatever an edit makes of them."""
        there = [
            dataclasses.replace(t, weights=(t.states != FaceState.ABSENT).astype(np.float32))
            for t in plan.tracks
        ]
        crops = self._crops(plan)
        return tuple(crops.parsed(batch) for batch in crops.cutter(there)([frame])[1])


_ANY_EDIT = Edit("")
"""Codes are the same whatever is to be edited."""
