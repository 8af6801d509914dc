"""The analyze pass: find the faces of every frame, cut the clip into shots, link faces to tracks.

Its result (`analysis.py`) holds what was measured, not what was smoothed: smoothing is an option of
the render pass, so another strength needs no new analysis, and a corrected frame stays readable.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from . import analysis as analysis_file
from .analysis import LANDMARKS_HASH, Analysis
from .config import AnalyzeOptions
from .imaging.appearance import describe
from .imaging.color import frame_to_rgb_small
from .imaging.cuts import CutDetector
from .loading import finder_hash, load_finder
from .progress import Progress, Stopwatch
from .stages.detect import EmbeddedFinder, FaceFinder
from .stages.track import TrackOptions, link
from .types import Face, Frame
from .video.decode import VideoReader, summarize
from .video.fingerprint import fingerprint
from .video.probe import Source
from .video.threads import prefetch

CUT_IMAGE_PX = 96
"""Long side of the small picture that cuts are found on."""
_AHEAD = 2
"""Pictures that wait between two threads: whole frames in RGB, so few."""


@dataclass(frozen=True, slots=True)
class _Picture:
    """What the analysis looks at of one frame."""

    index: int
    pts: int
    """[ticks]"""
    rgb: NDArray[np.uint8]
    """(H, W, 3)."""
    small: NDArray[np.uint8]
    """(h, w, 3), for the cuts."""


def _pictures(frames: Iterable[Frame], clock: Stopwatch) -> Iterator[_Picture]:
    for frame in clock.timed("analyze / decode", frames):
        with clock.time("analyze / colour"):
            rgb = frame_to_rgb_small(frame, max(frame.width, frame.height))
            small = frame_to_rgb_small(frame, CUT_IMAGE_PX)
        yield _Picture(frame.index, frame.pts, rgb, small)


def _with_faces(
    pictures: Iterable[_Picture], finder: FaceFinder
) -> Iterator[tuple[_Picture, list[Face]]]:
    found: list[Face] = []
    for picture in pictures:
        found = finder.find(picture.rgb, picture.index, found)
        yield picture, found


def analyze(
    source: Source,
    options: AnalyzeOptions,
    *,
    device: torch.device,
    progress: Progress,
    clock: Stopwatch | None = None,
) -> Analysis:
    """Return where the faces of a clip are: one pass over its frames.

    Three threads share it: pictures are decoded, faces are found, what was found is described.

    Raises:
        VideoError: no frame can be decoded.
        WeightsError: the landmark network asked for has no weights.
        AnalysisError: the landmark file asked for is damaged.
    """
    clock = clock or Stopwatch()
    finder = load_finder(options, device, rate=float(source.info.rate))
    if isinstance(finder, EmbeddedFinder):
        finder.clock = clock
    cuts = CutDetector()
    pts: list[int] = []
    faces: list[list[Face]] = []
    appearances: list[list[NDArray[np.float32]]] = []
    aspect = float(source.info.pixel_aspect)
    progress.start("analyze", source.info.frame_count_hint)
    with (
        VideoReader(source) as reader,
        prefetch(_pictures(reader, clock), depth=_AHEAD) as pictures,
        prefetch(_with_faces(pictures, finder), depth=_AHEAD) as looked_at,
    ):
        for picture, found in looked_at:
            cuts.update(picture.small)
            faces.append(found)
            with clock.time("analyze / describe"):
                looks = [describe(picture.rgb, f.landmarks, pixel_aspect=aspect) for f in found]
            appearances.append(looks)
            pts.append(picture.pts)
            progress.advance(1)
    progress.finish()
    shots = cuts.finish()
    times = np.array([float(p * source.info.time_base) for p in pts])
    track_options = TrackOptions(max_gap_s=options.max_gap_s)
    tracks = link(faces, times=times, cuts=shots, appearances=appearances, options=track_options)
    result = Analysis(
        fingerprint=fingerprint(source.path),
        video={"width": source.info.width, "height": source.info.height},
        pts=np.array(pts, np.int64),
        time_base=source.info.time_base,
        cuts=shots,
        options={**dataclasses.asdict(options), LANDMARKS_HASH: finder_hash(options)},
        tracks=tuple(tracks),
        warnings=(*source.warnings, *reader.warnings, *summarize(reader.losses)),
    )
    return analysis_file.as_stored(result)
