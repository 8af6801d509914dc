"""The analyze pass: find the faces of every frame, cut the clip into shots, link faces to tracks.

Its result (`analysis.py`) holds what was measured, not what was smoothed: smoothing is an option of
the render pass, so another strength needs no new analysis, and a corrected frame stays readable.
"""

from __future__ import annotations

import dataclasses

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
from .progress import Progress
from .stages.track import TrackOptions, link
from .types import Face
from .video.decode import VideoReader, summarize
from .video.fingerprint import fingerprint
from .video.probe import Source
from .video.threads import prefetch

CUT_IMAGE_PX = 96
"""Long side of the small picture that cuts are found on."""


def analyze(
    source: Source, options: AnalyzeOptions, *, device: torch.device, progress: Progress
) -> Analysis:
    """Return where the faces of a clip are: one pass over its frames.

    Raises:
        VideoError: no frame can be decoded.
        WeightsError: the landmark network asked for has no weights.
        AnalysisError: the landmark file asked for is damaged.
    """
    finder = load_finder(options, device, rate=float(source.info.rate))
    cuts = CutDetector()
    pts: list[int] = []
    faces: list[list[Face]] = []
    appearances: list[list[NDArray[np.float32]]] = []
    aspect = float(source.info.pixel_aspect)
    progress.start("analyze", source.info.frame_count_hint)
    with VideoReader(source) as reader, prefetch(reader) as frames:
        for frame in frames:
            image = frame_to_rgb_small(frame, max(frame.width, frame.height))
            cuts.update(frame_to_rgb_small(frame, CUT_IMAGE_PX))
            found = finder.find(image, frame.index, faces[-1] if faces else [])
            faces.append(found)
            appearances.append([describe(image, f.landmarks, pixel_aspect=aspect) for f in found])
            pts.append(frame.pts)
            progress.advance(1)
    progress.finish()
    shot_starts = cuts.finish()
    times = np.array([float(p * source.info.time_base) for p in pts])
    tracks = link(
        faces,
        times=times,
        cuts=shot_starts,
        appearances=appearances,
        options=TrackOptions(max_gap_s=options.max_gap_s),
    )
    result = Analysis(
        fingerprint=fingerprint(source.path),
        video={"width": source.info.width, "height": source.info.height},
        pts=np.array(pts, np.int64),
        time_base=source.info.time_base,
        cuts=shot_starts,
        options={**dataclasses.asdict(options), LANDMARKS_HASH: finder_hash(options)},
        tracks=tuple(tracks),
        warnings=(*source.warnings, *reader.warnings, *summarize(reader.losses)),
    )
    return analysis_file.as_stored(result)
