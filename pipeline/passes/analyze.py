"""The analyze pass: find the faces of every frame, cut the clip into shots, link faces to tracks.

Its result (`analysis.py`) holds what was measured, not what was smoothed: smoothing is an option of
the render pass, so another strength needs no new analysis, and a corrected frame stays readable.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import torch

from .. import analysis as analysis_file
from ..analysis import LANDMARKS_HASH, Analysis
from ..config import AnalyzeOptions
from ..imaging.color import frame_to_rgb_small
from ..imaging.geometry import box_iou
from ..loading import finder_hash, load_finder
from ..media.base import Source
from ..media.damage import summarize
from ..media.threads import prefetch
from ..progress import Progress, Stopwatch
from ..tracking.appearance import Descriptor, describe_in
from ..tracking.cuts import CutDetector
from ..tracking.detect import EmbeddedFinder, FaceFinder
from ..tracking.recent import LookedBack
from ..tracking.track import TrackOptions, link, with_unseen
from ..types import Face, Frame

CUT_IMAGE_PX = 96
"""Long side of the small picture that cuts are found on."""
FRAMES_AT_ONCE = 8
"""Frames that faces are looked for in together: that takes the networks a third of the time."""
_AHEAD = 2
"""Frames that wait to be described."""
DESCRIBE_EVERY_S = 0.2
"""How often a face that stays where it is is described [s]."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """A frame, and who is in it."""

    frame: Frame
    may_be_cut: bool
    faces: list[Face] = field(default_factory=list)
    earlier: list[LookedBack] = field(default_factory=list)
    """Faces found only now in this frame or those before it, beside those found there at first."""


def _seen(
    frames: Iterable[Frame], finder: FaceFinder, cuts: CutDetector, clock: Stopwatch
) -> Iterator[_Seen]:
    for frame in clock.timed("analyze / decode", frames):
        with clock.time("analyze / colour"):
            may_be_cut = cuts.update(frame_to_rgb_small(frame, CUT_IMAGE_PX))
        finder.prepare(frame, may_be_cut=may_be_cut)
        yield _Seen(frame, may_be_cut)


def _with_faces(seen: Iterable[_Seen], finder: FaceFinder) -> Iterator[_Seen]:
    last: list[Face] = []
    rest = iter(seen)
    while group := list(islice(rest, FRAMES_AT_ONCE)):
        found = finder.find([s.frame for s in group], last)
        last = found[-1]
        for at, faces in zip(group, found, strict=True):
            at.faces.extend(faces)
        if isinstance(finder, EmbeddedFinder):
            group[-1].earlier.extend(finder.looked_back())
        yield from group


class _Describer:
    """Describes faces as often as linking them needs it.

    One face that stays where it is can be nobody else. Described anew is every face of a frame with
    several, with others than before, with a face elsewhere, or that may begin a new shot.
    """

    def __init__(self, every: int, pixel_aspect: float) -> None:
        self._every, self._pixel_aspect = every, pixel_aspect
        self._before: Sequence[Face] = ()

    def __call__(
        self, frame: Frame, faces: Sequence[Face], *, may_be_cut: bool
    ) -> list[Descriptor | None]:
        """Return what the faces look like, None for those that look as they did."""
        before, self._before = self._before, faces
        stays = len(faces) == len(before) == 1 and box_iou(faces[0].box, before[0].box) > 0.6
        if stays and not may_be_cut and frame.index % self._every:
            return [None]
        return [describe_in(frame, f.landmarks, pixel_aspect=self._pixel_aspect) for f in faces]


@dataclass(slots=True)
class _Account:
    """What was found in every frame so far."""

    describe: _Describer
    pts: list[int] = field(default_factory=list)
    faces: list[list[Face]] = field(default_factory=list)
    appearances: list[list[Descriptor | None]] = field(default_factory=list)

    def take(self, seen: _Seen) -> None:
        """Add the next frame, and what was found with it of frames before."""
        looks = self.describe(seen.frame, seen.faces, may_be_cut=seen.may_be_cut)
        self.pts.append(seen.frame.pts)
        self.faces.append(seen.faces)
        self.appearances.append(looks)
        for found in seen.earlier:
            index = found.face.frame_index
            self.faces[index].append(found.face)
            self.appearances[index].append(found.look)


def _how(options: AnalyzeOptions) -> dict[str, str | int | float | bool | None]:
    """Return what the result depends on, for the file."""
    used = dataclasses.asdict(options)
    del used["on_damage"]  # a matter of each run
    return {**used, LANDMARKS_HASH: finder_hash(options)}


def analyze(
    source: Source,
    options: AnalyzeOptions,
    *,
    device: torch.device,
    progress: Progress,
    clock: Stopwatch | None = None,
) -> Analysis:
    """Return where the faces of a clip are: one pass over its frames.

    Three threads share it: frames are decoded, and searched now and then; faces are followed;
    what was found is described.

    Raises:
        VideoError: no frame can be decoded.
        WeightsError: the landmark network asked for has no weights.
        AnalysisError: the landmark file asked for is damaged.
    """
    clock = clock or Stopwatch()
    finder = load_finder(options, device, rate=float(source.info.rate))
    if isinstance(finder, EmbeddedFinder):
        finder.clock, finder.pixel_aspect = clock, float(source.info.pixel_aspect)
    cuts = CutDetector()
    every = max(1, round(DESCRIBE_EVERY_S * float(source.info.rate)))
    account = _Account(_Describer(every, float(source.info.pixel_aspect)))
    progress.start("analyze", source.info.frame_count_hint)
    with (
        source.frames() as reader,
        prefetch(_seen(reader, finder, cuts, clock), depth=FRAMES_AT_ONCE) as ahead,
        prefetch(_with_faces(ahead, finder), depth=_AHEAD) as looked_at,
    ):
        for seen in looked_at:
            with clock.time("analyze / describe"):
                account.take(seen)
            progress.advance(1)
    progress.finish()
    shots = cuts.finish()
    times = np.array([float(p * source.info.time_base) for p in account.pts])
    how = TrackOptions(max_gap_s=options.max_gap_s)
    with clock.time("analyze / track"):
        looks = account.appearances
        tracks = link(account.faces, times=times, cuts=shots, appearances=looks, options=how)
        if isinstance(finder, EmbeddedFinder):
            tracks = [with_unseen(track, times, options.max_gap_s) for track in tracks]
    result = Analysis(
        fingerprint=reader.fingerprint.content,
        video={name: getattr(source.info, name) for name in ("width", "height")},
        pts=np.array(account.pts, np.int64),
        time_base=source.info.time_base,
        cuts=shots,
        options=_how(options),
        tracks=tuple(tracks),
        warnings=(*source.warnings, *reader.warnings, *summarize(reader.damage)),
        damage=tuple(reader.damage),
    )
    return analysis_file.as_stored(result)
